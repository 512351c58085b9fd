"""Statistics of a study: means, paired differences, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from toy_study import EVENT_COUNT, LABELS, plan_of, write_toy_study

from kwsembed.clip_scores import probabilities_of
from kwsembed.comparison.bootstrap import draw_groups
from kwsembed.comparison.clips import read_judged_clips
from kwsembed.comparison.detection_tradeoff import misses_at, tradeoffs
from kwsembed.comparison.differences import pairs_asked_for
from kwsembed.comparison.statistics import statistics_of
from kwsembed.errors import RunError
from kwsembed.evaluation.clip_metrics import clip_metrics

RESAMPLES = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    plan = plan_of(ratios=(30.0, 100.0), seeds=(0, 1))
    return write_toy_study(tmp_path_factory.mktemp("toy") / "STUDY", plan, streams=True)


@pytest.fixture(scope="module")
def statistics(folder):
    return statistics_of(folder, resamples=RESAMPLES)


def test_means_are_those_of_the_records(folder, statistics):
    for (name, ratio), standing in statistics.standings.items():
        records = [r for r in folder.records() if (r["contender"]["name"], r["ratio"]) == (name, ratio)]
        assert standing.cells == len(records) == 4
        for figure, interval in (
            ("macro_average_precision", standing.precision),
            ("balanced_error", standing.error),
        ):
            mean = np.mean([record["test"][figure] for record in records])
            assert interval.estimate == pytest.approx(mean, abs=1e-6)
            assert interval.low <= interval.estimate <= interval.high
        for label in LABELS[:EVENT_COUNT]:
            mean = np.mean([r["test"]["per_class"][label]["average_precision"] for r in records])
            assert standing.per_class[label].estimate == pytest.approx(mean, abs=1e-6)


def test_differences_are_paired_and_relative_for_errors(statistics):
    for (name, ratio), found in statistics.against_yardstick.items():
        own, yardstick = statistics.standings[name, ratio], statistics.standings["class_weight", ratio]
        assert found.cells == 4
        assert found.precision_gain.estimate == pytest.approx(
            own.precision.estimate - yardstick.precision.estimate, abs=1e-6
        )
        fewer = 1 - own.error.estimate / yardstick.error.estimate
        assert found.fewer_errors.estimate == pytest.approx(fewer, abs=1e-6)
    # Siamese has the same strength and met the same difficulties: the pairing leaves no doubt at all.
    same = statistics.against_yardstick["siamese", 100.0]
    assert (same.fewer_errors.low, same.fewer_errors.high) == (0, 0)
    assert same.verdict == "undecided"


def test_verdicts_follow_the_interval(statistics):
    assert statistics.against_yardstick["clustering", 100.0].verdict == "better"
    assert statistics.against_yardstick["clustering/frozen", 100.0].verdict == "worse"
    assert statistics.against_yardstick["none", 100.0].verdict == "undecided"
    assert statistics.against_yardstick["clustering", 100.0].adjusted_chance < 0.1


def test_an_interval_is_that_of_a_loop_over_draws(tmp_path):
    plan = plan_of(contenders=("class_weight", "clustering"))
    folder = write_toy_study(tmp_path, plan, clips=(4, 4, 10))
    found = statistics_of(folder, resamples=30, seed=5)
    judged = read_judged_clips(folder.clips)
    draws = draw_groups({fold: judged[fold, "test"].groups for fold in (1, 2)}, resamples=30, seed=5)
    fewer = []
    for row in range(1, 31):
        errors = {}
        for record in folder.records():
            clips, groups = judged[record["fold"], "test"], draws[record["fold"]]
            with np.load(folder.cells / f"{record['name']}.npz") as arrays:
                evidence, bias = arrays["test_evidence"].astype(float), arrays["bias"]
            clones = np.repeat(np.arange(len(clips.names)), groups.counts[row][groups.group_of])
            metrics = clip_metrics(
                probabilities_of(evidence, bias=bias)[clones],
                clips.classes(LABELS)[clones],
                labels=LABELS,
                event_count=EVENT_COUNT,
            )
            errors.setdefault(record["contender"]["name"], []).append(metrics["balanced_error"])
        fewer.append(1 - np.mean(errors["clustering"]) / np.mean(errors["class_weight"]))
    interval = found.against_yardstick["clustering", 100.0].fewer_errors
    assert [interval.low, interval.high] == pytest.approx(np.quantile(fewer, [0.025, 0.975]), abs=1e-5)


def test_a_method_is_held_against_itself_with_other_options():
    names = [
        "class_weight",
        "clustering",
        "clustering/frozen",
        "clustering:siblings=0/frozen",
        "focal:gamma=1",
    ]
    pairs = pairs_asked_for([*names, "class_weight:strength=0.5", "clustering:scale=9+focal:gamma=1"])
    assert ("clustering/frozen", "clustering:siblings=0/frozen") in pairs
    assert ("clustering", "clustering/frozen") in pairs
    assert ("clustering:scale=9+focal:gamma=1", "focal:gamma=1") in pairs  # what pretraining adds to a remedy
    assert len(pairs) == 3  # the yardstick is held against everybody anyway, and plain focal is not there


def test_a_pretrained_network_is_held_against_the_same_remedy_without_pretraining():
    remedy, both = "class_weight:strength=0.5", "clustering+class_weight:strength=0.5"
    assert pairs_asked_for(["class_weight", remedy, both]) == [(both, remedy)]


def test_clustering_is_held_against_siamese_with_the_same_remedy():
    names = [
        "clustering",
        "siamese",
        "clustering+focal",
        "siamese+focal",
        "clustering_logistic",
    ]
    assert pairs_asked_for(names) == [("clustering", "siamese"), ("clustering+focal", "siamese+focal")]


def test_a_method_is_held_against_itself_with_other_batches():
    names = ["clustering/frozen", "clustering/frozen+natural_batches", "siamese+natural_batches"]
    assert pairs_asked_for(names) == [("clustering/frozen", "clustering/frozen+natural_batches")]


def test_the_pairs_that_people_ask_for_are_there(statistics):
    pairs = {(pair.first, pair.second, pair.ratio) for pair in statistics.pairs}
    assert pairs == {
        (*pair, ratio)
        for pair in (("clustering", "clustering/frozen"), ("clustering", "siamese"))
        for ratio in (30.0, 100.0)
    }
    assert all(pair.verdict == "better" for pair in statistics.pairs)


def test_a_failed_training_is_counted_and_left_out_on_both_sides(tmp_path):
    found = statistics_of(write_toy_study(tmp_path, plan_of(), failing=("none",)), resamples=RESAMPLES)
    standing = found.standings["none", 100.0]
    assert standing.cells == 1
    assert standing.failures == ("the loss is not finite",)
    assert found.against_yardstick["none", 100.0].cells == 1
    assert found.standings["class_weight", 100.0].cells == 2


def test_a_contender_whose_every_training_failed_still_stands_there(tmp_path):
    folder = write_toy_study(tmp_path, plan_of(folds=(1,)), failing=("none",))
    found = statistics_of(folder, resamples=RESAMPLES)
    assert found.standings["none", 100.0].error is None
    assert found.against_yardstick["none", 100.0].fewer_errors is None
    assert found.at(100.0)[-1].contender == "none"


def test_without_the_yardstick_there_are_standings_and_no_differences(tmp_path):
    folder = write_toy_study(tmp_path, plan_of(), leave_out=("class_weight",))
    found = statistics_of(folder, resamples=RESAMPLES)
    assert not found.against_yardstick
    assert len(found.standings) == 4


def test_without_cells_there_are_no_statistics(tmp_path):
    folder = write_toy_study(tmp_path, plan_of(contenders=("class_weight",)), leave_out=("class_weight",))
    assert statistics_of(folder) is None


def test_misses_in_streams_are_pooled_over_events_and_folds_but_not_over_seeds(statistics):
    missed = statistics.standings["none", 100.0].missed
    assert missed.events == 16  # four of each of two events in each of two folds
    assert missed.rate.estimate == 0.25
    assert missed.rate.low < 0.25 < missed.rate.high
    assert missed.false_alarms_per_hour == 1.0  # half an alarm per hour of each event


def test_misses_at_equal_false_alarms_are_means_over_cells_and_differences_are_paired(folder, statistics):
    yardstick = statistics.standings["class_weight", 100.0]
    for name in ("clustering", "siamese", "clustering/frozen"):
        standing, found = statistics.standings[name, 100.0], statistics.against_yardstick[name, 100.0]
        for rate in (3.0, 10.0):
            shares = [
                record["test"]["per_class"][label]["miss_rate_at_false_alarms_per_hour"][f"{rate:g}"]
                for record in folder.records()
                if (record["contender"]["name"], record["ratio"]) == (name, 100.0)
                for label in LABELS[:EVENT_COUNT]
            ]
            assert standing.missed_at[rate].estimate == pytest.approx(np.mean(shares), abs=1e-6)
            fewer = 1 - standing.missed_at[rate].estimate / yardstick.missed_at[rate].estimate
            assert found.fewer_misses[rate].estimate == pytest.approx(fewer, abs=1e-6)
    assert statistics.against_yardstick["clustering", 100.0].fewer_misses[10.0].low > 0


def test_cells_of_a_study_without_streams_have_no_such_misses(tmp_path):
    found = statistics_of(write_toy_study(tmp_path, plan_of()), resamples=RESAMPLES)
    assert found.standings["clustering", 100.0].missed_at == {}
    assert found.against_yardstick["clustering", 100.0].fewer_misses == {}


def test_a_folder_without_its_clips_says_how_to_complete_it(tmp_path):
    folder = write_toy_study(tmp_path, plan_of())
    folder.clips.unlink()
    with pytest.raises(RunError, match="run the command of the study again"):
        statistics_of(folder)


def test_evidence_of_other_clips_is_refused(tmp_path):
    folder = write_toy_study(tmp_path, plan_of())
    lines = folder.clips.read_text().splitlines()
    removed = next(line for line in lines if line.startswith("1,test,"))
    folder.clips.write_text("\n".join(line for line in lines if line != removed) + "\n")
    with pytest.raises(RunError, match=r"Expected 83 clips.*84 clips"):
        statistics_of(folder)


def test_damaged_evidence_is_said_so(tmp_path):
    folder = write_toy_study(tmp_path, plan_of(contenders=("class_weight", "none")))
    path = next(folder.cells.glob("none*.npz"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match=r"cannot be read.*none"):
        statistics_of(folder)


def test_misses_are_the_fewest_with_no_more_false_alarms():
    random = np.random.default_rng(0)
    positive = random.random(60) < 0.3
    scores = (random.random(60) + 0.5 * positive).round(1)
    rates = np.array([0.0, 0.05, 0.2, 0.5, 0.9])
    expected = []
    for rate in rates:
        allowed = [t for t in [*np.unique(scores), np.inf] if np.mean(scores[~positive] >= t) <= rate]
        expected.append(min(np.mean(scores[positive] < t) for t in allowed))
    assert misses_at(positive, scores, rates) == pytest.approx(expected)


def test_trade_offs_pool_all_folds_and_seeds_and_the_mean_lies_between(folder):
    curves = tradeoffs(folder, ratio=100.0, event_labels=LABELS[:EVENT_COUNT])
    assert set(curves) == {"class_weight", "none", "clustering", "clustering/frozen", "siamese"}
    for curve in curves.values():
        rates, misses = curve.line("dog")
        assert rates[0] == pytest.approx(1 / (4 * 72))  # one of the other clips of four cells
        assert np.all(np.diff(misses) <= 0)
        both = np.stack([curve.line(label)[1] for label in LABELS[:EVENT_COUNT]])
        mean = curve.line(None)[1]
        assert np.all((both.min(axis=0) - 1e-9 <= mean) & (mean <= both.max(axis=0) + 1e-9))
