"""What a table of the report is made of: worded cells, some with a bar or a shade behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One figure in words.

    Attributes:
        text: What is read.
        share: Length of the bar (or depth of the shade) behind it, from 0 to 1; None for neither.
        tone: "good", "caution", "bad", "strong" or "".
    """

    text: str
    share: float | None = None
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes:
        columns: Headings, the first one over the names.
        rows: Cells of each row; plain strings are cells without a bar.
        groups: Headings over several columns, with how many each spans; empty for none.
        note: What to know to read it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    note: str = ""


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    *,
    groups: Sequence[tuple[str, int]] = (),
    note: str = "",
) -> Table:
    """A `Table` of rows that mix cells and plain strings."""
    cells = tuple(tuple(Cell(cell) if isinstance(cell, str) else cell for cell in row) for row in rows)
    return Table(tuple(columns), cells, tuple(groups), note)
