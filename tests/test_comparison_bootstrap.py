"""The bootstrap of a study: against loops that clone clips, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.comparison.bootstrap import (
    chance_of_zero,
    draw_groups,
    draw_seeds,
    holm,
    interval_of,
    mean_over_cells,
    measured,
)
from kwsembed.evaluation.clip_metrics import clip_metrics

GROUPS = {1: list("aabbcd"), 2: list("eefg")}


def test_row_zero_is_the_data_as_they_are_and_every_draw_has_as_many_groups_as_the_fold():
    draws = draw_groups(GROUPS, resamples=50, seed=1)
    for fold, groups in GROUPS.items():
        assert np.all(draws[fold].counts[0] == 1)
        assert np.all(draws[fold].counts.sum(axis=1) == len(set(groups)))


def test_clips_of_a_group_are_drawn_together():
    [weights] = draw_groups(GROUPS, resamples=50, seed=1)[1].weights()
    assert weights.shape == (51, 6)
    assert np.all(weights[:, 0] == weights[:, 1])
    assert np.all(weights[:, 2] == weights[:, 3])
    assert np.any(weights[:, 4] != weights[:, 5])


def test_the_same_seed_draws_the_same():
    first, again, other = (draw_groups(GROUPS, resamples=20, seed=s)[2].counts for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_group_that_two_splits_test_is_drawn_once_for_both():
    draws = draw_groups({1: ["a", "b", "c"], 2: ["c", "b", "d"]}, resamples=100, seed=0)
    first, second = draws[1], draws[2]
    by_name = {
        1: dict(zip("abc", first.counts.T, strict=True)),
        2: dict(zip("bcd", second.counts.T, strict=True)),
    }
    assert np.array_equal(by_name[1]["b"], by_name[2]["b"])
    assert np.array_equal(by_name[1]["c"], by_name[2]["c"])
    assert first.group_of.tolist() == [0, 1, 2]
    assert second.group_of.tolist() == [1, 0, 2]


def test_many_clips_are_weighed_in_parts(monkeypatch):
    monkeypatch.setattr("kwsembed.comparison.bootstrap._MOST_WEIGHTS", 60)
    draws = draw_groups(GROUPS, resamples=50, seed=1)[1]
    parts = list(draws.weights())
    assert len(parts) > 5
    assert np.array_equal(np.concatenate(parts), draws.counts[:, draws.group_of])


def test_figures_under_a_draw_are_those_of_clips_that_are_there_so_many_times():
    random = np.random.default_rng(3)
    classes = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 1, 2])
    groups = list("abcdefghijkl")
    probabilities = random.dirichlet(np.ones(3), size=12).round(2)
    draws = draw_groups({1: groups}, resamples=40, seed=2)[1]
    found = measured(probabilities, classes, draws, event_count=2)
    for row, counts in enumerate(draws.counts):
        clones = np.repeat(np.arange(12), counts[draws.group_of])
        expected = clip_metrics(
            probabilities[clones], classes[clones], labels=["dog", "siren", "noise"], event_count=2
        )
        assert found.balanced_error[row] == pytest.approx(expected["balanced_error"], abs=1e-6)
        for index, label in enumerate(("dog", "siren")):
            precision = expected["per_class"][label]["average_precision"]
            if precision is None:
                assert np.isnan(found.average_precision[row, index])
            else:
                assert found.average_precision[row, index] == pytest.approx(precision, abs=1e-6)
        assert found.macro_average_precision[row] == pytest.approx(
            expected["macro_average_precision"], abs=1e-6
        )


def test_seeds_are_drawn_within_each_fold_and_one_seed_is_always_itself():
    counts = draw_seeds({1: [0, 1, 2], 2: [0, 1, 2], 3: [7]}, resamples=200, seed=0)
    assert np.all(sum(counts[1, seed] for seed in range(3)) == [1 + 2] + [3] * 200)
    assert np.any(counts[1, 0] != counts[2, 0])
    assert np.all(counts[3, 7] == 1)
    assert counts[1, 0][0] == 1


def test_the_mean_over_cells_counts_each_as_often_as_its_seed_was_drawn():
    values = [np.array([0.2, 0.2, np.nan]), np.array([0.6, 0.8, 0.4])]
    counts = [np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0])]
    assert mean_over_cells(values, counts) == pytest.approx([0.4, 0.4, 0.4])


def test_an_interval_is_the_middle_95_per_cent_of_the_draws():
    draws = np.concatenate([[0.3], np.arange(1001) / 1000, [np.nan]])
    interval = interval_of(draws)
    assert (interval.estimate, interval.low, interval.high) == (
        0.3,
        pytest.approx(0.025),
        pytest.approx(0.975),
    )
    assert interval_of(np.array([np.nan, 1.0])) is None
    assert interval_of(np.array([1.0, np.nan])) is None


def test_the_chance_of_zero_counts_draws_of_the_other_sign_twice():
    draws = np.concatenate([[0.5], -np.ones(9), np.ones(990)])
    assert chance_of_zero(draws) == pytest.approx(2 * 10 / 1000)
    assert chance_of_zero(-draws) == pytest.approx(2 * 10 / 1000)
    assert chance_of_zero(np.zeros(10)) == 1.0


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
