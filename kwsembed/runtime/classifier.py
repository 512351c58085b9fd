"""Judging windows and clips with the model of a bundle."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.clip_scores import clip_windows_in_parts, pool_clip
from kwsembed.errors import AudioError, BundleError
from kwsembed.runtime.interpreter import load_interpreter
from kwsembed.runtime.unknown import UnknownMeter

# Windows that are cut at once; a clip of an hour would otherwise be copied several times over.
_WINDOWS_AT_ONCE = 256


class Classifier:
    """Scores windows and clips.

    Args:
        bundle: The bundle.
        runtime: Interpreter to use, see `load_interpreter`.
        threads: Threads of the interpreter.

    Raises:
        BundleError: If the model does not fit the bundle's window and labels.
        MissingDependencyError: If there is no interpreter.

    Example:
        >>> classifier = Classifier(Bundle.load("RUN/bundle"))  # doctest: +SKIP
        >>> waveform, sample_rate_hz = audio.decode.read("bark.ogg")  # doctest: +SKIP
        >>> dict(zip(classifier.labels, classifier.classify(waveform, sample_rate_hz)))  # doctest: +SKIP
    """

    def __init__(self, bundle: Bundle, *, runtime: str | None = None, threads: int = 1) -> None:
        self._bundle = bundle
        self._model = load_interpreter(bundle.model, runtime=runtime, threads=threads)
        shapes = (self._model.input_shape, self._model.output_shape)
        expected = ((1, bundle.window_samples), (1, len(bundle.labels)))
        if shapes != expected:
            raise BundleError(
                "the model does not fit its bundle",
                expected=f"input {expected[0]}, output {expected[1]}",
                received=f"input {shapes[0]}, output {shapes[1]}",
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of the scores."""
        return self._bundle.labels

    @property
    def runtime(self) -> str:
        """Name and version of the interpreter in use."""
        return f"{self._model.runtime} {self._model.version}"

    def score_windows(self, windows: np.ndarray) -> np.ndarray:
        """Probabilities of windows: (windows, window_samples) in [-1, 1] -> (windows, labels) float32."""
        scores = np.empty((len(windows), len(self.labels)), np.float32)
        for row, window in zip(scores, windows, strict=True):
            row[:] = self._model.run(window)
        return scores

    def window_scores(self, waveform: np.ndarray) -> np.ndarray:
        """Probabilities of all windows of a clip at the model's rate, cut as in `clip_windows`.

        Args:
            waveform: (samples,) in [-1, 1], at least one sample.

        Returns:
            (windows, labels) float32.
        """
        return np.concatenate([self.score_windows(windows) for windows in self._windows(waveform)])

    def classify(self, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Probabilities of a clip.

        Args:
            waveform: (samples,) float in [-1, 1], at least one sample.
            sample_rate_hz: Its rate; any.

        Returns:
            (labels,) float64, adds up to 1.

        Raises:
            AudioError: If the waveform is empty, not mono, or not finite.
        """
        return self._pooled(self.window_scores(self._at_model_rate(waveform, sample_rate_hz)))

    def classify_with_distance(
        self, waveform: np.ndarray, sample_rate_hz: int, meter: UnknownMeter
    ) -> tuple[np.ndarray, float]:
        """Probabilities of a clip, and how far it lies from what its likeliest label was trained on.

        The distance is that of the window which scores highest for that label.

        Args:
            waveform: This and its rate as in `classify`.
            sample_rate_hz: Its rate; any.
            meter: Of the same bundle.
        """
        at_model_rate = self._at_model_rate(waveform, sample_rate_hz)
        scores = self.window_scores(at_model_rate)
        probabilities = self._pooled(scores)
        likeliest = int(probabilities.argmax())
        part, row = divmod(int(scores[:, likeliest].argmax()), _WINDOWS_AT_ONCE)
        windows = next(itertools.islice(self._windows(at_model_rate), part, None))
        return probabilities, float(meter.distance(self.labels[likeliest], windows[row : row + 1])[0])

    def _pooled(self, scores: np.ndarray) -> np.ndarray:
        return pool_clip(scores, self._bundle.background_mask, bias=self._bundle.clip_bias)

    def _windows(self, waveform: np.ndarray) -> Iterator[np.ndarray]:
        return clip_windows_in_parts(
            waveform, self._bundle.window_samples, self._bundle.hop_samples, most=_WINDOWS_AT_ONCE
        )

    def _at_model_rate(self, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        waveform = np.asarray(waveform, np.float32)
        if waveform.ndim != 1 or not len(waveform) or not np.isfinite(waveform).all():
            raise AudioError(
                "not a clip",
                expected="(samples,), at least 1, all finite",
                received=f"shape={waveform.shape}",
            )
        return resample(waveform, sample_rate_hz, self._bundle.sample_rate_hz)
