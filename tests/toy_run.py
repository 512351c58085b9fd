"""A run directory made in code: clips whose scores are drawn, and the figures that follow from them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.audio import wav
from kwsembed.detection.operating import false_alarm_upper_bound
from kwsembed.evaluation.clip_metrics import clip_metrics

VARIANTS = ("class_weighted", "frozen", "end_to_end")


def write_toy_run(
    folder: Path,
    *,
    events: Sequence[str] = ("dog", "siren"),
    backgrounds: Sequence[str] = ("noise",),
    clips_per_label: int = 30,
    strengths: Sequence[float] = (2.0, 3.0, 4.0),
    splits: Sequence[str] = ("validation", "test"),
    false_alarms: int = 0,
    hours: float = 0.31,
    int8_noise: float = 0.01,
    epochs: int = 4,
    with_audio: bool = True,
) -> Path:
    """Writes a run as training would.

    Args:
        folder: Becomes the run directory; the audio lies beside it.
        events: Labels of events.
        backgrounds: Labels of background.
        clips_per_label: In each split.
        strengths: How clearly class weights only, frozen and end to end tell labels apart; 0 is by chance.
        splits: The splits with clips besides train.
        false_alarms: Of each event on each split.
        hours: Of audio without events.
        int8_noise: What int8 adds to the log-odds.
        epochs: Of each stage.
        with_audio: Whether the clips of the first label of each split are there to be played.
    """
    random = np.random.default_rng(0)
    labels = [*events, *backgrounds]
    root = folder.parent / "sounds"
    classes = np.repeat(np.arange(len(labels)), clips_per_label)
    names = {
        split: [f"{labels[c].replace('/', '_')}/{split}{i}.wav" for i, c in enumerate(classes)]
        for split in splits
    }
    logits = {split: _logits(classes, len(labels), strengths, random) for split in splits}
    for by_model in logits.values():
        by_model["int8"] = by_model["end_to_end"] + int8_noise * random.normal(
            size=by_model["end_to_end"].shape
        )

    def figures(model: str, split: str) -> dict[str, Any] | None:
        if split not in splits:
            return None
        probabilities = _softmax(logits[split][model])
        measured = clip_metrics(probabilities, classes, labels=labels, event_count=len(events))
        for column, label in enumerate(events):
            measured["per_class"][label] |= _operating(
                probabilities[classes == column, column], false_alarms=false_alarms, hours=hours
            )
        return measured

    by_split = {
        model: {s: figures(model, s) for s in ("validation", "test")} for model in (*VARIANTS, "int8")
    }
    metrics = {
        "format": 1,
        "command": "kwsembed train sounds --out RUN",
        "created": "2026-01-02T03:04:05Z",
        "seed": 7,
        "versions": {"kwsembed": "0.1.0", "numpy": "1.26.4"},
        "stage_s": {"cache": 1.5, "pretrain": 200.0, "frozen": 20.0, "end_to_end": 100.0, "export": 8.0},
        "data": {
            "source": "sounds",
            "root": str(root),
            "labels": labels,
            "event_labels": list(events),
            "background_labels": list(backgrounds),
            "splits": {
                split: {
                    label: {"clips": clips_per_label, "groups": clips_per_label, "hours": 0.05}
                    for label in labels
                }
                if split in ("train", *splits)
                else {}
                for split in ("train", "validation", "test")
            },
            "skipped": [{"name": "dog/torn.ogg", "reason": "it holds no audio"}],
            "cut": [],
            "warnings": [],
        },
        "batch_composition": {
            stage: dict.fromkeys(labels, 1 / len(labels)) for stage in ("pretrain", *VARIANTS)
        },
        "class_weights": dict.fromkeys(labels, 1.0),
        "variants": {variant: by_split[variant] for variant in VARIANTS},
        "chosen": {
            "variant": "end_to_end",
            "criterion": "highest macro average precision on validation",
            **by_split["int8"],
            "float": by_split["end_to_end"],
            "int8": by_split["int8"],
            "int8_loss": {"bound": 0.01},
            "size_bytes": {"model": 500_000, "core_int8": 56_000, "front_end": 444_000},
            "parameters": 32_644,
            "latency_us": {"tflite_runtime": 310.0},
        },
    }
    details = folder / "details"
    details.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (folder / "config.toml").write_text('backbone = "ds_cnn"\n', encoding="utf-8")
    _write_csv(
        folder / "data.csv",
        ["path", "label", "group", "split"],
        [[n, labels[c], n, s] for s in splits for n, c in zip(names[s], classes, strict=True)],
    )
    _write_csv(
        details / "predictions.csv",
        ["split", "path", "label", "model", *labels],
        [
            [split, name, labels[c], model, *row]
            for split in splits
            for model in (*VARIANTS, "int8")
            for name, c, row in zip(
                names[split], classes, _softmax(logits[split][model]).tolist(), strict=True
            )
        ],
    )
    _write_csv(
        details / "history.csv",
        ["stage", "epoch", "step", "metric", "value"],
        [
            [stage, epoch, 50 * epoch, metric, value / epoch]
            for stage in ("pretrain", *VARIANTS)
            for epoch in range(1, epochs + 1)
            for metric, value in (("loss", 2.0), ("val_balanced_error", 0.5))
        ],
    )
    first, second = names[splits[-1]][0], names[splits[-1]][-1]  # of the first and of the last label
    _write_csv(
        details / "suspected_labels.csv",
        [
            *("split", "path", "onset_s", "label", "suggested"),
            *("own_probability", "suggested_probability", "nearest"),
        ],
        [
            [splits[-1], first, "", labels[0], labels[-1], 0.03, 0.95, second],
            [splits[-1], second, "", labels[-1], labels[0], 0.2, 0.7, first],
        ],
    )
    curve = {
        "threshold": [0.9, 0.5, 0.1],
        "false_alarms_per_hour": [0.0, 2 / hours, 90.0],
        "miss_rate": [0.6, 0.3, 0.0],
        "hours": hours,
        "events": clips_per_label,
    }
    (details / "curves.json").write_text(
        json.dumps({label: dict.fromkeys(splits, curve) for label in events})
    )
    embeddings = random.normal(size=(len(classes), 8)).astype(np.float32)
    apart = embeddings + 6 * np.eye(len(labels), 8, dtype=np.float32)[classes]
    np.savez(
        details / "embeddings.npz",
        label_index=classes,
        name=np.array(names[splits[-1]]),
        before=embeddings,
        pretrained=apart,
        chosen=apart,
    )
    if with_audio:
        for split in splits:
            for name in names[split]:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                wav.write(root / name, 0.1 * random.normal(size=8000).astype(np.float32), 16000)
    return folder


def edit_metrics(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Applies `change` to the metrics of a run."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    change(metrics)
    (run / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def _logits(
    classes: np.ndarray, label_count: int, strengths: Sequence[float], random: np.random.Generator
) -> dict[str, np.ndarray]:
    noise = random.normal(size=(len(classes), label_count))
    return {
        variant: strength * np.eye(label_count)[classes] + noise
        for variant, strength in zip(VARIANTS, strengths, strict=True)
    }


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _operating(scores: np.ndarray, *, false_alarms: int, hours: float) -> dict[str, Any]:
    threshold = 0.6
    upper = false_alarm_upper_bound(false_alarms, hours)
    misses = int(np.sum(scores < threshold))
    return {
        "threshold": threshold,
        "target_false_alarms_per_hour": 0.5,
        "false_alarms": false_alarms,
        "hours": hours,
        "false_alarms_per_hour": false_alarms / hours,
        "false_alarms_per_hour_upper": upper,
        "certified": upper <= 0.5,
        "events": len(scores),
        "misses": misses,
        "miss_rate": misses / len(scores),
    }


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
