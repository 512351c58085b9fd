"""Methods by name: how `NAME:OPTION=VALUE` is read, what the catalogue holds, how mistakes are answered."""

from __future__ import annotations

import pytest

from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.methods import PRETRAININGS, REBALANCINGS, Method, Option, parse_method

KNOWN = {
    "plain": Method("plain", "", "", {}),
    "one": Method("one", "", "", {"gamma": Option(2.0, 0.0, 10.0)}),
    "two": Method("two", "", "", {"scale": Option(8.0, 1.0, 100.0), "parts": Option(3, 1, 9, whole=True)}),
}


def read(text):
    method, values = parse_method(text, KNOWN, kind="remedy")
    return method.name, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ("plain", {})),
        ("one", ("one", {"gamma": 2.0})),
        ("one:gamma=1.5", ("one", {"gamma": 1.5})),
        ("one:1.5", ("one", {"gamma": 1.5})),
        ("one: gamma = 1e-1", ("one", {"gamma": 0.1})),
        ("one:gamma=0", ("one", {"gamma": 0.0})),
        ("one:gamma=10", ("one", {"gamma": 10.0})),
        ("two", ("two", {"scale": 8.0, "parts": 3})),
        ("two:parts=4", ("two", {"scale": 8.0, "parts": 4})),
        ("two:scale=2.5,parts=1", ("two", {"scale": 2.5, "parts": 1})),
        ("two:parts=1,scale=2.5", ("two", {"scale": 2.5, "parts": 1})),
    ],
)
def test_a_method_is_read(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magic", "unknown remedy. Expected one of plain, one, two. Received: remedy=magic"),
        ("", "unknown remedy"),
        ("One", "unknown remedy"),
        (":gamma=1", "unknown remedy"),
        ("plain:gamma=1", "unknown option of remedy plain. Expected no option"),
        ("plain:", "unknown option of remedy plain"),
        ("one:alpha=1", "unknown option of remedy one. Expected gamma=NUMBER. Received: remedy=one:alpha=1"),
        ("two:4", "unknown option of remedy two. Expected scale=NUMBER, parts=NUMBER"),
        ("two:scale=2,", "unknown option of remedy two"),
        ("one:2,5", "unknown option of remedy one. Expected gamma=NUMBER. Received: remedy=one:2,5"),
        ("one:gamma=2,5", "unknown option of remedy one"),
        ("one:2,gamma=5", "unknown option of remedy one"),
        ("one:gamma=", "option gamma of remedy one is out of range. Expected a number from 0 to 10"),
        ("one:gamma=10.01", "out of range"),
        ("one:gamma=-1", "out of range"),
        ("one:gamma=nan", "out of range"),
        ("one:gamma=inf", "out of range"),
        ("one:gamma=two", "out of range"),
        ("one:gamma=1=2", "out of range"),
        ("two:parts=2.5", "option parts of remedy two is out of range. Expected a whole number from 1 to 9"),
    ],
)
def test_a_mistake_is_answered_with_what_would_be_right(text, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("catalogue", [REBALANCINGS, PRETRAININGS])
def test_the_catalogue_is_complete(catalogue):
    for name, method in catalogue.items():
        assert method.name == name
        assert method.summary
        assert method.source or name == "none"
        for option, about in method.options.items():
            assert about.least <= about.default <= about.most, (name, option)


@pytest.mark.parametrize("name", REBALANCINGS)
def test_a_config_takes_every_remedy_and_refuses_what_it_cannot_be(name):
    assert TrainConfig(rebalance=name).rebalance == name
    with pytest.raises(ConfigError, match="unknown option of rebalance"):
        TrainConfig(rebalance=f"{name}:volume=11")


@pytest.mark.parametrize("name", PRETRAININGS)
def test_a_config_takes_every_pretraining_and_refuses_what_it_cannot_be(name):
    assert TrainConfig(pretrain=name, teacher="yamnet.tflite").pretrain == name
    with pytest.raises(ConfigError, match="unknown option of pretrain"):
        TrainConfig(pretrain=f"{name}:volume=11", teacher="yamnet.tflite")


def test_tuning_draws_whole_numbers_where_an_option_counts():
    from kwsembed.comparison.contender import parse_contender
    from kwsembed.comparison.trials import tuning_trials

    drawn = set()
    for trial in tuning_trials(parse_contender("soft_triple"), 8, seed=0):
        _, values = parse_method(trial.pretrain, PRETRAININGS, kind="pretrain")  # refuses others
        drawn.add(values["centers"])
    assert len(drawn) > 3
    assert all(value == int(value) for value in drawn)
