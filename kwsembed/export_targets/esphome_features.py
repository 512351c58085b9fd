"""The features that ESPHome computes: TensorFlow Lite Micro's audio front end, by `pymicro-features`.

Windows of 30 ms every 10 ms, 40 channels from 125 to 7500 Hz, noise reduction, gain control (PCAN),
logarithm. Noise reduction and gain control follow the stream: the same second of audio gives other features
after silence than after noise, so features are always computed on a stretch that begins earlier.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from kwsembed.audio.wav import to_int16
from kwsembed.errors import MissingDependencyError

SAMPLE_RATE_HZ = 16000
CHANNELS = 40
STEP_SAMPLES = 160
WINDOW_SAMPLES = 480
STEP_S = STEP_SAMPLES / SAMPLE_RATE_HZ
INPUT_RANGE = (0.0, 26.0)
"""What the lowest and the highest int8 input of a model stand for; fixed by ESPHome."""
INPUT_SCALE = 26 / 255
INPUT_ZERO_POINT = -128


def frame_count(samples: int) -> int:
    """Frames of so many samples of a new stream."""
    return max(0, (samples - WINDOW_SAMPLES) // STEP_SAMPLES + 1)


def micro_features(waveform: np.ndarray) -> np.ndarray:
    """Features of a stream from its start, as the model's int8 input.

    Args:
        waveform: `(samples,)` float in [-1, 1], or int16, at 16 kHz.

    Returns:
        `(frames, 40)` int8. Rounded as `pymicro-wakeword` does; the device, which divides integers, gives a
        value one higher now and then.

    Raises:
        MissingDependencyError: `pymicro-features` is not installed.

    Example:
        >>> micro_features(np.zeros(16000)).shape  # doctest: +SKIP
        (98, 40)
    """
    frontend = front_end()
    content = (waveform if waveform.dtype == np.int16 else to_int16(waveform)).astype("<i2").tobytes()
    rows, position, step = [], 0, 2 * STEP_SAMPLES
    while position + step <= len(content):
        result = frontend.process_samples(content[position : position + step])
        position += 2 * result.samples_read
        if result.features:
            rows.append(result.features)
    features = np.array(rows, np.float32).reshape(-1, CHANNELS)
    return np.clip(np.rint(features / INPUT_SCALE) + INPUT_ZERO_POINT, -128, 127).astype(np.int8)


def front_end() -> Any:
    """A new stream's front end, or an error that says what to install."""
    try:
        return import_module("pymicro_features").MicroFrontend()
    except ImportError as error:
        raise MissingDependencyError(
            "ESPHome's features need pymicro-features, which is not installed",
            received=str(error),
            fix="python -m pip install 'kwsembed[esphome]'",
        ) from None
