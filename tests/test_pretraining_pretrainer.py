"""The pretrainer as a Keras model: it learns, its state is saved, and callbacks work."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras
from keras import layers

from kwsembed.config import TrainConfig
from kwsembed.errors import KwsembedError
from kwsembed.methods import TEACHER
from kwsembed.models import build_classifier, build_embedder, forward
from kwsembed.pretraining import (
    OBJECTIVES,
    AnchorEmbeddings,
    ClusteringObjective,
    EmbeddingPretrainer,
    RefreshObjective,
    SiameseObjective,
    build_objective,
)

CLASSES = np.repeat([0, 1, 2], [12, 12, 40])
DIM = 4


@pytest.fixture(scope="module")
def windows():
    """Three classes of two kinds each, told apart by which of six bands is loud."""
    random = np.random.default_rng(0)
    kinds = 2 * CLASSES + np.arange(len(CLASSES)) % 2
    return (np.eye(6)[kinds][:, None, :] + 0.3 * random.standard_normal((len(CLASSES), 5, 6))).astype(
        np.float32
    )


def small_embedder(seed=0):
    keras.utils.set_random_seed(seed)
    log_mel = keras.Input((5, 6))
    hidden = layers.Dense(8, activation="relu")(layers.Flatten()(log_mel))
    return keras.Model(log_mel, layers.UnitNormalization()(layers.Dense(DIM)(hidden)))


def clustering(**settings):
    return ClusteringObjective(CLASSES, class_count=3, embedding_size=DIM, cluster_size=10, **settings)


def batches(windows):
    items = np.arange(len(windows), dtype=np.int32)
    labels = {"class": CLASSES.astype(np.int32), "item": items}
    return tf.data.Dataset.from_tensor_slices((windows, labels)).shuffle(64, seed=1).batch(16)


def pretrainer_of(objective, *, seed=0, learning_rate=0.01, eagerly=True):
    model = EmbeddingPretrainer(small_embedder(seed), objective)
    # Such small models train faster step by step than a graph of them is made.
    model.compile(keras.optimizers.AdamW(learning_rate), run_eagerly=eagerly, jit_compile=False)
    return model


def refreshing(model, windows, *, seed=0):
    return RefreshObjective(model.objective, AnchorEmbeddings(model.embedder, windows), seed=seed)


# ---- learning


@pytest.mark.parametrize("make", [clustering, SiameseObjective])
def test_the_loss_falls_and_classes_come_apart(windows, make):
    model = pretrainer_of(make(), learning_rate=0.03)
    history = model.fit(batches(windows), epochs=6, verbose=0, callbacks=[refreshing(model, windows)]).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    similarity = forward(model.embedder, windows) @ forward(model.embedder, windows).T
    same = CLASSES[:, None] == CLASSES[None]
    assert similarity[same].mean() > similarity[~same].mean() + 0.5


def test_a_broken_input_is_an_error_of_the_loss(windows):
    model = pretrainer_of(SiameseObjective())
    broken = windows.copy()
    broken[7, 2, 3] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match="contrastive: Expected embeddings"):
        model.fit(batches(broken), verbose=0)


def test_training_that_diverged_stops_at_the_next_clustering(windows):
    model = pretrainer_of(clustering())
    model.embedder.set_weights([np.full_like(weight, np.nan) for weight in model.embedder.get_weights()])
    with pytest.raises(KwsembedError, match="not finite"):
        model.fit(batches(windows), verbose=0, callbacks=[refreshing(model, windows)])


# ---- the state of the objective


def test_refreshing_fills_and_changes_the_tables_of_means(windows):
    model = pretrainer_of(clustering(learned_centroids=False))
    assert not model.objective.cluster_valid.numpy().any()
    figures = model.objective.refresh(forward(model.embedder, windows), seed=0)
    assert figures["clusters"] == 6  # 12, 12 and 40 clips in clusters of about ten: 1, 1 and 4
    assert 0 < figures["own_centroid_similarity"] <= 1
    before = model.objective.centroids.numpy().copy()
    model.fit(batches(windows), epochs=1, verbose=0)
    np.testing.assert_array_equal(model.objective.centroids.numpy(), before)  # gradients never move them
    model.objective.refresh(forward(model.embedder, windows), seed=1)
    assert np.abs(model.objective.centroids.numpy() - before).max() > 1e-3


def test_clusters_are_renewed_every_so_many_epochs(windows, monkeypatch):
    model = pretrainer_of(clustering(refresh_epochs=2))
    seeds, refresh = [], model.objective.refresh
    monkeypatch.setattr(
        model.objective, "refresh", lambda z, *, seed: seeds.append(seed) or refresh(z, seed=seed)
    )
    model.fit(batches(windows), epochs=5, verbose=0, callbacks=[refreshing(model, windows, seed=100)])
    assert seeds == [100, 102, 104]


def test_the_largest_seed_can_still_be_counted_up(windows):
    model = pretrainer_of(clustering())
    model.fit(batches(windows), epochs=2, verbose=0, callbacks=[refreshing(model, windows, seed=2**32 - 1)])


def test_an_objective_without_state_is_left_alone(windows):
    objective = SiameseObjective()
    model = pretrainer_of(objective)
    model.fit(batches(windows), verbose=0, callbacks=[refreshing(model, windows)])
    assert objective.weights == []
    with pytest.raises(NotImplementedError, match="SiameseObjective"):
        objective.refresh(np.zeros((1, DIM)), seed=0)


def test_weights_and_tables_survive_saving(windows, tmp_path):
    model = pretrainer_of(clustering())
    model.fit(batches(windows), epochs=2, verbose=0, callbacks=[refreshing(model, windows)])
    model.save_weights(tmp_path / "model.weights.h5")

    other = pretrainer_of(clustering(), seed=9)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(forward(other.embedder, windows), forward(model.embedder, windows))
    assert len(model.objective.weights) == 4
    for mine, theirs in zip(model.objective.weights, other.objective.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_another_number_of_clusters_does_not_retrace_the_step(windows):
    traces = []

    class Counting(ClusteringObjective):
        def call(self, embeddings, classes, items):
            traces.append(1)
            return super().call(embeddings, classes, items)

    objective = Counting(CLASSES, class_count=3, embedding_size=DIM, cluster_size=10, learned_centroids=False)
    model = pretrainer_of(objective, eagerly=False)
    objective.refresh(forward(model.embedder, windows), seed=0)
    dataset = batches(windows)
    model.fit(dataset, verbose=0)
    traced = len(traces)
    objective.refresh(np.ones((len(windows), DIM)) / 2, seed=0)  # collapsed: a single cluster per class
    assert objective.cluster_valid.numpy().sum() == 3
    model.fit(dataset, verbose=0)
    assert traced > 0
    assert len(traces) == traced


@pytest.mark.parametrize("method", sorted({*OBJECTIVES} - {TEACHER}))
def test_every_method_has_a_builder(method):
    options = ":scale=3" if method.startswith("clustering") else ""
    config = TrainConfig(pretrain=method + options, embedding_size=DIM)
    objective = build_objective(config, CLASSES, 3)
    clustered = ("clustering", "clustering_logistic", "lmle", "magnet")
    assert objective.refresh_epochs == (1 if method in clustered else 0)
    if method in clustered:
        assert objective.centroids.shape == (4, DIM)
    if method in clustered[:2]:
        assert objective.scale == 3.0


# ---- Keras all around


def test_usual_callbacks_work(windows, tmp_path):
    model = pretrainer_of(SiameseObjective())
    history = model.fit(
        batches(windows),
        epochs=5,
        verbose=0,
        callbacks=[
            keras.callbacks.TensorBoard(tmp_path, write_graph=False),
            keras.callbacks.EarlyStopping(
                monitor="loss", min_delta=1e9, patience=1, restore_best_weights=True
            ),
        ],
    )
    assert len(history.epoch) == 2
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_a_frozen_embedder_is_in_inference_mode_and_never_changes():
    embedder = build_embedder("ds_cnn", frames=16, mels=16, width=0.25, embedding_size=8)
    embedder.trainable = False
    classifier = build_classifier(embedder, 3)
    classifier.compile(
        keras.optimizers.AdamW(0.1, weight_decay=0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    # Far from the zero mean and unit variance that batch normalisation starts with.
    log_mel = np.random.default_rng(0).normal(5.0, 9.0, (8, 16, 16)).astype(np.float32)
    before, head = embedder.get_weights(), classifier.get_layer("logits").get_weights()
    np.testing.assert_array_equal(embedder(log_mel, training=True), embedder(log_mel, training=False))
    classifier.fit(log_mel, np.arange(8) % 3, epochs=3, verbose=0)
    for was, now in zip(before, embedder.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    assert np.abs(classifier.get_layer("logits").get_weights()[0] - head[0]).max() > 1e-2
