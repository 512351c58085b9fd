"""Misses of a study's streams: which clip was hit, and what draws of recordings make of it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from kwsembed.comparison.bootstrap import draw_groups
from kwsembed.comparison.stream_misses import hit_clips, miss_rates, misses_under
from kwsembed.detection.equal_alarms import RATES_PER_HOUR
from kwsembed.detection.events import PostProcessing
from kwsembed.detection.replay import Event, ScoredStream
from kwsembed.evaluation.judge import Judgement, SplitAudio

LABELS = ("dog", "cry", "noise")
CLASSES = np.array([1, 0, 2, 0, 1, 0])  # the dog's clips are 1, 3 and 5, the cry's 0 and 4


def scored(label, peaks):
    """A stream with an event every five seconds, whose scores are the peaks."""
    scores = np.full((10 * len(peaks), len(LABELS)), 0.01)
    scores[4::10, LABELS.index(label)] = peaks
    events = [Event(label, 5.0 * k + 2.2, 5.0 * k + 2.8) for k in range(len(peaks))]
    return ScoredStream(scores, 5.0 * len(peaks), tuple(events))


def judgement(negatives):
    audio = SplitAudio(None, np.arange(6), CLASSES, LABELS, 2, 16000, 16000)
    # The dog's second and third clip lie in a stream of their own, as after some minutes of the first.
    positives = {"dog": [scored("dog", [0.9]), scored("dog", [0.3, 0.7])], "cry": [scored("cry", [0.2, 0.8])]}
    post = PostProcessing(hop_s=0.5, smoothing_windows=1)
    return Judgement(np.zeros((6, 3)), negatives, positives, audio, post)


def test_every_event_clip_is_told_whether_it_was_hit_in_the_order_of_the_clips():
    # Two hours of background in which the dog fires once at 0.5 and six times at 0.25.
    scores = np.full((14400, 3), 0.01)
    scores[100, 0] = 0.5
    scores[1000:4000:500, 0] = 0.25
    found = hit_clips(judgement([ScoredStream(scores, 7200.0)]))
    assert tuple(found["rates_per_hour"]) == RATES_PER_HOUR == (3.0, 10.0, 30.0)
    at_3, at_10, _ = found["test_hits"].tolist()
    # Seven alarms in two hours are more than three an hour: the threshold lies above 0.25, below 0.3.
    assert at_3 == [1, 1, -1, 1, 1, 1]
    assert at_10 == at_3
    assert miss_rates(found, CLASSES == 0) == {"3": 0.0, "10": 0.0, "30": 0.0}
    scores[200:5000:300, 0] = 0.6
    strict = hit_clips(judgement([ScoredStream(scores, 7200.0)]))
    assert strict["test_hits"].tolist()[0] == [1, 1, -1, 0, 1, 1]
    assert miss_rates(strict, CLASSES == 0)["3"] == pytest.approx(1 / 3)


def test_without_negative_audio_nothing_is_kept():
    quiet = judgement([])
    quiet.positives.clear()
    quiet.positives.update({"dog": [scored("dog", [0.9, 0.3, 0.7])], "cry": []})
    assert hit_clips(quiet) == {}
    assert miss_rates({}, CLASSES == 0) == {}
    assert misses_under({}, CLASSES, draw_groups({1: list("abcdef")})[1], event_count=2) == {}


def test_draws_count_a_clip_as_often_as_its_recording_was_drawn():
    hits = np.array([[1, 0, -1, 1, 0, 0], [1, 1, -1, 1, 0, 0]], np.int8)
    arrays = {"rates_per_hour": np.array([3.0, 10.0]), "test_hits": hits}
    draws = draw_groups({1: list("aabbcd")}, resamples=40, seed=2)[1]
    found = misses_under(arrays, CLASSES, draws, event_count=2)
    assert set(found) == {3.0, 10.0}
    assert found[3.0][0] == pytest.approx((2 / 3 + 1 / 2) / 2)
    for row, counts in enumerate(draws.counts):
        clones = np.repeat(np.arange(6), counts[draws.group_of])
        for rate, hit in zip((3.0, 10.0), hits, strict=True):
            shares = [
                np.mean(hit[clones][CLASSES[clones] == label] == 0)
                for label in (0, 1)
                if np.any(CLASSES[clones] == label)
            ]
            expected = np.mean(shares) if shares else np.nan
            assert found[rate][row] == pytest.approx(expected, nan_ok=True)
