"""From the samples of a stream, of any rate, to the scores of its windows, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kwsembed.audio.resample import Resampler
from kwsembed.bundle import Bundle
from kwsembed.errors import AudioError
from kwsembed.runtime.classifier import Classifier
from kwsembed.runtime.windows import WindowBuffer

_FLOAT32 = np.dtype(np.float32)


class StreamScorer:
    """Takes a stream in chunks of any size and returns the scores of the windows that they complete.

    Windows start at multiples of the bundle's hop from the stream's first sample. If samples at the end were
    in no full window, one more window is judged at the end of the stream, with zeros behind them; so a
    recording shorter than a window is judged once. `Detector` finds its events in these scores.

    Args:
        bundle: The bundle.
        sample_rate_hz: Rate of the chunks; any.
        runtime: Interpreter to use, see `load_interpreter`.
        threads: Threads of the interpreter.
        revise: Given windows and their scores, says what to take for the scores; nothing is changed if None.

    Example:
        >>> scorer = StreamScorer(Bundle.load("RUN/bundle"), sample_rate_hz=44100)  # doctest: +SKIP
        >>> parts = [scorer.process(chunk) for chunk in chunks] + [scorer.flush()]  # doctest: +SKIP
    """

    def __init__(
        self,
        bundle: Bundle,
        sample_rate_hz: int = 16000,
        *,
        runtime: str | None = None,
        threads: int = 1,
        revise: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self._revise = revise
        self._sample_rate_hz = sample_rate_hz
        self._classifier = Classifier(bundle, runtime=runtime, threads=threads)
        self._resampler = Resampler(sample_rate_hz, bundle.sample_rate_hz)
        self._windows = WindowBuffer(bundle.window_samples, bundle.hop_samples)
        self._samples = 0

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter in use."""
        return self._classifier.runtime

    @property
    def heard_s(self) -> float:
        """Seconds of the stream so far."""
        return self._samples / self._sample_rate_hz

    def process(self, chunk: np.ndarray) -> np.ndarray:
        """Takes the next samples of the stream; returns the scores of the windows that they complete.

        Args:
            chunk: (samples,) of one channel: float in [-1, 1], or int16.

        Returns:
            (windows, labels) float32, labels in the order of the bundle's.

        Raises:
            AudioError: If the chunk has another shape or type, or holds NaN.
        """
        waveform = to_float(chunk)
        self._samples += len(waveform)
        return self._scores(self._windows.process(self._resampler.process(waveform)))

    def flush(self) -> np.ndarray:
        """Ends the stream: returns the scores of its tail, and is ready for a new stream at 0 s."""
        rest = self._resampler.process(np.zeros(0, np.float32), final=True)
        scores = [self._scores(self._windows.process(rest)), self._scores(self._windows.flush())]
        self._samples = 0
        return np.concatenate(scores)

    def _scores(self, windows: np.ndarray) -> np.ndarray:
        scores = self._classifier.score_windows(windows)
        return scores if self._revise is None else self._revise(windows, scores)


def to_float(chunk: np.ndarray) -> np.ndarray:
    """A chunk of floats or int16 as float32, or an AudioError."""
    if chunk.dtype != _FLOAT32 or chunk.ndim != 1:
        return _converted(chunk)
    _check_finite(chunk)
    return chunk


def _converted(chunk: np.ndarray) -> np.ndarray:
    integers = chunk.dtype == np.int16
    if chunk.ndim != 1 or not (integers or chunk.dtype.kind == "f"):
        raise AudioError(
            "a chunk that is no mono audio",
            expected="(samples,) of floats or int16",
            received=f"shape={chunk.shape}, dtype={chunk.dtype}",
        )
    if integers:
        return chunk.astype(np.float32) / 32768
    with np.errstate(over="ignore"):  # beyond float32 they become infinite, and are refused as such
        floats = chunk.astype(np.float32)
    _check_finite(floats)
    return floats


def _check_finite(chunk: np.ndarray) -> None:
    # One product tells nearly always: its sum is finite only if all samples are.
    if not (math.isfinite(chunk.dot(chunk)) or np.isfinite(chunk).all()):
        raise AudioError("a chunk holds samples that are no numbers")
