"""How closely two computations agree: the figures, the bounds that they must keep, and the verdict.

The bounds say what may differ and what may not:

- `log_mel`, in nats (0.01 nat is 0.04 dB). The exported front end adds in single precision: beside a loud
  tone, bands that are 120 dB below it are the end of float32. 0.0005 was seen on sweeps and beeps at full
  scale, 1e-5 on what is quiet. The NumPy front end is double precision, rounded once: 5e-7 was seen.
- `score` in int8 against float: what quantisation costs a single window; a mean of 0.018 and 0.15 for 99 %
  were seen. Its cost for the ranking of clips has a bound of its own, `int8_loss_bound` of the configuration.
- `score` between interpreters: kernels of one family (XNNPACK's int8: LiteRT, TensorFlow, MediaPipe) agree to
  1e-6 but for windows where the last bit of a float feature takes it across the border of an int8 step;
  those of tflite-runtime 2.14 round otherwise everywhere: a mean of 0.015 and 0.093 for 99 % were seen.
- `events`: chunks must not change a single detection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kwsembed.detection.events import Detection

# Nearer in time, two detections of a label are the same one: float32 sums put no edge elsewhere.
SAME_S = 1e-6
_ROUNDS_OTHERWISE = "tflite_runtime"

Bounds = Mapping[str, float]

NUMPY_BOUNDS: Bounds = {"largest": 1e-5}
GRAPH_BOUNDS: Bounds = {"largest": 0.01, "mean": 1e-4}
INT8_BOUNDS: Bounds = {"mean": 0.04, "p99": 0.4}
SAME_KERNELS_BOUNDS: Bounds = {"mean": 1e-3, "p99": 0.05}
OTHER_KERNELS_BOUNDS: Bounds = {"mean": 0.03, "p99": 0.2}
EVENTS_BOUNDS: Bounds = {"unmatched": 0}


@dataclass(frozen=True)
class Agreement:
    """One comparison of two computations on the same audio.

    Attributes:
        what: `log_mel`, `score` or `events`.
        audio: `synthetic` or `real`.
        level_dbfs: Peak of the audio; None for all levels, one after the other, as one stream.
        computed: What was compared, such as `tflite_runtime 2.14.0`.
        against: With what, such as `NumPy`.
        figures: Of differences `values` (how many), `largest`, `p99` and `mean`; of detections `computed`,
            `against`, `matched` and `unmatched`.
        bounds: The most that some of the figures may be; none where figures only inform.
    """

    what: str
    audio: str
    level_dbfs: float | None
    computed: str
    against: str
    figures: Mapping[str, float]
    bounds: Bounds

    @property
    def passed(self) -> bool:
        """Whether all bounds are kept; what is no number keeps none."""
        return all(self.figures[name] <= bound for name, bound in self.bounds.items())

    @property
    def sentence(self) -> str:
        """The comparison in a line, such as `log_mel of litert 2.3 against NumPy, ...`."""
        level = "as a stream" if self.level_dbfs is None else f"at {self.level_dbfs:g} dBFS"
        return (
            f"{self.what} of {self.computed} against {self.against}, {self.audio} audio {level}: "
            + ", ".join(
                f"{name} {value:.2g}" + (f" (allowed {self.bounds[name]:g})" if name in self.bounds else "")
                for name, value in self.figures.items()
                if name != "values"
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, with the verdict."""
        return {**asdict(self), "passed": self.passed}


def interpreter_bounds(one: str, other: str, *, same_machine: bool) -> Bounds:
    """What the scores of two interpreters, named as `tflite_runtime 2.14.0`, may differ by.

    Example:
        >>> interpreter_bounds("tensorflow 2.16.2", "ai_edge_litert 2.3.0", same_machine=True)["p99"]
        0.05
    """
    alike = one.startswith(_ROUNDS_OTHERWISE) == other.startswith(_ROUNDS_OTHERWISE)
    return SAME_KERNELS_BOUNDS if alike and same_machine else OTHER_KERNELS_BOUNDS


def differences(computed: np.ndarray, against: np.ndarray) -> dict[str, float]:
    """Figures of the absolute differences of two arrays of one shape; infinite where one holds no number.

    Example:
        >>> differences(np.array([0.0, 1.0]), np.array([0.0, 0.5]))["largest"]
        0.5
    """
    apart = np.abs(np.asarray(computed, np.float64) - np.asarray(against, np.float64)).ravel()
    apart = np.where(np.isfinite(apart), apart, np.inf)
    if not len(apart):
        return {"values": 0, "largest": 0.0, "p99": 0.0, "mean": 0.0}
    return {
        "values": len(apart),
        "largest": float(apart.max()),
        "p99": float(np.quantile(apart, 0.99, method="higher")),
        "mean": float(apart.mean()),
    }


def events_apart(
    computed: Sequence[Detection], against: Sequence[Detection], *, within_s: float = SAME_S
) -> dict[str, float]:
    """Counts of detections that two computations share: same label, onset and offset within a time.

    Example:
        >>> bark = Detection("dog_bark", 1.0, 2.0, 0.9)
        >>> events_apart([bark], [])
        {'computed': 1, 'against': 0, 'matched': 0, 'unmatched': 1}
    """
    left = list(against)
    for detection in computed:
        same = [
            other
            for other in left
            if other.label == detection.label
            and abs(other.onset_s - detection.onset_s) <= within_s
            and abs(other.offset_s - detection.offset_s) <= within_s
        ]
        if same:
            left.remove(same[0])
    matched = len(against) - len(left)
    return {
        "computed": len(computed),
        "against": len(against),
        "matched": matched,
        "unmatched": len(computed) + len(against) - 2 * matched,
    }


def failures(agreements: Iterable[Agreement]) -> list[str]:
    """Sentences about those that do not keep their bounds."""
    return [agreement.sentence for agreement in agreements if not agreement.passed]
