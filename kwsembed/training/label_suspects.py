"""Writes which clips of a run are probably mislabelled, as its end-to-end network hears them."""

from __future__ import annotations

import csv
import io

import keras
import numpy as np

from kwsembed import atomic
from kwsembed.evaluation.suspected_labels import suspected_labels
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


def write_suspects(run: RunDirectory, data: TrainingData, embedder: keras.Model) -> int:
    """Writes RUN/details/suspected_labels.csv, the most probable first.

    Clips of all splits are judged, each by one window (see `TrainingData.anchors`). The network was trained
    on the labels of the training split, wrong ones among them, and has learned most of these by heart; of
    validation and test it knows nothing.

    Args:
        run: The run directory.
        data: Its data.
        embedder: Embedder of the end-to-end network; of the frozen one where there is no other.

    Returns:
        How many clips are suspected.
    """
    present = [split for split in SPLITS if len(data.clips_of(split))]
    clips = np.concatenate([data.clips_of(split) for split in present])
    embeddings = np.concatenate([forward(embedder, data.anchors(split)) for split in present])
    suspects = []
    if np.all(np.isfinite(embeddings)):
        groups = [data.store.clips[clip].group for clip in clips]
        suspects = suspected_labels(embeddings, data.classes[clips], groups, seed=data.config.seed)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for suspect in suspects:
        clip = data.store.clips[clips[suspect.index]]
        rows.writerow(
            (
                clip.split,
                clip.name,
                clip.onset_s,
                clip.label,
                data.labels[suspect.suggested],
                f"{suspect.own_probability:.4f}",
                f"{suspect.suggested_probability:.4f}",
                data.store.clips[clips[suspect.nearest]].name,
            )
        )
    run.details.mkdir(exist_ok=True)
    atomic.write_text(run.details / "suspected_labels.csv", text.getvalue())
    return len(suspects)
