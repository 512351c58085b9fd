"""Losses over learned points: numbers worked by hand, and slow loops as oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed.losses import center, center_spread, normalised_softmax, proxy_anchor, soft_triple

SEEDS = range(4)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def case(seed, *point_shape):
    random = np.random.default_rng(seed)
    z = unit(random.standard_normal((11, 6)))
    return z, random.integers(0, point_shape[0], size=11), 3 * random.standard_normal((*point_shape, 6))


# ---- normalised softmax


@pytest.mark.parametrize("seed", SEEDS)
def test_normalised_softmax_agrees_with_loops(seed):
    z, classes, proxies = case(seed, 4)
    expected = []
    for example, own in zip(z, classes, strict=True):
        likeness = [math.exp(5.0 * float(example @ proxy) / math.hypot(*proxy)) for proxy in proxies]
        expected.append(-math.log(likeness[own] / sum(likeness)))
    found = normalised_softmax(z, classes, proxies, scale=5.0).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_length_of_a_proxy_means_nothing():
    z, classes, proxies = case(0, 4)
    lengths = np.array([[0.01], [1.0], [7.0], [1e3]])
    np.testing.assert_allclose(
        normalised_softmax(z, classes, proxies * lengths),
        normalised_softmax(z, classes, proxies),
        rtol=1e-4,
        atol=1e-5,
    )


# ---- center


def test_center_is_half_the_squared_distance():
    found = center([[1.0, 0.0], [0.6, 0.8]], [1, 0], [[0.0, 0.0], [0.5, 0.0]]).numpy()
    assert found == pytest.approx([0.5 * 0.25, 0.5 * 1.0])


def test_a_center_is_drawn_to_the_mean_of_its_class():
    centers = tf.Variable(tf.zeros([2, 2]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(center([[1.0, 0.0], [0.0, 1.0]], [0, 0], centers))
    np.testing.assert_allclose(tape.gradient(loss, centers), [[-1.0, -1.0], [0.0, 0.0]])


# ---- SoftTriple


def test_soft_triple_on_paper():
    # Centres of the own class at cosine 1 and 0, of the other at -1 twice; gamma 1, so that the weights of
    # the first are e / (e + 1) and 1 / (e + 1), and its similarity is e / (e + 1).
    centers = tf.constant([[[2.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [-3.0, 0.0]]])
    found = soft_triple([[1.0, 0.0]], [0], centers, scale=2.0, gamma=1.0, margin=0.5).numpy()
    similarity = math.e / (math.e + 1)
    assert found == pytest.approx([math.log(1 + math.exp(2.0 * (-1 - (similarity - 0.5))))], rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_triple_agrees_with_loops(seed):
    z, classes, centers = case(seed, 4, 3)
    expected = []
    for example, own in zip(z, classes, strict=True):
        similarities = []
        for points in centers:
            cosines = [float(example @ point) / math.hypot(*point) for point in points]
            weights = [math.exp(cosine / 0.2) for cosine in cosines]
            similarities.append(np.dot(weights, cosines) / sum(weights))
        similarities[own] -= 0.1
        likeness = [math.exp(6.0 * similarity) for similarity in similarities]
        expected.append(-math.log(likeness[own] / sum(likeness)))
    found = soft_triple(z, classes, tf.constant(centers), scale=6.0, gamma=0.2, margin=0.1).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_one_center_per_class_is_the_normalised_softmax():
    z, classes, proxies = case(0, 4)
    np.testing.assert_allclose(
        soft_triple(z, classes, tf.constant(proxies[:, None]), margin=0.0),
        normalised_softmax(z, classes, proxies, scale=20.0),
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_spread_of_centers_agrees_with_loops():
    _, _, centers = case(1, 4, 3)
    directions = unit(centers)
    total = sum(
        math.sqrt(max(0.0, 2 - 2 * float(points[s] @ points[t])))
        for points in directions
        for s in range(3)
        for t in range(s + 1, 3)
    )
    assert float(center_spread(tf.constant(centers))) == pytest.approx(total / (4 * 3 * 2), rel=1e-4)
    assert float(center_spread(tf.constant(centers[:, :1]))) == 0.0


def test_merged_centers_have_no_spread_and_finite_gradients():
    centers = tf.Variable(tf.ones([2, 3, 4]))
    with tf.GradientTape() as tape:
        spread = center_spread(centers)
    assert float(spread) == pytest.approx(0.0, abs=1e-3)
    assert np.isfinite(tape.gradient(spread, centers)).all()


# ---- Proxy-Anchor


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_of_proxy_anchor_is_the_published_loss(seed):
    z, classes, proxies = case(seed, 5)
    classes[classes == 2] = 1  # a class that is not in the batch has no first term, but a second one
    directions = unit(proxies)
    pull, push = [], []
    for index, proxy in enumerate(directions):
        cosines = [(float(x @ proxy), own == index) for x, own in zip(z, classes, strict=True)]
        positive = [math.exp(-4 * (cosine - 0.2)) for cosine, own in cosines if own]
        negative = [math.exp(4 * (cosine + 0.2)) for cosine, own in cosines if not own]
        push.append(math.log(1 + sum(negative)))
        if positive:
            pull.append(math.log(1 + sum(positive)))
    found = proxy_anchor(z, classes, proxies, scale=4.0, margin=0.2).numpy()
    assert len(pull) < 5
    assert found.mean() == pytest.approx(np.mean(pull) + np.mean(push), rel=1e-4)


def test_proxy_anchor_shares_a_proxys_term_among_its_examples():
    # Both of class 0, at cosine 1 and 0 to its proxy; proxy 1 has two negatives, at cosine 0 and 1. Scale 1.
    z, proxies = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]
    found = proxy_anchor(z, [0, 0], proxies, scale=1.0, margin=0.0).numpy()
    pull = math.log(1 + math.exp(-1) + 1)  # over one class in the batch
    push = math.log(1 + 1 + math.e) / 2  # over two proxies
    assert found == pytest.approx([pull + push] * 2, rel=1e-5)
