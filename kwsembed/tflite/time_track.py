"""Where in time the rows of a tensor lie, when a network of windows becomes one of a stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Track:
    """Where in time the rows of a tensor lie.

    Attributes:
        rows: Rows per call.
        stride: Rows of the input from one row to the next.
        windowed_stride: The same in the network of windows, a multiple of it.
        offset: Row of the input, counted from the first of a call, that the first row of the call stands at.
        before: Rows of the input that a row depends on, before where it stands.
        after: The same, behind it.
    """

    rows: int
    stride: int
    windowed_stride: int
    offset: int
    before: int
    after: int

    @property
    def apart(self) -> int:
        """Rows from one that the network of windows has to the next one that it has."""
        return self.windowed_stride // self.stride


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after that TensorFlow's padding "same" adds."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2
