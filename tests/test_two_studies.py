"""A method of one study set against a method of another, as if one study had trained both."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from toy_study import plan_of, write_toy_study

from benchmarks.two_studies import compared
from kwsembed.comparison.statistics import statistics_of
from kwsembed.errors import DataError


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """One study with all methods, and the same trainings in two studies of one method each."""
    root = tmp_path_factory.mktemp("studies")
    both = write_toy_study(root / "BOTH", plan_of(seeds=(0, 1)), streams=True)
    write_toy_study(root / "CLUSTERING", plan_of(contenders=("clustering",), seeds=(0, 1)), streams=True)
    write_toy_study(root / "WEIGHTS", plan_of(contenders=("class_weight",), seeds=(0, 1)), streams=True)
    return root, both


def test_it_finds_what_one_study_of_both_would_have_found(studies):
    root, both = studies
    expected = statistics_of(both, resamples=2000).against_yardstick["clustering", 100.0]
    (found,) = compared(root / "CLUSTERING", "clustering", root / "WEIGHTS", "class_weight")
    assert found.cells == expected.cells == 4
    assert found.fewer_errors == expected.fewer_errors
    assert found.precision_gain == expected.precision_gain
    assert found.fewer_misses == expected.fewer_misses != {}


def test_the_same_method_of_two_studies_can_be_compared_and_does_not_differ_from_itself(studies):
    root, _ = studies
    (found,) = compared(root / "BOTH", "class_weight", root / "WEIGHTS", "class_weight")
    assert found.fewer_errors.estimate == found.fewer_errors.low == found.fewer_errors.high == 0


def test_only_seeds_that_both_have_count(studies, tmp_path):
    root, _ = studies
    write_toy_study(tmp_path / "ONE", plan_of(contenders=("class_weight",), seeds=(1,)))
    (found,) = compared(root / "CLUSTERING", "clustering", tmp_path / "ONE", "class_weight")
    assert found.cells == 2


def test_what_cannot_be_compared_is_refused(studies, tmp_path):
    root, _ = studies
    with pytest.raises(DataError, match=r"no finished cell of this method.*Expected one of class_weight"):
        compared(root / "CLUSTERING", "clustering", root / "WEIGHTS", "siamese")
    write_toy_study(tmp_path / "OTHER", plan_of(contenders=("class_weight",)), clips=(12, 12, 30))
    with pytest.raises(DataError, match="different test clips"):
        compared(root / "CLUSTERING", "clustering", tmp_path / "OTHER", "class_weight")
    write_toy_study(tmp_path / "RARER", plan_of(contenders=("class_weight",), ratios=(300.0,)))
    with pytest.raises(DataError, match="no imbalance, fold and seed is in both"):
        compared(root / "CLUSTERING", "clustering", tmp_path / "RARER", "class_weight")
