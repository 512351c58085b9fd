"""What a run says of its data and of the versions that it depends on."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from typing import Any

from kwsembed.manifest import Manifest
from kwsembed.training.data import TrainingData

_PACKAGES = (
    "kwsembed",
    "tensorflow",
    "keras",
    "numpy",
    "scikit-learn",
    "soundfile",
    "tflite-runtime",
    "ai-edge-litert",
)


def versions() -> dict[str, str]:
    """Version by package, for those installed, and Python's own."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe(data: TrainingData, manifest: Manifest, say: Callable[[str], None]) -> None:
    """Says what will be trained on, imbalance included."""
    for split, labels in data.counts().items():
        parts = [f"{label} {count['clips']} ({count['groups']} groups)" for label, count in labels.items()]
        say(f"{split}: {', '.join(parts)}")
    if _sublabels(data):
        say(f"sublabels: {len(_sublabels(data))}, told apart as a second task of the end-to-end network")
    for file in (*data.store.skipped, *data.store.cut):
        say(f"note: {file.name}: {file.reason}")
    for warning in manifest.warnings:
        say(f"warning: {warning}")


def data_record(data: TrainingData, manifest: Manifest) -> dict[str, Any]:
    """What metrics.json says of the data."""
    return {
        "source": str(manifest.source),
        "root": str(manifest.root.resolve()),
        "further_roots": [str(root) for root in manifest.further_roots],
        "labels": list(data.labels),
        "event_labels": list(data.labels[: data.event_count]),
        "background_labels": list(data.labels[data.event_count :]),
        "splits": data.counts(),
        "sublabels": _sublabels(data),
        "skipped": [{"name": file.name, "reason": file.reason} for file in data.store.skipped],
        "cut": [{"name": file.name, "reason": file.reason} for file in data.store.cut],
        "warnings": list(manifest.warnings),
    }


def _sublabels(data: TrainingData) -> list[str]:
    """Names of the sublabels that are trained on; none without a second task."""
    return list(data.sublabels.names) if data.sublabels and data.config.sublabel_weight else []
