"""The conclusions of a study: words that follow from numbers made for the purpose."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from kwsembed.comparison.conclusion import findings, headline
from kwsembed.comparison.standing import Difference, Standing, Statistics
from kwsembed.comparison.study import WHOLE
from kwsembed.comparison.wording import at, fewer
from kwsembed.report.intervals import Interval


def against(
    name, errors, *, ratio=100.0, gain=(0.0, -0.1, 0.1), chance=0.001, adjusted=0.01, cells=10, misses=None
):
    misses = {rate: Interval(*values) for rate, values in (misses or {}).items()}
    return Difference(
        name, "class_weight", ratio, cells, Interval(*gain), Interval(*errors), misses, chance, adjusted
    )


def standing(name, ratio, *, failures=(), rank=4.0):
    interval = Interval(0.5, 0.4, 0.6)
    settings = {"pretrain": None, "rebalance": name, "learning_rate_factor": 1.0}
    return Standing(
        name, ratio, 10, failures, interval, interval, 0.5, {"dog": interval}, None, {}, rank, 0.1, 0.5, 9.0,
        settings,
    )  # fmt: skip


def study_of(*differences, pairs=(), seeds=(0, 1), yardstick=True, **other):
    ratios = sorted({found.ratio for found in differences}) or [100.0]
    names = [(found.first, found.ratio) for found in differences]
    names += [("class_weight", ratio) for ratio in ratios] if yardstick else []
    return Statistics(
        labels=("dog", "siren", "glass", "noise", "street"),
        event_count=3,
        ratios=tuple(ratios),
        folds=(1, 2, 3, 4, 5),
        seeds=seeds,
        standings={key: standing(*key, **other) for key in names},
        against_yardstick={(found.first, found.ratio): found for found in differences} if yardstick else {},
        pairs=tuple(pairs),
        groups=1234,
        trainings=20,
    )


def words(statistics, **other):
    return " ".join(finding.text for finding in findings(statistics, **other))


def test_the_headline_tells_gain_imbalance_interval_and_cells():
    found = study_of(against("logit_adjusted", (0.12, 0.03, 0.2)), against("none", (-0.3, -0.5, -0.1)))
    assert headline(found) == (
        "On this data logit_adjusted has 12 % fewer balanced errors than class weights at 100:1 "
        "(95 % interval 3 to 20 %; 10 cells)"
    )


@pytest.mark.parametrize("errors", [(0.2, -0.01, 0.4), (0.0, 0.0, 0.0), (0.2, 0.0, 0.4), (-0.1, -0.2, 0.0)])
def test_nothing_is_called_better_or_worse_where_the_interval_holds_zero(errors):
    found = study_of(against("siamese", errors))
    text = headline(found) + words(found)
    assert headline(found) == "On this data nothing is shown to make fewer errors than class weights"
    assert "At 100:1 undecided, since the interval holds zero: `siamese`." in text
    assert "better than" not in text
    assert "worse than" not in text


def test_what_falls_to_the_correction_is_not_the_headline_if_anything_stands():
    weak = against("siamese", (0.4, 0.01, 0.6), adjusted=0.3)
    strong = against("clustering", (0.2, 0.1, 0.3))
    assert "clustering has 20 %" in headline(study_of(weak, strong))
    assert headline(study_of(weak, against("none", (-0.1, -0.2, 0.1)))).endswith(
        "which may be chance among 2 comparisons"
    )


def test_many_comparisons_are_warned_of():
    weak = against("siamese", (0.4, 0.01, 0.6), adjusted=0.3)
    strong = against("clustering", (0.2, 0.1, 0.3))
    assert "these still are better: `clustering` at 100:1; 1 of those called better no longer." in words(
        study_of(weak, strong)
    )
    assert "none of those called better holds" in words(study_of(weak, against("none", (0.0, -0.1, 0.1))))
    assert "the best of many" not in words(study_of(strong))


def test_each_imbalance_says_what_is_better_worse_and_undecided():
    found = study_of(
        against("clustering", (0.2, 0.1, 0.3)),
        against("none", (-0.3, -0.5, -0.1)),
        against("siamese", (0.1, -0.1, 0.2)),
        against("clustering", (0.1, -0.1, 0.2), ratio=WHOLE),
    )
    text = words(found)
    assert "At 100:1 better than class weights: `clustering`: 20 % fewer balanced errors" in text
    assert (
        "At 100:1 worse than class weights: `none`: 30 % more balanced errors (95 % interval 10 to 50 %)"
        in text
    )
    assert "On the data as they are undecided, since the interval holds zero: `clustering`." in text


def test_below_which_imbalance_nothing_helps():
    mild = against("clustering", (0.1, -0.1, 0.2), ratio=10.0)
    middle = against("clustering", (0.2, 0.1, 0.3), ratio=30.0)
    strong = against("clustering", (0.3, 0.2, 0.4), ratio=100.0)
    assert "Below 30:1 nothing is shown to make fewer errors than class weights." in words(
        study_of(mild, middle, strong)
    )
    assert "Below" not in words(study_of(middle, strong))
    assert "Below" not in words(study_of(mild))


def test_above_which_imbalance_nothing_helps():
    whole = against("clustering", (0.3, 0.2, 0.4), ratio=WHOLE)
    mild = against("clustering", (0.2, 0.1, 0.3), ratio=10.0)
    strong = against("clustering", (-0.1, -0.2, 0.1), ratio=100.0)
    assert "Above 10:1 nothing is shown to make fewer errors than class weights." in words(
        study_of(whole, mild, strong)
    )
    assert "On thinned data nothing is shown to make fewer errors than class weights." in words(
        study_of(whole, strong)
    )
    for study in (study_of(whole, mild), study_of(strong), study_of(mild)):
        text = words(study)
        assert "Above" not in text
        assert "nothing is shown to make fewer errors than class weights." not in text


def test_average_precision_that_says_otherwise_is_told():
    found = study_of(against("none", (0.1, -0.1, 0.2), gain=(-0.05, -0.08, -0.02)))
    assert (
        "`none` at 100:1: macro average precision is lower than with class weights by 0.050 "
        "(95 % interval −0.080 to −0.020), while balanced error is undecided."
    ) in words(found)
    agreeing = study_of(against("none", (0.1, 0.05, 0.2), gain=(0.05, 0.02, 0.08)))
    assert "macro average precision is" not in words(agreeing)


def test_pairs_are_judged_by_the_same_rule():
    open_pair = Difference("clustering", "siamese", 100.0, 5, None, Interval(0.1, -0.1, 0.3))
    sure = Difference("clustering", "clustering/frozen", 100.0, 5, None, Interval(-0.2, -0.3, -0.1))
    text = words(study_of(against("siamese", (0.1, -0.1, 0.2)), pairs=(open_pair, sure)))
    assert "`clustering` against `siamese`: at 100:1 undecided, 10 % fewer balanced errors" in text
    assert "`clustering` against `clustering/frozen`: at 100:1 worse, 20 % more" in text


def test_failures_and_collapses_are_told():
    found = study_of(against("none", (0.1, -0.1, 0.2)), failures=("the loss is not finite",), rank=1.5)
    text = words(found)
    assert "gave nothing to judge: `none` at 100:1 1 of 11, `class_weight` at 100:1 1 of 11." in text
    assert (
        "few of the 4 directions that telling 5 labels apart takes, by effective rank: `none` at 100:1 1.5,"
        in text
    )
    assert "effective rank" not in words(study_of(against("none", (0.1, -0.1, 0.2)), rank=2.0))


def test_what_is_missing_is_told():
    found = study_of(against("none", (0.1, -0.1, 0.2)), seeds=(0,))
    assert "20 of 40 trainings are done" in words(found, planned=40)
    assert "With one seed they leave out the chance that lies in training itself." in words(found)
    assert "not finished" not in words(found, planned=20)
    assert "With one seed" not in words(dataclasses.replace(found, seeds=(0, 1)))


def test_without_cells_or_without_the_yardstick_that_is_said():
    assert headline(None) == "No training is finished yet"
    assert findings(None)
    without = study_of(against("none", (0.1, 0.05, 0.2)), yardstick=False)
    assert headline(without).startswith("No training with class weights is finished yet")
    assert "At 100:1 no class weights were measured" in words(without)


def test_numbers_in_words():
    assert fewer(Interval(0.123, 0.004, 0.2)) == "12 % fewer balanced errors (95 % interval 0.4 to 20 %)"
    assert fewer(Interval(-0.08, -0.15, 0.01)) == "8 % more balanced errors (95 % interval −1 to 15 %)"
    assert fewer(Interval(0.0, -0.1, 0.1)) == "0 % fewer balanced errors (95 % interval −10 to 10 %)"
    assert (at(WHOLE), at(30.0)) == ("on the data as they are", "at 30:1")


def test_misses_at_equal_false_alarms_are_told_where_they_surely_differ():
    one = against("clustering", (0.2, 0.1, 0.3), misses={3.0: (0.1, -0.1, 0.3), 10.0: (0.25, 0.1, 0.4)})
    other = against("none", (-0.2, -0.3, -0.1), misses={3.0: (-0.2, -0.3, -0.1), 10.0: (0.0, -0.1, 0.1)})
    assert (
        "Events in streams, at 100:1, against class weights at equally many false alarms: `clustering` has "
        "25 % fewer misses (95 % interval 10 to 40 %) at 10 an hour; `none` has 20 % more misses (95 % "
        "interval 10 to 30 %) at 3 an hour. 4 differences looked at, nothing adjusted for that."
    ) in words(study_of(one, other))
    open_ = against("clustering", (0.2, 0.1, 0.3), misses={3.0: (0.1, -0.1, 0.3)})
    assert "no interval leaves out zero. 1 difference looked at" in words(study_of(open_))
    assert "Events in streams" not in words(study_of(against("clustering", (0.2, 0.1, 0.3))))
