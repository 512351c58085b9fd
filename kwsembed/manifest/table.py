"""Reading clips from a CSV, row by row, with errors that name the row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from kwsembed.errors import DataError
from kwsembed.manifest.clip import SPLITS, Clip
from kwsembed.manifest.naming import checked_label, inside


def read_table(source: Path, root: Path, further_roots: tuple[Path, ...]) -> Iterator[Clip]:
    """Clips of a CSV, in its order.

    Args:
        source: The CSV; its columns are those of `kwsembed.manifest.read_manifest`.
        root: Folder that its paths are relative to, resolved.
        further_roots: Folders besides it that files may lie in, resolved.

    Raises:
        DataError: Naming the row, the header being row 1.
    """
    rows = _rows(source)
    _, header = next(rows, (1, []))
    header = [column.strip() for column in header]
    for column in ("path", "label"):
        if column not in header:
            raise DataError(
                f"the manifest has no column {column}",
                expected="a first row with path,label and optionally group, split, fold, onset_s, offset_s",
                received=f"columns={','.join(header)[:200]}",
                where=source,
                fix="name the columns in the first row, separated by commas",
            )
    repeated = next((column for column in header if column and header.count(column) > 1), None)
    if repeated is not None:
        raise DataError("a column comes twice", received=f"column={repeated}", where=source, fix="remove one")
    for row, cells in rows:
        where = f"{source} row {row}"
        if len(cells) != len(header):
            raise DataError(
                "the row does not fit the header",
                expected=f"{len(header)} cells",
                received=f"cells={len(cells)}",
                where=where,
                fix="quote cells that hold commas",
            )
        yield _clip(dict(zip(header, cells, strict=True)), root, further_roots, row=row, where=where)


def _rows(source: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields (row number, cells) of every row that is not blank."""
    try:
        content = source.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            "the manifest is not UTF-8 text",
            where=f"{source} line {line}",
            fix="save it as CSV in UTF-8",
        ) from None
    except OSError as error:
        raise DataError(f"the manifest cannot be read: {error.strerror}", where=source) from None
    row = 0
    try:
        for row, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
            if any(cell.strip() for cell in cells):
                yield row, cells
    except csv.Error as error:
        # What csv says of a quote that is opened and never closed.
        detail = "a quote is never closed" if str(error) == "unexpected end of data" else error
        raise DataError(
            f"the manifest is not valid CSV: {detail}",
            where=f"{source} row {row + 1}",
            fix="mend the row, or save the manifest anew as CSV",
        ) from None


def _clip(
    cells: dict[str, str], root: Path, further_roots: tuple[Path, ...], *, row: int, where: str
) -> Clip:
    if not cells["path"].strip():
        raise DataError("the path is empty", where=where, fix="name a file")
    path, name = inside(root / cells["path"], root, further_roots, where=where)
    if not path.is_file():
        raise DataError(
            "the file does not exist", received=f"path={cells['path']}", where=where, fix="mend the path"
        )
    onset_s, offset_s = (_seconds(cells, column, where=where) for column in ("onset_s", "offset_s"))
    if (onset_s is None) != (offset_s is None):
        raise DataError("an event needs both onset_s and offset_s, or neither", where=where)
    if onset_s is not None and offset_s is not None and offset_s <= onset_s:
        raise DataError(
            "the event ends before it begins", received=f"onset_s={onset_s}, offset_s={offset_s}", where=where
        )
    return Clip(
        path=path,
        name=name,
        label=checked_label(cells["label"].strip(), where),
        group=cells.get("group", "").strip() or name,
        split=_split(cells, where=where),
        fold=_fold(cells, where=where),
        onset_s=onset_s,
        offset_s=offset_s,
        row=row,
        sublabel=_sublabel(cells, where=where),
    )


def _split(cells: dict[str, str], *, where: str) -> str | None:
    if "split" not in cells:
        return None
    split = cells["split"].strip()
    if split not in SPLITS:
        raise DataError(
            "the split is unknown", expected=", ".join(SPLITS), received=f"split={split!r}", where=where
        )
    return split


def _fold(cells: dict[str, str], *, where: str) -> int | None:
    if "fold" not in cells:
        return None
    fold = cells["fold"].strip()
    if not (fold.isascii() and fold.isdigit()):
        raise DataError(
            "the fold is not a number",
            expected="0, 1, 2, ... where 0 is always trained on",
            received=f"fold={fold!r}",
            where=where,
        )
    return int(fold)


def _sublabel(cells: dict[str, str], *, where: str) -> str | None:
    sublabel = cells.get("sublabel", "").strip()
    if not sublabel.isprintable():
        raise DataError(
            "the sublabel holds characters that cannot be printed",
            received=f"sublabel={sublabel!a}",
            where=where,
            fix="rename it, or leave the cell empty",
        )
    return sublabel or None


def _seconds(cells: dict[str, str], column: str, *, where: str) -> float | None:
    text = cells.get(column, "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise DataError(
            f"{column} is not a time",
            expected="seconds from the file's start",
            received=f"{column}={text!r}",
            where=where,
        )
    return seconds
