"""How two contenders differ where the one that is compared with makes few errors or none."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.comparison.bootstrap import RESAMPLES, draw_groups, holm, measured
from kwsembed.comparison.conclusion import SURE
from kwsembed.comparison.differences import difference, relative_gain
from kwsembed.comparison.statistics import _enough_resamples

CLIPS = 40  # of each of two labels, each clip a group of its own


def cell(wrong: int):
    """A cell that takes so many events for background."""
    classes = np.repeat([0, 1], CLIPS)
    said = classes.copy()
    said[:wrong] = 1
    draws = draw_groups({1: [str(i) for i in range(len(classes))]})[1]
    return measured(np.eye(2)[said] * 0.8 + 0.1, classes, draws, event_count=1)


def against_class_weights(wrong: int, class_weights_wrong: int):
    cells = {"other": {(1, 0): cell(wrong)}, "class_weight": {(1, 0): cell(class_weights_wrong)}}
    return difference("other", "class_weight", 0.0, cells, {(1, 0): np.ones(1 + RESAMPLES)})


def test_draws_on_which_the_second_makes_no_errors_speak_for_it():
    first, second = np.array([0.1, 0.0, 0.3, np.nan]), np.array([0.2, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(relative_gain(first, second), [0.5, 0.0, -1.0, np.nan])


def test_a_single_error_more_is_no_proof():
    found = against_class_weights(0, 1)
    assert found.fewer_errors.estimate == 1
    assert found.fewer_errors.low == 0  # on draws without that clip there is no difference
    assert found.verdict == "undecided"
    assert found.chance > SURE


def test_many_errors_against_none_are_worse():
    found = against_class_weights(6, 0)
    assert found.verdict == "worse"
    assert found.chance < SURE


@pytest.mark.parametrize("methods", [2, 15, 80])
def test_something_can_hold_whatever_the_number_of_comparisons(methods):
    names = ["class_weight", *map(str, range(methods))]
    records = [{"contender": {"name": name}, "ratio": ratio} for name in names for ratio in (10.0, 100.0)]
    resamples = _enough_resamples(records)
    assert resamples >= RESAMPLES
    assert holm([2 / (resamples + 1)] * (2 * methods))[0] < SURE
