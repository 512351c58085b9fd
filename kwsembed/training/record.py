"""What a run says of its data and of the versions that it depends on."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from kwsembed.data.cache import SkippedFile
from kwsembed.data.surroundings import Surroundings
from kwsembed.data.unlabelled import Unlabelled
from kwsembed.manifest import Manifest
from kwsembed.methods import MILD, REBALANCINGS, parse_method
from kwsembed.report.wording import counted
from kwsembed.training.data import TrainingData
from kwsembed.training.little_audio import end_to_end_training, median_event_windows

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
    say(f"against imbalance: {remedy_in_words(data)}")
    if not end_to_end_training(data).pretrained:
        say(f"end to end: {start_in_words(data)}")
    _describe_surroundings(data.surroundings, say)
    for file in (*_skipped(data), *_cut(data)):
        say(f"note: {file.name}: {file.reason}")
    for warning in manifest.warnings:
        say(f"warning: {warning}")


def remedy_in_words(data: TrainingData) -> str:
    """The remedy against imbalance, and which of its two `mild` has taken for these data."""
    asked = data.config.rebalance
    method, options = parse_method(asked, REBALANCINGS, kind="rebalance")
    if method.name != MILD:
        return asked
    windows, below = median_event_windows(data.windows_per_class, data.event), options["adjusted_below"]
    taken, relation = (
        ("logit adjustment", "fewer than") if windows < below else ("no adjustment", "not fewer than")
    )
    return (
        f"{asked}, {taken}: events have {windows:.3g} windows to train on in the median, {relation} {below:g}"
    )


def start_in_words(data: TrainingData) -> str:
    """Where the end-to-end network starts from, and why, if not from the pretrained weights."""
    how = end_to_end_training(data)
    if how.pretrained:
        return "from the pretrained weights"
    return (
        f"from random weights, not the pretrained ones: events have {how.windows:.3g} windows to train on in "
        f"the median, fewer than {data.config.little_audio.below_windows:g} "
        "(little_audio.pretrained = true in --config starts it from the pretrained ones)"
    )


def end_to_end_record(data: TrainingData) -> dict[str, Any]:
    """What metrics.json says of how the end-to-end network was trained."""
    how = end_to_end_training(data)
    return {
        "pretrained": how.pretrained,
        "start": start_in_words(data),
        "median_event_windows": how.windows,
        "sublabel_weight": how.sublabel_weight,
    }


def describe_lessons(data: TrainingData, unlabelled: Unlabelled | None, say: Callable[[str], None]) -> None:
    """Says what the end-to-end network is taught by beside its labels, if by anything."""
    record = taught_record(data, unlabelled)
    if record is None:
        return
    say(f"taught: end to end, by a head on {record['teacher']}, of training windows")
    if unlabelled is not None:
        files = counted(len(unlabelled.store.clips), "recording")
        say(f"and of {files} without labels, {unlabelled.hours:.2f} hours")
        for file in (*unlabelled.skipped, *unlabelled.cut):
            say(f"note: {file.name}: {file.reason}")


def taught_record(data: TrainingData, unlabelled: Unlabelled | None) -> dict[str, Any] | None:
    """What metrics.json says of the head on the teacher that the end-to-end network agrees with."""
    taught = data.config.taught
    if not taught.weight:
        return None
    record: dict[str, Any] = {
        "teacher": Path(data.config.teacher).name,
        "weight": taught.weight,
        "hint_weight": taught.hint_weight,
    }
    if unlabelled is not None:
        record |= {
            **unlabelled.record(),
            "unlabelled_weight": taught.unlabelled_weight,
            "unlabelled_balance": taught.unlabelled_balance,
            "skipped": [{"name": file.name, "reason": file.reason} for file in unlabelled.skipped],
            "cut": [{"name": file.name, "reason": file.reason} for file in unlabelled.cut],
        }
    return record


def _describe_surroundings(surroundings: Surroundings, say: Callable[[str], None]) -> None:
    noise = surroundings.noise
    if noise is not None:
        say(
            f"noise: {counted(len(noise.store.clips), 'recording')}, {noise.hours:.2f} hours, in "
            f"{100 * noise.share:g} % of the mixtures in place of background"
        )
    if surroundings.rooms is not None:
        say(f"rooms: {len(surroundings.rooms)} measured impulse responses, in place of synthetic ones")


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
        "skipped": [{"name": file.name, "reason": file.reason} for file in _skipped(data)],
        "cut": [{"name": file.name, "reason": file.reason} for file in _cut(data)],
        "surroundings": data.surroundings.record(),
        "warnings": list(manifest.warnings),
    }


def _skipped(data: TrainingData) -> tuple[SkippedFile, ...]:
    return (*data.store.skipped, *data.surroundings.skipped)


def _cut(data: TrainingData) -> tuple[SkippedFile, ...]:
    return (*data.store.cut, *data.surroundings.cut)


def _sublabels(data: TrainingData) -> list[str]:
    """Names of the sublabels that are trained on; none without a second task."""
    return list(data.sublabels.names) if data.sublabels and end_to_end_training(data).sublabel_weight else []
