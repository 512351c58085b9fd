"""Reading a data set: a folder with a folder per class, or a CSV manifest."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kwsembed.audio.decode import AUDIO_SUFFIXES
from kwsembed.errors import DataError
from kwsembed.manifest.clip import SPLITS, Clip, Manifest, order_labels

_FORBIDDEN_IN_LABELS = frozenset('/\\,"')


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
        clips, warnings = _read_folder(folder)
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
        clips, warnings = list(_read_csv(source, folder, _resolved(further_roots))), []
    if not clips:
        raise DataError("there is no clip in the data", where=source, fix="add rows or files")
    _refuse_repeated(clips, source)
    labels, background_labels = order_labels(
        {clip.label for clip in clips}, background=tuple(background), source=source
    )
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
    clips = list(_read_csv(path, real_root, _resolved(further_roots)))
    _refuse_repeated(clips, path)
    return clips


def _resolved(roots: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    return tuple(Path(root).resolve() for root in roots)


def _read_folder(root: Path) -> tuple[list[Clip], list[str]]:
    clips: list[Clip] = []
    warnings: list[str] = []
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        raise DataError(
            "the data folder holds no class folders",
            expected="a folder per class, such as dog_bark/ and background/",
            where=root,
            fix="sort the files into a folder per class, or give a CSV manifest",
        )
    loose = [entry.name for entry in entries if not entry.is_dir()]
    if any(name.endswith(".csv") for name in loose):
        names = ", ".join(name for name in loose if name.endswith(".csv"))
        warnings.append(
            f"{names} in the data folder is not used; give the CSV itself to use its groups and splits"
        )
    outside = [name for name in loose if Path(name).suffix.lower() in AUDIO_SUFFIXES]
    if outside:
        warnings.append(
            f"{len(outside)} audio files lie in no class folder and are not used, such as {outside[0]}"
        )
    for folder in folders:
        found = sorted(
            path
            for path in folder.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(root).parts)
        )
        broken = [path for path in found if path.is_symlink() and not path.exists()]
        if broken:
            warnings.append(
                f"{len(broken)} links in {folder.name}/ lead to no file and are not used, "
                f"such as {broken[0].name}"
            )
        files = [path for path in found if path not in broken and path.is_file()]
        audio = [path for path in files if path.suffix.lower() in AUDIO_SUFFIXES]
        if not audio:
            raise DataError(
                "a class folder holds no audio",
                expected=f"files ending in {', '.join(AUDIO_SUFFIXES)}",
                received=f"{len(broken)} links that lead to no file" if broken else None,
                where=folder,
                fix="add clips of this class, or remove the folder",
            )
        if len(audio) < len(files):
            other = next(path for path in files if path not in audio)
            warnings.append(
                f"{len(files) - len(audio)} files in {folder.name}/ are not audio and not used, "
                f"such as {other.name}"
            )
        label = checked_label(folder.name, folder)
        for path in audio:
            resolved, name = _inside(path, root, where=path)
            clips.append(Clip(path=resolved, name=name, label=label, group=name))
    return clips, warnings


def _read_csv(source: Path, root: Path, further_roots: tuple[Path, ...]) -> Iterator[Clip]:
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
    path, name = _inside(root / cells["path"], root, further_roots, where=where)
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


def _inside(
    path: Path, root: Path, further_roots: tuple[Path, ...] = (), *, where: object
) -> tuple[Path, str]:
    """Returns the resolved path and its name seen from `root`; one that leads out, also by a link, is
    refused unless it lies in a further root."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a NUL in the name
        raise DataError("the path cannot be followed", received=f"path={path}", where=where) from None
    if not any(resolved.is_relative_to(folder) for folder in (root, *further_roots)):
        raise DataError(
            "the path leads out of the data folder",
            expected=f"a file inside {root}",
            received=f"path={path}",
            where=where,
            fix="copy the file into the folder, or move the manifest to a folder above all its files",
        )
    # Not the resolved name: a link inside the folder keeps the name that the user knows.
    name = Path(os.path.normpath(path))
    if name.is_relative_to(root):
        name = name.relative_to(root)
    else:
        name = resolved.relative_to(root) if resolved.is_relative_to(root) else outside_name(resolved, root)
    if not name.as_posix().isprintable():
        raise DataError(
            "the file name holds characters that cannot be printed",
            received=f"path={str(path)!a}",
            where=None if where == path else where,
            fix="rename the file",
        )
    return resolved, name.as_posix()


def outside_name(path: Path, root: Path) -> Path:
    """How a file outside of `root` is called from there, such as `../mined/background/1.wav`."""
    return Path(os.path.relpath(path, root))


def checked_label(label: str, where: object) -> str:
    """The label, if it can be one.

    Raises:
        DataError: It is empty or holds what lists of labels cannot.
    """
    if not label:
        raise DataError("the label is empty", where=where, fix="name the class")
    if not label.isprintable() or _FORBIDDEN_IN_LABELS & set(label) or label.startswith("."):
        raise DataError(
            "the label cannot be used",
            expected="letters, digits, spaces, _ and -, but no comma, quote, slash, tab or line break",
            received=f"label={label!r}",
            where=where,
        )
    return label


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
