"""Other points of a curve: which are worth choosing between, and how they are told."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.detection.operating import OperatingCurve
from kwsembed.detection.tradeoff import CurvePoint, best_within, corners, tradeoff_lines


def points(*rows):
    return [CurvePoint(*row) for row in rows]


def test_a_curve_becomes_counts():
    curve = OperatingCurve(
        label="dog",
        threshold=np.array([0.9, 0.5]),
        false_alarms_per_hour=np.array([0.0, 6.0]),
        miss_rate=np.array([0.75, 0.25]),
        hours=0.5,
        events=4,
    )
    assert CurvePoint.along(curve) == points((0.9, 0, 3), (0.5, 3, 1))
    assert [CurvePoint.from_dict(p.to_dict()) for p in CurvePoint.along(curve)] == CurvePoint.along(curve)


def test_of_points_that_miss_equally_few_it_is_the_middle_one_in_logits():
    curve = points((0.999, 0, 4), (0.99, 0, 2), (0.9, 0, 2), (0.5, 0, 2), (0.4, 1, 1))
    assert best_within(curve, 0) == CurvePoint(0.9, 0, 2)  # logits 4.6, 2.2 and 0
    assert best_within(curve, 1) == CurvePoint(0.4, 1, 1)
    assert best_within(points((0.9, 1, 0)), 0) is None


def test_without_events_the_lowest_threshold_within_the_false_alarms_is_best():
    assert best_within(points((0.9, 0, None), (0.8, 0, None), (0.5, 1, None)), 0).threshold == 0.8


def test_corners_leave_out_what_costs_alarms_and_finds_nothing():
    curve = points((0.99, 0, 5), (0.9, 1, 5), (0.8, 2, 4), (0.7, 5, 4), (0.6, 9, 2), (0.1, 80, 0))
    assert [(p.false_alarms, p.misses) for p in corners(curve)] == [(0, 5), (2, 4), (9, 2), (80, 0)]
    assert [p.false_alarms for p in corners(curve, most=2)] == [0, 2]
    assert corners([]) == []


def test_the_table_gives_bounds_and_intervals():
    lines = list(
        tradeoff_lines({"dog": points((0.9, 0, 5), (0.5, 2, 1))}, hours={"dog": 2.0}, events={"dog": 10})
    )
    assert len({line.index("threshold" if "threshold" in line else "0.") for line in lines}) == 1  # aligned
    # None in 2 h is at most 2.996 / 2 per hour, two at most 6.296 / 2; Wilson's interval of 5 of 10.
    assert " ".join(lines[1].split()) == "dog 0.9000 0 in 2.00 h 1.50 5 of 10 24 to 76 %"
    assert "3.15" in lines[2]


@pytest.mark.parametrize("misses", [None, 3])
def test_without_events_misses_are_unknown(misses):
    [_, line] = tradeoff_lines({"dog": points((0.9, 0, misses))}, hours={"dog": 1.0}, events={"dog": 0})
    assert line.endswith("unknown")
