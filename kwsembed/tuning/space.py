"""Which settings a search varies, in which ranges, and the configuration that a point of it stands for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kwsembed.config import ScheduleConfig, TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.methods import PRETRAININGS, REBALANCINGS, SEARCH_GROUPS, Method, parse_method

Values = Mapping[str, float | str]
"""A point: values by name, of the settings that apply to it."""

_FACTOR = 4.0  # how far a range reaches from the default, up and down
_WIDTH_FACTOR = 2.0  # cost grows with its square
_REMEDIES = ("class_weight", "undersample")  # searched beside the one that the config asks for
_NOT_SEARCHED = (
    "beta",  # near 0.999 a factor says nothing
    "cluster_size",
    "cluster_limit",
    "recluster_epochs",
    # Weights of the headers: three more numbers of little effect would thin out the search.
    "siblings",
    "strangers",
    "by_class",
)


@dataclass(frozen=True)
class Range:
    """A number that is searched, on a logarithmic scale.

    Attributes:
        name: Where it stands in the config, such as `schedule.finetune_learning_rate`.
        default: What the config has; trial 0 takes it.
        low: Smallest value, above 0.
        high: Largest value.
        when: Name and value of the choice on which it depends; None if it always applies.
    """

    name: str
    default: float
    low: float
    high: float
    when: tuple[str, str] | None = None


@dataclass(frozen=True)
class Choice:
    """A name that is searched; the default comes first."""

    name: str
    values: tuple[str, ...]


Setting = Range | Choice


def search_space(
    config: TrainConfig,
    *,
    event_labels: Sequence[str],
    background_labels: Sequence[str],
    groups: Sequence[str] = SEARCH_GROUPS,
    frozen: bool = False,
    sublabels: bool = False,
) -> tuple[Setting, ...]:
    """The settings to search around a config.

    Only ratios of class weights count, so the first background label keeps its own.

    Args:
        config: Where the search starts.
        event_labels: Labels of events.
        background_labels: Labels of background.
        groups: Some of `kwsembed.methods.SEARCH_GROUPS`.
        frozen: Whether a head on the frozen embedding is judged too.
        sublabels: Whether the data have sublabels.

    Raises:
        ConfigError: An unknown group, or groups in which there is nothing to search.

    Example:
        >>> space = search_space(TrainConfig(), event_labels=["dog"], background_labels=["noise"],
        ...                      groups=["class_weights"])
        >>> [(setting.name, setting.low, setting.high) for setting in space]
        [('class_weights.dog', 0.25, 4.0)]
    """
    unknown = [group for group in groups if group not in SEARCH_GROUPS]
    if unknown or not groups:
        raise ConfigError(
            "unknown group of settings" if unknown else "nothing to search",
            expected=f"some of {', '.join(SEARCH_GROUPS)}",
            received=f"search={unknown[0] if unknown else ''}",
        )
    found: list[Setting] = []
    if "class_weights" in groups:
        for label in (*event_labels, *background_labels[1:]):
            found.append(_around(f"class_weights.{label}", config.class_weights.get(label, 1.0)))
    if "rebalance" in groups:
        found += _remedies(config)
    if "pretrain" in groups:
        found += _pretraining(config)
    if "sublabels" in groups and sublabels and config.sublabel_weight:
        found.append(_around("sublabel_weight", config.sublabel_weight))
    if "width" in groups:
        found.append(_around("width", config.width, factor=_WIDTH_FACTOR))
    if "learning_rate" in groups:
        stages = ("pretrain", "head", "finetune") if frozen else ("pretrain", "finetune")
        for stage in stages:
            name = f"{stage}_learning_rate"
            found.append(_around(f"schedule.{name}", getattr(config.schedule, name)))
    if not found:
        raise ConfigError(
            "nothing to search",
            expected="other groups; sublabels need a column of them and a sublabel_weight above 0",
            received=f"search={','.join(groups)}",
        )
    return tuple(found)


def without_effect(space: Sequence[Setting], *, frozen: bool) -> tuple[str, ...]:
    """Settings of a space that change nothing where the end-to-end network starts from random weights.

    It learns as fast then as any other that does (see `kwsembed.training.little_audio`).

    Args:
        space: What is searched.
        frozen: Whether a head on the pretrained network counts, by itself or as one to learn from.

    Example:
        >>> space = search_space(TrainConfig(), event_labels=["dog"], background_labels=["noise"],
        ...                      groups=["pretrain", "learning_rate"])
        >>> without_effect(space, frozen=True)
        ('schedule.finetune_learning_rate',)
    """
    of_the_pretrained = ("schedule.finetune_learning_rate", *(() if frozen else ("pretrain.",)))
    return tuple(setting.name for setting in space if setting.name.startswith(of_the_pretrained))


def config_at(config: TrainConfig, values: Values) -> TrainConfig:
    """The config with the values of a point; numbers are rounded to four digits.

    So the files can be read, and a value that came over the network gives the same config as here.

    Args:
        config: Where the search starts.
        values: Of settings of its `search_space`.

    Example:
        >>> config_at(TrainConfig(), {"width": 0.512345, "rebalance": "undersample",
        ...                           "rebalance.undersample.ratio": 5.0}).rebalance
        'undersample:ratio=5'
    """
    numbers: dict[str, Any] = {
        name: float(f"{value:.4g}") for name, value in values.items() if not isinstance(value, str)
    }
    weights = {
        name.removeprefix("class_weights."): value
        for name, value in numbers.items()
        if name.startswith("class_weights.")
    }
    schedule = dataclasses.replace(
        config.schedule,
        **{
            name.removeprefix("schedule."): value
            for name, value in numbers.items()
            if name.startswith("schedule.")
        },
    )
    return dataclasses.replace(
        config,
        class_weights={**config.class_weights, **weights},
        rebalance=_method("rebalance", config.rebalance, REBALANCINGS, values, numbers),
        pretrain=_method("pretrain", config.pretrain, PRETRAININGS, values, numbers),
        sublabel_weight=numbers.get("sublabel_weight", config.sublabel_weight),
        width=numbers.get("width", config.width),
        schedule=schedule,
    )


def shortened(schedule: ScheduleConfig, share: float) -> ScheduleConfig:
    """The schedule with a share of each stage's epochs, at least one.

    Example:
        >>> shortened(ScheduleConfig(pretrain_epochs=16, head_epochs=3), 0.25).pretrain_epochs
        4
    """
    names = [field.name for field in dataclasses.fields(schedule) if field.name.endswith("_epochs")]
    return dataclasses.replace(
        schedule, **{name: max(1, round(share * getattr(schedule, name))) for name in names}
    )


def _around(name: str, default: float, *, factor: float = _FACTOR) -> Range:
    return Range(name, default, default / factor, default * factor)


def _remedies(config: TrainConfig) -> Iterator[Setting]:
    asked, options = parse_method(config.rebalance, REBALANCINGS, kind="rebalance")
    names = tuple(dict.fromkeys((asked.name, *_REMEDIES)))
    yield Choice("rebalance", names)
    for name in names:
        method = REBALANCINGS[name]
        defaults = {option: about.default for option, about in method.options.items()}
        yield from _options(
            "rebalance", method, options if method == asked else defaults, when=("rebalance", name)
        )


def _pretraining(config: TrainConfig) -> Iterator[Setting]:
    method, options = parse_method(config.pretrain, PRETRAININGS, kind="pretrain")
    yield from _options("pretrain", method, options)


def _options(
    kind: str, method: Method, values: Mapping[str, float], *, when: tuple[str, str] | None = None
) -> Iterator[Range]:
    """The options of a method that can be searched: fractions above 0, within what the method takes."""
    for option, value in values.items():
        about = method.options[option]
        if value <= 0 or about.whole or option in _NOT_SEARCHED:
            continue
        yield Range(
            f"{kind}.{method.name}.{option}",
            value,
            max(value / _FACTOR, about.least),
            min(value * _FACTOR, about.most),
            when,
        )


def _method(
    kind: str, asked: str, known: Mapping[str, Method], values: Values, numbers: Mapping[str, float]
) -> str:
    """A method with its options as `parse_method` reads it; the text that was asked for if nothing is new."""
    method, options = parse_method(asked, known, kind=kind)
    chosen = known[str(values.get(kind, method.name))]
    new = {
        option: numbers[f"{kind}.{chosen.name}.{option}"]
        for option in chosen.options
        if f"{kind}.{chosen.name}.{option}" in numbers
    }
    if chosen == method and not new:
        return asked
    kept = {**options, **new} if chosen == method else new
    text = ",".join(f"{option}={value!r}".removesuffix(".0") for option, value in kept.items())
    return f"{chosen.name}:{text}" if text else chosen.name
