"""The details of a run that the report draws: learning curves, predictions, operating curves, embeddings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kwsembed import atomic
from kwsembed.clip_scores import probabilities_of
from kwsembed.detection.operating import OperatingPoint
from kwsembed.evaluation.judge import Judgement
from kwsembed.models import embedder_of, forward
from kwsembed.training.data import TrainingData
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stages import Stages


def write(
    run: RunDirectory,
    data: TrainingData,
    stages: Stages,
    results: Mapping[str, Mapping[str, Any]],
    judgements: Mapping[str, Mapping[str, Judgement]],
    shipped: Mapping[str, Judgement],
    *,
    variant: str,
    points: Mapping[str, OperatingPoint],
    bias: np.ndarray,
) -> None:
    """Writes RUN/details.

    Args:
        run: The run directory.
        data: Its data.
        stages: Gives the networks of finished stages.
        results: Result of each stage, with its history.
        judgements: By variant and split.
        shipped: Of the int8 bundle, by split.
        variant: The chosen variant.
        points: The bundle's operating points by event label.
        bias: `(labels,)` of the bundle's clip probabilities; the other models' are fitted on validation
            likewise.
    """
    run.details.mkdir(exist_ok=True)
    settings = data.config.schedule
    _write_csv(
        run,
        "history.csv",
        ("stage", "epoch", "step", "metric", "value"),
        (
            (stage, epoch, epoch * settings.epoch_steps, metric, value)
            for stage, result in results.items()
            for epoch, logs in enumerate(result["history"], start=1)
            for metric, value in logs.items()
        ),
    )
    by_model = {**judgements, "int8": shipped}
    _write_csv(
        run,
        "predictions.csv",
        ("split", "path", "label", "model", *data.labels),
        _predictions(data, by_model, bias),
    )
    curves: dict[str, dict[str, Any]] = {label: {} for label in data.labels[: data.event_count]}
    for split, judgement in shipped.items():
        for label, curve in judgement.curves(points).items():
            curves[label][split] = curve
    atomic.write_json(run.details / "curves.json", curves)
    _write_embeddings(run, data, stages, variant)


def _predictions(
    data: TrainingData, by_model: Mapping[str, Mapping[str, Judgement]], bias: np.ndarray
) -> Iterator[tuple[Any, ...]]:
    for model, by_split in by_model.items():
        own_bias = bias if model == "int8" else by_split["validation"].fit_bias()
        for split, judgement in by_split.items():
            for index, row in zip(
                data.clips_of(split), probabilities_of(judgement.evidence, bias=own_bias), strict=True
            ):
                clip = data.store.clips[index]
                yield (split, clip.name, clip.label, model, *(f"{value:.6f}" for value in row))


def _write_csv(
    run: RunDirectory, name: str, header: tuple[str, ...], rows: Iterator[tuple[Any, ...]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    atomic.write_text(run.details / name, text.getvalue())


def _write_embeddings(run: RunDirectory, data: TrainingData, stages: Stages, variant: str) -> None:
    """Embeddings of clips that no variant was trained on: the test split, or validation without one."""
    split = "test" if len(data.clips_of("test")) else "validation"
    windows = data.anchors(split)
    # In memory first: a zip file that a full disk kept from closing would complain once more when collected.
    content = io.BytesIO()
    np.savez_compressed(
        content,
        label_index=data.classes_of(split),
        name=np.array([data.store.clips[index].name for index in data.clips_of(split)]),
        before=forward(stages.networks.embedder(), windows),
        pretrained=forward(stages.networks.pretrained(), windows),
        chosen=forward(embedder_of(stages.networks.classifier(variant)), windows),
    )
    atomic.write_bytes(run.details / "embeddings.npz", content.getvalue())
