"""What is logged on validation after every epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_store import LABELS, tones

tf = pytest.importorskip("tensorflow")

import keras

from kwsembed.config import ScheduleConfig, TrainConfig
from kwsembed.errors import DataError, KwsembedError
from kwsembed.evaluation.clip_metrics import clip_metrics
from kwsembed.manifest import Manifest
from kwsembed.models import build_classifier, build_embedder, forward
from kwsembed.pretraining import AnchorEmbeddings
from kwsembed.training.data import TrainingData
from kwsembed.training.monitor import ClassifierMonitor, EmbeddingMonitor

CONFIG = TrainConfig(window_s=0.5, schedule=ScheduleConfig(batch_size=4))
FRAMES = CONFIG.frontend.frame_count(CONFIG.window_samples)


def data_of(store):
    manifest = Manifest(
        root=Path("/toy"), source=Path("/toy"), clips=store.clips, labels=LABELS, background_labels=LABELS[2:]
    )
    return TrainingData.of(store, manifest, CONFIG)


@pytest.fixture(scope="module")
def data():
    return data_of(tones(events=3, backgrounds=4, splits=("train", "validation")))


def band_embedder():
    """An embedding that a hand can make: the mean energy of each mel band, on the unit sphere."""
    inputs = keras.Input((FRAMES, 64))
    energy = keras.layers.GlobalAveragePooling1D()(keras.layers.Rescaling(0.25, offset=1.25)(inputs))
    return keras.Model(inputs, keras.layers.UnitNormalization(name="embedding")(energy), name="embedder")


def test_a_classifier_is_judged_by_its_probabilities(data):
    classifier = build_classifier(build_embedder("ds_cnn", frames=FRAMES, mels=64, width=0.25), len(LABELS))
    monitor, logs = ClassifierMonitor(classifier, data), {"loss": 1.0}
    monitor.on_epoch_end(0, logs)

    logits = forward(classifier, data.anchors("validation"))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = clip_metrics(probabilities, data.classes_of("validation"), labels=LABELS, event_count=2)
    assert logs == {
        "loss": 1.0,
        "val_macro_average_precision": pytest.approx(expected["macro_average_precision"]),
        "val_balanced_error": pytest.approx(expected["balanced_error"]),
    }


def test_an_embedding_is_judged_by_its_nearest_class(data):
    monitor, logs = EmbeddingMonitor(AnchorEmbeddings(band_embedder(), data.anchors("train")), data), {}
    monitor.on_epoch_end(0, logs)
    # Tones and two levels of noise: mean energies per band tell them apart.
    assert logs["val_macro_average_precision"] == pytest.approx(1.0)
    assert logs["val_balanced_error"] == pytest.approx(0.0)


def test_a_network_that_diverged_is_an_error(data):
    embedder = build_embedder("ds_cnn", frames=FRAMES, mels=64, width=0.25)
    embedder.set_weights([np.full_like(weight, np.nan) for weight in embedder.get_weights()])
    with pytest.raises(KwsembedError, match="not finite"):
        EmbeddingMonitor(AnchorEmbeddings(embedder, data.anchors("train")), data).on_epoch_end(0, {})


# ---- the data that is monitored


def test_splits_of_the_data(data):
    assert len(data.clips_of("train")) == len(data.clips_of("validation")) == 14
    assert data.anchors("train").shape == (14, FRAMES, 64)
    assert data.anchors("test").shape == (0, FRAMES, 64)
    assert data.event.tolist() == [True, True, False, False]
    assert data.counts()["train"]["tone_3k"] == {"clips": 3, "groups": 3, "hours": pytest.approx(6 / 3600)}


@pytest.mark.parametrize("splits", [("validation",), ("train",)])
def test_a_split_without_clips_cannot_be_trained_on(splits):
    with pytest.raises(DataError, match=r"To mend it"):
        data_of(tones(splits=splits))
