"""A small trained core and its export, for the tests of kwsembed.tflite."""

from __future__ import annotations

import functools

import keras
import numpy as np
from keras import layers

from kwsembed.frontend import FrontendConfig, log_mel
from kwsembed.tflite import ExportedModel, export_model

FRONTEND = FrontendConfig(mel_count=32)
WINDOW_SAMPLES = 8000
FRAMES = FRONTEND.frame_count(WINDOW_SAMPLES)
LABELS = ("low", "high", "sweep", "noise")


def waveforms(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tones, sweeps and bare noise, -50 to -10 dBFS: (count, samples) float32, (count,) labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(LABELS), count)
    time_s = np.arange(WINDOW_SAMPLES) / FRONTEND.sample_rate_hz
    clips = rng.normal(0, 0.1, (count, WINDOW_SAMPLES))
    for clip, label in zip(clips, labels, strict=True):
        hz = {0: rng.uniform(300, 600), 1: rng.uniform(2500, 4000), 2: 500 + 4000 * time_s}.get(int(label))
        if hz is not None:
            clip += 0.5 * np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6))
    level = 10 ** (rng.uniform(-50, -10, (count, 1)) / 20)
    return (clips * level).astype(np.float32), labels


def features(clips: np.ndarray) -> np.ndarray:
    """(count, samples) -> (count, frames, mels)."""
    return np.stack([log_mel(clip, FRONTEND) for clip in clips])


@functools.cache
def trained_core() -> keras.Model:
    """A separable network with all that a real core has, trained for a few seconds."""
    keras.utils.set_random_seed(0)
    spectrogram = keras.Input((FRAMES, FRONTEND.mel_count))
    image = layers.Reshape((FRAMES, FRONTEND.mel_count, 1))(spectrogram)
    values = layers.BatchNormalization(momentum=0.8)(image)
    values = _convolution(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False), values)
    for stride in (2, 1):
        depthwise = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)
        values = _convolution(layers.Conv2D(16, 1, use_bias=False), _convolution(depthwise, values))
    embedding = layers.UnitNormalization()(layers.Dense(16)(layers.GlobalAveragePooling2D()(values)))
    core = keras.Model(spectrogram, layers.Dense(len(LABELS))(layers.Rescaling(16.0)(embedding)))
    clips, labels = waveforms(256, seed=1)
    core.compile(keras.optimizers.Adam(5e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    core.fit(features(clips), labels, batch_size=16, epochs=5, verbose=0)
    return core


@functools.cache
def exported() -> ExportedModel:
    """The export of `trained_core`."""
    return export_model(
        trained_core(),
        frontend=FRONTEND,
        window_samples=WINDOW_SAMPLES,
        labels=LABELS,
        representative_log_mel=features(waveforms(128, seed=2)[0]),
    )


def _convolution(layer: layers.Layer, values: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.8)(layer(values)))
