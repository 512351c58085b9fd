"""What a search varies: ranges around the config, and the config that a point stands for."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("tensorflow", reason="the package belongs to the training ring")

from kwsembed.config import ScheduleConfig, TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.methods import PRETRAININGS, REBALANCINGS, SEARCH_GROUPS, parse_method
from kwsembed.tuning.space import Choice, Range, config_at, search_space, shortened

LABELS = {"event_labels": ["dog", "bell"], "background_labels": ["noise", "street"]}


def by_name(config=None, **options):
    return {setting.name: setting for setting in search_space(config or TrainConfig(), **LABELS, **options)}


def test_every_class_but_the_first_background_has_a_weight_of_its_own():
    space = by_name(groups=["class_weights"])
    assert list(space) == ["class_weights.dog", "class_weights.bell", "class_weights.street"]
    assert space["class_weights.dog"] == Range("class_weights.dog", 1.0, 0.25, 4.0)


def test_the_ranges_lie_around_what_the_config_has():
    config = TrainConfig(
        width=0.5, class_weights={"bell": 2.0}, schedule=ScheduleConfig(pretrain_learning_rate=0.01)
    )
    space = by_name(config)
    assert space["width"] == Range("width", 0.5, 0.25, 1.0)
    assert space["class_weights.bell"] == Range("class_weights.bell", 2.0, 0.5, 8.0)
    learning_rate = space["schedule.pretrain_learning_rate"]
    assert (learning_rate.low, learning_rate.default, learning_rate.high) == (0.0025, 0.01, 0.04)


def test_the_ratio_is_searched_where_background_is_undersampled():
    space = by_name(groups=["rebalance"])
    assert space["rebalance"] == Choice("rebalance", ("mild", "class_weight", "undersample"))
    name = "rebalance.mild.adjusted_below"
    assert space[name] == Range(name, 22.0, 5.5, 88.0, when=("rebalance", "mild"))
    strength = space["rebalance.class_weight.strength"]
    assert (strength.low, strength.high, strength.when) == (0.25, 2.0, ("rebalance", "class_weight"))
    name = "rebalance.undersample.ratio"
    assert space[name] == Range(name, 10.0, 2.5, 40.0, when=("rebalance", "undersample"))


def test_the_remedy_of_the_config_comes_first_with_its_parameters_within_what_they_may_be():
    space = by_name(TrainConfig(rebalance="focal:gamma=4"), groups=["rebalance"])
    assert space["rebalance"].values == ("focal", "class_weight", "undersample")
    gamma = space["rebalance.focal.gamma"]
    assert (gamma.default, gamma.low, gamma.high) == (4.0, 1.0, REBALANCINGS["focal"].options["gamma"].most)


def test_pretraining_is_searched_by_its_own_parameters():
    space = by_name(groups=["pretrain"])
    assert set(space) == {"pretrain.clustering.scale", "pretrain.clustering.margin"}
    assert (space["pretrain.clustering.scale"].low, space["pretrain.clustering.scale"].high) == (2.0, 32.0)
    without = by_name(TrainConfig(pretrain="clustering:margin=0"), groups=["pretrain"])
    assert set(without) == {"pretrain.clustering.scale"}
    assert set(by_name(TrainConfig(pretrain="siamese"), groups=["pretrain"])) == {"pretrain.siamese.margin"}


def test_the_learning_rate_of_the_head_is_searched_where_a_head_is_trained():
    assert "schedule.head_learning_rate" not in by_name()
    assert "schedule.head_learning_rate" in by_name(frozen=True)


@pytest.mark.parametrize("groups", [["width", "depth"], []])
def test_an_unknown_group_is_answered_with_the_known_ones(groups):
    with pytest.raises(ConfigError, match=r"Expected some of class_weights, .*, sublabels, width"):
        by_name(groups=groups)


def test_a_point_of_every_setting_gives_its_config():
    config = TrainConfig(class_weights={"noise": 3.0}, seed=5)
    found = config_at(
        config,
        {
            "class_weights.dog": 0.333333,
            "rebalance": "undersample",
            "rebalance.undersample.ratio": 12.3456,
            "pretrain.clustering.scale": 4.0,
            "width": 1.5,
            "schedule.finetune_learning_rate": 0.00123456,
        },
    )
    assert found == dataclasses.replace(
        config,
        class_weights={"noise": 3.0, "dog": 0.3333},
        rebalance="undersample:ratio=12.35",
        pretrain=found.pretrain,
        width=1.5,
        schedule=ScheduleConfig(finetune_learning_rate=0.001235),
    )
    _, pretraining = parse_method(found.pretrain, PRETRAININGS, kind="pretrain")
    assert (pretraining["scale"], pretraining["margin"]) == (4.0, 0.1)
    assert parse_method(found.rebalance, REBALANCINGS, kind="rebalance")[1] == {"ratio": 12.35}


def test_options_that_are_not_searched_stay_as_they_were():
    config = TrainConfig(rebalance="ldam_drw:max_margin=0.3,beta=0.9")
    assert config_at(config, {"rebalance": "ldam_drw"}).rebalance == config.rebalance
    found = config_at(config, {"rebalance": "ldam_drw", "rebalance.ldam_drw.scale": 8.0})
    options = parse_method(found.rebalance, REBALANCINGS, kind="rebalance")[1]
    assert options == {"max_margin": 0.3, "scale": 8.0, "beta": 0.9, "deferred_share": 0.2}


def test_every_range_holds_its_default_and_every_end_is_a_valid_config():
    configs = [
        TrainConfig(rebalance=method, pretrain=pretrain, teacher="yamnet.tflite")
        for method in REBALANCINGS
        for pretrain in PRETRAININGS
    ]
    for config in configs:
        for setting in search_space(config, **LABELS, groups=SEARCH_GROUPS, frozen=True):
            if isinstance(setting, Choice):
                assert config_at(config, {setting.name: setting.values[0]}) == config_at(config, {})
                continue
            assert 0 < setting.low <= setting.default <= setting.high
            asked = {} if setting.when is None else dict([setting.when])
            for value in (setting.low, setting.high):
                changed = config_at(config, {**asked, setting.name: value})
                assert changed != config, setting.name


def test_the_weight_of_sublabels_is_searched_where_they_are_trained_on():
    def names(config, **kinds):
        return [setting.name for setting in search_space(config, **LABELS, **kinds)]

    asked = TrainConfig(sublabel_weight=0.5)
    [weight] = search_space(asked, **LABELS, groups=["sublabels"], sublabels=True)
    assert (weight.name, weight.low, weight.default, weight.high) == ("sublabel_weight", 0.125, 0.5, 2.0)
    assert "sublabel_weight" not in names(asked)
    assert "sublabel_weight" not in names(TrainConfig(), sublabels=True)
    assert config_at(asked, {"sublabel_weight": 0.25}).sublabel_weight == 0.25
    with pytest.raises(ConfigError, match="nothing to search"):
        search_space(TrainConfig(), **LABELS, groups=["sublabels"])


def test_a_schedule_is_shortened_in_its_epochs_alone():
    short = shortened(ScheduleConfig(pretrain_epochs=16, head_epochs=1, finetune_epochs=10), 0.25)
    assert (short.pretrain_epochs, short.head_epochs, short.finetune_epochs) == (4, 1, 2)
    assert short.epoch_steps == ScheduleConfig().epoch_steps
    assert shortened(ScheduleConfig(), 1.0) == ScheduleConfig()
