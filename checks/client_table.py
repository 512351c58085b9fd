"""What each client scores and detects beside what this package does: rows, bounds and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.parity.agreement import differences, events_apart

# The two families of int8 kernels: our runtime runs on either. Clients compute as one of them.
FAMILIES = ("LiteRT", "tflite-runtime")
# Of a score, against ours on the family that is nearer. Float kernels differ in the last bit; where that
# takes a feature across the border of an int8 step, in a window of a hundred or so, its scores move.
SAME_KERNELS = {"p99": 1e-3, "largest": 0.25}
# TensorFlow Lite Micro and WebAssembly have float kernels of their own, which add in another order, so that
# more windows move: 0.007 and 0.046 were seen.
OTHER_FLOAT_KERNELS = {"p99": 0.05, "largest": 0.25}
# Of the model for microcontrollers, whose logits are int8 too: another model than the bundle's.
OTHER_MODEL = {"p99": 0.3, "mean": 0.03}
_PER_FAMILY = ("largest", "99 %", "same events")
COLUMNS = (
    "client",
    "version",
    "loads",
    "events",
    *(f"{name}: {what}" for name in FAMILIES for what in _PER_FAMILY),
)


@dataclass(frozen=True)
class Stream:
    """The windows that every client scores, and the stream that they come from.

    Attributes:
        windows: `(windows, window_samples)` float32: golden audio first, then the stream.
        golden: How many of them are golden audio.
        duration_s: Length of the stream.
    """

    windows: np.ndarray
    golden: int
    duration_s: float

    def events(self, scores: np.ndarray, bundle: Bundle) -> list[Detection]:
        """Detections in the stream, `(windows, labels)` scores after the package's own post-processing."""
        detector = EventDetector(bundle.event_labels, bundle.thresholds, bundle.post, bundle.window_s)
        found = detector.process(scores[self.golden :, ~bundle.background_mask])
        return found + detector.flush(end_s=self.duration_s)


@dataclass(frozen=True)
class Answer:
    """What a client made of the windows.

    Attributes:
        client: Name and version.
        scores: `(windows, labels)`; None where it refused the model.
        problems: What it did otherwise than it should.
        bounds: What its scores may differ by from ours on the nearer family.
        same_model: Whether it ran the bundle's model, and so must detect the same.
    """

    client: str
    scores: np.ndarray | None
    problems: tuple[str, ...] = ()
    bounds: Mapping[str, float] = field(default_factory=lambda: SAME_KERNELS)
    same_model: bool = True


@dataclass(frozen=True)
class Row:
    """A line of the table, and what is wrong with it."""

    cells: tuple[str, ...]
    problems: tuple[str, ...]


def row(name: str, answer: Answer, families: Mapping[str, np.ndarray], stream: Stream, bundle: Bundle) -> Row:
    """Compares one client with our runtime on each family of kernels.

    Args:
        name: Of the client.
        answer: Its own.
        families: Our scores, `(windows, labels)`, by family.
        stream: What was scored.
        bundle: Labels, thresholds and post-processing.
    """
    version = answer.client.rpartition(" ")[2]
    unknown = ["–"] * (len(COLUMNS) - 3)
    if answer.scores is None:
        return Row((name, version, "REFUSED", *unknown), answer.problems)
    shape = (len(stream.windows), len(bundle.labels))
    if answer.scores.shape != shape:
        problem = f"scores of shape {answer.scores.shape}, not {shape}"
        return Row((name, version, "yes", *unknown), (*answer.problems, problem))
    theirs = stream.events(answer.scores, bundle)
    cells, apart, events = [], {}, {}
    for family, ours in families.items():
        apart[family] = differences(answer.scores, ours)
        events[family] = events_apart(theirs, stream.events(ours, bundle), within_s=bundle.post.hop_s + 1e-6)
        cells += [f"{apart[family][figure]:.2g}" for figure in ("largest", "p99")]
        cells.append(f"{events[family]['matched']:.0f} of {events[family]['against']:.0f}")
    nearest = min(families, key=lambda family: apart[family]["mean"])
    problems = list(answer.problems)
    problems += [
        f"{figure} difference of a score from ours on {nearest} {apart[nearest][figure]:.2g}, "
        f"allowed {bound:g}"
        for figure, bound in answer.bounds.items()
        if not apart[nearest][figure] <= bound
    ]
    if answer.same_model and events[nearest]["unmatched"]:
        problems.append(f"{events[nearest]['unmatched']:.0f} detections are not those of ours on {nearest}")
    return Row((name, version, "yes", str(len(theirs)), *cells), tuple(problems))


def table(rows: Sequence[Row]) -> str:
    """The rows as a table of Markdown, its columns aligned."""
    lines = [COLUMNS, *(one.cells for one in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    padded = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]])
