"""What clips may be called: paths that stay inside the data folder, and labels that lists can hold."""

from __future__ import annotations

import os
from pathlib import Path

from kwsembed.errors import DataError

_FORBIDDEN_IN_LABELS = frozenset('/\\,"')


def inside(
    path: Path, root: Path, further_roots: tuple[Path, ...] = (), *, where: object
) -> tuple[Path, str]:
    """The resolved path of a clip, and its name seen from `root`.

    Args:
        path: Where the file is said to be.
        root: The data folder, resolved.
        further_roots: Folders besides it that files may lie in, resolved.
        where: What an error names as its place.

    Raises:
        DataError: It leads out of these folders, also by a link, cannot be followed or cannot be printed.
    """
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
