"""What is compared: log-mel, scores and events of a model on golden audio, as the runtime computes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.detection.post_processing import smooth
from kwsembed.parity.golden import LEVELS_DBFS, at_level
from kwsembed.runtime import Detector
from kwsembed.runtime.inner_output import with_output
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.runtime.windows import WindowBuffer

# Chunks of a stream, in samples: as microphones and files have them, and awkward ones in between.
_CHUNKS = (160, 1, 4001, 12345, 512)
_LEAST_THRESHOLD = 1e-9


@dataclass(frozen=True)
class GoldenAudio:
    """One waveform at several levels, one after the other as a stream.

    Attributes:
        name: `synthetic` or `real`.
        levels: Waveform `(samples,)` by its peak in dBFS, all of one length.
        window_samples: Window of the model.
        hop_samples: Hop of the detector.
    """

    name: str
    levels: Mapping[float, np.ndarray]
    window_samples: int
    hop_samples: int

    @classmethod
    def of(cls, name: str, waveform: np.ndarray, bundle: Bundle) -> GoldenAudio:
        """A waveform at the model's rate, at each of `LEVELS_DBFS` and in 16 bits.

        It is repeated where it is shorter than two windows.
        """
        waveform = np.resize(waveform, max(len(waveform), 2 * bundle.window_samples))
        levels: dict[float, np.ndarray] = {level: at_level(waveform, level) for level in LEVELS_DBFS}
        return cls(name, levels, bundle.window_samples, bundle.hop_samples)

    @property
    def stream(self) -> np.ndarray:
        """`(samples,)`: all levels in their order."""
        return np.concatenate(list(self.levels.values()))

    def windows(self) -> np.ndarray:
        """`(windows, window_samples)`: all windows of the stream, as the detector cuts them."""
        cut = WindowBuffer(self.window_samples, self.hop_samples)
        return np.concatenate([cut.process(self.stream), cut.flush()])

    def windows_of(self, level: float) -> np.ndarray:
        """Numbers of the stream's windows that lie within one level."""
        samples = len(self.levels[level])
        begin = list(self.levels).index(level) * samples
        first = -(-begin // self.hop_samples)
        last = (begin + samples - self.window_samples) // self.hop_samples
        return np.arange(first, last + 1)

    def separate_windows(self, level: float) -> np.ndarray:
        """`(windows, window_samples)` of one level, side by side."""
        waveform = self.levels[level]
        count = len(waveform) // self.window_samples
        return waveform[: count * self.window_samples].reshape(count, self.window_samples)


def graph_log_mels(bundle: Bundle, tensor: int, windows: np.ndarray, *, runtime: str | None) -> np.ndarray:
    """Log-mel inside the model, `(windows, frames, mels)` float32.

    Args:
        bundle: The bundle.
        tensor: Index of the tensor that holds it.
        windows: `(windows, window_samples)`.
        runtime: Interpreter; see `load_interpreter`.
    """
    interpreter, _ = open_interpreter(with_output(bundle.model, tensor), runtime=runtime)
    waveform = interpreter.get_input_details()[0]["index"]
    output = interpreter.get_output_details()[0]["index"]
    shape = (bundle.frontend.frame_count(bundle.window_samples), bundle.frontend.mel_count)
    rows = np.empty((len(windows), *shape), np.float32)
    for row, window in zip(rows, windows, strict=True):
        interpreter.set_tensor(waveform, window[None])
        interpreter.invoke()
        row[:] = interpreter.get_tensor(output).reshape(shape)
    return rows


def events_offline(
    scores: np.ndarray, bundle: Bundle, audio: GoldenAudio, thresholds: Mapping[str, float]
) -> list[Detection]:
    """Detections in the scores `(windows, labels)` of the whole stream at once."""
    detector = EventDetector(bundle.event_labels, thresholds, bundle.post, bundle.window_s)
    found = detector.process(scores[:, ~bundle.background_mask])
    return found + detector.flush(end_s=len(audio.stream) / bundle.sample_rate_hz)


def events_streamed(
    bundle: Bundle, audio: GoldenAudio, thresholds: Mapping[str, float], *, runtime: str | None
) -> list[Detection]:
    """Detections of the device's own detector, which gets the stream in chunks of changing size."""
    detector = Detector(bundle, bundle.sample_rate_hz, thresholds=thresholds, runtime=runtime)
    found, start, stream = [], 0, audio.stream
    while start < len(stream):
        for samples in _CHUNKS:
            found += detector.process(stream[start : start + samples])
            start += samples
    return found + detector.flush()


def thresholds_amid(scores: np.ndarray, bundle: Bundle) -> dict[str, float]:
    """A threshold per event label that some windows reach and some do not, as far from any score as can be.

    Nothing in synthetic audio need reach the thresholds that were chosen for real events; these make
    detections of it all the same.

    Args:
        scores: `(windows, labels)` of a stream.
        bundle: Labels and smoothing.
    """
    found = {}
    for label, column in _smoothed(scores, bundle):
        upper = np.sort(column)[len(column) // 2 :]
        widest = int(np.argmax(np.diff(upper)))
        found[label] = max(float(upper[widest : widest + 2].mean()), _LEAST_THRESHOLD)
    return found


def margin(scores: np.ndarray, bundle: Bundle, thresholds: Mapping[str, float]) -> float:
    """How near a smoothed score of a stream comes to a threshold: scores may differ by less unnoticed."""
    return min(float(np.abs(column - thresholds[label]).min()) for label, column in _smoothed(scores, bundle))


def _smoothed(scores: np.ndarray, bundle: Bundle) -> list[tuple[str, np.ndarray]]:
    smoothed = smooth(scores[:, ~bundle.background_mask], bundle.post.smoothing_windows)
    return list(zip(bundle.event_labels, smoothed.T, strict=True))
