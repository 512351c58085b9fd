"""The methods that can be asked for by name: remedies for imbalance and pretrainings, with their options.

A method is written `NAME` or `NAME:OPTION=VALUE,...`, such as `focal:gamma=1.5`, in configs, on the command
line and in results. Here are names, options and defaults; what they mean in code is
`kwsembed.training.rebalancing` and `kwsembed.pretraining.objectives`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kwsembed.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """A number that a method takes: its default and the range it must lie in."""

    default: float
    least: float
    most: float


@dataclass(frozen=True)
class Method:
    """What is known of one method without any training code.

    Attributes:
        name: As it is asked for.
        summary: What it does, in a line.
        source: Where it was published.
        options: Its options.
    """

    name: str
    summary: str
    source: str
    options: Mapping[str, Option]


def _table(*methods: Method) -> dict[str, Method]:
    return {method.name: method for method in methods}


REBALANCINGS = _table(
    Method(
        "class_weight",
        "cross entropy, class weights in inverse proportion to class size to the power of `strength`",
        "King, Zeng 2001",
        {"strength": Option(1.0, 0.0, 2.0)},
    ),
    Method("oversample", "events drawn as often as the largest class", "Japkowicz, Stephen 2002", {}),
    Method(
        "undersample",
        "background drawn `ratio` times as often as events",
        "Japkowicz, Stephen 2002",
        {"ratio": Option(10.0, 0.01, 10_000)},
    ),
    Method("none", "plain cross entropy on natural draws", "", {}),
    Method(
        "effective_number",
        "class weights by the effective number of clips",
        "Cui et al. 2019, arXiv:1901.05555, equation 9",
        {"beta": Option(0.999, 0.0, 0.999999)},
    ),
    Method(
        "focal",
        "cross entropy that plays down what is already right",
        "Lin et al. 2017, arXiv:1708.02002, equation 4",
        {"gamma": Option(2.0, 0.0, 10.0)},
    ),
    Method(
        "logit_adjusted",
        "cross entropy on logits raised by the log prior, natural draws",
        "Menon et al. 2021, arXiv:2007.07314, equation 10",
        {"tau": Option(1.0, 0.0, 10.0)},
    ),
    Method(
        "logit_adjusted_post_hoc",
        "plain cross entropy; the log prior is taken off the trained network's logits",
        "Menon et al. 2021, arXiv:2007.07314, equation 9",
        {"tau": Option(1.0, 0.0, 10.0)},
    ),
    Method(
        "ldam_drw",
        "margins that grow as classes shrink; class weights in the last part of training only",
        "Cao et al. 2019, arXiv:1906.07413, equation 13",
        {
            "max_margin": Option(0.5, 0.0, 2.0),
            "scale": Option(16.0, 1.0, 100.0),
            "beta": Option(0.999, 0.0, 0.999999),
            "deferred_share": Option(0.2, 0.05, 0.95),
        },
    ),
    Method(
        "decoupled",
        "plain cross entropy on natural draws, then the head alone anew on balanced ones (cRT)",
        "Kang et al. 2020, arXiv:1910.09217, section 4.1",
        {"head_share": Option(0.2, 0.05, 0.95)},
    ),
)

# Clips per cluster, most clusters of a class, epochs between two clusterings.
_CLUSTER_OPTIONS = {
    "cluster_size": Option(20.0, 1.0, 100_000.0),
    "cluster_limit": Option(32.0, 1.0, 1_000.0),
    "recluster_epochs": Option(1.0, 1.0, 1_000.0),
}

PRETRAININGS = _table(
    Method(
        "clustering",
        "triple-header cross entropy over per-class clusters",
        "reconstruction after Arora et al. 2019 and Huang et al. 2016",
        _CLUSTER_OPTIONS
        | {
            "scale": Option(8.0, 0.1, 100.0),
            "margin": Option(0.1, 0.0, 2.0),
            "siblings": Option(0.25, 0.0, 10.0),
            "strangers": Option(0.25, 0.0, 10.0),
            "by_class": Option(1.0, 0.0, 10.0),
        },
    ),
    Method(
        "siamese",
        "contrastive loss over the pairs of a batch",
        "Hadsell, Chopra, LeCun 2006, equation 4",
        {"margin": Option(1.0, 0.01, 2.0)},
    ),
)


def parse_method(text: str, known: Mapping[str, Method], *, kind: str) -> tuple[Method, dict[str, float]]:
    """Reads `NAME` or `NAME:OPTION=VALUE,...`.

    A method with one option takes its bare value too: `undersample:10`.

    Args:
        text: The method as it was asked for.
        known: The methods of this kind.
        kind: What to call them in an error, such as `rebalance`.

    Returns:
        The method and the values of all its options, defaults included.

    Raises:
        ConfigError: Unknown method or option, or a value that is no number of its range.

    Example:
        >>> parse_method("focal:gamma=1.5", REBALANCINGS, kind="rebalance")[1]
        {'gamma': 1.5}
        >>> parse_method("undersample:4", REBALANCINGS, kind="rebalance")[1]
        {'ratio': 4.0}
    """
    name, colon, rest = text.partition(":")
    if name not in known:
        raise ConfigError(f"unknown {kind}", expected=f"one of {', '.join(known)}", received=f"{kind}={text}")
    method = known[name]
    values = {option: about.default for option, about in method.options.items()}
    for part in rest.split(",") if colon else []:
        option, equals, value = part.partition("=")
        if not equals and len(values) == 1:
            option, value = next(iter(values)), part
        if option.strip() not in values:
            raise ConfigError(
                f"unknown option of {kind} {name}",
                expected=", ".join(f"{key}=NUMBER" for key in method.options) or "no option",
                received=f"{kind}={text}",
            )
        values[option.strip()] = _number(option.strip(), value, method, text=text, kind=kind)
    return method, values


def _number(option: str, value: str, method: Method, *, text: str, kind: str) -> float:
    about = method.options[option]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not about.least <= number <= about.most:
        raise ConfigError(
            f"option {option} of {kind} {method.name} is out of range",
            expected=f"a number from {about.least:g} to {about.most:g}",
            received=f"{kind}={text}",
        )
    return number
