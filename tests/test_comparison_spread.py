"""Spread of embeddings: numbers that can be worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.comparison.spread import effective_rank, embedding_spread


def test_effective_rank_counts_directions_of_equal_weight():
    for count in (1, 2, 5):
        axes = np.eye(8)[:count]
        assert effective_rank(np.concatenate([axes, -axes])) == pytest.approx(count)


def test_effective_rank_weighs_directions_by_their_singular_values():
    points = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    shares = np.array([0.75, 0.25])  # singular values 3 and 1, times the square root of 2
    assert effective_rank(points) == pytest.approx(np.exp(-np.sum(shares * np.log(shares))))


@pytest.mark.parametrize("embeddings", [np.ones((5, 3)), np.ones((1, 3)), np.zeros((4, 2))])
def test_a_collapsed_embedding_has_no_direction(embeddings):
    assert effective_rank(embeddings) == 0


def test_where_the_embeddings_lie_does_not_change_their_rank():
    points = np.random.default_rng(0).normal(size=(30, 4))
    assert effective_rank(points + 7.0) == pytest.approx(effective_rank(points))


def test_spread_within_and_between_classes():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [4.0, 4.0], [4.0, -4.0]])
    found = embedding_spread(points, np.array([0, 0, 1, 1, 1]), labels=["dog", "noise", "absent"])
    assert found["within"] == {"dog": 1.0, "noise": pytest.approx(32 / 3), "absent": None}
    assert found["between"] == pytest.approx(2.25)  # means at 1 and 4, each 1.5 from their middle


def test_a_class_of_one_clip_has_a_place_but_no_spread():
    found = embedding_spread(np.array([[0.0], [2.0]]), np.array([0, 1]), labels=["dog", "noise"])
    assert found["within"] == {"dog": None, "noise": None}
    assert found["between"] == 1.0
