"""Judging a model on a split: a perfect one, a useless one, and what the numbers rest on."""

from __future__ import annotations

import types
from dataclasses import replace

import numpy as np
import pytest
from toy_store import EVENT_COUNT, LABELS, RATE_HZ, classes_of, tone_probabilities, tones

tf = pytest.importorskip("tensorflow")

import keras

from kwsembed.clip_scores import clip_windows
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import Event, ScoredStream
from kwsembed.evaluation import network_scorer, score_clips
from kwsembed.evaluation.judge import SplitAudio, judge
from kwsembed.evaluation.setting import choose_post
from kwsembed.frontend import FrontendConfig, log_mel

POST = PostProcessing()
NO_BIAS = np.zeros(len(LABELS))


def audio_of(store, *, window_samples=RATE_HZ):
    return SplitAudio(
        store=store,
        clips=np.arange(len(store.clips)),
        classes=classes_of(store),
        labels=LABELS,
        event_count=EVENT_COUNT,
        sample_rate_hz=RATE_HZ,
        window_samples=window_samples,
    )


def hears_nothing(windows):
    return np.tile([0.05, 0.05, 0.6, 0.3], (len(windows), 1))


def hears_tones_everywhere(windows):
    return np.tile([0.5, 0.4, 0.05, 0.05], (len(windows), 1))


@pytest.fixture(scope="module")
def perfect():
    return judge(tone_probabilities, audio_of(tones(events=3, backgrounds=6)), post=POST)


@pytest.fixture(scope="module")
def useless():
    return judge(hears_nothing, audio_of(tones(events=3, backgrounds=6)), post=POST)


def test_a_perfect_model_misses_nothing_and_reports_nothing_false(perfect):
    points = perfect.choose_thresholds(0.5)
    assert list(points) == ["tone_1k", "tone_3k"]
    found = perfect.metrics(points, NO_BIAS)
    assert found["macro_average_precision"] == 1.0
    for label in points:
        values = found["per_class"][label]
        assert (values["events"], values["misses"], values["false_alarms"]) == (3, 0, 0)
        assert values["threshold"] == points[label].threshold
        assert not values["certified"]  # half a minute proves little
        assert values["false_alarms_per_hour_upper"] == pytest.approx(3.0 / values["hours"], rel=0.01)
    assert "threshold" not in found["per_class"]["hiss"]


def test_a_useless_model_misses_all(useless):
    points = useless.choose_thresholds(0.5)
    found = useless.metrics(points, NO_BIAS)
    for label in points:
        values = found["per_class"][label]
        assert (values["misses"], values["miss_rate"], values["false_alarms"]) == (3, 1.0, 0)
        assert values["average_precision"] == pytest.approx(values["prevalence"])
    assert found["per_class"]["tone_1k"]["error"] == 1.0
    assert found["per_class"]["hiss"]["error"] == 0.0


def test_a_model_that_always_fires_is_silenced_by_its_threshold():
    judgement = judge(hears_tones_everywhere, audio_of(tones(events=1, backgrounds=2)), post=POST)
    point = judgement.choose_thresholds(0.5)["tone_1k"]
    assert point.threshold > 0.5
    assert (point.false_alarms, point.miss_rate) == (0, 1.0)


def test_thresholds_of_one_split_can_be_measured_on_another(perfect, useless):
    measured = useless.metrics(perfect.choose_thresholds(0.5), NO_BIAS)["per_class"]["tone_1k"]
    assert measured["threshold"] == perfect.choose_thresholds(0.5)["tone_1k"].threshold
    assert measured["misses"] == 3


def test_hours_are_those_of_the_background_and_of_the_other_events(perfect):
    # Twelve background clips of 3 s, and three clips of the other tone of 2 s between four pieces of 2 s,
    # less what is lost to fades and until the first window is full.
    hours = perfect.replay("tone_1k").hours
    assert hours == pytest.approx((36 + 14) / 3600, rel=0.05)
    assert hours <= (36 + 14) / 3600


def test_an_event_taken_for_another_is_a_false_alarm_of_the_other():
    def hears_one_for_the_other(windows):
        return tone_probabilities(windows)[:, [1, 0, 2, 3]]

    judgement = judge(hears_one_for_the_other, audio_of(tones(events=3, backgrounds=6)), post=POST)
    assert judgement.replay("tone_1k").false_alarms(0.5) == 3


def test_a_bias_moves_clip_probabilities_only(useless):
    points = useless.choose_thresholds(0.5)
    biased = useless.metrics(points, np.array([9.0, 0.0, 0.0, 0.0]))
    assert biased["per_class"]["tone_1k"]["error"] == 0.0
    assert biased["per_class"]["tone_1k"]["misses"] == 3


def test_curves_reach_from_no_alarm_to_no_miss(perfect):
    points = perfect.choose_thresholds(0.5)
    curve = perfect.curves(points)["tone_1k"]
    assert points["tone_1k"].threshold in curve["threshold"]
    assert curve["threshold"] == sorted(curve["threshold"], reverse=True)
    assert min(curve["miss_rate"]) == 0.0
    assert curve["false_alarms_per_hour"][0] == 0.0


