"""Losses at the ends of what float32 holds, and labels that they cannot look up: right, or an error."""

from __future__ import annotations

import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed import losses
from kwsembed.losses.batch_masks import largest_where, log_sum_exp_where, smallest_where, surprise
from kwsembed.losses.unit_norm import unit_norm

LARGE = [1e3, 1e8, 1e9, 1e12, 1e30]

Z = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], np.float32)
POINTS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], np.float32)
TABLE_CLASSES, IN_USE = [0, 0, 1, 9], [True, True, True, False]

LENGTH_OF_PROXIES_IS_NOTHING = ("normalised_softmax", "proxy_anchor", "soft_triple")
WITH_TABLES = {
    "center": lambda z, points: losses.center(z, [0, 1, 2], points),
    "magnet": lambda z, points: losses.magnet(z, [0, 1, 2], points, TABLE_CLASSES, IN_USE),
    "normalised_softmax": lambda z, points: losses.normalised_softmax(z, [0, 1, 2], points),
    "proxy_anchor": lambda z, points: losses.proxy_anchor(z, [0, 1, 2], points),
    "soft_triple": lambda z, points: losses.soft_triple(z, [0, 1, 2], points[:, tf.newaxis]),
    "triple_header_logistic": lambda z, points: losses.triple_header_logistic(
        z, [0, 1, 2], points, TABLE_CLASSES, IN_USE
    ),
    "triple_header_softmax": lambda z, points: losses.triple_header_softmax(
        z, [0, 1, 2], points, TABLE_CLASSES, IN_USE, class_count=2
    ),
}

large_scales = pytest.mark.parametrize("scale", LARGE)
either_way = pytest.mark.parametrize("in_graph", [False, True])


def value_and_gradient(loss, z):
    z = tf.Variable(z, dtype=tf.float32)
    with tf.GradientTape() as tape:
        found = loss(z)
    return found.numpy(), tf.convert_to_tensor(tape.gradient(found, z)).numpy()


def call(loss, argument, *, in_graph):
    argument = tf.constant(argument)
    return (tf.function(loss, autograph=False) if in_graph else loss)(argument).numpy()


def eighths(random, *shape):
    """Numbers whose squares and products float32 holds exactly, so that a large scale shows no rounding."""
    return random.integers(-8, 9, size=shape) / 8


# ---- large scales


def triple_header_oracle(z, clusters, mu, cluster_classes, valid, *, scale, margins):
    """The formulas of the docstring in float64, H1 + H2 + H3, with no exponential that could overflow."""
    losses_found = []
    for example, own in zip(z, clusters, strict=True):
        lowered = -scale * (2.0 - 2.0 * mu @ example)
        same = (cluster_classes == cluster_classes[own]) & valid
        loss = 0.0
        for rivals, margin in ((same, margins[0]), (valid & ~same, margins[1])):
            rivals = rivals & (np.arange(len(mu)) != own)
            raised = np.append(lowered[rivals], lowered[own] - scale * margin)
            loss += np.logaddexp.reduce(raised) - raised[-1]
        by_class = {
            c: np.logaddexp.reduce(lowered[rows]) - math.log(rows.sum())
            for c in np.unique(cluster_classes[valid])
            for rows in [(cluster_classes == c) & valid]
        }
        by_class[cluster_classes[own]] -= scale * margins[2]
        loss += np.logaddexp.reduce(list(by_class.values())) - by_class[cluster_classes[own]]
        losses_found.append(loss)
    return losses_found


@large_scales
@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_no_scale_lets_excluded_clusters_into_the_triple_header(scale, margin):
    random = np.random.default_rng(0)
    z, mu = eighths(random, 12, 4), eighths(random, 8, 4)
    mu[3] = mu[0]  # a tie of two classes
    case = np.resize(np.arange(7), 12), mu, np.array([0, 0, 1, 1, 2, 2, 3, 0]), np.arange(8) < 7
    settings = {"scale": scale, "margins": (margin,) * 3}
    found, gradient = value_and_gradient(
        lambda z: losses.triple_header_softmax(
            z, *case, class_count=4, header_weights=(1.0, 1.0, 1.0), **settings
        ),
        z,
    )
    # Where the oracle takes large numbers off each other, its own digits end at 1e-16 of the scale.
    np.testing.assert_allclose(
        found, triple_header_oracle(z, *case, **settings), rtol=1e-5, atol=1e-5 + 1e-15 * scale
    )
    assert np.isfinite(gradient).all()


