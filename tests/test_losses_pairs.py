"""Losses over the examples of one batch: numbers worked by hand, and slow loops as oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed.losses import (
    prototypical,
    quintuplet,
    supervised_contrastive,
    triplet_batch_hard,
    triplet_semi_hard,
)

SEEDS = range(4)


def batch(seed, *, size=14, classes=4, dim=5):
    random = np.random.default_rng(seed)
    z = random.standard_normal((size, dim))
    return z / np.linalg.norm(z, axis=1, keepdims=True), random.integers(0, classes, size=size), random


def squared(z, i, j):
    return sum((a - b) ** 2 for a, b in zip(z[i], z[j], strict=True))


def partners(labels, i):
    """Others of the same label, and those of another."""
    alike = [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]
    return alike, [j for j in range(len(labels)) if labels[j] != labels[i]]


# ---- batch hard


def test_batch_hard_on_paper():
    # Anchor at 0 degrees: own class at 90 and 180 degrees (d = sqrt 2 and 2), strangers at 180 (2) and 90.
    z = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]]
    found = triplet_batch_hard(z, [0, 0, 0, 1, 1]).numpy()
    assert found[0] == pytest.approx(math.log(1 + math.exp(2 - math.sqrt(2))), rel=1e-5)
    assert triplet_batch_hard(z, [0, 0, 0, 1, 1], scale=3.0).numpy()[0] == pytest.approx(
        math.log(1 + math.exp(3 * (2 - math.sqrt(2)))), rel=1e-5
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_batch_hard_agrees_with_loops(seed):
    z, classes, _ = batch(seed)
    expected = []
    for i in range(len(z)):
        alike, unlike = partners(classes, i)
        gap = max((math.sqrt(squared(z, i, j)) for j in alike), default=None)
        if gap is None or not unlike:
            expected.append(0.0)
            continue
        gap -= min(math.sqrt(squared(z, i, j)) for j in unlike)
        expected.append(math.log(1 + math.exp(2.0 * gap)))
    assert triplet_batch_hard(z, classes, scale=2.0).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_batch_hard_of_one_class_is_zero_and_not_infinite():
    z, _, _ = batch(0)
    assert triplet_batch_hard(z, [3] * len(z)).numpy().tolist() == [0.0] * len(z)


# ---- semi-hard


def test_semi_hard_on_paper():
    # Anchor at 0 degrees, its positive at 60 (d^2 = 1); strangers at 45 (0.586, too near), 90 (2), 180 (4).
    angles = np.radians([0.0, 60.0, 45.0, 90.0, 180.0])
    z = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = triplet_semi_hard(z, [0, 0, 1, 1, 1], margin=1.5).numpy()
    assert found[0] == pytest.approx(1.5 + 1 - 2, rel=1e-5)
    # With only the near stranger left, the farthest one is taken although it is nearer than the positive.
    found = triplet_semi_hard(z[:3], [0, 0, 1], margin=1.5).numpy()
    assert found[0] == pytest.approx(1.5 + 1 - (2 - 2 * math.cos(math.radians(45))), rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 6])
def test_semi_hard_agrees_with_loops(seed, classes):
    z, labels, _ = batch(seed, classes=classes)
    expected = []
    for i in range(len(z)):
        alike, unlike = partners(labels, i)
        hinges = []
        for p in alike if unlike else ():
            farther = [squared(z, i, n) for n in unlike if squared(z, i, n) > squared(z, i, p)]
            negative = min(farther) if farther else max(squared(z, i, n) for n in unlike)
            hinges.append(max(0.0, 0.7 + squared(z, i, p) - negative))
        expected.append(float(np.mean(hinges)) if hinges else 0.0)
    assert triplet_semi_hard(z, labels, margin=0.7).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-5)


# ---- supervised contrastive


def test_supervised_contrastive_on_paper():
    # Positive at cosine 0, stranger at cosine 1, temperature 1/2: -log(e^0 / (e^0 + e^2)).
    z = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    found = supervised_contrastive(z, [0, 0, 1], temperature=0.5).numpy()
    assert found[0] == pytest.approx(math.log(1 + math.exp(2)), rel=1e-5)
    assert found[2] == 0.0  # no positive


@pytest.mark.parametrize("seed", SEEDS)
def test_supervised_contrastive_agrees_with_loops(seed):
    z, classes, _ = batch(seed)
    expected = []
    for i in range(len(z)):
        alike, _ = partners(classes, i)
        total = sum(math.exp(float(z[i] @ z[a]) / 0.3) for a in range(len(z)) if a != i)
        terms = [-math.log(math.exp(float(z[i] @ z[p]) / 0.3) / total) for p in alike]
        expected.append(sum(terms) / len(terms) if terms else 0.0)
    found = supervised_contrastive(z, classes, temperature=0.3).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


# ---- prototypical


def test_prototypes_on_paper():
    # Own prototype without the anchor: the example at 90 degrees, d^2 = 2. The other class's: the mean of
    # (-1, 0) and (1, 0), the origin, d^2 = 1. Scale 1.
    z = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]]
    found = prototypical(z, [0, 0, 1, 1], class_count=2, scale=1.0).numpy()
    assert found[0] == pytest.approx(math.log(1 + math.exp(1)), rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_prototypical_agrees_with_loops(seed):
    z, classes, _ = batch(seed, classes=6)
    expected = []
    for i in range(len(z)):
        likeness = {}
        for c in set(classes):
            members = [j for j in range(len(z)) if j != i and classes[j] == c]
            if members:
                mean = np.mean([z[j] for j in members], axis=0)
                likeness[c] = math.exp(-3.0 * float(np.sum((z[i] - mean) ** 2)))
        own = likeness.get(classes[i])
        expected.append(0.0 if own is None else -math.log(own / sum(likeness.values())))
    found = prototypical(z, classes, class_count=9, scale=3.0).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_an_example_alone_in_its_class_costs_nothing_and_is_a_prototype_to_others():
    z = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    found = prototypical(z, [0, 0, 1], class_count=2, scale=1.0).numpy()
    assert found == pytest.approx([math.log(1 + math.exp(-2))] * 2 + [0.0], rel=1e-5)


# ---- quintuplet


def test_a_quintuplet_on_paper():
    # From 0 degrees: own cluster at 60 (d^2 = 1), siblings at 90 (2) and 180 (4), stranger at -90 (2).
    angles = np.radians([0.0, 60.0, 90.0, 180.0, -90.0])
    z = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = quintuplet(z, [0, 0, 0, 0, 1], [0, 0, 1, 2, 3], margins=(1.5, 2.25, 0.5)).numpy()
    assert found[0] == pytest.approx((1.5 + 1 - 2) + (2.25 + 2 - 4) + (0.5 + 4 - 2), rel=1e-5)
    assert found[4] == 0.0  # alone in its class
    # With one sibling left, nearest and farthest are one example: no second term.
    found = quintuplet(z[[0, 1, 2, 4]], [0, 0, 0, 1], [0, 0, 1, 3], margins=(1.5, 2.25, 0.5)).numpy()
    assert found[0] == pytest.approx((1.5 + 1 - 2) + (0.5 + 2 - 2), rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_quintuplets_agree_with_loops(seed):
    z, classes, random = batch(seed, size=18, classes=3)
    clusters = classes * 3 + random.integers(0, 3, size=len(z))
    margins = (0.6, 0.4, 0.9)
    expected = []
    for i in range(len(z)):
        alike, unlike = partners(classes, i)
        own = [squared(z, i, j) for j in alike if clusters[j] == clusters[i]]
        sibling = [squared(z, i, j) for j in alike if clusters[j] != clusters[i]]
        stranger = [squared(z, i, j) for j in unlike]
        loss = 0.0
        if own and sibling:
            loss += max(0.0, margins[0] + max(own) - min(sibling))
        if len(sibling) > 1:
            loss += max(0.0, margins[1] + min(sibling) - max(sibling))
        relatives = sibling or own
        if relatives and stranger:
            loss += max(0.0, margins[2] + max(relatives) - min(stranger))
        expected.append(loss)
    assert quintuplet(z, classes, clusters, margins=margins).numpy() == pytest.approx(
        expected, rel=1e-4, abs=1e-5
    )


def test_clusters_of_two_classes_are_never_the_same_one():
    z, classes, _ = batch(1)
    numbered_anew = quintuplet(z, classes, np.zeros_like(classes))
    np.testing.assert_array_equal(quintuplet(z, classes, classes), numbered_anew)
