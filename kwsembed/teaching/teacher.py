"""Opens a teacher: a TFLite or Keras model that takes a waveform and gives scores or an embedding."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.errors import BundleError, ConfigError, KwsembedError
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.tflite.metadata import read_metadata

_MOST_WINDOW_S = 60.0
_KERAS_BATCH = 32


@dataclass(frozen=True)
class Teacher:
    """A trained model, ready to be asked.

    Attributes:
        path: Its file.
        digest: SHA-256 of the file, in hexadecimal.
        window_samples: Samples that it takes at a time.
        feature_count: Numbers that it gives for them.
        features: From windows `(windows, window_samples)` float32 in [-1, 1] to `(windows, feature_count)`
            float32.
    """

    path: Path
    digest: str
    window_samples: int
    feature_count: int
    features: Callable[[np.ndarray], np.ndarray]


def load_teacher(path: str | os.PathLike[str], *, sample_rate_hz: int) -> Teacher:
    """Opens a `.tflite` or `.keras` file whose input is one window of audio.

    The input must be float32, `[samples]` or `[1, samples]` (Keras: `(batch, samples)`), of a length that is
    fixed. The teacher's features are its first float32 output of the form `[n]` or `[1, n]`: scores, as
    YAMNet gives them, or an embedding. A Keras file is loaded in safe mode: it may not bring code along.

    Args:
        path: The model's file.
        sample_rate_hz: Rate of the windows that it will be asked about; if its metadata name a rate, it must
            be this one.

    Raises:
        ConfigError: The file is missing, is no such model, or wants another rate.

    Example:
        >>> teacher = load_teacher("yamnet.tflite", sample_rate_hz=16000)  # doctest: +SKIP
        >>> teacher.features(np.zeros((2, teacher.window_samples), np.float32)).shape  # doctest: +SKIP
        (2, 521)
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            "the teacher cannot be read", received=f"{type(error).__name__}: {error.strerror}", where=file
        ) from None
    if file.suffix == ".keras":
        samples, count, features = _keras(file)
    else:
        samples, count, features = _tflite(content, file)
        _check_rate(content, file, sample_rate_hz)
    if not 1 < samples <= _MOST_WINDOW_S * sample_rate_hz:
        raise _another_interface(file, f"an input of {samples} samples")
    return Teacher(file, hashlib.sha256(content).hexdigest(), samples, count, features)


_Opened = tuple[int, int, Callable[[np.ndarray], np.ndarray]]


def _tflite(content: bytes, file: Path) -> _Opened:
    # TensorFlow's own interpreter is several times faster on float models than tflite-runtime's.
    runtime = "ai_edge_litert" if find_spec("ai_edge_litert") else "tensorflow"
    try:
        interpreter, _ = open_interpreter(content, runtime=runtime)
    except BundleError as error:
        raise ConfigError(f"the teacher is no model that can be run: {error}", where=file) from None
    inputs = interpreter.get_input_details()
    outputs = [tensor for tensor in interpreter.get_output_details() if _is_vector(tensor)]
    if len(inputs) != 1 or not _is_vector(inputs[0]) or not outputs:
        tensors = [*inputs, *interpreter.get_output_details()]
        raise _another_interface(
            file, ", ".join(f"{t['dtype'].__name__}{list(map(int, t['shape']))}" for t in tensors)
        )
    shape, into, out = tuple(inputs[0]["shape"]), inputs[0]["index"], outputs[0]["index"]
    count = int(outputs[0]["shape"][-1])

    def features(windows: np.ndarray) -> np.ndarray:
        found = np.empty((len(windows), count), np.float32)
        for row, window in zip(found, windows, strict=True):
            interpreter.set_tensor(into, np.asarray(window, np.float32).reshape(shape))
            interpreter.invoke()
            row[:] = interpreter.get_tensor(out).reshape(-1)
        return found

    return int(shape[-1]), count, features


def _is_vector(tensor: dict[str, Any]) -> bool:
    """Whether a tensor is float32 of the form `[n]` or `[1, n]`, with more than one number."""
    shape = tuple(int(size) for size in tensor["shape"])
    return tensor["dtype"] is np.float32 and shape[:-1] in ((), (1,)) and shape[-1:] > (1,)


def _keras(file: Path) -> _Opened:
    import keras

    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # a damaged or foreign archive fails in many ways
        raise ConfigError(
            "the teacher cannot be loaded as a Keras model",
            received=f"{type(error).__name__}: {error}",
            where=file,
        ) from None
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    vectors = [place for place, tensor in enumerate(model.outputs) if _is_batch_of_vectors(tensor.shape)]
    if len(model.inputs) != 1 or not _is_batch_of_vectors(model.inputs[0].shape) or not vectors:
        raise _another_interface(file, ", ".join(map(str, shapes)))
    place = vectors[0]

    def features(windows: np.ndarray) -> np.ndarray:
        parts = []
        for first in range(0, len(windows), _KERAS_BATCH):
            given = model(np.asarray(windows[first : first + _KERAS_BATCH], np.float32), training=False)
            parts.append(np.asarray(given[place] if isinstance(given, list | tuple) else given))
        return np.concatenate(parts) if parts else np.zeros((0, model.outputs[place].shape[1]), np.float32)

    return int(model.inputs[0].shape[1]), int(model.outputs[place].shape[1]), features


def _is_batch_of_vectors(shape: tuple[int | None, ...]) -> bool:
    return len(shape) == 2 and shape[0] is None and shape[1] is not None and shape[1] > 1


def _check_rate(content: bytes, file: Path, sample_rate_hz: int) -> None:
    """Holds the rate that the model's metadata name, if they do, against that of the windows."""
    try:
        rate_hz = read_metadata(content).sample_rate_hz
    except (KwsembedError, ValueError, LookupError, OSError, AttributeError):
        return  # most models have no metadata, or other ones, and need none
    if rate_hz and rate_hz != sample_rate_hz:
        raise ConfigError(
            "the teacher hears audio at another rate",
            expected=f"{sample_rate_hz} Hz, the rate of the front end",
            received=f"{rate_hz} Hz in its metadata",
            where=file,
        )


def _another_interface(file: Path, received: str) -> ConfigError:
    return ConfigError(
        "the teacher has an interface that cannot be used",
        expected="float32 input [samples] or [1, samples], up to a minute, and float32 output [n] or [1, n]",
        received=received,
        where=file,
    )
