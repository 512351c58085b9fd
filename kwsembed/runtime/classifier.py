"""Judging windows and clips with the model of a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from kwsembed.audio.resample import Resampler
from kwsembed.bundle import Bundle
from kwsembed.clip_scores import pool_clip
from kwsembed.errors import AudioError, BundleError
from kwsembed.runtime.interpreter import load_interpreter
from kwsembed.runtime.unknown import UnknownMeter
from kwsembed.runtime.windows import ClipWindowBuffer


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
        return self._scores_of([_checked(waveform)])

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
        return self.classify_blocks([waveform], sample_rate_hz)

    def classify_blocks(self, blocks: Iterable[np.ndarray], sample_rate_hz: int) -> np.ndarray:
        """As `classify`, for a clip that comes in blocks: its audio is never in memory as a whole.

        The windows are those of `clip_windows`; how the clip is cut into blocks changes nothing.
        """
        return self._pooled(self._scores_of(self._at_model_rate(blocks, sample_rate_hz)))

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
        return self.classify_blocks_with_distance([waveform], sample_rate_hz, meter)

    def classify_blocks_with_distance(
        self, blocks: Iterable[np.ndarray], sample_rate_hz: int, meter: UnknownMeter
    ) -> tuple[np.ndarray, float]:
        """As `classify_with_distance`, for a clip that comes in blocks."""
        best = _BestWindows(len(self.labels), self._bundle.window_samples)
        scores = self._scores_of(self._at_model_rate(blocks, sample_rate_hz), best)
        probabilities = self._pooled(scores)
        likeliest = int(probabilities.argmax())
        distances = meter.distance(self.labels[likeliest], best.windows[likeliest : likeliest + 1])
        return probabilities, float(distances[0])

    def _pooled(self, scores: np.ndarray) -> np.ndarray:
        return pool_clip(scores, self._bundle.background_mask, bias=self._bundle.clip_bias)

    def _scores_of(self, blocks: Iterable[np.ndarray], best: _BestWindows | None = None) -> np.ndarray:
        """(windows, labels) of a clip that comes in blocks at the model's rate."""
        buffer = ClipWindowBuffer(self._bundle.window_samples, self._bundle.hop_samples)

        def scored(windows: np.ndarray) -> np.ndarray:
            scores = self.score_windows(windows)
            if best is not None:
                best.update(windows, scores)
            return scores

        scores = [scored(buffer.process(block)) for block in blocks]
        return np.concatenate([*scores, scored(buffer.flush())])

    def _at_model_rate(self, blocks: Iterable[np.ndarray], sample_rate_hz: int) -> Iterator[np.ndarray]:
        resampler = Resampler(sample_rate_hz, self._bundle.sample_rate_hz)
        for block in blocks:
            yield resampler.process(_checked(block))
        yield resampler.process(np.zeros(0, np.float32), final=True)


class _BestWindows:
    """Keeps, of the windows that pass, the one that scores highest for each label; the first of equals."""

    def __init__(self, labels: int, window_samples: int) -> None:
        self.windows = np.zeros((labels, window_samples), np.float32)
        self._scores = np.full(labels, -np.inf)

    def update(self, windows: np.ndarray, scores: np.ndarray) -> None:
        """Takes `(windows, samples)` and their scores `(windows, labels)`."""
        if not len(windows):
            return
        for label, window in enumerate(scores.argmax(axis=0)):
            if scores[window, label] > self._scores[label]:
                self._scores[label] = scores[window, label]
                self.windows[label] = windows[window]


def _checked(block: np.ndarray) -> np.ndarray:
    block = np.asarray(block, np.float32)
    if block.ndim != 1 or not len(block) or not np.isfinite(block).all():
        raise AudioError(
            "not a clip", expected="(samples,), at least 1, all finite", received=f"shape={block.shape}"
        )
    return block
