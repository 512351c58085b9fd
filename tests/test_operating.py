"""Operating points: matching, the exact bound, and the choice of thresholds against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kwsembed.detection.equal_alarms import hits_at_rates
from kwsembed.detection.events import Detection, EventDetector, PostProcessing
from kwsembed.detection.false_alarm_bound import most_false_alarms_within
from kwsembed.detection.operating import (
    Event,
    LabelReplay,
    OperatingPoint,
    ScoredStream,
    choose_threshold,
    false_alarm_upper_bound,
    match_events,
    measure,
    operating_curve,
)
from kwsembed.errors import ConfigError, DataError

PLAIN = PostProcessing(hop_s=0.5, smoothing_windows=1, refractory_s=0.0)


def stream(scores, *events):
    scores = np.asarray(scores, dtype=np.float64).reshape(len(scores), -1)
    return ScoredStream(scores, 0.5 * len(scores) + 0.5, tuple(Event("dog", *times) for times in events))


def replay(negatives, positives, *, post=PLAIN, **settings):
    return LabelReplay("dog", ["dog"], negatives, positives, post=post, window_s=1.0, **settings)


def logit(p):
    return math.log(p / (1 - p))


# ---- matching


def test_a_detection_hits_within_the_collar_and_only_its_own_label():
    truth = [Event("dog", 2.0, 3.0), Event("cry", 2.0, 3.0)]
    touching = [Detection("dog", 3.5, 4.0, 0.9), Detection("dog", 1.0, 1.5, 0.9)]
    assert match_events(truth, touching).hit.tolist() == [True, False]
    assert match_events(truth, touching).false_alarms == 0
    too_far = match_events(truth, [Detection("dog", 3.51, 4.0, 0.9)])
    assert (too_far.misses, too_far.false_alarms) == (2, 1)


def test_several_detections_in_one_event_are_one_hit_and_no_false_alarm():
    matches = match_events(
        [Event("dog", 0.0, 9.0)], [Detection("dog", t, t + 1, 0.9) for t in (1.0, 3.0, 5.0)]
    )
    assert (matches.misses, matches.false_alarms) == (0, 0)


def test_nothing_matches_nothing():
    assert match_events([], []).misses == 0
    assert match_events([], [Detection("dog", 0, 1, 0.9)]).false_alarms == 1
    assert match_events([Event("dog", 0, 1)], []).misses == 1


# ---- the bound


def test_no_alarm_in_t_hours_proves_only_three_over_t():
    assert false_alarm_upper_bound(0, 2.0) == pytest.approx(-math.log(0.05) / 2)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100, 3000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_bound_is_the_quantile_of_chi_squared(count, confidence):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.chi2.ppf(confidence, 2 * (count + 1)) / 2 / 1.7
    assert false_alarm_upper_bound(count, 1.7, confidence=confidence) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("confidence", [0.3, 0.95])
def test_the_most_alarms_that_keep_a_target_are_the_last_whose_bound_does(confidence):
    for target, hours in ((0.5, 5.9), (0.5, 6.0), (2.0, 31.7), (40.0, 77.0)):
        found = most_false_alarms_within(target, hours, confidence=confidence)
        keeping = [
            count
            for count in range(int(2 * target * hours) + 10)
            if false_alarm_upper_bound(count, hours, confidence=confidence) <= target
        ]
        assert found == (keeping[-1] if keeping else None)


def test_the_most_alarms_that_keep_a_target_are_found_at_once_however_many_they_are():
    stats = pytest.importorskip("scipy.stats")
    found = most_false_alarms_within(1e6, 50.0)
    assert found is not None
    assert stats.poisson.cdf(found, 5e7) <= 0.05 < stats.poisson.cdf(found + 1, 5e7)


def test_a_bound_without_audio_is_refused():
    with pytest.raises(ConfigError, match="hours=0"):
        false_alarm_upper_bound(0, 0.0)


# ---- counting


def test_the_hours_are_a_hop_per_score_so_that_the_warm_up_does_not_count():
    # 3 s of audio: the first 1-s window is full after 1 s, then a score each 0.5 s.
    assert replay([ScoredStream(np.zeros((5, 1)), 3.0)], []).hours == pytest.approx(2.5 / 3600)
    # A clip that was padded to a window counts no longer than it lasts.
    assert replay([ScoredStream(np.zeros((1, 1)), 0.2)], []).hours == pytest.approx(0.2 / 3600)


def test_streams_do_not_leak_into_each_other():
    post = PostProcessing(hop_s=0.5, smoothing_windows=2, refractory_s=2.0)
    # The first ends and the second begins with a hit: nothing is smoothed or refractory across the seam.
    assert replay([stream([0, 0.9, 0.9]), stream([0.9, 0, 0])], [], post=post).false_alarms(0.8) == 2


def test_an_event_stream_counts_no_false_alarms_and_a_negative_one_no_event():
    with pytest.raises(ConfigError, match="negative stream holds an event of dog"):
        replay([stream([0.1], (0.0, 1.0))], [])


@pytest.mark.parametrize("seed", range(12))
def test_the_replay_counts_what_the_detector_and_the_matching_count(seed):
    random = np.random.default_rng(seed)
    post = PostProcessing(
        hop_s=0.5,
        smoothing_windows=int(random.integers(1, 4)),
        min_consecutive=int(random.integers(1, 3)),
        refractory_s=0.5 * int(random.integers(0, 4)),
        onset_shift_s=float(random.choice([-0.75, 0.0, 0.25])),
    )
    times = np.sort(random.integers(0, 40, size=(6, 3, 2)) / 4, axis=2)
    streams = [stream(random.random(int(random.integers(1, 25))), *spans.tolist()) for spans in times]
    counted = replay([stream(random.random(30)), stream(random.random(9))], streams, post=post, collar_s=0.25)
    for threshold in (0.2, 0.5, 0.8):
        hits = []
        for one in streams:
            detector = EventDetector(["dog"], {"dog": threshold}, post, 1.0)
            found = detector.process(one.scores) + detector.flush()
            hits += match_events(one.events, found, collar_s=0.25).hit.tolist()
        assert counted.hits(threshold).tolist() == hits
        assert counted.misses(threshold) == hits.count(False)


# ---- the choice


def test_with_too_little_audio_for_one_alarm_the_threshold_clears_every_negative_peak():
    point = choose_threshold(
        replay([stream([0.1, 0.6, 0.1])], [stream([0, 0.95, 0], (0.5, 1.0)), stream([0, 0.4, 0], (0.5, 1.0))])
    )
    # Halfway, in logits, between the negative peak of 0.6 and the lowest event peak above it, 0.95.
    assert logit(point.threshold) == pytest.approx((logit(0.6) + logit(0.95)) / 2)
    assert (point.false_alarms, point.events, point.misses, point.miss_rate) == (0, 2, 1, 0.5)
    assert not point.certified  # 1.5 s of silence prove nothing


def test_with_enough_audio_alarms_are_spent_to_miss_fewer_events():
    hour = np.zeros(7200)
    hour[[100, 200, 300]] = [0.9, 0.8, 0.7]
    positives = [stream([0, peak, 0], (0.5, 1.0)) for peak in (0.95, 0.85, 0.75)]
    chosen = [
        choose_threshold(replay([stream(hour)], positives), target_false_alarms_per_hour=target)
        for target in (0.5, 1.0, 2.0, 8.0)
    ]
    assert [(point.false_alarms, point.misses) for point in chosen[:3]] == [(0, 2), (1, 1), (2, 0)]
    assert (chosen[3].misses, chosen[3].certified) == (0, True)
    assert chosen[3].false_alarms_per_hour_upper == pytest.approx(
        false_alarm_upper_bound(chosen[3].false_alarms, 1.0)
    )


def test_alarms_that_merge_far_down_do_not_count_as_few():
    # At 0.3 all of the hour is one long alarm; at 0.6 it is 3,600.
    hour = np.tile([0.3, 0.7], 3600)
    point = choose_threshold(
        replay([stream(hour)], [stream([0.2, 0.5, 0.2], (0.5, 1.0))]), target_false_alarms_per_hour=2
    )
    assert point.threshold > 0.7
    assert point.miss_rate == 1.0


def test_without_events_the_miss_rate_is_undefined_and_the_lowest_threshold_in_the_target_is_taken():
    point = choose_threshold(replay([stream([0.1, 0.6, 0.1])], []))
    assert point.miss_rate is None
    assert (point.events, point.misses, point.false_alarms) == (0, 0, 0)
    assert point.threshold == math.nextafter(0.6, 1.0)


def test_a_label_whose_negatives_reach_one_is_silenced():
    point = choose_threshold(replay([stream([1.0, 0.0])], [stream([1.0, 0.0], (0.0, 1.0))]))
    assert point.threshold > 1
    assert point.miss_rate == 1.0


def test_without_negative_audio_nothing_is_chosen():
    with pytest.raises(DataError, match="no negative audio to choose a threshold for dog"):
        choose_threshold(replay([], [stream([0.9], (0.0, 1.0))]))
    with pytest.raises(DataError, match="no negative audio"):
        operating_curve(replay([], []))
    point = measure(replay([], [stream([0.9], (0.0, 1.0))]), 0.5, target_false_alarms_per_hour=0.5)
    assert (point.false_alarms_per_hour, point.false_alarms_per_hour_upper, point.certified) == (
        None,
        None,
        False,
    )
    assert point.miss_rate == 0.0


def test_a_target_that_no_threshold_breaks_is_seen_at_once():
    hours = stream(np.random.default_rng(0).random(20_000))
    counted = replay([hours], [stream([0.2, 0.5, 0.2], (0.5, 1.0))])
    looked_at = []
    counted.false_alarms = lambda threshold: looked_at.append(threshold) or 0
    assert choose_threshold(counted, target_false_alarms_per_hour=1e6).threshold <= 0.5
    assert len(looked_at) == 1, "what the chosen threshold costs, and no search through 20,000 scores"


@pytest.mark.parametrize("seed", range(15))
def test_the_choice_equals_brute_force_over_all_scores(seed):
    random = np.random.default_rng(seed)
    post = PostProcessing(hop_s=0.5, smoothing_windows=2, refractory_s=0.5)
    negatives = [stream(random.beta(1, 4, size=400)) for _ in range(2)]
    positives = [stream(random.beta(2, 3, size=12), (2.0, 3.0)) for _ in range(15)]
    counted = replay(negatives, positives, post=post)
    target = float(random.choice([1.0, 10.0, 40.0]))
    point = choose_threshold(counted, target_false_alarms_per_hour=target)

    levels = np.unique(np.concatenate([counted.negative_smoothed, counted.positive_smoothed]))[::-1]
    fewest = counted.events
    for level in levels[np.isfinite(levels)]:
        if counted.false_alarms(level) > target * counted.hours:
            break
        fewest = min(fewest, counted.misses(level))
    assert point.misses == fewest
    assert point.false_alarms <= target * counted.hours


def test_the_curve_falls_in_misses_as_it_rises_in_alarms():
    random = np.random.default_rng(3)
    curve = operating_curve(
        replay(
            [stream(random.beta(1, 4, size=2000))], [stream(random.random(12), (2.0, 3.0)) for _ in range(20)]
        ),
        points=30,
    )
    assert 15 <= len(curve.threshold) <= 30
    assert curve.false_alarms_per_hour[1] * curve.hours < 5  # the interesting end is resolved
    assert (np.diff(curve.threshold) < 0).all()
    assert (np.diff(curve.false_alarms_per_hour) >= 0).all()
    assert curve.miss_rate[0] > curve.miss_rate[-1]
    assert list(curve.to_dict()) == [
        "label",
        "threshold",
        "false_alarms_per_hour",
        "miss_rate",
        "hours",
        "events",
    ]


def test_a_curve_of_little_audio_has_all_its_peaks():
    curve = operating_curve(
        replay([stream([0.1, 0.6, 0.2, 0.4, 0.1])], [stream([0.1, 0.9, 0.1], (0.5, 1.0))])
    )
    assert curve.threshold.tolist() == [0.9, 0.6, 0.4]
    assert (curve.false_alarms_per_hour * curve.hours).tolist() == pytest.approx([0, 1, 2])
    assert curve.miss_rate.tolist() == [0, 0, 0]


def test_the_chosen_threshold_lies_on_its_curve():
    random = np.random.default_rng(5)
    counted = replay(
        [stream(random.beta(1, 4, size=2000))], [stream(random.random(12), (2.0, 3.0)) for _ in range(20)]
    )
    point = choose_threshold(counted, target_false_alarms_per_hour=5)
    sampled = operating_curve(counted, points=10)
    assert point.threshold not in sampled.threshold
    curve = operating_curve(counted, points=10, thresholds=[point.threshold])
    at = curve.threshold.tolist().index(point.threshold)
    assert curve.miss_rate[at] == point.miss_rate
    assert curve.false_alarms_per_hour[at] == pytest.approx(point.false_alarms_per_hour)
    assert len(curve.threshold) == len(sampled.threshold) + 1


def test_a_point_survives_a_round_trip_and_unknown_keys_are_refused():
    point = choose_threshold(replay([stream([0.1, 0.6])], []))
    assert OperatingPoint.from_dict(point.to_dict()) == point
    with pytest.raises(ConfigError, match="not an operating point"):
        OperatingPoint.from_dict({**point.to_dict(), "treshold": 0.5})


# ---- equal false alarms


@pytest.mark.parametrize("seed", range(5))
def test_hits_at_a_rate_are_as_many_as_any_threshold_within_it_finds(seed):
    random = np.random.default_rng(seed)
    negatives = [stream(random.beta(1, 4, size=400)) for _ in range(2)]
    positives = [stream(random.beta(2, 3, size=12), (2.0, 3.0)) for _ in range(15)]
    counted = replay(negatives, positives)
    rates = (10.0, 60.0, 300.0)
    found = hits_at_rates(counted, rates)
    levels = np.unique(np.concatenate([counted.negative_smoothed, counted.positive_smoothed]))[::-1]
    for rate in rates:
        most = 0
        for level in levels[np.isfinite(levels)]:
            if counted.false_alarms(level) > rate * counted.hours:
                break
            most = max(most, counted.events - counted.misses(level))
        assert found[rate].shape == (15,)
        assert found[rate].sum() == most


def test_without_negative_audio_there_is_no_rate_to_be_held_to():
    assert hits_at_rates(replay([], [stream([0.1, 0.9], (0.0, 1.0))])) == {}
