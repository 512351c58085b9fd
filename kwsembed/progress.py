"""Progress of long work on standard error: a live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """A progress function that shows nothing."""


class ProgressLine:
    """Shows `title: done/total unit, time left` while work goes on.

    Args:
        title: What is being done.
        unit: What is counted, in the plural.
        stream: Where to write; standard error if None.
        every_s: Least time between two lines where the stream is no terminal.

    Example:
        >>> line = ProgressLine("decoding", unit="files")
        >>> line(3, 10)  # doctest: +SKIP
    """

    def __init__(self, title: str, *, unit: str, stream: TextIO | None = None, every_s: float = 10.0) -> None:
        self._title = title
        self._unit = unit
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._every_s = 0.2 if self._live else every_s
        self._started_s = time.monotonic()
        self._shown_s = self._started_s
        self._first: tuple[float, int] | None = None  # time and count of the first call
        self._done = 0

    def __call__(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if done < self._done:
            self._first = None  # another piece of work under the same title, as long as it takes itself
        self._done = done
        # Time left is judged from the first call on: before it lie start-up and the work of an earlier run.
        since_s, since = self._first = self._first or (now_s, done)
        finished = done >= total
        if not finished and now_s - self._shown_s < self._every_s:
            return
        if finished and not self._live and now_s - self._started_s < self._every_s:
            return  # short work needs no report where lines pile up
        self._shown_s = now_s
        text = f"{self._title}: {done}/{total} {self._unit}"
        if finished:
            text += ", done"
        elif done > since:
            text += f", {(now_s - since_s) * (total - done) / (done - since):.0f} s left"
        end = "\n" if finished or not self._live else ""
        self._stream.write(("\r\x1b[K" if self._live else "") + text + end)
        self._stream.flush()