def test_curves_hold_the_threshold_that_their_own_split_would_have_chosen(perfect, useless):
    elsewhere = useless.choose_thresholds(0.5)
    own = perfect.choose_thresholds(0.5)["tone_1k"].threshold
    thresholds = perfect.curves(elsewhere)["tone_1k"]["threshold"]
    assert own != elsewhere["tone_1k"].threshold
    assert {own, elsewhere["tone_1k"].threshold} <= set(thresholds)


def test_the_default_setting_stays_where_no_other_misses_clearly_fewer(perfect):
    choice = choose_post(perfect, target_false_alarms_per_hour=0.5)
    assert choice.post == choice.default == POST
    record = choice.to_dict()
    assert len(record["candidates"]) == 36
    assert record["candidates"][0] == {
        "smoothing_windows": POST.smoothing_windows,
        "min_consecutive": POST.min_consecutive,
        "refractory_s": POST.refractory_s,
        "miss_rate": 0.0,
    }
    rates = [candidate["miss_rate"] for candidate in record["candidates"]]
    assert rates == sorted(rates)


def test_hits_in_a_row_are_asked_for_where_they_tell_events_from_alarms(perfect):
    # Many single high scores in the background, and events of several lower ones.
    random = np.random.default_rng(0)
    noise = np.tile([0.01, 0.01, 0.97, 0.01], (4000, 1))
    noise[::40, :2] = random.uniform(0.9, 0.99, (100, 2))
    sounds = np.tile([0.01, 0.01, 0.97, 0.01], (400, 1))
    events = []
    for at in range(20, 400, 40):
        sounds[at : at + 8, 0] = 0.45  # below each mean of two windows with a peak of the noise
        events.append(Event("tone_1k", at * POST.hop_s, (at + 8) * POST.hop_s))
    scored = ScoredStream(sounds, 100.0, tuple(events))
    judgement = replace(
        perfect, negatives=[ScoredStream(noise, 1000.0)], positives={"tone_1k": [scored], "tone_3k": []}
    )
    choice = choose_post(judgement, target_false_alarms_per_hour=0.5)
    assert choice.miss_rates[POST] == 1.0
    assert choice.miss_rates[choice.post] == 0.0
    assert (choice.post.smoothing_windows, choice.post.min_consecutive) == (1, 2)  # the fastest such


def test_without_background_false_alarms_are_counted_on_the_other_events():
    judgement = judge(tone_probabilities, audio_of(tones(events=2, backgrounds=0)), post=POST)
    assert judgement.negatives == []
    assert judgement.replay("tone_1k").hours > 0
    assert judgement.replay("tone_1k").false_alarms(0.5) == 0


def test_background_shorter_than_a_window_counts_no_hours():
    store = tones(events=1, backgrounds=1)
    judgement = judge(
        lambda w: tone_probabilities(w[:, :16000]), audio_of(store, window_samples=200_000), post=POST
    )
    assert judgement.negatives == []
    assert judgement.evidence.shape == (4, 4)


def test_an_empty_split_is_judged_without_fuss():
    store = tones()
    empty = SplitAudio(
        store=store,
        clips=np.zeros(0, int),
        classes=np.zeros(0, int),
        labels=LABELS,
        event_count=EVENT_COUNT,
        sample_rate_hz=RATE_HZ,
        window_samples=RATE_HZ,
    )
    judgement = judge(tone_probabilities, empty, post=POST)
    assert judgement.evidence.shape == (0, 4)
    assert judgement.negatives == []
    assert not any(judgement.positives.values())


# ---- scorers


def test_a_network_is_scored_behind_the_front_end():
    frontend = FrontendConfig()
    inputs = keras.Input((98, 64))
    network = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(inputs)))
    windows = (0.1 * np.random.default_rng(0).standard_normal((300, 16000))).astype(np.float32)  # two batches
    found = network_scorer(network, frontend)(windows)
    logits = network(np.stack([log_mel(window, frontend) for window in windows[[0, 299]]])).numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found[[0, 299]], expected, rtol=1e-3, atol=1e-5)
    assert found.shape == (300, 3)
    assert network_scorer(network, frontend)(windows[:0]).shape == (0, 3)


def test_a_long_clip_is_scored_a_part_at_a_time_with_the_same_numbers():
    random = np.random.default_rng(0)
    at_once = []
    long = (0.1 * random.standard_normal(100 * 1300 + 7)).astype(np.float32)
    store = types.SimpleNamespace(waveform=lambda index: long)

    def scorer(windows):
        at_once.append(len(windows))
        return np.stack([windows.mean(axis=1), np.abs(windows).max(axis=1)], axis=1)

    [scores] = score_clips(store, [0], scorer, window_samples=400, hop_samples=100)
    whole = clip_windows(long, 400, 100)
    assert max(at_once) < len(whole) == sum(at_once)
    np.testing.assert_array_equal(scores, np.stack([whole.mean(axis=1), np.abs(whole).max(axis=1)], axis=1))


def test_clips_are_cut_as_classify_cuts_them():
    store, seen = tones(events=1, backgrounds=1), []
    scores = score_clips(
        store,
        [2, 0],
        tone_probabilities,
        window_samples=16000,
        hop_samples=4000,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [len(rows) for rows in scores] == [9, 5]  # 3 s and 2 s
    assert seen == [(1, 2), (2, 2)]
