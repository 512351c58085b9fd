"""Judging windows and clips with the model of a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from kwsembed.audio.resample import Resampler
from kwsembed.bundle import Bundle
from kwsembed.clip_scores import pool_clip
from kwsembed.errors import AudioError, BundleError
from kwsembed.runtime.interpreter import load_interpreter
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
        scores = self._scores_of(_resampled(blocks, sample_rate_hz, self._bundle.sample_rate_hz))
        return pool_clip(scores, self._bundle.background_mask, bias=self._bundle.clip_bias)

    def _scores_of(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        """(windows, labels) of a clip that comes in blocks at the model's rate."""
        windows = ClipWindowBuffer(self._bundle.window_samples, self._bundle.hop_samples)
        scores = [self.score_windows(windows.process(block)) for block in blocks]
        return np.concatenate([*scores, self.score_windows(windows.flush())])


def _resampled(blocks: Iterable[np.ndarray], rate_in_hz: int, rate_out_hz: int) -> Iterator[np.ndarray]:
    resampler = Resampler(rate_in_hz, rate_out_hz)
    for block in blocks:
        yield resampler.process(_checked(block))
    yield resampler.process(np.zeros(0, np.float32), final=True)


def _checked(block: np.ndarray) -> np.ndarray:
    block = np.asarray(block, np.float32)
    if block.ndim != 1 or not len(block) or not np.isfinite(block).all():
        raise AudioError(
            "not a clip", expected="(samples,), at least 1, all finite", received=f"shape={block.shape}"
        )
    return block
