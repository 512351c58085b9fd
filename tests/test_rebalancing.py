"""Remedies for imbalance: what each name does to draws and weights."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from kwsembed.data.sampling import class_probabilities
from kwsembed.errors import ConfigError
from kwsembed.training.rebalancing import balancing_weights, epochs_of, rebalancing

WINDOWS = np.array([10.0, 90.0, 900.0])
EVENT = np.array([True, True, False])


def drawn_and_weighed(method):
    [phase] = rebalancing(method).phases
    probabilities = class_probabilities(WINDOWS, EVENT, sampling=phase.sampling)
    return probabilities, phase.weigh(probabilities, WINDOWS)


def test_class_weights_make_every_class_count_alike():
    probabilities, weights = drawn_and_weighed("class_weight")
    assert probabilities * weights == pytest.approx([1 / 3] * 3, rel=1e-6)
    assert weights.dtype == np.float32


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("oversample", [1 / 3, 1 / 3, 1 / 3]),
        ("undersample:2", [10 / 300, 90 / 300, 200 / 300]),
        ("none", [10 / 1000, 90 / 1000, 900 / 1000]),
    ],
)
def test_the_others_draw_as_they_say_and_weigh_nothing(method, expected):
    probabilities, weights = drawn_and_weighed(method)
    assert probabilities == pytest.approx(expected)
    assert weights.tolist() == [1, 1, 1]


def test_weights_average_one_over_the_draws():
    probabilities = np.array([0.05, 0.15, 0.8])
    weights = balancing_weights(probabilities)
    assert weights == pytest.approx([1 / 0.15, 1 / 0.45, 1 / 2.4])
    assert np.sum(probabilities * weights) == pytest.approx(1)


def test_a_class_that_is_never_drawn_weighs_nothing():
    assert balancing_weights(np.array([0.5, 0.0, 0.5])).tolist() == [1, 0, 1]


def test_phases_share_the_epochs():
    assert epochs_of(rebalancing("decoupled:head_share=0.25").phases, 8) == [6, 2]
    assert epochs_of(rebalancing("class_weight").phases, 5) == [5]
    assert epochs_of(rebalancing("ldam_drw").phases, 1) == [1, 1]


@pytest.mark.parametrize("method", ["smote", ""])
def test_an_unknown_remedy_is_answered_with_the_known_ones(method):
    with pytest.raises(ConfigError, match="Expected one of class_weight, oversample, undersample, none"):
        rebalancing(method)
