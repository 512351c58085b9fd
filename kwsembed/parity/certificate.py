"""The parity certificate: what was compared when the bundle was made, and what a device recomputes of it.

It is the entry `certificate` of a bundle's parity figures:

- `version` of this layout, `passed`, and `failures`, a sentence each;
- `computed_with`: packages, processor and operating system of the machine that made it;
- `synthetic`: seed and length of the golden signal, its checksum, the scores and events that it gave under
  each interpreter, with the thresholds and the post-processing of these events: all that a device needs;
- `real`: what the other golden audio was cut from. It stays with the run;
- `agreements`: every comparison with its figures, bounds and verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import BundleError
from kwsembed.parity.computing import GoldenAudio
from kwsembed.parity.golden import golden_signal

VERSION = 1
SEED = 0
_WINDOWS = 8  # of golden signal side by side
_SCORE_DECIMALS = 7


@dataclass(frozen=True)
class Expected:
    """What the synthetic audio gave under one interpreter when the bundle was made.

    Attributes:
        computed: Name and version of the interpreter.
        scores: `(windows, labels)` of the stream.
        events: Detections in it.
    """

    computed: str
    scores: np.ndarray
    events: tuple[Detection, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; scores are rounded."""
        rows = np.round(self.scores.astype(np.float64), _SCORE_DECIMALS).tolist()
        events = [[d.label, d.onset_s, d.offset_s, d.score] for d in self.events]
        return {"computed": self.computed, "scores": rows, "events": events}


@dataclass(frozen=True)
class Certificate:
    """The part of a certificate that a device can recompute.

    Attributes:
        seed: Of the golden signal.
        duration_s: Its length at each level.
        sha256: Of the stream's 16-bit samples.
        log_mel_tensor: Index of the tensor of the model that holds log-mel.
        thresholds: By event label, for the events.
        post: Likewise.
        expected: What each interpreter gave.
        machine: Processor of the machine that made it.
    """

    seed: int
    duration_s: float
    sha256: str
    log_mel_tensor: int
    thresholds: Mapping[str, float]
    post: PostProcessing
    expected: tuple[Expected, ...]
    machine: str

    def to_dict(self) -> dict[str, Any]:
        """The entry `synthetic`."""
        return {
            "seed": self.seed,
            "duration_s": self.duration_s,
            "sha256": self.sha256,
            "log_mel_tensor": self.log_mel_tensor,
            "thresholds": dict(self.thresholds),
            "post": self.post.to_dict(),
            "expected": [expected.to_dict() for expected in self.expected],
        }


def read_certificate(bundle: Bundle) -> Certificate | None:
    """What of a bundle's certificate can be recomputed; None if it has none, as bundles of older versions.

    Raises:
        BundleError: The certificate is damaged, or of a newer version.
    """
    record = (bundle.parity or {}).get("certificate")
    if record is None:
        return None
    try:
        version, made = record["version"], record["synthetic"] if record["version"] == VERSION else None
        if made is None:
            raise BundleError(
                "its parity certificate is of another version",
                expected=f"version {VERSION}",
                received=f"version={version!r}",
                fix="upgrade kwsembed",
            )
        expected = [
            Expected(
                str(one["computed"]),
                np.array(one["scores"], np.float32).reshape(-1, len(bundle.labels)),
                tuple(Detection(*values) for values in one["events"]),
            )
            for one in made["expected"]
        ]
        certificate = Certificate(
            seed=int(made["seed"]),
            duration_s=float(made["duration_s"]),
            sha256=str(made["sha256"]),
            log_mel_tensor=int(made["log_mel_tensor"]),
            thresholds={label: float(made["thresholds"][label]) for label in bundle.event_labels},
            post=PostProcessing.from_dict(made["post"]),
            expected=tuple(expected),
            machine=str(record["computed_with"]["machine"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"its parity certificate is damaged: {type(error).__name__}: {error}") from None
    return certificate


def synthetic_audio(bundle: Bundle, *, seed: int = SEED, duration_s: float | None = None) -> GoldenAudio:
    """The golden signal for a bundle: so many windows of it at each level."""
    waveform = golden_signal(
        seed,
        duration_s=synthetic_duration_s(bundle) if duration_s is None else duration_s,
        sample_rate_hz=bundle.sample_rate_hz,
    )
    return GoldenAudio.of("synthetic", waveform, bundle)


def synthetic_duration_s(bundle: Bundle) -> float:
    """Length of the golden signal at each level."""
    return _WINDOWS * bundle.window_s


def summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """A certificate without the scores and events that only a recomputation needs."""
    synthetic = {key: value for key, value in record["synthetic"].items() if key != "expected"}
    return {**record, "synthetic": synthetic}


def nearest(scores: np.ndarray, expected: Sequence[Expected]) -> Expected:
    """The interpreter whose scores these resemble most."""
    return min(expected, key=lambda one: float(np.abs(one.scores - scores).mean()))
