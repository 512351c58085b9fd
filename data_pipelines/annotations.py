"""Reading DCASE event tables: which recordings there are, and which events each holds."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kwsembed.errors import DataError

COLUMNS = ("filename", "onset", "offset", "event_label")


@dataclass(frozen=True)
class Event:
    """One annotated event.

    Args:
        label: What it is.
        onset_s: Where it begins in its recording.
        offset_s: Where it ends.
        where: Table and row, for messages.
    """

    label: str
    onset_s: float
    offset_s: float
    where: str


def read_annotations(root: Path, tables: Sequence[str]) -> dict[Path, list[Event]]:
    """Reads tables with the columns filename, onset, offset, event_label: tab-separated, header or none.

    Args:
        root: The folder with the recordings; filenames are relative to it or to its folder `audio`.
        tables: Paths relative to `root`.

    Returns:
        The events of every recording named, sorted by path. A row with a filename alone, or with NaN as times
        (as DCASE 2017 task 2 writes it), declares a recording and no event.

    Raises:
        DataError: Naming the table and the row.
    """
    events: dict[Path, list[Event]] = {}
    for name in tables:
        table = root / name
        if not table.is_file():
            raise DataError(
                "the annotations are not there",
                expected=f"a table with the columns {', '.join(COLUMNS)}, separated by tabs",
                received=f"annotations={table}",
                fix="name it with --annotations, relative to ROOT",
            )
        for row, line in enumerate(_lines(table), start=1):
            cells = [cell.strip() for cell in line]
            if not any(cells) or (row == 1 and tuple(cells) == COLUMNS):
                continue
            where = f"{table} row {row}"
            if len(cells) > len(COLUMNS):
                raise DataError(
                    "the row has too many cells", expected=", ".join(COLUMNS), received=cells, where=where
                )
            filename, onset, offset, label = cells + [""] * (len(COLUMNS) - len(cells))
            of_recording = events.setdefault(_recording(root, filename, where=where), [])
            if not {onset.lower(), offset.lower()} <= {"", "nan"}:
                of_recording.append(_event(onset, offset, label, where=where))
    return dict(sorted(events.items()))


def _lines(table: Path) -> list[list[str]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("the annotations are not UTF-8 text", where=table, fix="save them as UTF-8") from None
    return list(csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def _recording(root: Path, filename: str, *, where: str) -> Path:
    for folder in (root, root / "audio"):
        path = (folder / filename).resolve()
        if path.is_file() and path.is_relative_to(root):
            return path
    raise DataError(
        "the recording is not there",
        expected=f"a file in {root} or its folder audio, and columns separated by tabs",
        received=f"filename={filename}",
        where=where,
    )


def _event(onset: str, offset: str, label: str, *, where: str) -> Event:
    try:
        onset_s, offset_s = float(onset), float(offset)
    except ValueError:
        onset_s, offset_s = math.nan, math.nan
    if not (0 <= onset_s < offset_s < math.inf and label):
        raise DataError(
            "the row is no event",
            expected="onset and offset in seconds, onset before offset, and a label",
            received=f"onset={onset!r}, offset={offset!r}, event_label={label!r}",
            where=where,
        )
    return Event(label, onset_s, offset_s, where)
