"""Which setting of the detector suits: candidates, what each misses, and a choice that resists chance.

A few dozen events tell settings apart badly. Whoever takes the best of 36 settings on them mostly takes the
luckiest, and is worse off on other audio than with the default. So a candidate must beat the setting in use
by a margin, over several thresholds at once. docs/detector-setting.md has the figures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from kwsembed.detection.operating import OperatingCurve
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.tradeoff import CurvePoint, best_within

SMOOTHING_WINDOWS = (1, 2, 3, 4)
MIN_CONSECUTIVE = (1, 2, 3)
REFRACTORY_S = (1.0, 2.0, 5.0)

CLEARLY_BETTER = 0.05
"""How much lower the miss rate of another setting must be, on average, for the one in use to be left."""

_FURTHER_FALSE_ALARMS = (0, 1, 2, 5, 10)


def candidate_posts(
    own: PostProcessing,
    *,
    smoothing_windows: Sequence[int] | None = None,
    min_consecutive: Sequence[int] | None = None,
    refractory_s: Sequence[float] | None = None,
) -> list[PostProcessing]:
    """Every combination of the settings, the one in use first where it is among them.

    Args:
        own: The setting in use; hop and onset shift stay as they are.
        smoothing_windows: Values to try; that in use if None.
        min_consecutive: Likewise.
        refractory_s: Likewise.

    Example:
        >>> [post.min_consecutive for post in candidate_posts(PostProcessing(), min_consecutive=(3, 1))]
        [1, 3]
    """
    posts = [
        replace(own, smoothing_windows=windows, min_consecutive=hits, refractory_s=quiet_s)
        for windows, hits, quiet_s in itertools.product(
            sorted(set(smoothing_windows or (own.smoothing_windows,))),
            sorted(set(min_consecutive or (own.min_consecutive,))),
            sorted(set(refractory_s or (own.refractory_s,))),
        )
    ]
    return sorted(posts, key=lambda post: post != own)


def all_posts(own: PostProcessing) -> list[PostProcessing]:
    """The settings that are tried unless others are asked for, the one in use first."""
    return candidate_posts(
        own,
        smoothing_windows=(*SMOOTHING_WINDOWS, own.smoothing_windows),
        min_consecutive=(*MIN_CONSECUTIVE, own.min_consecutive),
        refractory_s=(*REFRACTORY_S, own.refractory_s),
    )


def mean_miss_rate(curves: Mapping[str, OperatingCurve], targets: Mapping[str, float]) -> float | None:
    """What a setting misses, over the labels with events and several allowances of false alarms.

    At the target alone, which in short audio allows no false alarm, the highest score of the background
    decides everything. So the fewest misses are averaged that are to be had with the target's false alarms,
    and with 1, 2, 5 and 10 more.

    Args:
        curves: Of one setting, by label.
        targets: False alarms per hour, by label.

    Returns:
        A share, or None where no label has events.
    """
    rates = [
        fmean(_fewest_misses(curve, targets[label], further) for further in _FURTHER_FALSE_ALARMS)
        / curve.events
        for label, curve in curves.items()
        if curve.events
    ]
    return fmean(rates) if rates else None


def _fewest_misses(curve: OperatingCurve, target: float, further: int) -> int:
    best = best_within(CurvePoint.along(curve), math.floor(target * curve.hours + 1e-9) + further)
    return curve.events if best is None or best.misses is None else best.misses


def choose_setting(
    posts: Sequence[PostProcessing],
    miss_rates: Sequence[float | None],
    own: PostProcessing,
    *,
    margin: float = CLEARLY_BETTER,
) -> int:
    """Position of the setting with the lowest miss rate, if it is lower than that in use by the margin.

    Of equal ones it is the fastest. Where the setting in use was not tried there is nothing to stay with.

    Args:
        posts: The settings tried.
        miss_rates: What `mean_miss_rate` says of each.
        own: The setting in use.
        margin: How much better another one must be.

    Example:
        >>> posts = [PostProcessing(), PostProcessing(min_consecutive=2)]
        >>> choose_setting(posts, [0.40, 0.38], posts[0]), choose_setting(posts, [0.40, 0.34], posts[0])
        (0, 1)
    """
    rates = [math.inf if rate is None else rate for rate in miss_rates]
    best = min(range(len(posts)), key=lambda at: (rates[at], posts[at] != own, _delay_s(posts[at])))
    if own not in posts:
        return best
    in_use = list(posts).index(own)
    return best if rates[in_use] - rates[best] >= margin else in_use


def _delay_s(post: PostProcessing) -> float:
    return (post.smoothing_windows + post.min_consecutive) * post.hop_s + post.refractory_s
