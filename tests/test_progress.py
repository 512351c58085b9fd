"""Progress of long work: what is shown, and how the time left is judged."""

from __future__ import annotations

import io

import pytest

from kwsembed import progress


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def shown(clock: Clock, calls: list[tuple[float, int]], *, total: int) -> list[str]:
    stream = io.StringIO()
    line = progress.ProgressLine("training", unit="steps", stream=stream, every_s=10.0)
    for now_s, done in calls:
        clock.now_s = now_s
        line(done, total)
    return stream.getvalue().splitlines()


def test_start_up_does_not_count_as_work(clock: Clock) -> None:
    # 30 s until the first step; then 10 steps in 10 s, so 89 more take 89 s.
    assert shown(clock, [(30, 1), (40, 11)], total=100) == [
        "training: 1/100 steps",
        "training: 11/100 steps, 89 s left",
    ]


def test_what_an_earlier_run_did_does_not_count_as_work(clock: Clock) -> None:
    assert shown(clock, [(1, 501), (21, 511)], total=521) == ["training: 511/521 steps, 20 s left"]


def test_a_second_piece_of_work_under_one_title_is_judged_by_itself(clock: Clock) -> None:
    # 100 steps in 50 s, then, from 1 on, 10 in 20 s: 89 more take 178 s.
    assert shown(clock, [(0, 0), (50, 100), (60, 1), (80, 11)], total=100)[-1] == (
        "training: 11/100 steps, 178 s left"
    )


def test_lines_come_seldom_where_they_pile_up_and_the_last_one_always(clock: Clock) -> None:
    assert shown(clock, [(1, 1), (2, 2), (12, 3), (13, 4)], total=4) == [
        "training: 3/4 steps, 6 s left",
        "training: 4/4 steps, done",
    ]


def test_short_work_is_not_reported(clock: Clock) -> None:
    assert shown(clock, [(1, 1), (2, 2)], total=2) == []
