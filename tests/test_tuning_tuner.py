"""keras-tuner's loop with our oracles: the default first, a state that lasts, failures that stop nothing."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras_tuner")

from tensorboard.plugins.hparams import plugin_data_pb2
from tensorflow.python.summary.summary_iterator import summary_iterator

from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError, DivergenceError
from kwsembed.tuning import hparams
from kwsembed.tuning import trial as trial_module
from kwsembed.tuning.oracle import build_oracle, hyperparameters
from kwsembed.tuning.search_folder import SearchFolder, Trial
from kwsembed.tuning.space import Choice, Range, search_space
from kwsembed.tuning.trial import TrialSetting, trial_runner
from kwsembed.tuning.tuner import DeploymentTuner

SPACE = (
    Choice("rebalance", ("class_weight", "undersample")),
    Range("rebalance.undersample.ratio", 10.0, 2.5, 40.0, when=("rebalance", "undersample")),
    Range("width", 1.0, 0.5, 2.0),
)


class Runs:
    """Stands for training: a narrower network has the higher recall. It remembers what it was asked."""

    def __init__(self, *, fails=(), dies=None):
        self.asked = {}
        self._fails = fails
        self._dies = dies

    def __call__(self, number, values):
        self.asked[number] = values
        if number == self._dies:
            raise KeyboardInterrupt
        if number in self._fails:
            return Trial(number, "failed", TrainConfig(), values, 1.0, message="training diverged")
        recall = 1 / (1 + values["width"])
        return Trial(number, "completed", TrainConfig(), values, 1.0, "", recall + 0.0005, recall, 0.5)


def search(root, runs, *, trials=6, method="random", seed=3):
    oracle = build_oracle(method, SPACE, trials=trials, seed=seed)
    tuner = DeploymentTuner(oracle, folder=SearchFolder(root), role="alone", run=runs)
    tuner.search()
    return oracle


def test_the_first_trial_is_the_default_and_the_others_lie_in_their_ranges(tmp_path):
    runs = Runs()
    search(tmp_path, runs, trials=12)
    assert list(runs.asked) == list(range(12))
    assert runs.asked[0] == {"rebalance": "class_weight", "width": 1.0}
    assert all(0.5 <= values["width"] <= 2.0 for values in runs.asked.values())
    for values in runs.asked.values():
        assert ("rebalance.undersample.ratio" in values) == (values["rebalance"] == "undersample")
    assert {values["rebalance"] for values in runs.asked.values()} == {"class_weight", "undersample"}


def test_logarithmic_ranges_are_drawn_alike_on_both_sides_of_the_default():
    [width] = hyperparameters(SPACE[2:]).space
    assert width.prob_to_value(0.5) == pytest.approx(1.0)
    assert width.prob_to_value(0.25) == pytest.approx(0.5**0.5)


def test_random_values_depend_on_seed_and_number_alone(tmp_path):
    runs, more, other = Runs(), Runs(), Runs()
    search(tmp_path / "a", runs, trials=4)
    search(tmp_path / "b", more, trials=6)
    search(tmp_path / "c", other, trials=4, seed=4)
    assert {number: more.asked[number] for number in runs.asked} == runs.asked
    assert other.asked[1] != runs.asked[1]


@pytest.mark.parametrize("dies", [0, 3])
def test_a_search_that_dies_goes_on_with_the_trial_it_was_at(tmp_path, dies):
    whole, killed, resumed = Runs(), Runs(dies=dies), Runs()
    search(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "killed", killed)
    oracle = search(tmp_path / "killed", resumed)
    assert list(resumed.asked) == list(range(dies, 6))
    assert killed.asked | resumed.asked == whole.asked
    assert oracle.end_order == [str(number) for number in range(6)]


def test_a_state_that_lags_behind_its_trials_loses_none(tmp_path):
    """The process died between the two files: one says a trial began, the other has not heard of it."""
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, Runs(dies=2))
    path = tmp_path / "oracle" / "oracle.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "ongoing_trials": {}, "start_order": state["start_order"][:2]}))
    resumed = Runs()
    search(tmp_path, resumed)
    assert list(resumed.asked) == [2, 3, 4, 5]


def test_a_finished_search_runs_nothing_and_more_trials_go_on(tmp_path):
    search(tmp_path, Runs(), trials=3)
    again, more = Runs(), Runs()
    search(tmp_path, again, trials=3)
    search(tmp_path, more, trials=12)
    assert list(again.asked) == []
    assert list(more.asked) == list(range(3, 12))


def test_trials_that_fail_are_recorded_and_the_search_goes_on(tmp_path):
    runs = Runs(fails=(0, 1, 2, 3, 4))
    oracle = search(tmp_path, runs)
    assert list(runs.asked) == list(range(6))
    assert [oracle.trials[str(number)].status for number in (0, 4, 5)] == ["FAILED", "FAILED", "COMPLETED"]
    assert oracle.get_best_trials()[0].trial_id == "5"
    assert oracle.trials["0"].message == "training diverged"


def test_a_fault_ends_the_search_instead_of_counting_as_a_bad_trial(tmp_path):
    import keras_tuner

    def run(number, values):
        raise OSError(28, "No space left on device")

    with pytest.raises(keras_tuner.errors.FatalError) as fault:
        search(tmp_path, run)
    assert isinstance(fault.value.__cause__, OSError)


def test_the_bayesian_search_closes_in_on_narrow_networks(tmp_path):
    runs = Runs()
    search(tmp_path, runs, trials=8, method="bayesian")
    assert len(runs.asked) == 8
    assert min(runs.asked[number]["width"] for number in (5, 6, 7)) < 0.6


def test_an_unknown_method_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="Expected one of random, bayesian"):
        build_oracle("magic", SPACE, trials=3, seed=0)


# ---- what a trial is


def judged(recall):
    return {
        "variant": "end_to_end",
        "validation": {"macro_average_precision": 0.5, "per_class": {"dog": {"miss_rate": 1 - recall}}},
    }


def test_a_trial_averages_seeds_that_follow_each_other_and_is_not_run_twice(tmp_path, monkeypatch):
    seeds = []

    def train_once(config, setting, run, *, title):
        seeds.append((config.seed, config.width, run.root.name))
        return judged({7: 0.5, 8: 1.0}[config.seed])

    monkeypatch.setattr(trial_module, "_train_once", train_once)
    setting = TrialSetting(manifest=None, store=None, seeds=2, frozen=False)
    folder, said = SearchFolder(tmp_path), []
    run = trial_runner(TrainConfig(seed=7), setting, folder, trials=3, say=said.append)
    trial = run(1, {"width": 0.5})
    assert seeds == [(7, 0.5, "seed_7"), (8, 0.5, "seed_8")]
    assert trial.recall == pytest.approx(0.75)
    assert [figures["recall"] for figures in trial.by_seed.values()] == [0.5, 1.0]
    assert trial.config == TrainConfig(seed=7, width=0.5)
    assert run(1, {"width": 0.5}) == trial
    assert len(seeds) == 2
    assert said[-1] == ("trial 1: recall 0.750 (dog 0.750), macro average precision 0.500 (mean of 2 seeds)")


def test_the_default_is_trained_exactly_as_it_is(tmp_path, monkeypatch):
    trained = []

    def train_once(config, setting, run, *, title):
        trained.append(config)
        return judged(0.5)

    monkeypatch.setattr(trial_module, "_train_once", train_once)
    config = TrainConfig(rebalance="undersample:10", width=0.123456789)
    space = search_space(config, event_labels=["dog"], background_labels=["noise"])
    setting = TrialSetting(manifest=None, store=None, seeds=1, frozen=False)
    run = trial_runner(config, setting, SearchFolder(tmp_path), trials=3, say=lambda text: None)
    run(0, dict(hyperparameters(space).values))
    assert trained == [config]


def test_a_network_that_diverges_makes_its_trial_fail(tmp_path, monkeypatch):
    def train_once(config, setting, run, *, title):
        raise DivergenceError("training diverged in epoch 1", received="loss=nan")

    monkeypatch.setattr(trial_module, "_train_once", train_once)
    setting = TrialSetting(manifest=None, store=None, seeds=1, frozen=False)
    folder = SearchFolder(tmp_path)
    trial = trial_runner(TrainConfig(), setting, folder, trials=3, say=lambda text: None)(2, {"width": 2.0})
    assert (trial.status, trial.objective) == ("failed", None)
    assert folder.read_trials() == [trial]
    assert "loss=nan" in folder.read_trials()[0].message


def test_tensorboard_gets_settings_and_figures_of_a_trial(tmp_path):
    hparams.write_space(tmp_path, SPACE)
    values = {"rebalance": "undersample", "rebalance.undersample.ratio": 5.0, "width": 0.5}
    hparams.write_trial(tmp_path, Runs()(3, values), values)
    [events] = (tmp_path / "0003").glob("events.out.tfevents*")
    found = {value.tag: value for event in summary_iterator(str(events)) for value in event.summary.value}
    assert {"objective", "recall", "macro_average_precision"} <= set(found)
    content = found["_hparams_/session_start_info"].metadata.plugin_data.content
    started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert started.hparams["width"].number_value == 0.5
    assert started.hparams["rebalance"].string_value == "undersample"
