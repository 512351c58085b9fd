"""Every pretraining that can be asked for: it trains, its options count, its state is saved and goes on."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras
from keras import layers
from tensorflow.python.framework.config import disable_op_determinism

from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.methods import PRETRAININGS
from kwsembed.models import forward
from kwsembed.pretraining import EmbeddingPretrainer, build_objective
from kwsembed.teaching import teacher_targets
from kwsembed.training.variables_file import load_variables, save_variables

DIM = 4
CLASSES = np.repeat([0, 1, 2], [8, 8, 16])
LEARNED = {
    "clustering": {"centroids": (8, DIM)},
    "normalised_softmax": {"proxies": (3, DIM)},
    "center": {"proxies": (3, DIM), "centers": (3, DIM)},
    "soft_triple": {"centers": (3, 10, DIM)},
    "proxy_anchor": {"proxies": (3, DIM)},
    "exemplar": {"proxies": (3, DIM), "clip_proxies": (len(CLASSES), DIM)},
    "teacher": {"kernel": (DIM, 6), "bias": (6,)},
}
CLUSTERED = ("clustering", "clustering_logistic", "lmle", "magnet")

every_method = pytest.mark.parametrize("method", PRETRAININGS)


@pytest.fixture(scope="module")
def windows():
    """Three classes of two kinds each, told apart by which of six inputs is high."""
    random = np.random.default_rng(0)
    kinds = 2 * CLASSES + np.arange(len(CLASSES)) % 2
    return (np.eye(6)[kinds] + 0.5 * random.standard_normal((len(CLASSES), 6))).astype(np.float32)


def objective_of(method, *, seed=0):
    name, _, options = method.partition(":")
    if name in CLUSTERED and "cluster_size" not in options:
        method = f"{name}:cluster_size=4{options and ','}{options}"
    config = TrainConfig(pretrain=method, teacher="a.tflite", embedding_size=DIM, seed=seed)
    return build_objective(config, CLASSES, 3, targets=heard)


def heard(dims, windows):
    """What a teacher says of the first windows, one of each clip: six features, the class among them."""
    answers = np.eye(6)[CLASSES] + 0.2 * np.random.default_rng(1).standard_normal((len(CLASSES), 6)) - 1
    return teacher_targets(answers, dims=dims)


def pretrainer_of(method, *, seed=0, eagerly=True):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    hidden = layers.Dense(8, activation="tanh")(inputs)
    embedder = keras.Model(inputs, layers.UnitNormalization()(layers.Dense(DIM)(hidden)))
    model = EmbeddingPretrainer(embedder, objective_of(method, seed=seed))
    model.compile(keras.optimizers.AdamW(0.02, clipnorm=1.0), run_eagerly=eagerly, jit_compile=False)
    return model


def batch(windows):
    items = np.arange(len(windows), dtype=np.int32)
    labels = {"class": CLASSES.astype(np.int32), "item": items, "window": items}
    return tf.constant(windows), {name: tf.constant(values) for name, values in labels.items()}


def losses_of(model, windows):
    features, labels = batch(windows)
    return model.objective.per_example(model(features), labels).numpy()


def steps(model, windows, count):
    for _ in range(count):
        model.train_step(batch(windows))


@every_method
def test_training_lowers_the_loss_and_survives_saving(method, windows, tmp_path):
    model = pretrainer_of(method)
    if model.objective.refresh_epochs:
        model.objective.refresh(forward(model.embedder, windows), seed=0)
    before = losses_of(model, windows)
    assert before.shape == (len(windows),)
    steps(model, windows, 12)
    after = losses_of(model, windows)
    assert after.mean() < 0.9 * before.mean()

    path = tmp_path / "state.npz"
    save_variables(path, [*model.variables, *model.optimizer.variables])
    other = pretrainer_of(method, seed=5)
    other.optimizer.build(other.trainable_variables)
    load_variables(path, [*other.variables, *other.optimizer.variables])
    np.testing.assert_array_equal(losses_of(other, windows), after)
    # Not only the result, the way on is the same: what was learned and the optimiser's state are there.
    steps(model, windows, 1)
    steps(other, windows, 1)
    np.testing.assert_array_equal(losses_of(other, windows), losses_of(model, windows))


@every_method
def test_what_is_learned_beside_the_embedder_is_trained_and_nothing_else(method, windows):
    model = pretrainer_of(method)
    own = {weight.name: weight for weight in model.objective.trainable_variables}
    assert {name: tuple(weight.shape) for name, weight in own.items()} == LEARNED.get(method, {})
    in_all = {id(weight) for weight in model.trainable_variables}
    assert in_all >= {id(weight) for weight in own.values()}
    if model.objective.refresh_epochs:
        model.objective.refresh(forward(model.embedder, windows), seed=0)
    before = [weight.numpy().copy() for weight in model.objective.weights]
    steps(model, windows, 1)
    for weight, was in zip(model.objective.weights, before, strict=True):
        assert np.array_equal(weight.numpy(), was) == (weight.name not in own), weight.name


@every_method
def test_the_clustered_ones_ask_for_clusters_and_the_others_for_nothing(method):
    objective = objective_of(method)
    assert objective.refresh_epochs == (1 if method in CLUSTERED else 0)
    assert bool(objective.non_trainable_variables) == (method in CLUSTERED)


@pytest.mark.parametrize("method", [name for name in LEARNED if name not in CLUSTERED])
def test_the_seed_decides_where_proxies_start(method):
    first, again, other = (objective_of(method, seed=seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.5 * np.abs(first).max()
    assert objective_of(method, seed=2**32 - 1).weights  # the largest that a config takes


@pytest.mark.parametrize("method", CLUSTERED)
def test_options_of_clusters_reach_their_tables(method):
    objective = objective_of(f"{method}:cluster_size=2,cluster_limit=3,recluster_epochs=5")
    assert objective.refresh_epochs == 5
    assert objective.centroids.shape == (3 * 3, DIM)  # eight or sixteen clips in twos, three at most
    assert objective_of(f"{method}:cluster_size=4").centroids.shape == (2 + 2 + 4, DIM)


@pytest.mark.parametrize(
    ("method", "option"),
    [
        (name, option)
        for name, about in PRETRAININGS.items()
        for option in about.options
        if option not in ("cluster_size", "cluster_limit", "recluster_epochs", "dims", "windows")
    ],
)
def test_every_option_reaches_its_loss(method, option):
    about = PRETRAININGS[method].options[option]
    # Without any structure, so that no part of a loss is as good as zero.
    z = np.random.default_rng(3).standard_normal((len(CLASSES), DIM)).astype(np.float32)
    z /= np.linalg.norm(z, axis=1, keepdims=True)

    def found(text):
        objective = objective_of(text)
        if objective.refresh_epochs:
            objective.refresh(z, seed=0)
        features, labels = batch(z)
        # Centres start at zero, where they say little of a distance: somewhere else they do.
        for weight in objective.trainable_variables:
            weight.assign(weight + 0.3)
        return objective.per_example(features, labels).numpy()

    assert about.least <= about.default <= about.most
    plain = found(method)
    np.testing.assert_array_equal(found(f"{method}:{option}={about.default!r}"), plain)
    other = about.least if about.default == about.most else about.most
    assert np.abs(found(f"{method}:{option}={other!r}") - plain).max() > 1e-3
    for extreme in (about.least, about.most):
        assert np.isfinite(found(f"{method}:{option}={extreme!r}")).all()


def test_centroids_that_are_learned_start_as_means_and_are_then_left_to_training(windows):
    model = pretrainer_of("clustering")
    objective = model.objective
    found = forward(model.embedder, windows)
    objective.refresh(found, seed=0)
    first = objective.centroids.numpy()
    for cluster, mean in enumerate(first):
        members = found[objective.assignment.numpy() == cluster].mean(axis=0)
        np.testing.assert_allclose(mean, members / np.linalg.norm(members), atol=1e-5)

    steps(model, windows, 12)
    moved = objective.centroids.numpy()
    assert np.abs(moved - first).max(axis=1).min() > 0.01
    embeddings = forward(model.embedder, windows)
    objective.refresh(embeddings, seed=0)
    np.testing.assert_array_equal(objective.centroids.numpy(), moved)
    owners = objective.cluster_classes.numpy()
    for clip, label in enumerate(CLASSES):
        rivals = [np.dot(embeddings[clip], mu / np.linalg.norm(mu)) for mu in moved]
        best = max(np.flatnonzero(owners == label), key=lambda cluster: rivals[cluster])
        assert objective.assignment.numpy()[clip] == best


def test_the_length_of_a_learned_centroid_does_not_count(windows):
    model = pretrainer_of("clustering")
    model.objective.refresh(forward(model.embedder, windows), seed=0)
    before = losses_of(model, windows)
    model.objective.centroids.assign(3.0 * model.objective.centroids)
    np.testing.assert_allclose(losses_of(model, windows), before, atol=1e-5)


def test_without_learned_centroids_every_refresh_clusters_anew(windows):
    model = pretrainer_of("clustering:learned_centroids=0")
    embeddings = forward(model.embedder, windows)
    model.objective.refresh(embeddings, seed=0)
    first = model.objective.centroids.numpy()
    steps(model, windows, 3)
    np.testing.assert_array_equal(model.objective.centroids.numpy(), first)
    model.objective.refresh(forward(model.embedder, windows), seed=1)
    assert np.abs(model.objective.centroids.numpy() - first).max() > 0.01


@pytest.mark.parametrize("centers", ["2.5", "0", "nan", "ten", "1e9"])
def test_centers_are_counted_in_whole_numbers(centers):
    with pytest.raises(ConfigError, match="Expected a whole number from 1 to 100"):
        TrainConfig(pretrain=f"soft_triple:centers={centers}")


@pytest.mark.slow
@every_method
def test_a_graph_of_fixed_order_trains_alike_twice(method, windows):
    """As a run trains: compiled, and with sums in a fixed order, which not every operation can do."""
    tf.config.experimental.enable_op_determinism()
    try:
        results = []
        for _ in range(2):
            model = pretrainer_of(method, eagerly=False)
            if model.objective.refresh_epochs:
                model.objective.refresh(forward(model.embedder, windows), seed=0)
            model.fit(tf.data.Dataset.from_tensors(batch(windows)).repeat(3), verbose=0)
            results.append(losses_of(model, windows))
    finally:
        disable_op_determinism()
    np.testing.assert_array_equal(*results)
