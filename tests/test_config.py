"""The settings of a run: they survive TOML, and refuse what could not work in words that help."""

from __future__ import annotations

import json
import math
import tomllib

import pytest
import tomli_w

from kwsembed.config import AugmentConfig, ScheduleConfig, TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.frontend import FrontendConfig

UNUSUAL = TrainConfig(
    backbone="lstm",
    width=0.5,
    rebalance="undersample:2.5",
    seed=2**32 - 1,
    class_weights={"dog bark": 0.25, "glass.break": 4.0},
    frontend=FrontendConfig(mel_count=40),
    augment=AugmentConfig(gain_db=(-3.0, 3.0), time_masks=0),
    pretrain="clustering:margin=0.2",
    schedule=ScheduleConfig(batch_size=7, weight_decay=0.0),
)


def through_toml(config):
    text = tomli_w.dumps(json.loads(json.dumps(config.to_dict())))
    return TrainConfig.from_dict(tomllib.loads(text))


@pytest.mark.parametrize("config", [TrainConfig(), UNUSUAL], ids=["default", "unusual"])
def test_settings_survive_toml(config):
    assert through_toml(config) == config


def test_a_file_need_only_name_what_differs(tmp_path):
    (tmp_path / "c.toml").write_text(
        "window_s = 2\n[schedule]\nbatch_size = 8\n[augment]\ngain_db = [0, 1]\n"
    )
    found = TrainConfig.read(tmp_path / "c.toml")
    assert (found.window_s, found.window_samples) == (2.0, 32000)
    assert isinstance(found.window_s, float)
    assert found.schedule == ScheduleConfig(batch_size=8)
    assert found.augment.gain_db == (0.0, 1.0)
    assert found.backbone == "ds_cnn"


def test_class_weights_that_are_not_given_are_not_written():
    assert "class_weights" not in TrainConfig().to_dict()
    read = TrainConfig.from_dict({"class_weights": {"dog": 2}})
    assert read.class_weights == {"dog": 2.0}
    assert isinstance(read.class_weights["dog"], float)


def test_what_is_no_toml_is_refused_with_its_name(tmp_path):
    for content in (b"seed = = 3", b"\xff\xfe"):
        (tmp_path / "c.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"not valid TOML.*c\.toml"):
            TrainConfig.read(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 3}, r"unknown setting epochs\. Expected one of backbone, width"),
        (
            {"schedule": {"epochs": 3}},
            r"unknown setting schedule\.epochs\. Expected one of schedule\.batch_size",
        ),
        (
            {"frontend": {"mels": 3}},
            r"unknown setting frontend\.mels\. Expected one of frontend\.sample_rate_hz",
        ),
    ],
)
def test_an_unknown_setting_is_answered_with_the_known_ones(values, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"width": "wide"}, "width"),
        ({"width": False}, "width"),
        ({"backbone": 3}, "backbone"),
        ({"schedule": 3}, "schedule"),
        ({"class_weights": 3}, "class_weights"),
        ({"class_weights": {"dog": "heavy"}}, "class_weights.dog"),
        ({"schedule": {"batch_size": [1]}}, "schedule.batch_size"),
        ({"augment": {"gain_db": 3.0}}, "augment.gain_db"),
        ({"augment": {"gain_db": ["low", "high"]}}, "augment.gain_db"),
        ({"augment": {"gain_db": [0.1, "0.1"]}}, "augment.gain_db"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(values, name):
    with pytest.raises(ConfigError, match=name):
        TrainConfig.from_dict(values)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": -1},
        {"seed": 2**32},
        {"width": 0.0},
        {"width": math.inf},
        {"embedding_size": 0},
        {"window_s": -1.0},
        {"window_s": math.nan},
        {"window_s": 0.02},
        {"window_s": 1000.0},
        {"backwards_share": -0.1},
        {"backwards_share": 1.5},
        {"backwards_share": math.nan},
        {"target_false_alarms_per_hour": 0.0},
        {"int8_loss_bound": -0.1},
        {"class_weights": {"dog": 0.0}},
        {"class_weights": {"dog": math.inf}},
        {"backbone": "resnet"},
        {"pretrain": "supcon"},
        {"pretrain_sampling": "fair"},
        {"rebalance": "smote"},
        {"rebalance": "undersample:RATIO"},
        {"rebalance": "undersample:0"},
        {"pretrain": "clustering:scale=0"},
        {"pretrain": "clustering:margin=nan"},
        {"pretrain": "clustering:margins=0.1"},
        {"rebalance": "undersample:inf"},
        {"rebalance": "oversample:3"},
        {"augment": {"speed_change": 1.0}},
        {"augment": {"span_probability": 1.1}},
        {"augment": {"background_probability": math.nan}},
        {"augment": {"gain_db": [3.0, -3.0]}},
        {"augment": {"gain_db": [0.0]}},
        {"augment": {"background_snr_db": [0.0, math.inf]}},
        {"augment": {"mel_masks": -1}},
        {"schedule": {"batch_size": 0}},
        {"schedule": {"head_learning_rate": math.nan}},
        {"schedule": {"weight_decay": -1e-9}},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_any_work(values):
    name = next(iter(values))
    inner = values[name]
    if isinstance(inner, dict):
        name = f"class_weights.{next(iter(inner))}" if name == "class_weights" else next(iter(inner))
    with pytest.raises(ConfigError, match=rf"Expected .*Received: {name}="):
        TrainConfig.from_dict(values)


def test_a_window_lasts_at_least_a_frame():
    with pytest.raises(ConfigError, match=r"Expected 0\.025 s or more\. Received: window_s=0\.02"):
        TrainConfig(window_s=0.02)
    assert TrainConfig(window_s=0.025).window_samples == 400
    with pytest.raises(ConfigError, match=r"Expected 30 s or less\. Received: window_s=30\.5"):
        TrainConfig(window_s=30.5)
    assert TrainConfig(window_s=30.0).window_samples == 480000


def test_names_of_the_settings_are_those_of_the_code():
    pytest.importorskip("tensorflow", reason="the networks need it")
    from kwsembed import config, methods
    from kwsembed.models import BACKBONES
    from kwsembed.pretraining import OBJECTIVES
    from kwsembed.training.rebalancing import rebalancing

    assert tuple(BACKBONES) == config.BACKBONES
    assert tuple(OBJECTIVES) == tuple(methods.PRETRAININGS)
    for method in methods.REBALANCINGS:
        rebalancing(method)


def test_numbers_of_the_wrong_range_read_as_one_line():
    with pytest.raises(ConfigError) as caught:
        ScheduleConfig(batch_size=0)
    assert str(caught.value) == "batch_size must be positive. Expected more than 0. Received: batch_size=0."
