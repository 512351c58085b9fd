"""The losses on embeddings: numbers worked by hand, slow loops as oracles, what must never change them."""

from __future__ import annotations

import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed.losses import contrastive, magnet, triple_header_logistic, triple_header_softmax

PLAIN = {"margins": (0.0, 0.0, 0.0), "header_weights": (1.0, 1.0, 1.0)}


def unit(random, *shape):
    vectors = random.standard_normal(shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def headers(*arguments, **settings):
    """The three headers of each example, one by one: `(3, batch)`."""
    settings = {"margins": (0.0, 0.0, 0.0), **settings}
    return np.stack(
        [
            triple_header_softmax(*arguments, **settings, header_weights=row).numpy()
            for row in np.eye(3).tolist()
        ]
    )


# ---- triple-header cross entropy, by hand


def test_one_cluster_per_class_on_paper():
    # The example of the docstring: d_own = 0, d_other = 2, so H1 = 0 and H2 = H3 = -ln(1 / (1 + e^-2)).
    z, mu = [[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
    found = headers(z, [0], mu, [0, 1], [True, True], class_count=2, scale=1.0)
    assert found[:, 0] == pytest.approx(
        [0.0, math.log(1 + math.exp(-2)), math.log(1 + math.exp(-2))], rel=1e-6
    )


def test_two_clusters_of_a_class_on_paper():
    # Own cluster at d = 0, sibling at d = 4, stranger at d = 2; scale 1/2: logits 0, -2, -1.
    z, mu = [[1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]
    found = headers(z, [0], mu, [0, 0, 1], [True] * 3, class_count=2, scale=0.5)
    own_class = (1 + math.exp(-2)) / 2  # mean over its two clusters
    expected = [
        math.log(1 + math.exp(-2)),
        math.log(1 + math.exp(-1)),
        math.log((own_class + math.exp(-1)) / own_class),
    ]
    assert found[:, 0] == pytest.approx(expected, rel=1e-6)


def test_a_margin_counts_as_squared_distance():
    # H2 with own d = 0 raised by 0.5, stranger at d = 2, scale 2: -ln(e^-1 / (e^-1 + e^-4)).
    z, mu = [[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
    found = headers(z, [0], mu, [0, 1], [True, True], class_count=2, scale=2.0, margins=(0.0, 0.5, 0.5))
    assert found[1:, 0] == pytest.approx([math.log(1 + math.exp(-3))] * 2, rel=1e-6)


# ---- triple-header cross entropy, against loops


def oracle(
    z,
    clusters,
    mu,
    cluster_classes,
    valid,
    *,
    class_count,
    scale,
    margins,
    header_weights,
    mean_over_clusters=True,
):
    """The formulas of the docstring, one exponential at a time."""
    losses = []
    for example, own in zip(z, clusters, strict=True):
        d = [sum((a - b) ** 2 for a, b in zip(example, centroid, strict=True)) for centroid in mu]
        own_class = cluster_classes[own]

        def cross_entropy(rivals, margin, d=d, own=own):
            top = math.exp(-scale * (d[own] + margin))
            return -math.log(top / (top + sum(math.exp(-scale * d[rival]) for rival in rivals)))

        rows = [u for u in range(len(mu)) if valid[u] and u != own]
        siblings = cross_entropy([u for u in rows if cluster_classes[u] == own_class], margins[0])
        strangers = cross_entropy([u for u in rows if cluster_classes[u] != own_class], margins[1])
        likeness = {}
        for c in range(class_count):
            terms = [math.exp(-scale * d[u]) for u in range(len(mu)) if valid[u] and cluster_classes[u] == c]
            if terms:
                likeness[c] = sum(terms) / (len(terms) if mean_over_clusters else 1)
        likeness[own_class] *= math.exp(-scale * margins[2])
        by_class = -math.log(likeness[own_class] / sum(likeness.values()))
        losses.append(float(np.dot(header_weights, (siblings, strangers, by_class))))
    return losses


def random_case(seed):
    """Three to five classes of one to six clusters, some rows of the table out of use, in any order."""
    random = np.random.default_rng(seed)
    class_count = int(random.integers(3, 6))
    cluster_classes = np.repeat(np.arange(class_count), random.integers(1, 7, size=class_count))
    cluster_classes = random.permutation(np.append(cluster_classes, random.integers(0, class_count, size=3)))
    valid = random.random(len(cluster_classes)) < 0.8
    valid[:2] = True
    mu = unit(random, len(cluster_classes), 8)
    clusters = random.choice(np.flatnonzero(valid), size=12)
    return unit(random, 12, 8), clusters, mu, cluster_classes, valid, class_count


@pytest.mark.parametrize("mean_over_clusters", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_random_cases_agree_with_loops(seed, mean_over_clusters):
    *arguments, class_count = random_case(seed)
    settings = {
        "class_count": class_count,
        "scale": 6.0,
        "margins": (0.3, 0.1, 0.2),
        "header_weights": (0.5, 0.7, 1.1),
        "mean_over_clusters": mean_over_clusters,
    }
    found = triple_header_softmax(*arguments, **settings).numpy()
    assert found == pytest.approx(oracle(*arguments, **settings), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_renumbering_the_clusters_changes_nothing(seed):
    z, clusters, mu, cluster_classes, valid, class_count = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(mu))
    renumbered = np.argsort(order)[clusters]
    before = triple_header_softmax(z, clusters, mu, cluster_classes, valid, class_count=class_count)
    after = triple_header_softmax(
        z, renumbered, mu[order], cluster_classes[order], valid[order], class_count=class_count
    )
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


def test_rows_out_of_use_may_hold_anything():
    z, clusters, mu, cluster_classes, valid, class_count = random_case(1)
    before = triple_header_softmax(z, clusters, mu, cluster_classes, valid, class_count=class_count)
    mu[~valid], cluster_classes[~valid] = z[0], 0
    after = triple_header_softmax(z, clusters, mu, cluster_classes, valid, class_count=class_count)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("header", range(3))
@pytest.mark.parametrize("seed", range(4))
def test_a_margin_only_ever_raises_its_header(seed, header):
    *arguments, class_count = random_case(seed)
    margins = np.zeros(3)
    margins[header] = 0.4
    plain = headers(*arguments, class_count=class_count)
    raised = headers(*arguments, class_count=class_count, margins=tuple(margins))
    others = [index for index in range(3) if index != header]
    assert np.all(raised[header] >= plain[header] - 1e-6)
    assert np.any(raised[header] > plain[header] + 1e-3)
    np.testing.assert_array_equal(raised[others], plain[others])


# ---- triple-header cross entropy, at its edges


def test_many_clusters_give_a_class_no_prior_unless_they_are_summed():
    # 50 identical clusters against 2, both at distance 2: class against class is a coin toss.
    mu = np.repeat([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [50, 2], axis=0)
    classes = np.repeat([0, 1], [50, 2])
    by_class = headers([[1.0, 0.0, 0.0]] * 2, [0, 51], mu, classes, [True] * 52, class_count=2, scale=8.0)[2]
    assert by_class == pytest.approx([math.log(2)] * 2, rel=1e-5)
    # Summed, an example of the first class is right with 50 of 52, one of the other with 2 of 52.
    case = [[1.0, 0.0, 0.0]] * 2, [0, 51], mu, classes, [True] * 52
    summed = headers(*case, class_count=2, scale=8.0, mean_over_clusters=False)[2]
    assert summed == pytest.approx([math.log(52 / 50), math.log(52 / 2)], rel=1e-5)


def test_a_class_without_clusters_takes_no_part():
    z, mu = [[0.6, 0.8]], [[1.0, 0.0], [0.0, 1.0]]
    two = triple_header_softmax(z, [0], mu, [0, 1], [True, True], class_count=2)
    three = triple_header_softmax(z, [0], mu, [0, 1], [True, True], class_count=3)
    np.testing.assert_array_equal(two, three)


def test_a_single_class_of_a_single_cluster_costs_nothing():
    loss = triple_header_softmax([[0.6, 0.8]], [0], [[1.0, 0.0]], [0], [True], class_count=1)
    assert loss.numpy() == pytest.approx([0.0], abs=1e-6)


def test_a_class_of_one_cluster_has_no_siblings_to_tell_apart():
    z, mu = [[0.6, 0.8]], [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    assert headers(z, [0], mu, [0, 1, 1], [True] * 3, class_count=2)[0] == pytest.approx([0.0], abs=1e-6)


def test_identical_centroids_share_the_probability():
    mu = [[1.0, 0.0]] * 4
    found = headers([[1.0, 0.0]], [0], mu, [0, 0, 1, 1], [True] * 4, class_count=2)
    assert found[:, 0] == pytest.approx([math.log(2), math.log(3), math.log(2)], rel=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("points", ["random", "identical", "opposite"])
def test_losses_and_gradients_stay_finite(scale, points):
    z, clusters, mu, cluster_classes, valid, class_count = random_case(2)
    if points != "random":
        mu[:] = mu[0]
        z[:] = mu[0] if points == "identical" else -mu[0]
    z = tf.Variable(z, dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = triple_header_softmax(
            z, clusters, mu, cluster_classes, valid, class_count=class_count, scale=scale
        )
    assert np.isfinite(loss).all()
    assert np.all(loss.numpy() >= -1e-5)
    assert np.isfinite(tape.gradient(loss, z)).all()


def test_the_gradient_pulls_towards_the_own_cluster():
    z = tf.Variable([[0.0, 0.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = triple_header_softmax(
            z, [0], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [0, 1], [True, True], class_count=2
        )
    towards_own, towards_other, _ = tape.gradient(loss, z).numpy()[0]
    assert towards_own < 0 < towards_other


def test_only_the_centroids_in_use_have_to_be_numbers():
    z, clusters, mu, cluster_classes, valid, class_count = random_case(3)
    more = np.append(mu, np.full_like(mu[:1], np.nan), axis=0), np.append(cluster_classes, 0)
    for loss, options in (
        (triple_header_softmax, {"class_count": class_count}),
        (triple_header_logistic, {}),
        (magnet, {}),
    ):
        expected = loss(z, clusters, mu, cluster_classes, valid, **options).numpy()
        found = loss(z, clusters, *more, np.append(valid, False), **options).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Expected embeddings and centroids"):
            loss(z, clusters, *more, np.append(valid, True), **options)


# ---- siamese contrastive loss


def contrastive_oracle(z, classes, margin):
    losses = []
    for i in range(len(z)):
        pull, push = [], []
        for j in range(len(z)):
            distance = math.sqrt(sum((a - b) ** 2 for a, b in zip(z[i], z[j], strict=True)))
            if i != j and classes[i] == classes[j]:
                pull.append(distance**2)
            elif i != j:
                push.append(max(0.0, margin - distance) ** 2)
        losses.append(sum(float(np.mean(part)) for part in (pull, push) if part))
    return losses


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_contrastive_agrees_with_loops(seed, margin):
    random = np.random.default_rng(seed)
    z, classes = unit(random, 14, 5), random.integers(0, 4, size=14)
    found = contrastive(tf.constant(z), tf.constant(classes), margin=margin).numpy()
    assert found == pytest.approx(contrastive_oracle(z, classes, margin), rel=1e-4, abs=1e-5)


def test_contrastive_on_paper():
    # Partners at d^2 = 2; a stranger at d = sqrt(2), beyond the margin of 1, and one at d = 0, well inside.
    z = tf.constant([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert contrastive(z, tf.constant([0, 0, 1])).numpy() == pytest.approx(
        [2 + 1, 2 + 0, (1 + 0) / 2], abs=1e-5
    )


def test_a_batch_of_one_class_is_only_pulled_together():
    z = tf.constant([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert contrastive(z, tf.constant([7, 7, 7])).numpy() == pytest.approx([3.0, 2.0, 3.0])


def test_a_batch_without_partners_is_only_pushed_apart():
    z = tf.constant([[1.0, 0.0], [1.0, 0.0]])
    assert contrastive(z, tf.constant([0, 1])).numpy() == pytest.approx([1.0, 1.0], abs=1e-5)


def test_a_single_example_costs_nothing():
    assert contrastive(tf.constant([[1.0, 0.0]]), tf.constant([3])).numpy().tolist() == [0.0]


@pytest.mark.parametrize("classes", [[0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1, 1]])
def test_identical_points_have_finite_gradients(classes):
    z = tf.Variable([[0.6, 0.8]] * 4)
    with tf.GradientTape() as tape:
        loss = contrastive(z, tf.constant(classes))
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, z)).all()
