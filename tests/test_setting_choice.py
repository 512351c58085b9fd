"""Settings of the detector: another one is taken only where it is clearly better."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.detection.operating import OperatingCurve
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.setting_choice import CLEARLY_BETTER, all_posts, choose_setting, mean_miss_rate

OWN = PostProcessing()


def curve(label, *points, hours=1.0, events=10):
    """Of `(false alarms, misses)` by falling threshold."""
    alarms, misses = np.array(points, float).T
    return OperatingCurve(
        label, np.linspace(0.9, 0.1, len(points)), alarms / hours, misses / events, hours, events
    )


def test_all_settings_are_tried_once_that_in_use_first():
    posts = all_posts(OWN)
    assert posts[0] == OWN
    assert len(posts) == len(set(posts)) == 4 * 3 * 3
    assert {post.hop_s for post in posts} == {OWN.hop_s}
    odd = PostProcessing(smoothing_windows=7, refractory_s=0.5)
    assert all_posts(odd)[0] == odd
    assert len(all_posts(odd)) == 5 * 3 * 4


def test_misses_are_averaged_over_allowances_of_false_alarms_and_over_labels():
    # Within 0, 1, 2, 5 and 10 false alarms dog misses 8, 8, 4, 4, 0 of 10; cat none.
    curves = {"dog": curve("dog", (0, 8), (2, 4), (9, 0)), "cat": curve("cat", (0, 0))}
    assert mean_miss_rate(curves, {"dog": 0.5, "cat": 0.5}) == pytest.approx((24 / 50 + 0) / 2)
    # A target of 2 in this hour is what the allowances begin at: 4, 4, 4, 4, 0.
    assert mean_miss_rate({"dog": curves["dog"]}, {"dog": 2.0}) == pytest.approx(16 / 50)


def test_without_events_nothing_is_known():
    quiet = curve("dog", (0, 0), events=1)
    assert (
        mean_miss_rate(
            {"dog": OperatingCurve("dog", quiet.threshold, quiet.false_alarms_per_hour, None, 1.0, 0)},
            {"dog": 1.0},
        )
        is None
    )


def test_the_setting_in_use_stays_unless_another_is_clearly_better():
    posts = all_posts(OWN)[:3]
    slightly, clearly = 0.40 - CLEARLY_BETTER + 0.001, 0.40 - CLEARLY_BETTER - 0.001
    assert choose_setting(posts, [0.40, slightly, 0.5], OWN) == 0
    assert choose_setting(posts, [0.40, clearly, 0.5], OWN) == 1
    assert choose_setting(posts, [0.40, 0.10, 0.05], OWN) == 2
    assert choose_setting(posts, [None, None, None], OWN) == 0


def test_of_equally_good_settings_the_fastest_is_taken():
    slow, fast = PostProcessing(refractory_s=5.0), PostProcessing(smoothing_windows=1)
    assert choose_setting([OWN, slow, fast], [0.9, 0.2, 0.2], OWN) == 2


def test_settings_named_by_hand_are_taken_without_a_margin():
    named = [PostProcessing(min_consecutive=2), PostProcessing(min_consecutive=3)]
    assert choose_setting(named, [0.40, 0.39], OWN) == 1
