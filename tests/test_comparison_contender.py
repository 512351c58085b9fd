"""Contenders: how names are read, that budgets are equal, and what tuning tries."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from kwsembed.comparison.contender import DEFAULT_CONTENDERS, YARDSTICK, parse_contender
from kwsembed.comparison.trials import tuning_trials
from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.methods import PRETRAININGS, REBALANCINGS, parse_method


@pytest.mark.parametrize(
    ("name", "pretrain", "rebalance", "frozen"),
    [
        ("none", None, "none", False),
        ("focal:gamma=1.5", None, "focal:gamma=1.5", False),
        ("clustering", "clustering", "class_weight", False),
        ("clustering/frozen", "clustering", "class_weight", True),
        ("siamese:margin=0.8+logit_adjusted", "siamese:margin=0.8", "logit_adjusted", False),
        ("siamese/frozen+none", "siamese", "none", True),
    ],
)
def test_a_name_says_what_is_trained(name, pretrain, rebalance, frozen):
    found = parse_contender(name)
    assert (found.name, found.pretrain, found.rebalance, found.frozen) == (name, pretrain, rebalance, frozen)


@pytest.mark.parametrize(
    ("name", "rebalance"),
    [
        ("class_weight+sublabels", "class_weight"),
        ("focal:gamma=1.5+sublabels", "focal:gamma=1.5"),
        ("clustering+sublabels", "class_weight"),
        ("clustering+none+sublabels", "none"),
        ("clustering+sublabels+none", "none"),
    ],
)
def test_sublabels_are_a_second_task_of_those_that_ask_for_them(name, rebalance):
    found = parse_contender(name)
    assert (found.name, found.rebalance, found.sublabels) == (name, rebalance, True)
    base = TrainConfig(sublabel_weight=0.7)
    assert found.config(base, steps=400, seed=0).sublabel_weight == 0.7
    assert found.config(TrainConfig(), steps=400, seed=0).sublabel_weight == 0.5
    plain = parse_contender(name.replace("+sublabels", ""))
    assert plain.config(base, steps=400, seed=0).sublabel_weight == 0


@pytest.mark.parametrize(
    ("name", "pretrain", "rebalance", "frozen"),
    [
        ("class_weight+even_groups", None, "class_weight", False),
        ("clustering/frozen+even_groups", "clustering", "class_weight", True),
        (
            "clustering+class_weight:strength=0.5+even_groups",
            "clustering",
            "class_weight:strength=0.5",
            False,
        ),
    ],
)
def test_groups_are_drawn_alike_for_those_that_ask_for_it(name, pretrain, rebalance, frozen):
    found = parse_contender(name)
    assert (found.pretrain, found.rebalance, found.frozen) == (pretrain, rebalance, frozen)
    assert found.config(TrainConfig(), steps=400, seed=0).even_groups == 1.0
    assert found.config(TrainConfig(even_groups=0.5), steps=400, seed=0).even_groups == 0.5
    plain = parse_contender(name.replace("+even_groups", ""))
    assert plain.config(TrainConfig(even_groups=0.5), steps=400, seed=0).even_groups == 0.0


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("class_weight+backwards", "class_weight"),
        ("clustering/frozen+backwards", "clustering/frozen"),
        ("clustering+none+backwards", "clustering+none"),
        ("clustering+sublabels+backwards", "clustering+sublabels"),
    ],
)
def test_events_are_heard_backwards_by_those_that_ask_for_it(name, without):
    found = parse_contender(name)
    base = TrainConfig(backwards_share=0.7)
    assert found.config(base, steps=400, seed=0).backwards_share == 0.7
    assert found.config(TrainConfig(backwards_share=0.0), steps=400, seed=0).backwards_share == 0.3
    plain = parse_contender(without)
    assert plain.config(base, steps=400, seed=0).backwards_share == 0
    assert replace(found, name=without, backwards=False) == plain


@pytest.mark.parametrize(
    ("name", "without", "sampling"),
    [
        ("clustering+natural_batches", "clustering", "natural"),
        ("siamese/frozen+square_root_batches", "siamese/frozen", "square_root"),
        ("clustering+none+balanced_batches+backwards", "clustering+none+backwards", "balanced"),
    ],
)
def test_pretraining_draws_classes_as_those_that_ask_for_it_say(name, without, sampling):
    found, plain = parse_contender(name), parse_contender(without)
    base = TrainConfig(pretrain_sampling="oversampled")
    assert found.config(base, steps=400, seed=0).pretrain_sampling == sampling
    assert plain.config(base, steps=400, seed=0).pretrain_sampling == "oversampled"
    assert replace(found, name=without, pretrain_sampling="") == plain


@pytest.mark.parametrize(
    "name",
    [
        "magic",
        "class_weight+natural_batches",
        "none+square_root_batches",
        "clustering+natural_batches+balanced_batches",
        "clustering+natural_batches+natural_batches",
        "clustering+oversampled_batches",
        "none+sublabels+focal",
        "clustering/frozen+sublabels",
        "clustering+sublabels+sublabels",
        "clustering+backwards+backwards",
        "",
        "none/frozen",
        "none+focal",
        "clustering+magic",
        "focal:alpha=1",
        "siamese:margin=99",
        "/frozen",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(ConfigError):
        parse_contender(name)


def test_the_default_ones_hold_the_yardstick_and_are_all_known():
    assert YARDSTICK in DEFAULT_CONTENDERS
    assert [parse_contender(name).name for name in DEFAULT_CONTENDERS] == list(DEFAULT_CONTENDERS)


def test_a_network_that_learns_from_others_shares_its_budget_with_them():
    schedule = (
        parse_contender("clustering+class_weight:strength=0.5+distilled")
        .config(TrainConfig(), steps=9900, seed=0)
        .schedule
    )
    shared = (
        schedule.scratch_epochs,
        schedule.pretrain_epochs,
        schedule.head_epochs,
        schedule.finetune_epochs,
    )
    assert shared == (32, 32, 3, 32)  # as `kwsembed train` has them


def test_it_learns_from_them_as_much_whatever_the_settings_say():
    for base in (TrainConfig(), TrainConfig(distillation_weight=0.0), TrainConfig(distillation_weight=0.9)):
        found = parse_contender("clustering+distilled").config(base, steps=400, seed=0)
        plain = parse_contender("clustering").config(base, steps=400, seed=0)
        assert (found.distillation_weight, plain.distillation_weight) == (0.5, 0.0)


@pytest.mark.parametrize("name", ["class_weight+distilled", "clustering/frozen+distilled"])
def test_only_an_end_to_end_network_learns_from_others(name):
    with pytest.raises(ConfigError, match=r"taught by"):
        parse_contender(name)


def test_the_last_default_one_is_what_train_does():
    found = parse_contender(DEFAULT_CONTENDERS[-1]).config(TrainConfig(), steps=100, seed=0)
    assert replace(found, schedule=TrainConfig().schedule) == TrainConfig()


def test_only_that_one_looks_how_much_audio_of_events_there_is():
    for name in DEFAULT_CONTENDERS:
        config = parse_contender(name).config(TrainConfig(), steps=1600, seed=0)
        assert (config.little_audio.below_windows > 0) == (name == "train")
    assert parse_contender("train").config(TrainConfig(), steps=1600, seed=0).schedule.scratch_epochs == 16


def stages_of(contender):
    if contender.distilled:
        return ("scratch_epochs", "pretrain_epochs", "head_epochs", "finetune_epochs")
    return {
        "from_scratch": ("scratch_epochs",),
        "frozen": ("pretrain_epochs", "head_epochs"),
        "end_to_end": ("pretrain_epochs", "finetune_epochs"),
    }[contender.variant]


@pytest.mark.parametrize("name", [*DEFAULT_CONTENDERS, "clustering+distilled"])
@pytest.mark.parametrize("steps", [200, 300, 400, 1000, 1600])
def test_every_contender_gets_the_same_budget(name, steps):
    contender = parse_contender(name)
    if steps < 100 * contender.least_epochs:
        assert contender.distilled  # whom no study gives so little
        return
    schedule = contender.config(TrainConfig(), steps=steps, seed=3).schedule
    assert sum(getattr(schedule, stage) for stage in stages_of(contender)) * schedule.epoch_steps == steps


def test_a_frozen_network_gives_most_of_its_budget_to_pretraining():
    frozen = parse_contender("clustering/frozen").config(TrainConfig(), steps=2000, seed=0).schedule
    end_to_end = parse_contender("clustering").config(TrainConfig(), steps=2000, seed=0).schedule
    assert (frozen.pretrain_epochs, frozen.head_epochs) == (17, 3)
    assert (end_to_end.pretrain_epochs, end_to_end.finetune_epochs) == (10, 10)


def test_learning_rates_take_the_factor_and_all_else_is_the_study_s():
    base = TrainConfig(width=0.5)
    [_, trial] = tuning_trials(parse_contender("none"), 2, seed=1)
    config = trial.config(base, steps=200, seed=9)
    assert config.seed == 9
    assert config.width == 0.5
    for name in ("pretrain_learning_rate", "head_learning_rate", "finetune_learning_rate"):
        factor = getattr(config.schedule, name) / getattr(base.schedule, name)
        assert factor == pytest.approx(trial.learning_rate_factor)
    assert config.schedule.weight_decay == base.schedule.weight_decay


def test_every_contender_is_tried_as_named_first_and_then_with_the_same_learning_rates():
    trials = {name: tuning_trials(parse_contender(name), 4, seed=5) for name in DEFAULT_CONTENDERS}
    assert all(found[0] == parse_contender(name) for name, found in trials.items())
    factors = {tuple(trial.learning_rate_factor for trial in found) for found in trials.values()}
    assert len(factors) == 1
    [[first, *others]] = factors
    assert first == 1.0
    assert all(1 / 3 <= factor <= 3 for factor in others)
    assert len(set(others)) == 3


@pytest.mark.parametrize(
    "name", ["focal", "ldam_drw", "effective_number", "clustering+focal", "siamese/frozen"]
)
def test_options_are_drawn_near_their_value_and_within_their_range(name):
    contender = parse_contender(name)
    for trial in tuning_trials(contender, 20, seed=2)[1:]:
        assert (trial.name, trial.frozen) == (name, contender.frozen)
        for text, before, known in (
            (trial.pretrain, contender.pretrain, PRETRAININGS),
            (trial.rebalance, contender.rebalance, REBALANCINGS),
        ):
            if text is None:
                continue
            method, drawn = parse_method(text, known, kind="method")
            _, was = parse_method(before, known, kind="method")
            for option, value in drawn.items():
                about = method.options[option]
                assert about.least <= value <= about.most
                close = 1 - was[option] if 0.9 <= was[option] < 1 else was[option]
                now = 1 - value if 0.9 <= was[option] < 1 else value
                at_bound = value in (about.least, about.most)
                assert at_bound or abs(math.log(now / close)) <= math.log(3) + 1e-2


@pytest.mark.parametrize("position", [0, 1])
def test_a_switch_stays_as_it_was_asked_for(position):
    contender = parse_contender(f"clustering:learned_centroids={position}")
    for trial in tuning_trials(contender, 10, seed=3):
        _, drawn = parse_method(trial.pretrain, PRETRAININGS, kind="method")
        assert drawn["learned_centroids"] == position


def test_draws_come_again_with_their_seed():
    contender = parse_contender("focal")
    assert tuning_trials(contender, 3, seed=1) == tuning_trials(contender, 3, seed=1)
    assert tuning_trials(contender, 3, seed=1) != tuning_trials(contender, 3, seed=2)
