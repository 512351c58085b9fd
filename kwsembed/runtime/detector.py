"""Detecting events in a stream: the whole path from samples of any rate to detections, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kwsembed.audio.resample import Resampler
from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.errors import AudioError, ConfigError
from kwsembed.runtime.classifier import Classifier
from kwsembed.runtime.windows import WindowBuffer


class Detector:
    """Takes a stream in chunks of any size and returns detections as they close.

    The detections do not depend on the chunks: a whole recording at once gives the same as its samples one by
    one. Windows start at multiples of the hop from the stream's first sample. If samples at the end were in
    no full window, one more window is judged at the end of the stream, with zeros behind them; so a recording
    shorter than a window is judged once.

    Args:
        bundle: The bundle.
        sample_rate_hz: Rate of the chunks; any.
        thresholds: Replace those of the bundle for the labels given, each above 0.
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
        self._sample_rate_hz = sample_rate_hz
        self._events = ~bundle.background_mask
        self._classifier = Classifier(bundle, runtime=runtime, threads=threads)
        self._resampler = Resampler(sample_rate_hz, bundle.sample_rate_hz)
        self._windows = WindowBuffer(bundle.window_samples, bundle.hop_samples)
        self._detector = EventDetector(
            bundle.event_labels, {**bundle.thresholds, **(thresholds or {})}, bundle.post, bundle.window_s
        )
        self._samples = 0

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter in use."""
        return self._classifier.runtime

    def process(self, chunk: np.ndarray) -> list[Detection]:
        """Takes the next samples of the stream; returns the detections that closed, in order of closing.

        Args:
            chunk: (samples,) of one channel: float in [-1, 1], or int16.

        Raises:
            AudioError: If the chunk has another shape or type, or holds NaN.
        """
        waveform = to_float(chunk)
        self._samples += len(waveform)
        return self._judge(self._windows.process(self._resampler.process(waveform)))

    def flush(self) -> list[Detection]:
        """Ends the stream: judges its tail, closes what is open, and is ready for a new stream at 0 s."""
        rest = self._resampler.process(np.zeros(0, np.float32), final=True)
        found = self._judge(self._windows.process(rest)) + self._judge(self._windows.flush())
        found += self._detector.flush(end_s=self._samples / self._sample_rate_hz)
        self._samples = 0
        return found

    def _judge(self, windows: np.ndarray) -> list[Detection]:
        if not len(windows):
            return []
        return self._detector.process(self._classifier.score_windows(windows)[:, self._events])


def to_float(chunk: np.ndarray) -> np.ndarray:
    """A chunk of floats or int16 as float32, or an AudioError."""
    if chunk.ndim != 1 or not (chunk.dtype == np.int16 or np.issubdtype(chunk.dtype, np.floating)):
        raise AudioError(
            "a chunk that is no mono audio",
            expected="(samples,) of floats or int16",
            received=f"shape={chunk.shape}, dtype={chunk.dtype}",
        )
    if chunk.dtype == np.int16:
        return chunk.astype(np.float32) / 32768
    if not np.isfinite(chunk).all():
        raise AudioError("a chunk holds samples that are no numbers")
    return chunk.astype(np.float32, copy=False)
