"""Which detections a check of a client may not insist on."""

from __future__ import annotations

import pytest

from checks.edge import EDGE, Event, at_edge, lowered, match, unmatched

THRESHOLDS = {"dog": 0.5, "cry": 0.9}


def test_an_event_is_at_the_edge_within_a_step_of_log_odds_of_its_threshold():
    # log-odds of 0.5 and 0.9 are 0 and 2.197; one more is 0.7311 and 0.9607.
    assert EDGE == 1.0
    assert at_edge(Event("dog", 0, 1, 0.731), THRESHOLDS)
    assert not at_edge(Event("dog", 0, 1, 0.7311), THRESHOLDS)
    assert at_edge(Event("cry", 0, 1, 0.9607), THRESHOLDS)
    assert not at_edge(Event("cry", 0, 1, 0.9608), THRESHOLDS)
    assert not at_edge(Event("cry", 0, 1, 1.0), THRESHOLDS)


def test_what_clears_a_lowered_threshold_might_clear_the_right_one():
    # log-odds of -1 and 1.197
    assert lowered(THRESHOLDS) == {
        "dog": pytest.approx(0.26894, abs=1e-5),
        "cry": pytest.approx(0.76802, abs=1e-4),
    }


def test_events_match_by_label_and_overlap():
    event = Event("dog", 10.0, 11.0, 0.9)
    near, nearer = Event("dog", 8.0, 9.8, 0.9), Event("dog", 10.5, 12.0, 0.9)
    assert match(event, [Event("cry", 10.0, 11.0, 0.9)], collar_s=0.5) is None
    assert match(event, [near], collar_s=0.1) is None
    assert match(event, [near], collar_s=0.25) == near
    assert match(event, [near, nearer], collar_s=0.25) == nearer


def test_only_sure_events_are_insisted_on():
    sure, edge = Event("dog", 1.0, 2.0, 0.9), Event("dog", 5.0, 6.0, 0.6)
    assert unmatched([sure, edge], [], THRESHOLDS, collar_s=0.1) == [sure]
    assert unmatched([sure, edge], [edge], THRESHOLDS, collar_s=0.1) == [sure]
    assert unmatched([sure, edge], [sure], THRESHOLDS, collar_s=0.1) == []
