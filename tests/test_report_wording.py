"""How the report says numbers and names."""

from __future__ import annotations

import math

import pytest

from kwsembed.report import wording


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.decimal(0.84217), "0.842"),
        (wording.decimal(None), "–"),
        (wording.decimal(math.nan), "–"),
        (wording.signed(-0.0031), "−0.003"),
        (wording.signed(0.0002), "0.000"),
        (wording.digits_apart([]), 3),
        (wording.digits_apart([(0.5, 0.5), (None, 0.1)]), 3),
        (wording.digits_apart([(0.5, 0.6), (0.83412, 0.83409)]), 5),
        (wording.digits_apart([(0.1, 0.1 + 1e-12)]), 6),
        (wording.digits_apart([(-0.00001, 0.0)]), 5),
        (wording.percent(0.184), "18 %"),
        (wording.short(0.314), "0.31"),
        (wording.short(9.68), "9.7"),
        (wording.short(9.97), "10"),
        (wording.short(2019.4), "2,019"),
        (wording.short(0), "0"),
        (wording.hours(0.31), "0.31 h"),
        (wording.hours(0.023), "83 s"),
        (wording.seconds(8.2), "8.2 s"),
        (wording.seconds(200), "3 min 20 s"),
        (wording.seconds(3900), "1 h 05 min"),
        (wording.latency(310), "310 µs"),
        (wording.latency(2927.5), "2.9 ms"),
        (wording.size(499_392), "499.4 kB"),
        (wording.size(None), "–"),
        (wording.counted(1, "clip"), "1 clip"),
        (wording.counted(2019, "clip"), "2,019 clips"),
        (wording.listed([]), "–"),
        (wording.listed(["a"]), "a"),
        (wording.listed(["a", "b", "c"]), "a, b and c"),
        (wording.listed(list("abcdefgh")), "a, b, c, d, e and 3 more"),
    ],
)
def test_numbers_and_names_are_said_as_people_say_them(said, expected):
    assert said == expected
