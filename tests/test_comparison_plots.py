"""The drawings of a study: what is drawn lies where the numbers say."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from kwsembed.comparison.plots import gains_against_imbalance
from kwsembed.comparison.standing import Difference, Statistics
from kwsembed.report.intervals import Interval


def difference(ratio, errors, gain):
    return Difference("siamese", "class_weight", ratio, 5, gain, errors, {}, 0.01, 0.01)


def study_of(*differences):
    return Statistics(
        labels=("dog", "noise"),
        event_count=1,
        ratios=tuple(found.ratio for found in differences),
        folds=(1,),
        seeds=(0,),
        standings={
            (name, found.ratio): None for found in differences for name in ("class_weight", found.first)
        },
        against_yardstick={(found.first, found.ratio): found for found in differences},
        pairs=(),
        groups=10,
        trainings=4,
    )


def heights(panel):
    """Of the markers, from left to right, in pixels from the top of the drawing."""
    drawn = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="[^"]*--series-0', panel.svg)
    return [float(y) for _, y in sorted(drawn, key=lambda point: float(point[0]))]


@pytest.mark.parametrize("number", [0, 1], ids=["errors", "precision"])
def test_a_gain_that_grows_with_imbalance_is_drawn_rising_and_to_scale(number):
    values = [Interval(0.1, 0.0, 0.2), Interval(0.2, 0.1, 0.3), Interval(0.4, 0.3, 0.5)]
    flat = Interval(0.0, -0.1, 0.1)
    both = [(value, flat) if number == 0 else (flat, value) for value in values]
    study = study_of(
        *(difference(ratio, *each) for ratio, each in zip((10.0, 30.0, 100.0), both, strict=True))
    )
    panels = gains_against_imbalance(study)
    assert [panel.heading for panel in panels] == [
        "Fewer balanced errors, against imbalance",
        "Macro average precision gained, against imbalance",
    ]
    first, second, third = heights(panels[number])
    assert first > second > third, "pixels are counted from the top"
    assert second - third == pytest.approx(2 * (first - second), rel=1e-3)
    other = heights(panels[1 - number])
    assert other == pytest.approx([other[0]] * 3)


def test_an_undefined_gain_has_no_marker():
    study = study_of(
        difference(10.0, None, Interval(0.1, 0.0, 0.2)),
        difference(30.0, Interval(0.1, 0.0, 0.2), Interval(0.1, 0.0, 0.2)),
    )
    errors, precision = gains_against_imbalance(study)
    assert len(heights(errors)) == 1
    assert len(heights(precision)) == 2


def test_one_imbalance_alone_has_no_such_drawing():
    interval = Interval(0.1, 0.0, 0.2)
    assert gains_against_imbalance(study_of(difference(10.0, interval, interval))) == []
