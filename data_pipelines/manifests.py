"""From the clips of a corpus to ROOT/manifest.csv: choosing classes, keeping groups whole, writing."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from kwsembed.atomic import replacing
from kwsembed.errors import DataError, UserError
from kwsembed.manifest import Clip, Manifest, read_manifest, write_manifest
from kwsembed.manifest.clip import order_labels

MANIFEST_NAME = "manifest.csv"


def choose(wanted: Iterable[str], available: Collection[str], *, option: str) -> tuple[str, ...]:
    """Checks the classes asked for, also as `a,b`, against those there are.

    Raises:
        UserError: A class is unknown (with the likeliest meant), or none is given.

    Example:
        >>> choose(["dog,cat"], {"cat", "dog", "hen"}, option="--events")
        ('cat', 'dog')
    """
    names = sorted({name for item in wanted for name in item.split(",") if name})
    if not names:
        raise UserError(
            "no class is chosen", expected=f"some of {', '.join(sorted(available))}", received=f"{option}="
        )
    for name in names:
        if name not in available:
            likely = difflib.get_close_matches(name, available, n=1)
            raise UserError(
                "the corpus has no such class" + (f"; perhaps {likely[0]} is meant" if likely else ""),
                expected=f"some of {', '.join(sorted(available))}",
                received=f"{option}={name}",
            )
    return tuple(names)


def save_manifest(root: Path, clips: Sequence[Clip], *, notes: Sequence[str] = ()) -> Manifest:
    """Writes ROOT/manifest.csv, whole or not at all, and returns it as `read_manifest` would.

    Args:
        root: The folder that the clips' names are relative to.
        clips: All of them, in the order wanted.
        notes: What the reader should know about the choice of clips, a sentence each; kept as `warnings`.

    Raises:
        DataError: A group lies in two splits or folds, no class is background or none is an event, or a name
            or label cannot stand in a manifest.
    """
    target = root / MANIFEST_NAME
    homes: dict[str, set[tuple[str | None, int | None]]] = defaultdict(set)
    for clip in clips:
        homes[clip.group].add((clip.split, clip.fold))
    for group, places in homes.items():
        if len(places) > 1:
            named = ", ".join(sorted(str(split or f"fold {fold}") for split, fold in places))
            raise DataError("a group lies in two splits", received=f"group={group} in {named}", where=root)
    labels, background_labels = order_labels({clip.label for clip in clips}, source=target)
    with replacing(target) as temporary:
        write_manifest(temporary, Manifest(root, target, tuple(clips), labels, background_labels))
        written = read_manifest(temporary)  # what cannot be read back must not be left behind
    return replace(written, source=target, warnings=tuple(notes))
