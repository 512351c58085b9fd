"""Which recordings the DCASE tables of a folder name, and which events each holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kwsembed.detection.replay import Event
from kwsembed.errors import DataError
from kwsembed.manifest.annotations import Annotation, read_annotations


@dataclass(frozen=True)
class AnnotatedEvent(Event):
    """An event and the table's row that says so, for messages."""

    where: str


def read_recordings(root: Path, tables: Sequence[str]) -> dict[Path, list[AnnotatedEvent]]:
    """The recordings that the tables name, and their events.

    Args:
        root: The folder with the recordings; filenames are relative to it or to its folder `audio`.
        tables: Paths relative to `root`.

    Returns:
        The events of every recording named, sorted by path; none for one that was named without an event.

    Raises:
        DataError: Naming the table and the row.
    """
    events: dict[Path, list[AnnotatedEvent]] = {}
    for name in tables:
        for annotation in read_annotations(root / name):
            of_recording = events.setdefault(_recording(root, annotation), [])
            found = annotation.event
            if found is not None:
                of_recording.append(
                    AnnotatedEvent(found.label, found.onset_s, found.offset_s, annotation.where)
                )
    return dict(sorted(events.items()))


def _recording(root: Path, annotation: Annotation) -> Path:
    for folder in (root, root / "audio"):
        path = (folder / annotation.filename).resolve()
        if path.is_file() and path.is_relative_to(root):
            return path
    raise DataError(
        "the recording is not there",
        expected=f"a file in {root} or its folder audio, and columns separated by tabs",
        received=f"filename={annotation.filename}",
        where=annotation.where,
    )
