"""Reading DCASE annotations: a TSV that says when which event is heard in which recording."""

from __future__ import annotations

import csv
import math
import os
from pathlib import PurePosixPath

from kwsembed.detection.replay import Event
from kwsembed.errors import DataError


def read_annotations(path: str | os.PathLike[str]) -> dict[str, list[Event]]:
    """Events by file name.

    Rows are `filename onset offset event_label`, separated by tabs, with or without that header; a row that
    holds only a file name says that the recording has no event.

    Raises:
        DataError: A row is unreadable; names file and row.
    """
    events: dict[str, list[Event]] = {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            rows = list(csv.reader(file, delimiter="\t"))
        except UnicodeDecodeError as error:
            raise DataError(f"the annotations are not UTF-8: {error.reason}", where=path) from None
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[0] == "filename"):
            continue
        name = PurePosixPath(cells[0].replace("\\", "/")).name
        of_file = events.setdefault(name, [])
        if len(cells) == 1 or not any(cells[1:]):
            continue
        of_file.append(_event(cells, where=f"{path} row {number}"))
    return events


def _event(cells: list[str], *, where: str) -> Event:
    if len(cells) < 4 or not cells[3]:
        raise DataError(
            "unreadable annotation",
            expected="filename, onset, offset, event_label",
            received=cells,
            where=where,
        )
    try:
        onset_s, offset_s = float(cells[1]), float(cells[2])
    except ValueError:
        raise DataError("onset and offset are no numbers", received=cells[1:3], where=where) from None
    if not (math.isfinite(onset_s) and math.isfinite(offset_s) and 0 <= onset_s < offset_s):
        raise DataError("the offset must lie after the onset", received=cells[1:3], where=where)
    return Event(cells[3], onset_s, offset_s)
