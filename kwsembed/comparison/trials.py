"""The settings to try for a contender where a study tunes: as many and as far for every one."""

from __future__ import annotations

import dataclasses

import numpy as np

from kwsembed.comparison.contender import Contender
from kwsembed.methods import PRETRAININGS, REBALANCINGS, Method, parse_method

_SPREAD = 3.0  # options are tried from a third to three times their default


def tuning_trials(contender: Contender, count: int, *, seed: int) -> list[Contender]:
    """Settings to try for a contender: as it is named, then draws of learning rate and options.

    Every contender is given the same number of them. Learning rates and options are drawn evenly in their
    logarithm, from a third to three times what the name says; a switch stays as it is.

    Args:
        contender: The contender as named.
        count: How many, at least 1.
        seed: Of the draws; learning rates are the same for all contenders.
    """
    trials = [contender]
    for number in range(1, count):
        random = np.random.default_rng((seed, number))
        factor = _near(1.0, random)
        trials.append(
            dataclasses.replace(
                contender,
                learning_rate_factor=round(factor, 4),
                pretrain=contender.pretrain and _redrawn(contender.pretrain, PRETRAININGS, random),
                rebalance=_redrawn(contender.rebalance, REBALANCINGS, random),
            )
        )
    return trials


def _redrawn(text: str, known: dict[str, Method], random: np.random.Generator) -> str:
    method, values = parse_method(text, known, kind="method")
    if not values:
        return text
    drawn = []
    for option, value in values.items():
        about = method.options[option]
        if about.switch:
            new = value
        elif 0.9 <= value < 1:  # such as a decay: what counts is its distance from 1
            new = 1.0 - _near(1.0 - value, random)
        else:
            new = _near(value, random)
        if about.whole:
            new = round(new)
        drawn.append(f"{option}={float(np.clip(new, about.least, about.most)):.6g}")
    return f"{method.name}:{','.join(drawn)}"


def _near(value: float, random: np.random.Generator) -> float:
    return float(value * _SPREAD ** random.uniform(-1.0, 1.0))
