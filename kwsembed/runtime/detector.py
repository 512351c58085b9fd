"""Detecting events in a stream: the whole path from samples of any rate to detections, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.errors import ConfigError
from kwsembed.runtime.stream_scores import StreamScorer
from kwsembed.runtime.unknown import Veto


class Detector:
    """Takes a stream in chunks of any size and returns detections as they close.

    The detections do not depend on the chunks: a whole recording at once gives the same as its samples one by
    one. Which windows there are says `StreamScorer`.

    Args:
        bundle: The bundle.
        sample_rate_hz: Rate of the chunks; any.
        thresholds: Replace those of the bundle for the labels given, each above 0.
        veto_unknown: Whether hits are taken back whose sound lies far from all that their label was trained
            on; see `Veto`, and docs/unknown.md for what that is worth.
        runtime: Interpreter to use, see `load_interpreter`.
        threads: Threads of the interpreter.

    Example:
        >>> detector = Detector(Bundle.load("RUN/bundle"), sample_rate_hz=44100)  # doctest: +SKIP
        >>> for chunk in chunks:  # doctest: +SKIP
        ...     print(detector.process(chunk))
        >>> print(detector.flush())  # doctest: +SKIP
    """

    def __init__(
        self,
        bundle: Bundle,
        sample_rate_hz: int = 16000,
        *,
        thresholds: Mapping[str, float] | None = None,
        veto_unknown: bool = False,
        runtime: str | None = None,
        threads: int = 1,
    ) -> None:
        unknown = sorted(set(thresholds or {}) - set(bundle.event_labels))
        if unknown:
            raise ConfigError(
                "a threshold for a label that is no event of the bundle",
                expected=", ".join(bundle.event_labels),
                received=", ".join(unknown),
            )
        self._events = ~bundle.background_mask
        in_use = {**bundle.thresholds, **(thresholds or {})}
        veto = Veto(bundle, in_use, runtime=runtime, threads=threads) if veto_unknown else None
        self._scorer = StreamScorer(
            bundle, sample_rate_hz, runtime=runtime, threads=threads, revise=veto.revise if veto else None
        )
        self._detector = EventDetector(bundle.event_labels, in_use, bundle.post, bundle.window_s)

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter in use."""
        return self._scorer.runtime

    @property
    def hearing(self) -> tuple[str, ...]:
        """Labels of the events under way: each will be reported once it ends, whatever comes."""
        return self._detector.hearing

    def process(self, chunk: np.ndarray) -> list[Detection]:
        """Takes the next samples of the stream; returns the detections that closed, in order of closing.

        Args:
            chunk: (samples,) of one channel: float in [-1, 1], or int16.

        Raises:
            AudioError: If the chunk has another shape or type, or holds NaN.
        """
        return self._judge(self._scorer.process(chunk))

    def flush(self) -> list[Detection]:
        """Ends the stream: judges its tail, closes what is open, and is ready for a new stream at 0 s."""
        end_s = self._scorer.heard_s
        return self._judge(self._scorer.flush()) + self._detector.flush(end_s=end_s)

    def _judge(self, scores: np.ndarray) -> list[Detection]:
        return self._detector.process(scores[:, self._events]) if len(scores) else []
