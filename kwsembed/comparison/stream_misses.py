"""Misses on streams at equal false alarms: what a cell keeps of them, and what they come to in a draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kwsembed.comparison.bootstrap import GroupDraws, row_means
from kwsembed.detection.equal_alarms import RATES_PER_HOUR, hits_at_rates
from kwsembed.evaluation.judge import Judgement

_RATES, _HITS = "rates_per_hour", "test_hits"
_NO_EVENT = -1


def hit_clips(judgement: Judgement) -> dict[str, np.ndarray]:
    """Arrays for a cell's file: which of the split's event clips were found in its streams, by rate.

    Returns:
        `rates_per_hour` `(rates,)` and `test_hits` `(rates, clips)` int8, 1 for a hit, 0 for a miss and -1
        for a clip that is no event; nothing where there is no negative audio.
    """
    classes = judgement.audio.classes
    hits = np.full((len(RATES_PER_HOUR), len(classes)), _NO_EVENT, np.int8)
    for index, label in enumerate(judgement.audio.labels[: judgement.audio.event_count]):
        # Streams play the clips of a label once each, in order.
        found = hits_at_rates(judgement.replay(label), RATES_PER_HOUR)
        if not found:
            return {}
        for row, rate in enumerate(RATES_PER_HOUR):
            hits[row, classes == index] = found[rate]
    return {_RATES: np.array(RATES_PER_HOUR), _HITS: hits}


def miss_rates(arrays: Mapping[str, np.ndarray], clips: np.ndarray) -> dict[str, float]:
    """By rate, as text, the share of some event clips that was missed; for a cell's record.

    Args:
        arrays: What `hit_clips` returned.
        clips: `(clips,)` bool, which ones; those of one label.
    """
    if _HITS not in arrays or not clips.any():
        return {}
    shares = 1.0 - arrays[_HITS][:, clips].mean(axis=1)
    return {f"{rate:g}": float(share) for rate, share in zip(arrays[_RATES], shares, strict=True)}


def misses_under(
    arrays: Mapping[str, np.ndarray], classes: np.ndarray, draws: GroupDraws, *, event_count: int
) -> dict[float, np.ndarray]:
    """By rate, the share of events missed, the mean over the event labels, under every draw of recordings.

    Thresholds stay those of the streams as they are.

    Args:
        arrays: A cell's file; nothing comes of one that holds no hits.
        classes: `(clips,)` true class.
        draws: Of the fold's groups.
        event_count: How many of the labels, the first ones, are events.

    Returns:
        `(1 + resamples,)` each, row 0 on the data as they are.
    """
    if _HITS not in arrays:
        return {}
    missed = (arrays[_HITS] == 0).astype(np.float64)  # (rates, clips)
    member = (classes[:, np.newaxis] == np.arange(event_count)).astype(np.float64)  # (clips, events)
    parts: list[np.ndarray] = []
    for weights in draws.weights():
        drawn = weights @ member  # (draws, events)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append(
                np.stack([row_means((weights @ (member * row[:, np.newaxis])) / drawn) for row in missed])
            )
    of_rates = np.concatenate(parts, axis=1).astype(np.float32)
    return dict(zip(arrays[_RATES].tolist(), of_rates, strict=True))
