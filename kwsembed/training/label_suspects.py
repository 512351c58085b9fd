"""Writes which clips of a run are probably mislabelled, as its end-to-end network hears them."""

from __future__ import annotations

import csv
import io
from itertools import zip_longest

import keras
import numpy as np

from kwsembed import atomic
from kwsembed.evaluation.suspected_labels import (
    SuspectedLabel,
    nearest_of_label,
    out_of_fold_probabilities,
    suspected_labels,
)
from kwsembed.models import forward
from kwsembed.training.data import SPLITS, TrainingData
from kwsembed.training.run_directory import RunDirectory

COLUMNS = (
    "split",
    "path",
    "onset_s",
    "label",
    "suggested",
    "own_probability",
    "suggested_probability",
    "nearest",
)


def write_suspects(
    run: RunDirectory, data: TrainingData, embedder: keras.Model, *, learned: np.ndarray | None = None
) -> int:
    """Writes RUN/details/suspected_labels.csv, the most probable first, training and the others in turns.

    Clips are judged by one window each (see `TrainingData.anchors`): those of validation and test, which
    training does not know, by what other recordings sound like to the network, and those that it was trained
    on by how it learned them, since in the end it has most wrong labels by heart.

    Args:
        run: The run directory.
        data: Its data.
        embedder: Embedder of the end-to-end network; of the frozen one where there is no other.
        learned: `(training clips, labels)` probabilities, the mean over the epochs of a training from random
            weights (see `TrainingDynamics`). Without it training clips are judged like the others.

    Returns:
        How many clips are suspected.
    """
    present = [split for split in SPLITS if len(data.clips_of(split))]
    clips = np.concatenate([data.clips_of(split) for split in present])
    embeddings = np.concatenate([forward(embedder, data.anchors(split)) for split in present])
    suspects = []
    groups = [data.store.clips[clip].group for clip in clips]
    if np.all(np.isfinite(embeddings)):
        probabilities = out_of_fold_probabilities(
            embeddings, data.classes[clips], groups, labels=len(data.labels), seed=data.config.seed
        )
        suspects = _suspects(probabilities, data.classes[clips], learned)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for suspect in suspects:
        clip = data.store.clips[clips[suspect.index]]
        nearest = nearest_of_label(suspect.index, suspect.suggested, embeddings, data.classes[clips], groups)
        rows.writerow(
            (
                clip.split,
                clip.name,
                clip.onset_s,
                clip.label,
                data.labels[suspect.suggested],
                f"{suspect.own_probability:.4f}",
                f"{suspect.suggested_probability:.4f}",
                "" if nearest is None else data.store.clips[clips[nearest]].name,
            )
        )
    run.details.mkdir(exist_ok=True)
    atomic.write_text(run.details / "suspected_labels.csv", text.getvalue())
    return len(suspects)


def _suspects(
    out_of_fold: np.ndarray, classes: np.ndarray, learned: np.ndarray | None
) -> list[SuspectedLabel]:
    """Those of training, whose clips come first, by how they were learned; the others by other recordings.

    The two take turns, since a mean over a whole training is seldom as sure as a classifier of what came of
    it.
    """
    suspects = suspected_labels(out_of_fold, classes)
    if learned is None:
        return suspects
    others = [suspect for suspect in suspects if suspect.index >= len(learned)]
    trained_on = suspected_labels(learned, classes[: len(learned)])
    return [suspect for turn in zip_longest(others, trained_on) for suspect in turn if suspect is not None]
