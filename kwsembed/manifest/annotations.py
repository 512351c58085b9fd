"""Reading DCASE annotations: tables that say when which event is heard in which recording."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kwsembed.audio import decode
from kwsembed.detection.replay import Event
from kwsembed.errors import AudioError, DataError

COLUMNS = ("filename", "onset", "offset", "event_label")


@dataclass(frozen=True)
class Annotation:
    """One row of a table.

    Args:
        filename: The recording, as the table names it.
        event: What is heard in it and when; None where the row says only that there is this recording.
        where: Table and row, for messages.
    """

    filename: str
    event: Event | None
    where: str

    @property
    def name(self) -> str:
        """The recording's file name, whatever folders stand before it."""
        return PurePosixPath(self.filename.replace("\\", "/")).name


def read_annotations(path: str | os.PathLike[str]) -> list[Annotation]:
    """The rows of a table `filename onset offset event_label`, tab-separated, with or without that header.

    A row that holds only a file name, or NaN as both times (as DCASE 2017 task 2 writes it), names a
    recording and no event in it.

    Raises:
        DataError: The table is not there, is no text, or a row is unreadable; names table and row.

    Example:
        >>> read_annotations("field.tsv")[0].event  # doctest: +SKIP
        Event(label='babycry', onset_s=4.0, offset_s=5.5)
    """
    annotations = []
    for number, row in enumerate(_rows(Path(path)), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and tuple(cells) == COLUMNS):
            continue
        annotations.append(_annotation(cells, where=f"{path} row {number}"))
    return annotations


def events_by_name(annotations: Iterable[Annotation]) -> dict[str, list[Event]]:
    """Events by the recording's file name, whatever folders stand before it.

    Example:
        >>> events_by_name([Annotation("audio/a.wav", Event("dog", 1.0, 2.0), "row 1")])
        {'a.wav': [Event(label='dog', onset_s=1.0, offset_s=2.0)]}
    """
    events: dict[str, list[Event]] = {}
    for annotation in annotations:
        of_recording = events.setdefault(annotation.name, [])
        if annotation.event is not None:
            of_recording.append(annotation.event)
    return events


def _rows(path: Path) -> list[list[str]]:
    columns = ", ".join(COLUMNS)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(
            "the annotations are not there",
            expected=f"a table with the columns {columns}, separated by tabs",
            received=f"annotations={path}",
            fix="name it with --annotations",
        ) from None
    except UnicodeDecodeError:
        raise DataError("the annotations are not UTF-8 text", where=path, fix="save them as UTF-8") from None
    return list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def _annotation(cells: list[str], *, where: str) -> Annotation:
    if len(cells) > len(COLUMNS):
        raise DataError(
            "the row has too many cells", expected=", ".join(COLUMNS), received=cells, where=where
        )
    filename, onset, offset, label = cells + [""] * (len(COLUMNS) - len(cells))
    if not filename:
        raise DataError("the row names no recording", received=cells, where=where)
    if not (onset or offset or label) or onset.lower() == offset.lower() == "nan":
        return Annotation(filename, None, where)
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
    return Annotation(filename, Event(label, onset_s, offset_s), where)


def truth_of(annotations: str | os.PathLike[str] | None, paths: Sequence[Path]) -> dict[str, list[Event]]:
    """Events by file name, of a table that fits the recordings; without a table, no event at all.

    Raises:
        DataError: Recordings share a name, so that annotations cannot tell them apart, annotated ones are
            missing, a row stands there twice, or an event begins after its recording's end.
    """
    if annotations is None:
        return {}
    rows, files = read_annotations(annotations), {path.name: path for path in paths}
    truth = events_by_name(rows)
    if len(files) < len(paths):
        raise DataError(
            "recordings share a file name, so annotations cannot tell them apart",
            received=f"{len(paths)} files with {len(files)} names",
        )
    missing = sorted(set(truth) - set(files))
    if missing:
        raise DataError("annotated recordings are missing", received=", ".join(missing[:5]))
    _refuse_repeated(rows)
    _refuse_beyond_the_end(rows, files)
    return truth


def _refuse_repeated(rows: Sequence[Annotation]) -> None:
    """An event counted twice would be two misses or two hits."""
    first: dict[tuple[str, Event], str] = {}
    repeats = []
    for row in rows:
        if row.event is not None and first.setdefault((row.name, row.event), row.where) != row.where:
            repeats.append((row, first[row.name, row.event]))
    if repeats:
        row, before = repeats[0]
        raise DataError(
            f"the row repeats an event of {row.name}{_first_of(len(repeats))}",
            where=row.where,
            expected="each event once",
            received=f"the same as {before}",
            fix="remove the repeats",
        )


def _refuse_beyond_the_end(rows: Sequence[Annotation], files: Mapping[str, Path]) -> None:
    """What nobody can have heard: mostly another file's times, or samples or milliseconds for seconds."""
    lengths_s = {name: _length_s(files[name]) for name in {row.name for row in rows if row.event}}
    late = [(row, row.event) for row in rows if row.event and row.event.onset_s >= lengths_s[row.name]]
    if late:
        row, event = late[0]
        name = row.name
        raise DataError(
            f"the event begins after the end of {name}{_first_of(len(late))}",
            where=row.where,
            expected=f"an onset below {lengths_s[name]:.3f} s, the length of {files[name]}",
            received=f"onset={event.onset_s:g}, offset={event.offset_s:g}, event_label={event.label}",
            fix="mend the row or remove it",
        )


def _length_s(path: Path) -> float:
    try:
        return decode.probe(path).duration_s
    except AudioError:
        return math.inf  # said why when its turn comes


def _first_of(count: int) -> str:
    return f", the first of {count} such rows" if count > 1 else ""
