"""Annotated recordings replayed at a threshold cost what the detector and the matching say."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.detection.events import EventDetector
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.recording_replay import RecordingReplay
from kwsembed.detection.replay import Event, ScoredStream, match_events

LABELS = ("dog", "siren")


def recordings(random, *, hop_s):
    made = []
    for _ in range(4):
        scores = np.round(random.beta(0.4, 2.0, size=(200, 2)), 2)
        starts = random.uniform(0, 45, size=6)
        events = tuple(
            Event(str(random.choice(LABELS)), float(s), float(s + random.uniform(0.2, 6))) for s in starts
        )
        made.append(ScoredStream(scores, duration_s=200 * hop_s + 0.75, events=events))
    return [*made, ScoredStream(random.beta(0.4, 2.0, size=(200, 2)), 50.75)]


@pytest.mark.parametrize(
    "post",
    [
        PostProcessing(),
        PostProcessing(smoothing_windows=3, min_consecutive=2, refractory_s=0.5),
        PostProcessing(smoothing_windows=1, refractory_s=5.0, onset_shift_s=0.3),
    ],
)
def test_counts_are_those_of_the_detector_and_the_matching(post):
    streams = recordings(np.random.default_rng(1), hop_s=post.hop_s)
    replay = RecordingReplay("dog", LABELS, streams, post=post, window_s=1.0)
    assert replay.events == sum(event.label == "dog" for stream in streams for event in stream.events)
    assert replay.hours == pytest.approx(5 * 200 * 0.25 / 3600)
    for threshold in (0.9, 0.3, 0.6, 0.05, 0.999):
        misses = alarms = 0
        for stream in streams:
            detector = EventDetector(LABELS, {"dog": threshold, "siren": 2.0}, post, window_s=1.0)
            found = detector.process(stream.scores) + detector.flush()
            matched = match_events([event for event in stream.events if event.label == "dog"], found)
            misses, alarms = misses + matched.misses, alarms + matched.false_alarms
        assert (replay.misses(threshold), replay.false_alarms(threshold)) == (misses, alarms), threshold


def test_overlapping_and_nested_events_hide_no_detection_between_them():
    scores = np.zeros((40, 1))
    scores[30] = 0.9  # at 30.5 s, inside the long event that begins first
    events = (Event("dog", 5.0, 35.0), Event("dog", 6.0, 7.0))
    post = PostProcessing(hop_s=1.0, smoothing_windows=1)
    replay = RecordingReplay("dog", ["dog"], [ScoredStream(scores, 40.0, events)], post=post, window_s=1.0)
    assert replay.false_alarms(0.5) == 0
    assert replay.misses(0.5) == 1
