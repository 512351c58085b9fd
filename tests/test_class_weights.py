"""Class weights by label: factors on a remedy's own weights, of which only ratios count."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the package of the remedies imports it")

from kwsembed.errors import ConfigError
from kwsembed.training.class_weights import class_factors, with_factors
from kwsembed.training.rebalancing import balancing_weights

PROBABILITIES = np.array([0.1, 0.3, 0.6])


def test_labels_that_are_not_named_count_once():
    assert class_factors({"whistle": 0.5}, ["knock", "whistle", "noise"]).tolist() == [1, 0.5, 1]
    assert class_factors({}, ["knock", "noise"]).tolist() == [1, 1]


def test_an_unknown_label_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"Expected some of knock, noise\. Received: class_weights\.dog=2"):
        class_factors({"dog": 2.0}, ["knock", "noise"])


def test_factors_change_the_ratios_and_not_the_mean():
    weights = balancing_weights(PROBABILITIES)  # 10/3 : 10/9 : 5/9, mean 1 over the draws
    weighed = with_factors(weights, np.array([4.0, 1.0, 1.0]), PROBABILITIES)
    # Each class contributed 1/3; with factors 4 : 1 : 1 it is 4/6, 1/6 and 1/6.
    assert PROBABILITIES * weighed == pytest.approx([4 / 6, 1 / 6, 1 / 6], rel=1e-6)
    assert weighed.dtype == np.float32


def test_a_common_factor_changes_nothing():
    weights = balancing_weights(PROBABILITIES)
    assert with_factors(weights, np.full(3, 3.0), PROBABILITIES) == pytest.approx(weights)
    assert with_factors(weights, np.ones(3), PROBABILITIES) is weights


def test_a_class_that_is_never_drawn_still_weighs_nothing():
    probabilities = np.array([0.5, 0.0, 0.5])
    weighed = with_factors(balancing_weights(probabilities), np.array([3.0, 9.0, 1.0]), probabilities)
    assert weighed == pytest.approx([1.5, 0.0, 0.5])
