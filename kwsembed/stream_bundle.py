"""The folder that the streaming target makes: a model of one hop per call, and what its caller must know.

It holds `model.tflite`, `labels.txt` and `streaming.json`, checked against each other as in a bundle.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kwsembed import atomic
from kwsembed.bundle_files import (
    FORMAT,
    LABELS_FILE,
    MODEL_FILE,
    STREAMING_FILE,
    own_sha256,
    read_checked,
    read_description,
    sha256_of,
)
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import BundleError, KwsembedError

STATE_FORMS = ("passed", "variables")


@dataclass(frozen=True)
class StreamState:
    """One state: the output `output` of a call is the input `input` of the next.

    Args:
        input: Name of the input tensor.
        output: Name of the output tensor.
        shape: Of both.
        type: `FLOAT32` or `INT8`.
        start: The element that fills the state at the start of a stream.
    """

    input: str
    output: str
    shape: tuple[int, ...]
    type: str
    start: int


@dataclass(frozen=True)
class StreamTiming:
    """When a call judges what, in samples.

    Args:
        sample_rate_hz: Rate of the waveform.
        hop_samples: Samples per call.
        window_samples: Window that scores stand for.
        first_window_start: The scores of call `n` are those of the window that starts at sample
            `n * hop_samples + first_window_start`.
        lag_samples: Audio after that window that the scores depend on too: they come so much later.
        lead_samples: Audio before that window that they depend on.
        warm_up_hops: The first calls of a stream, whose scores depend on what was before it.
    """

    sample_rate_hz: int
    hop_samples: int
    window_samples: int
    first_window_start: int
    lag_samples: int
    lead_samples: int
    warm_up_hops: int

    @property
    def hop_s(self) -> float:
        """Time from one call to the next."""
        return self.hop_samples / self.sample_rate_hz

    @property
    def first_start_s(self) -> float:
        """Where the window of the first call after the warm-up starts."""
        start = self.warm_up_hops * self.hop_samples + self.first_window_start
        return start / self.sample_rate_hz


@dataclass(frozen=True)
class StreamBundle:
    """A loaded streaming export.

    Args:
        model: Flatbuffer; inputs are `waveform` `(1, hop_samples)` float32 and the states, outputs `scores`
            `(1, labels)` float32 and the states, unless it keeps the states itself.
        labels: All labels, in the order of the scores.
        background_labels: Those that are never an event.
        timing: When a call judges what.
        states: What to pass from call to call; none where the model keeps it itself.
        post: From scores to detections; its hop is that of the calls.
        operating_points: One per event label, chosen on streamed scores.
        state_form: `passed`, or `variables` where the interpreter keeps the states from call to call and the
            model's signature `reset` starts a new stream.
        extra: Anything else worth knowing.
    """

    model: bytes = field(repr=False)
    labels: tuple[str, ...]
    background_labels: tuple[str, ...]
    timing: StreamTiming
    states: tuple[StreamState, ...]
    post: PostProcessing
    operating_points: Mapping[str, OperatingPoint]
    state_form: str = "passed"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if abs(self.post.hop_s - self.timing.hop_s) > 1e-9:
            raise BundleError(
                "post-processing and model have different hops",
                expected=f"hop_s={self.timing.hop_s:g}",
                received=f"hop_s={self.post.hop_s:g}",
            )
        if self.state_form not in STATE_FORMS or (self.state_form == "variables" and self.states):
            raise BundleError(
                "it is not clear who keeps the states",
                expected="state_form=passed with states, or state_form=variables without any",
                received=f"state_form={self.state_form}, {len(self.states)} states",
            )
        if set(self.operating_points) != set(self.event_labels):
            raise BundleError(
                "operating points and event labels differ",
                expected=sorted(self.event_labels),
                received=sorted(self.operating_points),
            )

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the model's waveform."""
        return self.timing.sample_rate_hz

    @property
    def event_labels(self) -> tuple[str, ...]:
        """Labels that are detected, in the order of `labels`."""
        return tuple(label for label in self.labels if label not in self.background_labels)

    @property
    def thresholds(self) -> dict[str, float]:
        """Threshold of each event label."""
        return {label: self.operating_points[label].threshold for label in self.event_labels}

    def write(self, folder: Path) -> None:
        """Writes the three files into a folder that exists."""
        label_lines = "".join(f"{label}\n" for label in self.labels).encode()
        description = {
            "format": FORMAT,
            "labels": self.labels,
            "background_labels": self.background_labels,
            "timing": asdict(self.timing),
            "state_form": self.state_form,
            "states": [asdict(state) for state in self.states],
            "post": self.post.to_dict(),
            "operating_points": {label: point.to_dict() for label, point in self.operating_points.items()},
            "extra": self.extra,
            "files": {MODEL_FILE: sha256_of(self.model), LABELS_FILE: sha256_of(label_lines)},
        }
        description = json.loads(json.dumps(description, allow_nan=False))
        description["sha256"] = own_sha256(description)
        atomic.write_bytes(folder / MODEL_FILE, self.model)
        atomic.write_bytes(folder / LABELS_FILE, label_lines)
        atomic.write_json(folder / STREAMING_FILE, description)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StreamBundle:
        """Loads such a folder and checks it against its checksums.

        Raises:
            BundleError: A file is missing or changed, or the parts do not fit together.

        Example:
            >>> StreamBundle.load("STREAM").timing.hop_samples  # doctest: +SKIP
            2560
        """
        folder = Path(path)
        description = read_description(folder, STREAMING_FILE)
        files = description["files"]
        contents = {name: read_checked(folder, name, files) for name in (MODEL_FILE, LABELS_FILE)}
        try:
            return cls(
                model=contents[MODEL_FILE],
                labels=tuple(description["labels"]),
                background_labels=tuple(description["background_labels"]),
                timing=StreamTiming(**description["timing"]),
                states=tuple(
                    StreamState(**{**state, "shape": tuple(state["shape"])})
                    for state in description["states"]
                ),
                post=PostProcessing.from_dict(description["post"]),
                operating_points={
                    label: OperatingPoint.from_dict(point)
                    for label, point in description["operating_points"].items()
                },
                state_form=description.get("state_form", "passed"),
                extra=description["extra"],
            )
        except BundleError:
            raise
        except (KwsembedError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{STREAMING_FILE} does not describe a streaming model: {error}") from None
