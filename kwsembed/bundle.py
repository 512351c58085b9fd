"""The bundle: the one thing that training and the device share, a folder that needs no TensorFlow to load.

It holds `model.tflite` (waveform in, probabilities out), `labels.txt` (a label per line, in the order of the
model's outputs) and `bundle.json` (everything else, with the sha256 of the other two and of itself). The
checksums find damage and careless edits; whoever wants to forge a bundle can recompute them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed import atomic
from kwsembed.bundle_files import (
    DESCRIPTION_FILE,
    FORMAT,
    LABELS_FILE,
    MODEL_FILE,
    check_folder,
    own_sha256,
    read_checked,
    read_description,
    sha256_of,
)
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import BundleError, KwsembedError
from kwsembed.frontend.config import FrontendConfig


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    Args:
        model: The flatbuffer of the model: waveform [1, window_samples] in, probabilities [1, labels] out.
        labels: All labels, in the order of the model's outputs.
        background_labels: Those that are never an event.
        frontend: The front end inside the model; its sample rate is the model's.
        window_samples: Length of the model's input.
        post: From window scores to detections.
        operating_points: One per event label.
        clip_calibration: `{"bias": {label: number}}`, what `classify` adds to a label's evidence, or None.
        parity: How closely the model agrees with the one that was trained.
        versions: Versions of the packages that made it.
        extra: Anything else worth knowing.

    Example:
        >>> bundle = Bundle.load("RUN/bundle")  # doctest: +SKIP
        >>> bundle.event_labels  # doctest: +SKIP
        ('dog_bark',)
    """

    model: bytes = field(repr=False)
    labels: tuple[str, ...]
    background_labels: tuple[str, ...]
    frontend: FrontendConfig
    window_samples: int
    post: PostProcessing
    operating_points: Mapping[str, OperatingPoint]
    clip_calibration: Mapping[str, Any] | None = None
    parity: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._require(self.model[4:8] == b"TFL3", f"{MODEL_FILE} is no TFLite model")
        self._require(bool(self.labels), "there are no labels")
        for label in self.labels:
            usable = isinstance(label, str) and label == label.strip() and label.isprintable() and bool(label)
            self._require(usable, "a label is no line of text", received=f"label={label!r}")
        self._require(len(set(self.labels)) == len(self.labels), "a label occurs twice", received=self.labels)
        unknown = sorted(set(self.background_labels) - set(self.labels))
        self._require(not unknown, "a background label is none of the labels", received=unknown)
        self._require(
            set(self.operating_points) == set(self.event_labels),
            "operating points and event labels differ",
            expected=sorted(self.event_labels),
            received=sorted(self.operating_points),
        )
        biases = None if self.clip_calibration is None else self.clip_calibration.get("bias")
        fits = biases is None or (
            set(biases) == set(self.labels)
            and all(isinstance(value, int | float) and math.isfinite(value) for value in biases.values())
        )
        self._require(
            fits and (self.clip_calibration is None) == (biases is None),
            "the clip calibration has no bias for each label",
            received=self.clip_calibration,
        )
        whole = isinstance(self.window_samples, int) and self.window_samples >= self.frontend.window_samples
        self._require(whole, "the window is too short", received=f"window_samples={self.window_samples!r}")
        hop = self.post.hop_s * self.sample_rate_hz
        fits = abs(hop - round(hop)) < 1e-6 and 1 <= round(hop) <= self.window_samples
        self._require(
            fits, "the hop is no whole number of samples within the window", received=f"samples={hop:g}"
        )

    @staticmethod
    def _require(condition: bool, what: str, *, expected: object = None, received: object = None) -> None:
        if not condition:
            raise BundleError(what, expected=expected, received=received)

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the model's waveform."""
        return self.frontend.sample_rate_hz

    @property
    def window_s(self) -> float:
        """Length of the model's window in seconds."""
        return self.window_samples / self.sample_rate_hz

    @property
    def hop_samples(self) -> int:
        """Distance of window starts in samples of the model's rate."""
        return round(self.post.hop_s * self.sample_rate_hz)

    @property
    def background_mask(self) -> np.ndarray:
        """(labels,) bool, True where a label is background."""
        return np.array([label in self.background_labels for label in self.labels])

    @property
    def clip_bias(self) -> np.ndarray | None:
        """(labels,) what `classify` adds to the evidence of each label, or None."""
        if self.clip_calibration is None:
            return None
        return np.array([self.clip_calibration["bias"][label] for label in self.labels], np.float64)

    @property
    def event_labels(self) -> tuple[str, ...]:
        """Labels that `detect` reports, in the order of `labels`."""
        return tuple(label for label in self.labels if label not in self.background_labels)

    @property
    def thresholds(self) -> dict[str, float]:
        """Threshold of each event label."""
        return {label: self.operating_points[label].threshold for label in self.event_labels}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bundle:
        """Loads a bundle folder and checks it against its checksums.

        Raises:
            BundleError: A file is missing or changed, the format is newer, or the parts do not fit together.
        """
        folder = Path(path)
        try:
            return _load(folder)
        except BundleError as error:
            raise BundleError(f"cannot use the bundle {folder}: {error}") from None


