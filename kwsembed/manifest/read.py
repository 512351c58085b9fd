"""Reading a data set: a folder with a folder per class, or a CSV manifest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kwsembed.errors import DataError
from kwsembed.manifest.clip import Clip, Manifest, order_labels
from kwsembed.manifest.folder import read_folder
from kwsembed.manifest.table import read_table


def read_manifest(
    data: str | os.PathLike[str],
    *,
    background: Sequence[str] = (),
    root: str | os.PathLike[str] | None = None,
    further_roots: Sequence[str | os.PathLike[str]] = (),
) -> Manifest:
    """Reads the clips of `data`; no audio is opened.

    Args:
        data: A folder with a folder per class, or a CSV with the columns path and label, and optionally
            group, split or fold, onset_s with offset_s, and sublabel. Other columns are ignored. A clip
            without a group is a group of its own (one per file).
        background: Labels that are background, besides those in `BACKGROUND_NAMES`.
        root: Folder that the paths of a CSV are relative to, and must not lead out of; if None its own.
        further_roots: Folders besides `root` that paths of a CSV may lead to.

    Raises:
        DataError: Naming the file and the row, the header being row 1.

    Example:
        >>> read_manifest("sounds/manifest.csv").labels  # doctest: +SKIP
        ('dog_bark', 'glass_break', 'background')
    """
    source = Path(data)
    if root is not None and (source.is_dir() or not Path(root).is_dir()):
        raise DataError(
            "the folder that paths are relative to cannot be used",
            expected="a folder, and a .csv manifest as data",
            received=f"root={root}, data={source}",
        )
    if source.is_dir():
        folder = source.resolve()
        clips, warnings = read_folder(folder)
    elif not source.exists():
        raise DataError("the data does not exist", received=f"data={source}", fix="check the path")
    elif source.suffix.lower() != ".csv":
        raise DataError(
            "the data cannot be read",
            expected="a folder with a folder per class, or a .csv manifest",
            received=f"data={source}",
        )
    else:
        folder = Path(source.parent if root is None else root).resolve()
        clips, warnings = list(read_table(source, folder, _resolved(further_roots))), []
    if not clips:
        raise DataError("there is no clip in the data", where=source, fix="add rows or files")
    _refuse_repeated(clips, source)
    labels, background_labels = order_labels(
        {clip.label for clip in clips}, background=tuple(background), source=source
    )
    warnings += _contradictions(clips, event_labels=set(labels) - set(background_labels))
    return Manifest(
        folder, source, tuple(clips), labels, background_labels, tuple(warnings), _resolved(further_roots)
    )


def read_clips(
    source: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    further_roots: Sequence[str | os.PathLike[str]] = (),
) -> list[Clip]:
    """Reads the rows of a CSV manifest, whatever its labels; no audio is opened.

    Args:
        source: The CSV.
        root: Folder that its paths are relative to; the CSV's own if None.
        further_roots: Folders besides `root` that paths may lead to.

    Raises:
        DataError: As for `read_manifest`.
    """
    path = Path(source)
    real_root = path.parent.resolve() if root is None else Path(root).resolve()
    clips = list(read_table(path, real_root, _resolved(further_roots)))
    _refuse_repeated(clips, path)
    return clips


def _contradictions(clips: list[Clip], *, event_labels: set[str]) -> list[str]:
    """A sentence for each label with clips whose sublabel is the label of another event."""
    found: dict[str, Counter[str]] = {}
    for clip in clips:
        if clip.sublabel in event_labels and clip.sublabel != clip.label:
            found.setdefault(clip.label, Counter())[clip.sublabel] += 1
    return [
        f"clips labelled {label} that are events by their sublabel: {events.total()} ("
        + ", ".join(f"{event} {count}" for event, count in events.most_common())
        + "); each one that is detected counts as a false alarm, which drives thresholds up; give them the "
        "event's label, or leave them out"
        for label, events in found.items()
    ]


def _resolved(roots: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    return tuple(Path(root).resolve() for root in roots)


def _refuse_repeated(clips: list[Clip], source: Path) -> None:
    seen: dict[tuple[Path, float | None, float | None], Clip] = {}
    for clip in clips:
        earlier = seen.setdefault((clip.path, clip.onset_s, clip.offset_s), clip)
        if earlier is not clip:
            rows = f" rows {earlier.row} and {clip.row}" if clip.row is not None else ""
            raise DataError(
                "the same audio comes twice",
                received=f"path={clip.name} as {earlier.label} and as {clip.label}",
                where=f"{source}{rows}",
                fix="keep one of the two",
            )