@large_scales
def test_a_tie_is_ln_2_at_any_scale(scale):
    # Far from everything, and as far from the own as from the other.
    z, mu = [[-1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]
    plain = {"scale": scale, "margins": (0.0, 0.0, 0.0), "header_weights": (0.0, 0.0, 1.0)}
    case = z, [0], mu, [0, 1], [True, True]
    assert losses.triple_header_softmax(*case, class_count=2, **plain).numpy() == pytest.approx([math.log(2)])
    assert losses.triple_header_logistic(*case, **plain).numpy() == pytest.approx([math.log(2)])

    pairs = [[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]
    found, gradient = value_and_gradient(
        lambda z: losses.supervised_contrastive(z, [0, 0, 1], temperature=1 / scale), pairs
    )
    # The second has its stranger at cosine 1 and its partner at -1.
    assert found == pytest.approx([math.log(2), 2 * scale, 0.0])
    assert np.isfinite(gradient).all()

    batch = [[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]
    found, gradient = value_and_gradient(
        lambda z: losses.prototypical(z, [0, 0, 1, 1], class_count=3, scale=scale), batch
    )
    assert found == pytest.approx([3 * scale] * 4)  # own class at 4, the other's mean, in the middle, at 1
    assert np.isfinite(gradient).all()


@large_scales
def test_proxies_without_examples_cost_nothing_at_any_scale(scale):
    # One class, so each proxy but the first has no examples of its own, and the first none of another.
    proxies = [[1.0, 0.0], [-1.0, 0.0]]
    found, gradient = value_and_gradient(
        lambda z: losses.proxy_anchor(z, [0, 0], proxies, scale=scale, margin=0.0), [[-1.0, 0.0]] * 2
    )
    # Both examples at cosine -1 to their proxy and 1 to the other: log(1 + 2 e^scale), once and by half.
    assert found == pytest.approx([1.5 * (scale + math.log(2))] * 2)
    assert np.isfinite(gradient).all()


# ---- large embeddings


@pytest.mark.parametrize("length", [1.0, 1e4, 1e5, 1e8])
def test_distances_of_any_size_count_as_distances(length):
    # Two of a class in one place, another far away: nothing to pay.
    near_and_far = length * np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    for loss in (
        lambda z: losses.quintuplet(z, [0, 0, 1], [0, 0, 1], margins=(0.0, 0.0, 0.0)),
        lambda z: losses.triplet_semi_hard(z, [0, 0, 1], margin=0.1),
    ):
        found, gradient = value_and_gradient(loss, near_and_far)
        assert found.tolist() == [0.0, 0.0, 0.0]
        assert not gradient.any()
    # From own and stranger at d = 1 and 4: nothing to pay; the other way round, 3.
    mu = length * np.array([[1.0, 0.0], [2.0, 0.0]])
    for own, expected in ((0, 0.0), (1, 3.0)):
        found, gradient = value_and_gradient(
            lambda z, own=own: losses.triple_header_logistic(
                z, [own], mu, [0, 1], [True, True], margins=(0.0, 0.0, 0.0), scale=64.0
            ),
            [[0.0, 0.0]],
        )
        assert found == pytest.approx([64 * length**2 * expected], rel=1e-5, abs=1e-20)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("length", [1.0, 1e5, 1e8])
def test_magnet_knows_no_unit_of_length(length):
    # The example of its docstring, sigma^2 with it: 2 / 4 + 1 - 4 / 4.
    mu = length * np.array([[1.0, 0.0], [0.0, -1.0]])
    found, gradient = value_and_gradient(
        lambda z: losses.magnet(z, [0], mu, [0, 1], [True, True]), [[0.0, length]]
    )
    assert found == pytest.approx([0.5])
    assert np.isfinite(gradient).all()


@either_way
@pytest.mark.parametrize("length", [1e19, 1e25, 1e38])
@pytest.mark.parametrize("name", WITH_TABLES)
def test_vectors_whose_distances_overflow_are_refused(name, length, in_graph):
    longest = np.float32(length) * Z
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: Expected embeddings"):
        call(lambda z: WITH_TABLES[name](z, POINTS), longest, in_graph=in_graph)
    if name not in LENGTH_OF_PROXIES_IS_NOTHING:
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: Expected embeddings and centr"):
            call(lambda points: WITH_TABLES[name](Z, points), np.float32(length) * POINTS, in_graph=in_graph)


@pytest.mark.parametrize("name", LENGTH_OF_PROXIES_IS_NOTHING)
@pytest.mark.parametrize("length", [1e-30, 1e-8, 1e5, 1e25, 1e38])
def test_learned_vectors_may_have_any_length(name, length):
    expected, _ = value_and_gradient(lambda points: WITH_TABLES[name](Z, points), POINTS)
    found, gradient = value_and_gradient(lambda points: WITH_TABLES[name](Z, points), length * POINTS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isfinite(gradient).all()


def test_the_gradient_of_a_direction_is_that_of_the_plain_formula():
    random = np.random.default_rng(0)
    vectors, towards = random.standard_normal((2, 5, 7)).astype(np.float32)
    slopes = [
        value_and_gradient(lambda v, unit=unit: tf.reduce_sum(towards * unit(v)), vectors)[1]
        for unit in (unit_norm, lambda v: v / tf.norm(v, axis=-1, keepdims=True))
    ]
    np.testing.assert_allclose(*slopes, rtol=1e-4, atol=1e-6)


# ---- reductions with nothing to reduce


def test_a_row_of_nothing_has_no_gradient_and_a_broken_one_stays_broken():
    values = tf.Variable([[1.0, 2.0], [-3e38, -3e38], [np.nan, 0.0]])
    mask = tf.constant([[False, False], [True, True], [True, False]])
    with tf.GradientTape() as tape:
        sums = log_sum_exp_where(mask, values)
    assert sums[:2].numpy().tolist() == [-np.inf, np.float32(-3e38)]
    assert np.isnan(sums[2])
    assert tape.gradient(sums, values)[:2].numpy().tolist() == [[0.0, 0.0], [0.5, 0.5]]
    for reduce in (largest_where, smallest_where):
        assert reduce(mask, values)[:2].numpy().tolist() == [0.0, np.float32(-3e38)]


def test_what_is_all_but_certain_keeps_its_digits():
    own, rivals = tf.constant([[True, False]]), tf.constant([[False, True]])
    assert surprise(own, rivals, tf.constant([[0.0, -40.0]])).numpy() == pytest.approx([math.exp(-40)])
    assert surprise(own, tf.constant([[False, False]]), tf.constant([[-9.0, 0.0]])).numpy().tolist() == [0.0]


# ---- labels that cannot be looked up

OF_CLASSES = {
    "center": lambda classes: losses.center(Z, classes, POINTS),
    "normalised_softmax": lambda classes: losses.normalised_softmax(Z, classes, POINTS),
    "prototypical": lambda classes: losses.prototypical(Z, classes, class_count=4),
    "proxy_anchor": lambda classes: losses.proxy_anchor(Z, classes, POINTS),
    "soft_triple": lambda classes: losses.soft_triple(Z, classes, POINTS[:, np.newaxis]),
}
OF_CLUSTERS = {
    "magnet": lambda clusters: losses.magnet(Z, clusters, POINTS, TABLE_CLASSES, IN_USE),
    "triple_header_logistic": lambda clusters: losses.triple_header_logistic(
        Z, clusters, POINTS, TABLE_CLASSES, IN_USE
    ),
    "triple_header_softmax": lambda clusters: losses.triple_header_softmax(
        Z, clusters, POINTS, TABLE_CLASSES, IN_USE, class_count=2
    ),
}


@either_way
@pytest.mark.parametrize("wrong", [-1, 4, 7])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_class_out_of_range_is_an_error_that_says_so(name, wrong, in_graph):
    assert np.isfinite(call(OF_CLASSES[name], [0, 3, 3], in_graph=in_graph)).all()
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        call(OF_CLASSES[name], [0, 1, wrong], in_graph=in_graph)
    message = str(raised.value)
    assert f"{name}: Expected classes in [0, count) with count =" in message
    assert "Received: classes with" in message
    assert {"4", str(wrong)} <= set(message.replace("[", " ").replace("]", " ").split())


def test_a_class_that_int32_would_bring_into_range_is_an_error_too():
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(2**32)):
        losses.center(Z, tf.constant([0, 1, 2**32], tf.int64), POINTS)


@either_way
@pytest.mark.parametrize("wrong", [-1, 4])
@pytest.mark.parametrize("name", OF_CLUSTERS)
def test_a_cluster_that_is_no_row_is_an_error(name, wrong, in_graph):
    # The row that is out of use is of no class that there is, which is nobody's concern.
    assert np.isfinite(call(OF_CLUSTERS[name], [0, 1, 2], in_graph=in_graph)).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{name}: Expected clusters in \[0, count\)"):
        call(OF_CLUSTERS[name], [0, 1, wrong], in_graph=in_graph)


@either_way
@pytest.mark.parametrize("name", OF_CLUSTERS)
def test_an_own_cluster_out_of_use_is_an_error(name, in_graph):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: Expected clusters that are valid"):
        call(OF_CLUSTERS[name], [0, 1, 3], in_graph=in_graph)


@either_way
@pytest.mark.parametrize("wrong", [-1, 2])
def test_a_cluster_in_use_of_no_class_is_an_error(wrong, in_graph):
    def loss(cluster_classes):
        return losses.triple_header_softmax(Z, [0, 1, 2], POINTS, cluster_classes, [True] * 4, class_count=2)

    with pytest.raises(
        tf.errors.InvalidArgumentError, match="triple_header_softmax: Expected cluster_classes"
    ):
        call(loss, [0, 0, 1, wrong], in_graph=in_graph)
