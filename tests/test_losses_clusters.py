"""Losses over tables of clusters besides the softmax form: by hand, against loops, and at their edges."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed.losses import magnet, triple_header_logistic, triple_header_softmax
from kwsembed.methods import PRETRAININGS
from kwsembed.pretraining import ClusteringObjective


def softplus(value):
    return math.log1p(math.exp(value))


def random_case(seed):
    """Three to five classes of one to four clusters, some rows of the table out of use, in any order."""
    random = np.random.default_rng(seed)
    class_count = int(random.integers(3, 6))
    cluster_classes = np.repeat(np.arange(class_count), random.integers(1, 5, size=class_count))
    cluster_classes = random.permutation(np.append(cluster_classes, random.integers(0, class_count, size=3)))
    valid = random.random(len(cluster_classes)) < 0.8
    valid[:2] = True
    points = random.standard_normal((len(cluster_classes) + 12, 8))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    clusters = random.choice(np.flatnonzero(valid), size=12)
    return points[:12], clusters, points[12:], cluster_classes, valid


def distances_of(z, own, mu, cluster_classes, valid):
    """Squared distances to the own centroid, to valid siblings and to valid strangers."""
    d = [sum((a - b) ** 2 for a, b in zip(z, centroid, strict=True)) for centroid in mu]
    rows = [u for u in range(len(mu)) if valid[u] and u != own]
    return (
        d[own],
        sorted(d[u] for u in rows if cluster_classes[u] == cluster_classes[own]),
        sorted(d[u] for u in rows if cluster_classes[u] != cluster_classes[own]),
    )


@pytest.mark.parametrize(
    ("function", "method", "weights"),
    [
        (triple_header_softmax, "clustering", ("siblings", "strangers", "by_class")),
        (ClusteringObjective, "clustering", ("siblings", "strangers", "by_class")),
        (triple_header_logistic, "clustering_logistic", ("own", "siblings", "strangers")),
    ],
)
def test_defaults_are_those_of_the_methods(function, method, weights):
    settings = inspect.signature(function).parameters
    options = {name: option.default for name, option in PRETRAININGS[method].options.items()}
    assert settings["scale"].default == options["scale"]
    assert settings["margins"].default == (options["margin"],) * 3
    assert settings["header_weights"].default == tuple(options[name] for name in weights)
    if "mean_over_clusters" in options:
        assert settings["mean_over_clusters"].default == options["mean_over_clusters"]


# ---- logistic form


def test_the_chain_on_paper():
    # From (1, 0): own centroid at d = 0, siblings at 1 (60 degrees) and 2 (90), stranger at 4 (180).
    angles = np.radians([0.0, 60.0, 90.0, 180.0])
    mu = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    settings = {"scale": 2.0, "margins": (0.1, 0.2, 0.3), "header_weights": (1.0, 10.0, 100.0)}
    found = triple_header_logistic([[1.0, 0.0]], [0], mu, [0, 0, 0, 1], [True] * 4, **settings).numpy()
    links = softplus(2 * (0 - 1 + 0.1)), softplus(2 * (1 - 2 + 0.2)), softplus(2 * (2 - 4 + 0.3))
    assert found == pytest.approx([links[0] + 10 * links[1] + 100 * links[2]], rel=1e-5)
    # Two clusters: no second link. One cluster: the third alone, from the own centroid.
    two = triple_header_logistic([[1.0, 0.0]], [0], mu[1:], [0, 0, 1], [True] * 3, **settings).numpy()
    assert two == pytest.approx([softplus(2 * (1 - 2 + 0.1)) + 100 * links[2]], rel=1e-5)
    one = triple_header_logistic([[1.0, 0.0]], [0], mu[2:], [0, 1], [True] * 2, **settings).numpy()
    assert one == pytest.approx([100 * links[2]], rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_the_chain_agrees_with_loops(seed):
    case = random_case(seed)
    margins, weights, scale = (0.3, 0.1, 0.2), (0.5, 0.7, 1.1), 3.0
    expected = []
    for z, own_row in zip(case[0], case[1], strict=True):
        own, siblings, strangers = distances_of(z, own_row, *case[2:])
        loss = 0.0
        if siblings:
            loss += weights[0] * softplus(scale * (own - siblings[0] + margins[0]))
        if len(siblings) > 1:
            loss += weights[1] * softplus(scale * (siblings[0] - siblings[-1] + margins[1]))
        if strangers:
            last = siblings[-1] if siblings else own
            loss += weights[2] * softplus(scale * (last - strangers[0] + margins[2]))
        expected.append(loss)
    found = triple_header_logistic(*case, scale=scale, margins=margins, header_weights=weights).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


# ---- Magnet


def test_magnet_on_paper():
    # Two examples on the two sides of a centroid: d_own = 1 (60 degrees) each, so sigma^2 = 2 / (2 - 1) = 2,
    # a variance that is not squared again. Stranger at 180 degrees from the centroid: d = 3 for both.
    z = [[0.5, math.sqrt(0.75)], [0.5, -math.sqrt(0.75)]]
    found = magnet(z, [0, 0], [[1.0, 0.0], [-1.0, 0.0]], [0, 1], [True, True], margin=1.0).numpy()
    assert found == pytest.approx([1 / 4 + 1.0 - 3 / 4] * 2, rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_magnet_agrees_with_loops(seed):
    case = random_case(seed)
    found_distances = [distances_of(z, own, *case[2:]) for z, own in zip(case[0], case[1], strict=True)]
    variance = sum(own for own, _, _ in found_distances) / (len(case[0]) - 1)
    expected = []
    for own, _, strangers in found_distances:
        likeness = sum(math.exp(-d / (2 * variance)) for d in strangers)
        ratio = math.exp(-own / (2 * variance) - 0.5) / likeness if strangers else math.inf
        expected.append(max(0.0, -math.log(ratio)) if strangers else 0.0)
    assert magnet(*case, margin=0.5).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_magnet_never_pays_for_more_than_enough():
    mu = [[1.0, 0.0], [-1.0, 0.0]]
    assert magnet([[1.0, 0.0]] * 3, [0] * 3, mu, [0, 1], [True, True]).numpy().tolist() == [0.0] * 3


# ---- both


@pytest.mark.parametrize("loss", [triple_header_logistic, magnet])
@pytest.mark.parametrize("seed", range(4))
def test_renumbering_the_clusters_changes_nothing(loss, seed):
    z, clusters, mu, cluster_classes, valid = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(mu))
    before = loss(z, clusters, mu, cluster_classes, valid)
    after = loss(z, np.argsort(order)[clusters], mu[order], cluster_classes[order], valid[order])
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [triple_header_logistic, magnet])
def test_rows_out_of_use_may_hold_anything(loss):
    z, clusters, mu, cluster_classes, valid = random_case(1)
    before = loss(z, clusters, mu, cluster_classes, valid)
    assert not valid.all()
    mu[~valid], cluster_classes[~valid] = z[0], 0
    np.testing.assert_array_equal(loss(z, clusters, mu, cluster_classes, valid), before)


@pytest.mark.parametrize("loss", [triple_header_logistic, magnet])
def test_without_a_stranger_nothing_is_infinite(loss):
    z, mu = [[0.6, 0.8], [1.0, 0.0]], [[1.0, 0.0]]
    assert loss(z, [0, 0], mu, [0], [True]).numpy().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("loss", [triple_header_logistic, magnet])
@pytest.mark.parametrize("points", ["identical", "opposite"])
def test_degenerate_points_have_finite_losses_and_gradients(loss, points):
    z, clusters, mu, cluster_classes, valid = random_case(2)
    mu[:] = mu[0]
    z = tf.Variable(mu[:1].repeat(12, axis=0) * (1 if points == "identical" else -1), dtype=tf.float32)
    with tf.GradientTape() as tape:
        losses = loss(z, clusters, mu, cluster_classes, valid)
    assert np.isfinite(losses).all()
    assert np.isfinite(tape.gradient(losses, z)).all()
