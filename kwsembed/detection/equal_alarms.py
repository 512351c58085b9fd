"""What a model finds if it may raise so many false alarms an hour: for comparing models, not for choosing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kwsembed.detection.operating import choose_threshold
from kwsembed.detection.replay import LabelReplay

RATES_PER_HOUR = (3.0, 10.0, 30.0)
"""From what a person might bear to what an hour or less of audio can still tell apart."""


def hits_at_rates(
    replay: LabelReplay, rates_per_hour: Sequence[float] = RATES_PER_HOUR
) -> Mapping[float, np.ndarray]:
    """Which events a label's best threshold finds at each rate of false alarms.

    Each threshold is chosen on the very streams that are counted, so that two models are held to equally many
    false alarms however their scores are spread. A device cannot choose like that: what it reaches is told by
    `measure`, at a threshold from other audio.

    Args:
        replay: The label's streams.
        rates_per_hour: Most false alarms per hour of the label, each above 0.

    Returns:
        By rate, `(events,)` bool in the order of the streams; empty without negative audio.

    Example:
        >>> from kwsembed.detection.post_processing import PostProcessing
        >>> from kwsembed.detection.replay import Event, ScoredStream
        >>> negative = ScoredStream(np.array([[0.1], [0.7], [0.1]]), duration_s=1800.0)
        >>> events = (Event("dog", 0.5, 1.0), Event("dog", 5.5, 6.0))
        >>> scores = np.array([[0.1], [0.9], *[[0.1]] * 9, [0.6], [0.1]])
        >>> positive = ScoredStream(scores, 7.0, events)
        >>> post = PostProcessing(hop_s=0.5, smoothing_windows=1)
        >>> replay = LabelReplay("dog", ["dog"], [negative], [positive], post=post, window_s=1.0)
        >>> replay.hours = 0.5  # as if the rest had been silent
        >>> {rate: hits.tolist() for rate, hits in hits_at_rates(replay, [1.0, 3.0]).items()}
        {1.0: [True, False], 3.0: [True, True]}
    """
    if not replay.hours > 0:
        return {}
    return {
        rate: replay.hits(choose_threshold(replay, target_false_alarms_per_hour=rate).threshold)
        for rate in rates_per_hour
    }
