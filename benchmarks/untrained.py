"""A bundle of the default network, untrained, for timings: weights do not change what a call costs."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from kwsembed.bundle import write_bundle
from kwsembed.config import TrainConfig
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.frontend import log_mel
from kwsembed.models import build_classifier, build_embedder
from kwsembed.tflite import export_model

LABELS = ("event_1", "event_2", "event_3", "event_4", "background")


def write_untrained_bundle(folder: Path) -> None:
    """Writes the bundle into a folder that it makes."""
    config = TrainConfig()
    frontend = config.frontend
    window_samples = round(config.window_s * frontend.sample_rate_hz)
    embedder = build_embedder(
        config.backbone,
        frames=frontend.frame_count(window_samples),
        mels=frontend.mel_count,
        width=config.width,
        embedding_size=config.embedding_size,
    )
    network = build_classifier(embedder, len(LABELS))
    random = np.random.default_rng(0)
    level = 10 ** random.uniform(-3, -0.5, (64, 1))
    features = np.stack(
        [log_mel(clip, frontend) for clip in level * random.normal(size=(64, window_samples))]
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # one pass sets the statistics
    network(features.astype(np.float32), training=True)
    exported = export_model(
        network,
        frontend=frontend,
        window_samples=window_samples,
        labels=LABELS,
        representative_log_mel=features.astype(np.float32),
    )
    point = OperatingPoint("", 0.5, 0.5, 0, 0.0, 0.0, 0.0, False, 0, 0, 0.0)
    write_bundle(
        folder,
        model=exported.int8,
        labels=LABELS,
        background_labels=LABELS[-1:],
        frontend=frontend,
        window_samples=window_samples,
        post=PostProcessing(),
        operating_points=dict.fromkeys(LABELS[:-1], point),
    )
