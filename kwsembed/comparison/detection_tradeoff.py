"""Misses against false alarms on clips, pooled over the test clips of all folds and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsembed.comparison.clips import read_judged_clips
from kwsembed.comparison.statistics import clip_probabilities
from kwsembed.comparison.study_folder import StudyFolder

_POINTS = 160

Line = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Tradeoff:
    """Of one contender at one imbalance.

    Attributes:
        lines: By event label the rates of false alarms and the fewest misses at each; None where undefined.
    """

    lines: Mapping[str, Line | None]

    def line(self, label: str | None) -> Line | None:
        """The line of one event, or the mean of the misses of all events that have one."""
        if label is not None:
            return self.lines[label]
        known = [line for line in self.lines.values() if line is not None]
        if not known:
            return None
        rates = np.geomspace(max(line[0][0] for line in known), min(line[0][-1] for line in known), _POINTS)
        return rates, np.mean([np.interp(rates, *line) for line in known], axis=0)


def misses_at(positive: np.ndarray, scores: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The fewest misses that any threshold reaches with no more false alarms.

    Args:
        positive: `(clips,)` bool, with True and False.
        scores: `(clips,)`; a clip whose score reaches the threshold counts as found.
        rates: `(points,)` allowed share of the others that is found too.

    Returns:
        `(points,)` share of the positives that is not found.

    Example:
        >>> positive = np.array([True, True, False, False])
        >>> misses_at(positive, np.array([0.9, 0.4, 0.6, 0.1]), np.array([0.0, 0.5]))
        array([0.5, 0. ])
    """
    others = np.sort(scores[~positive])[::-1]
    allowed = np.floor(np.asarray(rates) * len(others) + 1e-9).astype(int)
    # The threshold lies just above the first score that may not be found any more.
    above = np.append(others, -np.inf)[allowed]
    found = np.sort(scores[positive])
    return np.searchsorted(found, above, side="right") / len(found)


def tradeoffs(folder: StudyFolder, *, ratio: float, event_labels: Sequence[str]) -> dict[str, Tradeoff]:
    """The trade-off of every contender at one imbalance."""
    judged = read_judged_clips(folder.clips)
    pooled: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for record in folder.records():
        if record["trial"] or record["ratio"] != ratio or "failure" in record:
            continue
        pooled.setdefault(record["contender"]["name"], []).append(_scores(folder, record, judged))
    return {
        name: Tradeoff(
            {
                label: _line(classes == index, probabilities[:, index])
                for index, label in enumerate(event_labels)
            }
        )
        for name, (classes, probabilities) in (
            (name, (np.concatenate([c for c, _ in parts]), np.concatenate([p for _, p in parts])))
            for name, parts in pooled.items()
        )
    }


def _scores(folder: StudyFolder, record: Mapping[str, Any], judged: Any) -> tuple[np.ndarray, np.ndarray]:
    clips = judged[record["fold"], "test"]
    return clips.classes(record["labels"]), clip_probabilities(folder, record, clips)


def _line(positive: np.ndarray, scores: np.ndarray) -> Line | None:
    if not positive.any() or positive.all():
        return None
    rates = np.geomspace(1 / np.sum(~positive), 0.6, _POINTS)
    return rates, misses_at(positive, scores, rates)
