"""The setting of the detector that a training ships: candidates replayed over scores that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kwsembed.detection.operating import operating_curve
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.setting_choice import CLEARLY_BETTER, all_posts, choose_setting, mean_miss_rate
from kwsembed.evaluation.judge import Judgement
from kwsembed.progress import Progress, silent

_CURVE_POINTS = 60


@dataclass(frozen=True)
class SettingChoice:
    """A setting and what it was chosen from.

    Attributes:
        post: The setting.
        default: That in use before.
        miss_rates: By setting tried, what `mean_miss_rate` says of it; None without events.
    """

    post: PostProcessing
    default: PostProcessing
    miss_rates: Mapping[PostProcessing, float | None]

    @property
    def criterion(self) -> str:
        """How it was chosen, in a sentence."""
        return (
            "lowest miss rate on validation, averaged over the events and over several allowances of false "
            f"alarms; the default unless another is lower by {CLEARLY_BETTER:g}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the candidates with the fewest misses first."""
        tried = sorted(
            self.miss_rates.items(), key=lambda one: (one[1] is None, one[1] or 0.0, one[0] != self.default)
        )
        return {
            **_plain(self.post),
            "criterion": self.criterion,
            "default": _plain(self.default),
            "candidates": [{**_plain(post), "miss_rate": rate} for post, rate in tried],
        }


def choose_post(
    judgement: Judgement, *, target_false_alarms_per_hour: float, progress: Progress = silent
) -> SettingChoice:
    """Chooses smoothing, hits in a row and refractory time on a validation split.

    Args:
        judgement: Of the model that ships, on validation; its setting is the default.
        target_false_alarms_per_hour: Of every event label.
        progress: Called with settings tried and settings in all.
    """
    labels = judgement.audio.labels[: judgement.audio.event_count]
    targets = dict.fromkeys(labels, target_false_alarms_per_hour)
    posts = all_posts(judgement.post)
    rates: list[float | None] = []
    for post in posts:
        replays = [replace(judgement, post=post).replay(label) for label in labels]
        curves = {
            replay.label: operating_curve(replay, points=_CURVE_POINTS)
            for replay in replays
            if replay.events and replay.hours > 0
        }
        rates.append(mean_miss_rate(curves, targets))
        progress(len(rates), len(posts))
    chosen = choose_setting(posts, rates, judgement.post)
    return SettingChoice(posts[chosen], judgement.post, dict(zip(posts, rates, strict=True)))


def _plain(post: PostProcessing) -> dict[str, Any]:
    return {
        "smoothing_windows": post.smoothing_windows,
        "min_consecutive": post.min_consecutive,
        "refractory_s": post.refractory_s,
    }
