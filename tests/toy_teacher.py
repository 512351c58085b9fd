"""Teachers whose answers can be worked out by hand: the loudness of four quarters of a window."""

from __future__ import annotations

import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SAMPLES = 4000
QUARTERS = 4


def loudness(windows: np.ndarray) -> np.ndarray:
    """`(windows, samples)` -> `(windows, 4)`: mean square of each quarter."""
    return np.mean(windows.reshape(len(windows), QUARTERS, -1) ** 2, axis=2)


@functools.cache
def tflite_content() -> bytes:
    """`[1, 4000]` -> a spectrogram-like `[10, 4]` first, then the loudness `[1, 4]`; as YAMNet has two."""

    @tf.function(input_signature=[tf.TensorSpec((1, SAMPLES), tf.float32)])
    def answer(waveform):
        quarters = tf.reduce_mean(tf.square(tf.reshape(waveform, (1, QUARTERS, -1))), axis=2)
        return {"a_picture": tf.tile(quarters, (10, 1)) * 2.0, "b_loudness": quarters}

    return tf.lite.TFLiteConverter.from_concrete_functions([answer.get_concrete_function()]).convert()


def write_tflite(folder: Path) -> Path:
    path = folder / "teacher.tflite"
    path.write_bytes(tflite_content())
    return path


def write_keras(folder: Path) -> Path:
    waveform = keras.Input((SAMPLES,))
    squares = layers.Multiply()([waveform, waveform])
    quarters = layers.AveragePooling1D(SAMPLES // QUARTERS)(layers.Reshape((SAMPLES, 1))(squares))
    path = folder / "teacher.keras"
    keras.Model(waveform, layers.Flatten()(quarters)).save(path)
    return path
