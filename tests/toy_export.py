"""A tiny untrained ds_cnn and a bundle of it, for the tests of deploy targets."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import keras
import numpy as np

from kwsembed.audio import wav
from kwsembed.bundle import Bundle, write_bundle
from kwsembed.config import TrainConfig
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.frontend import FrontendConfig, log_mel
from kwsembed.manifest import assign_splits, read_manifest
from kwsembed.models import build_classifier, build_embedder
from kwsembed.tflite import export_model
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.variables_file import save_variables

FRONTEND = FrontendConfig(mel_count=24)
WINDOW_SAMPLES = 8000
FRAMES = FRONTEND.frame_count(WINDOW_SAMPLES)
LABELS = ("beep", "knock", "noise")
EVENTS = LABELS[:2]


def waveform(seconds: float, *, seed: int) -> np.ndarray:
    """Noise of changing level with tones in it, (samples,) float32."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * FRONTEND.sample_rate_hz)) / FRONTEND.sample_rate_hz
    level = 10 ** (-2 + np.sin(3 * time_s + random.uniform(0, 6)))
    tone = np.sin(2 * np.pi * (800 + 600 * np.sin(2 * time_s)) * time_s) * (np.sin(7 * time_s) > 0.5)
    return (level * (0.3 * random.normal(size=len(time_s)) + tone)).clip(-1, 1).astype(np.float32)


@functools.cache
def classifier(frames: int = FRAMES, backbone: str = "ds_cnn") -> keras.Model:
    """Window of `frames` to logits; the weights are the same for any number of frames."""
    embedder = build_embedder(
        backbone, frames=frames, mels=FRONTEND.mel_count, width=0.25, embedding_size=8, seed=3
    )
    network = build_classifier(embedder, len(LABELS), seed=3)
    if frames != FRAMES:
        network.set_weights(classifier(backbone=backbone).get_weights())
        return network
    random = np.random.default_rng(3)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # As after training: about half of what comes in passes the ReLU behind.
            layer.momentum = 0.0  # one pass sets the statistics
            layer.gamma.assign(random.uniform(0.7, 1.3, layer.gamma.shape))
            layer.beta.assign(random.normal(0.2, 0.2, layer.beta.shape))
    network(features(waveform(20, seed=4)), training=True)
    # Untrained, all embeddings point the same way and every score is the same; centred, they say something.
    norm = network.get_layer("embedding")
    raw = keras.ops.convert_to_numpy(keras.Model(network.input, norm.input)(features(waveform(20, seed=4))))
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    dense[0].bias.assign(dense[0].bias - raw.mean(axis=0))
    dense[1].kernel.assign(0.2 * dense[1].kernel)
    return network


def features(samples: np.ndarray) -> np.ndarray:
    """(windows, frames, mels) of a waveform, windows one after the other."""
    rows = log_mel(samples, FRONTEND)
    count = len(rows) // FRAMES
    return rows[: count * FRAMES].reshape(count, FRAMES, -1)


@functools.cache
def exported(backbone: str = "ds_cnn") -> bytes:
    """The int8 model of the classifier."""
    return export_model(
        classifier(backbone=backbone),
        frontend=FRONTEND,
        window_samples=WINDOW_SAMPLES,
        labels=LABELS,
        representative_log_mel=features(waveform(40, seed=1)),
    ).int8


def write_toy_bundle(folder: Path, *, backbone: str = "ds_cnn") -> Bundle:
    """Writes a bundle of it."""
    return write_bundle(
        folder,
        model=exported(backbone),
        labels=LABELS,
        background_labels=LABELS[2:],
        frontend=FRONTEND,
        window_samples=WINDOW_SAMPLES,
        post=PostProcessing(hop_s=0.25, smoothing_windows=2, min_consecutive=2, refractory_s=0.6),
        operating_points={
            label: OperatingPoint(label, threshold, 0.5, 0, 10.0, 0.0, 0.3, True, 10, 0, 0.0)
            for label, threshold in zip(EVENTS, (0.6, 0.9), strict=True)
        },
    )


def write_toy_run(root: Path) -> Path:
    """Writes what a training leaves, with the untrained network: clips, split, weights, record, bundle."""
    for label in LABELS:
        for number in range(6):
            path = root / "sounds" / label / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            wav.write(path, waveform(4, seed=10 * number + LABELS.index(label)), 16000)
    run = RunDirectory(root / "RUN")
    config = TrainConfig(window_s=0.5, frontend=FRONTEND, width=0.25, embedding_size=8)
    run.start(config, assign_splits(read_manifest(root / "sounds"), seed=0), resume=False)
    sounds = str(root / "sounds")
    data = {"source": sounds, "root": sounds, "labels": LABELS, "background_labels": LABELS[2:]}
    metrics = {"seed": 0, "data": data, "chosen": {"variant": "end_to_end"}}
    run.metrics.write_text(json.dumps(metrics), encoding="utf-8")
    save_variables(run.weights("end_to_end"), classifier().variables)
    write_toy_bundle(run.bundle)
    return run.root
