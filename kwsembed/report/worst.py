"""Picks the worst errors of the int8 model: what it hears as an event and is none, and what it misses."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kwsembed.report.run_record import Figures, Predictions, RunRecord


@dataclass(frozen=True)
class WorstClip:
    """One clip that shows what the model gets wrong."""

    name: str
    row: int  # of the predictions, since a long file may come more than once
    true_label: str
    event: str  # the event class that it was taken for, or missed as
    missed: bool  # an event with a low score; otherwise a negative with a high one
    score: float  # for `event`
    threshold: float | None
    scores: tuple[tuple[str, float], ...]  # the three highest, and that of the true label
    clip: Mapping[str, str]  # its row of data.csv; empty where there is none

    @property
    def is_error(self) -> bool | None:
        """Whether the score is on the wrong side of the threshold; None where there is no threshold."""
        return None if self.threshold is None else (self.score < self.threshold) == self.missed


def worst_clips(run: RunRecord, *, most: int = 12) -> list[WorstClip]:
    """The worst clips: errors, then close calls, each in turn over the event classes and both kinds of error.

    The class with the lowest average precision comes first. An error is what its threshold decides wrongly.

    Args:
        run: The run; its int8 predictions in the split that conclusions rest on.
        most: The greatest number of clips; no clip comes twice.
    """
    predictions, figures = run.predictions.get(("int8", run.split)), run.figures
    if predictions is None or figures is None:
        return []
    labels = sorted(run.event_labels, key=lambda label: _precision(figures, label))
    # Turn by turn: the worst of each class and kind, then the second worst of each.
    turns = itertools.zip_longest(
        *(
            [
                _worst_clip(run, predictions, figures, index, label=label, missed=missed)
                for index in ranked[:most]
            ]
            for label in labels
            for missed in (False, True)
            for ranked in [_ranked(predictions, label, column=run.labels.index(label), missed=missed)]
        )
    )
    candidates = [clip for turn in turns for clip in turn if clip is not None]
    candidates.sort(key=lambda clip: not clip.is_error)  # stable, so the turns stay
    first = {clip.row: clip for clip in reversed(candidates)}
    return [clip for clip in candidates if first[clip.row] is clip][:most]


def _precision(figures: Figures, label: str) -> float:
    precision = figures.of(label).average_precision
    return 1.0 if precision is None else precision


def _ranked(predictions: Predictions, label: str, *, column: int, missed: bool) -> list[int]:
    wanted = np.flatnonzero((predictions.true_labels == label) == missed)
    scores = predictions.scores[wanted, column]
    return list(wanted[np.argsort(scores if missed else -scores, kind="stable")])


def _worst_clip(
    run: RunRecord, predictions: Predictions, figures: Figures, index: int, *, label: str, missed: bool
) -> WorstClip:
    scores = dict(zip(run.labels, predictions.scores[index].tolist(), strict=True))
    true_label = str(predictions.true_labels[index])
    shown = sorted(scores, key=lambda name: -scores[name])[:3]
    shown += [name for name in dict.fromkeys((true_label, label)) if name in scores and name not in shown]
    return WorstClip(
        name=predictions.names[index],
        row=index,
        true_label=true_label,
        event=label,
        missed=missed,
        score=scores[label],
        threshold=figures.of(label).threshold,
        scores=tuple((name, scores[name]) for name in shown),
        clip=predictions.clips[index],
    )
