"""What a calibration may be asked for: refused before any work, if at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from kwsembed.bundle import Bundle
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.setting_choice import (
    MIN_CONSECUTIVE,
    REFRACTORY_S,
    SMOOTHING_WINDOWS,
    candidate_posts,
)
from kwsembed.errors import BundleError, ConfigError

LONGEST_S = 60.0
"""Audio that smoothing and hits in a row may span together: whatever sounds for less hardly ever fires."""

MOST_PER_HOUR = 1e6
"""More alarms than any detector with a hop of some milliseconds can raise."""


def check_request(source: Bundle, out: Path, thresholds: Mapping[str, float]) -> None:
    """Refuses, before any work, an output that exists and thresholds that cannot be set."""
    # The folder first: "." and "/" exist, and have no name to put anything beside.
    if out.exists() or any(path.exists() for path in beside(out)):
        found = out if out.exists() else next(path for path in beside(out) if path.exists())
        raise BundleError(
            "the output exists already, and nothing is overwritten",
            received=f"out={found}",
            fix="choose another --out",
        )
    unknown = sorted(set(thresholds) - set(source.event_labels))
    if unknown:
        raise ConfigError(
            "a threshold for a label that is no event of the bundle",
            expected=", ".join(source.event_labels),
            received=", ".join(unknown),
        )
    for label, threshold in thresholds.items():
        if not 0 < threshold < math.inf:
            raise ConfigError(
                f"the threshold of {label} is out of range", expected="above 0", received=f"{threshold=}"
            )


def beside(out: Path) -> tuple[Path, Path]:
    """Where the curves of a new bundle go: a table and a picture, beside it."""
    return out.with_name(f"{out.name}-calibration.csv"), out.with_name(f"{out.name}-calibration.svg")


def check_target(target: float) -> float:
    """The target, or a ConfigError."""
    if not 0 < target <= MOST_PER_HOUR:
        raise ConfigError(
            "the target is out of range",
            expected=f"above 0 and at most {MOST_PER_HOUR:g} per hour",
            received=f"{target=}",
        )
    return target


def settings_to_try(
    own: PostProcessing,
    *,
    smoothing_windows: Sequence[int] | None,
    min_consecutive: Sequence[int] | None,
    refractory_s: Sequence[float] | None,
    annotated: bool,
) -> list[PostProcessing]:
    """The settings asked for; where nothing is, some with annotations, else the bundle's own.

    Raises:
        ConfigError: There are several without annotated events to tell them apart, or one needs more than
            `LONGEST_S` of audio to fire at all.
    """
    posts = candidate_posts(
        own,
        smoothing_windows=smoothing_windows
        or ((*SMOOTHING_WINDOWS, own.smoothing_windows) if annotated else None),
        min_consecutive=min_consecutive or ((*MIN_CONSECUTIVE, own.min_consecutive) if annotated else None),
        refractory_s=refractory_s or ((*REFRACTORY_S, own.refractory_s) if annotated else None),
    )
    if not annotated and len(posts) > 1:
        raise ConfigError(
            "several settings cannot be told apart without annotated events",
            received=f"{len(posts)} settings",
            fix="give --annotations, or a single value of each",
        )
    longest = max(posts, key=lambda post: post.smoothing_windows + post.min_consecutive)
    most = math.floor(LONGEST_S / own.hop_s + 1e-9)
    if (smoothing_windows or min_consecutive) and longest.smoothing_windows + longest.min_consecutive > most:
        raise ConfigError(
            f"a detector with that setting needs more than {LONGEST_S:g} s of a sound to fire",
            expected=f"smoothing_windows and min_consecutive of {most} together at most, "
            f"at the bundle's hop of {own.hop_s:g} s",
            received=f"smoothing_windows={longest.smoothing_windows}, "
            f"min_consecutive={longest.min_consecutive}",
        )
    return posts
