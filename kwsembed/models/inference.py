"""Outputs of a network for many windows, in batches that bound memory."""

from __future__ import annotations

import keras
import numpy as np

_BATCH = 256


def forward(model: keras.Model, windows: np.ndarray) -> np.ndarray:
    """Outputs of a network for `(windows, frames, mels)`, in inference mode."""
    parts = [
        keras.ops.convert_to_numpy(model(windows[first : first + _BATCH], training=False))
        for first in range(0, len(windows), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, model.output_shape[-1]), np.float32)
