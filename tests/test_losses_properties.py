"""What holds for every loss on embeddings: shapes, kinds of numbers, hard batches, broken inputs, memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras

from kwsembed import losses

DIM, CLASS_COUNT = 6, 4
CLUSTERS_PER_CLASS = np.array([4, 2, 1, 2])


@dataclass(frozen=True)
class Case:
    """A batch, the clusters of its examples, and the tables and learned points that losses look at."""

    z: np.ndarray
    classes: np.ndarray
    clusters: np.ndarray
    centroids: np.ndarray
    cluster_classes: np.ndarray
    proxies: np.ndarray  # (classes, 3, dim)

    @property
    def table(self):
        return (
            self.clusters,
            self.centroids.astype(np.float32),
            self.cluster_classes,
            np.ones(len(self.centroids), bool),
        )

    def only(self, rows):
        return replace(self, z=self.z[rows], classes=self.classes[rows], clusters=self.clusters[rows])


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def make_case(*, size=16, dim=DIM, seed=0):
    random = np.random.default_rng(seed)
    cluster_classes = np.repeat(np.arange(CLASS_COUNT), CLUSTERS_PER_CLASS)
    clusters = np.resize(np.arange(len(cluster_classes)), size)
    return Case(
        z=unit(random.standard_normal((size, dim))).astype(np.float32),
        classes=cluster_classes[clusters].astype(np.int32),
        clusters=clusters.astype(np.int32),
        centroids=unit(random.standard_normal((len(cluster_classes), dim))),
        cluster_classes=cluster_classes.astype(np.int32),
        proxies=random.standard_normal((CLASS_COUNT, 3, dim)).astype(np.float32),
    )


LOSSES = {
    "triple_header_softmax": lambda z, case: losses.triple_header_softmax(
        z, *case.table, class_count=CLASS_COUNT
    ),
    "triple_header_logistic": lambda z, case: losses.triple_header_logistic(z, *case.table),
    "magnet": lambda z, case: losses.magnet(z, *case.table),
    "quintuplet": lambda z, case: losses.quintuplet(z, case.classes, case.clusters),
    "contrastive": lambda z, case: losses.contrastive(z, case.classes),
    "triplet_batch_hard": lambda z, case: losses.triplet_batch_hard(z, case.classes),
    "triplet_semi_hard": lambda z, case: losses.triplet_semi_hard(z, case.classes),
    "supervised_contrastive": lambda z, case: losses.supervised_contrastive(z, case.classes),
    "prototypical": lambda z, case: losses.prototypical(z, case.classes, class_count=CLASS_COUNT),
    "normalised_softmax": lambda z, case: losses.normalised_softmax(z, case.classes, case.proxies[:, 0]),
    "center": lambda z, case: losses.center(z, case.classes, case.proxies[:, 0]),
    "soft_triple": lambda z, case: losses.soft_triple(z, case.classes, tf.constant(case.proxies)),
    "proxy_anchor": lambda z, case: losses.proxy_anchor(z, case.classes, case.proxies[:, 0]),
}
WITHIN_THE_BATCH = (
    "quintuplet",
    "contrastive",
    "triplet_batch_hard",
    "triplet_semi_hard",
    "supervised_contrastive",
    "prototypical",
)

every_loss = pytest.mark.parametrize("name", LOSSES)


def value(name, case):
    return LOSSES[name](tf.constant(case.z), case).numpy()


def value_in_graph(name, case):
    return tf.function(lambda z: LOSSES[name](z, case), autograph=False)(tf.constant(case.z)).numpy()


def value_and_gradient(name, case):
    z = tf.Variable(case.z)
    with tf.GradientTape() as tape:
        found = LOSSES[name](z, case)
    return found.numpy(), tf.convert_to_tensor(tape.gradient(found, z)).numpy()


def test_every_loss_is_here():
    assert set(LOSSES) | {"center_spread"} == set(losses.__all__)


@every_loss
def test_one_float32_per_example_whatever_comes_in(name):
    case = make_case()
    found = value(name, case)
    assert (found.shape, found.dtype) == ((16,), np.float32)
    assert np.all(found >= 0)
    for kind in (np.float16, np.float64):
        other = value(name, replace(case, z=case.z.astype(kind)))
        assert other.dtype == np.float32
        rounded = replace(case, z=case.z.astype(kind).astype(np.float32))
        np.testing.assert_array_equal(other, value(name, rounded))


@every_loss
def test_gradients_are_finite_and_there(name):
    _, gradient = value_and_gradient(name, make_case())
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1e-3


@every_loss
def test_the_order_of_the_batch_means_nothing(name):
    case, order = make_case(), np.random.default_rng(1).permutation(16)
    np.testing.assert_allclose(value(name, case.only(order)), value(name, case)[order], rtol=1e-4, atol=1e-5)


@every_loss
def test_the_numbers_of_classes_and_clusters_mean_nothing(name):
    case, random = make_case(), np.random.default_rng(2)
    new_class, new_cluster = random.permutation(CLASS_COUNT), random.permutation(len(case.centroids))
    renumbered = replace(
        case,
        classes=new_class[case.classes].astype(np.int32),
        clusters=new_cluster[case.clusters].astype(np.int32),
        centroids=case.centroids[np.argsort(new_cluster)],
        cluster_classes=new_class[case.cluster_classes][np.argsort(new_cluster)].astype(np.int32),
        proxies=case.proxies[np.argsort(new_class)],
    )
    np.testing.assert_allclose(value(name, renumbered), value(name, case), rtol=1e-4, atol=1e-5)


# ---- hard batches


def hard_batches():
    case = make_case()
    first_of_last_class = np.flatnonzero(case.classes == 3)[:1]
    return {
        "a class is absent": case.only(case.classes != 2),
        "a class has one clip": case.only(np.append(np.flatnonzero(case.classes < 3), first_of_last_class)),
        "one class": case.only(case.classes == 0),
        "one example": case.only(np.array([5])),
        "one example per class": case.only(
            np.array([np.flatnonzero(case.classes == c)[0] for c in range(4)])
        ),
        "two of each": case.only(np.repeat(np.arange(9), 2)),
        "all the same": replace(case, z=np.tile(case.z[:1], (16, 1))),
        "opposite": replace(case, z=case.z[:1] * np.resize([1, -1], (16, 1)).astype(np.float32)),
        "zero": replace(case, z=np.zeros_like(case.z)),
        "on the centroids": replace(case, z=case.centroids[case.clusters].astype(np.float32)),
        "very long": replace(case, z=1e3 * case.z),
        "very short": replace(case, z=1e-6 * case.z),
    }


@every_loss
@pytest.mark.parametrize("kind", hard_batches())
def test_hard_batches_have_finite_losses_and_gradients(name, kind):
    case = hard_batches()[kind]
    found, gradient = value_and_gradient(name, case)
    assert found.shape == (len(case.z),)
    assert np.isfinite(found).all()
    assert np.all(found >= -1e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", WITHIN_THE_BATCH)
def test_a_single_example_has_nothing_to_be_compared_with(name):
    found, gradient = value_and_gradient(name, make_case().only(np.array([5])))
    assert found.tolist() == [0.0]
    assert not gradient.any()


@every_loss
@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-5])
def test_features_of_any_length_train_once_normalised(name, scale):
    case = make_case()
    raw = tf.Variable(scale * case.z)
    normalise = keras.layers.UnitNormalization()
    with tf.GradientTape() as tape:
        found = LOSSES[name](normalise(raw), case)
    np.testing.assert_allclose(found, value(name, case), rtol=1e-3, atol=1e-3)
    assert np.isfinite(tape.gradient(found, raw)).all()


@every_loss
def test_features_too_short_to_be_normalised_stay_finite(name):
    case = make_case()
    raw = tf.Variable(1e-8 * case.z)
    normalise = keras.layers.UnitNormalization()
    with tf.GradientTape() as tape:
        found = LOSSES[name](normalise(raw), case)
    assert np.isfinite(found).all()
    assert np.isfinite(tape.gradient(found, raw)).all()


@every_loss
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("in_graph", [False, True])
def test_a_broken_embedding_is_an_error_that_says_so(name, broken, in_graph):
    case = make_case()
    case.z[4, 2] = broken
    for batch in (case, case.only(np.array([4]))):
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            (value_in_graph if in_graph else value)(name, batch)
        assert f"{name}: Expected embeddings" in str(raised.value)
        assert "finite losses" in str(raised.value)


@pytest.mark.parametrize("name", ["triple_header_softmax", "magnet", "quintuplet", "triplet_batch_hard"])
def test_where_xla_drops_the_check_a_broken_embedding_has_a_broken_loss(name):
    case = make_case()
    case.z[4] = np.nan, 1e30, 0, 0, 0, 0
    compiled = tf.function(lambda z: LOSSES[name](z, case), autograph=False, jit_compile=True)
    assert np.isnan(compiled(tf.constant(case.z))[4])


# ---- memory


def largest_tensor(function, *arguments):
    """Elements of the largest tensor in a function's graph; a dimension that is not known is an error."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    sizes = []
    for operation in graph.get_operations():
        for output in operation.outputs:
            assert output.shape.is_fully_defined(), (operation.name, output.shape)
            sizes.append(output.shape.num_elements())
    return max(sizes)


def with_gradient(loss, case):
    def run(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            found = loss(z, case)
        return found, tf.convert_to_tensor(tape.gradient(found, z))

    return run


@every_loss
def test_no_tensor_is_larger_than_a_few_squares_of_the_batch(name):
    case = make_case(size=64, dim=16)
    largest = largest_tensor(with_gradient(LOSSES[name], case), tf.TensorSpec([64, 16]))
    assert 64 <= largest <= 2 * 64 * 64


def test_a_tensor_of_all_differences_would_be_seen():
    def wasteful(z, case):
        return tf.reduce_sum(tf.square(z[:, None] - z[None]), axis=[1, 2])

    assert largest_tensor(with_gradient(wasteful, None), tf.TensorSpec([64, 16])) == 64 * 64 * 16
