"""An event is told when it is certain: never missing from the detections, never missing itself."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kwsembed.detection.events import Detection, EventDetector, PostProcessing
from kwsembed.detection.starts import Starts

LABELS = ("bark", "cry")


def detector(**post):
    settings = PostProcessing(**{"smoothing_windows": 1, "refractory_s": 0.5, **post})
    return EventDetector(LABELS, dict.fromkeys(LABELS, 0.5), settings, window_s=1.0)


def told(detector, scores, chunk):
    """Labels in the order in which they are told, with the hops heard by then; and the detections."""
    starts, new, found = Starts(), [], []
    for at in range(0, len(scores), chunk):
        ended = detector.process(scores[at : at + chunk])
        found += ended
        new += [
            (label, min(at + chunk, len(scores))) for label in starts.update(ended, hearing=detector.hearing)
        ]
    ended = detector.flush()
    return new + [(label, len(scores)) for label in starts.update(ended, hearing=())], found + ended


def test_an_event_is_heard_from_the_hop_that_makes_it_certain_to_the_one_that_ends_it():
    stream = detector(min_consecutive=2)
    heard = []
    for score in (0.1, 0.9, 0.9, 0.9, 0.1, 0.9, 0.1):
        stream.process(np.array([[score, 0.0]]))
        heard.append(stream.hearing)
    assert heard == [(), (), ("bark",), ("bark",), (), (), ()]


def test_a_label_is_not_heard_in_its_refractory_time():
    stream = detector(refractory_s=0.5)  # two hops
    heard = []
    for score in (0.9, 0.1, 0.9, 0.9, 0.9):
        stream.process(np.array([[0.0, score]]))
        heard.append(bool(stream.hearing))
    assert heard == [True, False, False, True, True]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 50, 1000])
@pytest.mark.parametrize("min_consecutive", [1, 3])
def test_as_many_are_told_as_are_detected_however_the_stream_is_cut(chunk, min_consecutive):
    scores = np.random.default_rng(3).random((500, 2)) ** 0.7
    new, found = told(detector(min_consecutive=min_consecutive), scores, chunk)
    assert len(found) > 20
    assert Counter(label for label, _ in new) == Counter(detection.label for detection in found)


def test_hop_by_hop_each_is_told_when_its_last_needed_hit_comes():
    scores = np.zeros((10, 2))
    scores[2:7, 0] = 0.9
    new, found = told(detector(min_consecutive=3), scores, 1)
    assert new == [("bark", 5)]  # with the fifth hop, the third hit
    assert [detection.label for detection in found] == ["bark"]


def test_a_second_event_within_one_chunk_is_a_second_start():
    starts = Starts()
    assert starts.update([], hearing=["bark"]) == ["bark"]
    ended = [Detection("bark", 0.0, 1.0, 0.9), Detection("bark", 2.0, 3.0, 0.9)]
    assert starts.update(ended, hearing=["bark"]) == ["bark", "bark"]
    assert starts.update([Detection("bark", 4.0, 5.0, 0.9)], hearing=[]) == []