def write_bundle(
    path: str | os.PathLike[str],
    *,
    model: bytes,
    labels: Sequence[str],
    background_labels: Sequence[str],
    frontend: FrontendConfig,
    window_samples: int,
    post: PostProcessing,
    operating_points: Mapping[str, OperatingPoint],
    clip_calibration: Mapping[str, Any] | None = None,
    parity: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Bundle:
    """Checks the parts, writes them as the folder `path` in place of what was there, and returns the bundle.

    Args:
        path: The folder; it appears whole or not at all.
        model: This and all others as in `Bundle`; mappings hold what JSON can hold.

    Raises:
        BundleError: If the parts do not fit together; nothing is written then.
    """
    bundle = Bundle(
        model=model,
        labels=tuple(labels),
        background_labels=tuple(background_labels),
        frontend=frontend,
        window_samples=window_samples,
        post=post,
        operating_points=dict(operating_points),
        clip_calibration=clip_calibration,
        parity=parity,
        versions=versions or {},
        extra=extra or {},
    )
    label_lines = "".join(f"{label}\n" for label in labels).encode()
    description = {
        "format": FORMAT,
        "labels": bundle.labels,
        "background_labels": bundle.background_labels,
        "frontend": frontend.to_dict(),
        "window_samples": window_samples,
        "post": post.to_dict(),
        "operating_points": {label: point.to_dict() for label, point in operating_points.items()},
        "clip_calibration": clip_calibration,
        "parity": parity,
        "versions": bundle.versions,
        "extra": bundle.extra,
        "files": {MODEL_FILE: sha256_of(model), LABELS_FILE: sha256_of(label_lines)},
    }
    try:
        description = json.loads(json.dumps(description, allow_nan=False))  # as a reader will see it
    except (TypeError, ValueError) as error:
        raise BundleError(f"the description holds what JSON cannot: {error}") from None
    description["sha256"] = own_sha256(description)
    with atomic.replacing_folder(path) as folder:
        (folder / MODEL_FILE).write_bytes(model)
        (folder / LABELS_FILE).write_bytes(label_lines)
        atomic.write_json(folder / DESCRIPTION_FILE, description)
    return bundle


def _load(folder: Path) -> Bundle:
    check_folder(folder)
    description = read_description(folder)
    contents = {name: read_checked(folder, name, description["files"]) for name in (MODEL_FILE, LABELS_FILE)}
    if contents[LABELS_FILE].decode("utf-8", "replace").splitlines() != description["labels"]:
        raise BundleError(f"{LABELS_FILE} and {DESCRIPTION_FILE} list different labels")
    try:
        return Bundle(
            model=contents[MODEL_FILE],
            labels=tuple(description["labels"]),
            background_labels=tuple(description["background_labels"]),
            frontend=FrontendConfig.from_dict(description["frontend"]),
            window_samples=description["window_samples"],
            post=PostProcessing.from_dict(description["post"]),
            operating_points={
                label: OperatingPoint.from_dict(point)
                for label, point in description["operating_points"].items()
            },
            clip_calibration=description["clip_calibration"],
            parity=description["parity"],
            versions=description["versions"],
            extra=description["extra"],
        )
    except BundleError:
        raise
    except (KwsembedError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{DESCRIPTION_FILE} does not describe a bundle: {error}") from None
