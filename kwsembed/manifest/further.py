"""Further clips for data that is already split: mined negatives, or examples of a new class."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from kwsembed.errors import DataError
from kwsembed.manifest.clip import Clip, Manifest, order_labels
from kwsembed.manifest.naming import outside_name
from kwsembed.manifest.read import read_clips

_MANIFEST = "manifest.csv"  # as `kwsembed mine` writes it


def with_negatives(manifest: Manifest, folders: Sequence[str | os.PathLike[str]]) -> Manifest:
    """Adds mined negatives to the training split.

    A negative that was cut from a recording of the validation or test split is left out, with a warning:
    training on it would make that split worthless.

    Args:
        manifest: Clips with their splits.
        folders: What `kwsembed mine` wrote: folders with a manifest.csv.

    Raises:
        DataError: A folder holds no manifest, or clips that are no background of the data.

    Example:
        >>> with_negatives(assign_splits(read_manifest("sounds")), ["mined"])  # doctest: +SKIP
    """
    for folder in map(Path, folders):
        manifest = _with_folder(manifest, folder)
    return manifest


def with_clips(manifest: Manifest, clips: Iterable[Clip], *, roots: Sequence[Path]) -> Manifest:
    """Adds clips to the end, under names that lead to them from the data folder.

    Args:
        manifest: Clips with their splits.
        clips: Further clips with their splits.
        roots: Folders that they lie in.

    Raises:
        DataError: A file is in the data already.
    """
    known = {clip.path for clip in manifest.clips}
    folds = any(clip.fold is not None for clip in manifest.clips)
    added = []
    for clip in clips:
        if clip.path in known:
            raise DataError(
                "a clip is in the data already",
                received=f"path={clip.path}",
                fix="leave it out of one of the two",
            )
        known.add(clip.path)
        inside = clip.path.is_relative_to(manifest.root)
        name = clip.path.relative_to(manifest.root) if inside else outside_name(clip.path, manifest.root)
        added.append(replace(clip, name=name.as_posix(), fold=0 if folds else None, row=None))
    labels, backgrounds = order_labels(
        {clip.label for clip in (*manifest.clips, *added)},
        background=manifest.background_labels,
        source=manifest.source,
    )
    further = [root.resolve() for root in roots if not root.resolve().is_relative_to(manifest.root)]
    return replace(
        manifest,
        clips=(*manifest.clips, *added),
        labels=labels,
        background_labels=backgrounds,
        further_roots=tuple(dict.fromkeys((*manifest.further_roots, *further))),
    )


def _with_folder(manifest: Manifest, folder: Path) -> Manifest:
    listing = folder / _MANIFEST
    if not listing.is_file():
        raise DataError(
            "the folder holds no mined negatives",
            expected=f"{_MANIFEST}, as kwsembed mine writes it",
            where=folder,
        )
    clips = read_clips(listing)
    strange = sorted({clip.label for clip in clips} - set(manifest.background_labels))
    if strange:
        raise DataError(
            "negatives must have a background label of the data",
            expected=" or ".join(manifest.background_labels),
            received=", ".join(strange),
            where=listing,
            fix="mine them with --label NAME",
        )
    by_path = {clip.path: clip for clip in manifest.clips}
    by_group = {clip.group: clip for clip in manifest.clips}
    kept, left_out = [], 0
    for clip, source in zip(clips, _sources(listing, len(clips)), strict=True):
        origin = by_path.get(source) if source else None
        origin = origin or by_group.get(clip.group)
        if origin is not None and origin.split != "train":
            left_out += 1
            continue
        kept.append(replace(clip, split="train", group=origin.group if origin else clip.group))
    manifest = with_clips(manifest, kept, roots=[folder])
    if left_out:
        warning = (
            f"{left_out} of {len(clips)} negatives of {folder} are left out: they come from recordings of "
            "the validation or test split"
        )
        manifest = replace(manifest, warnings=(*manifest.warnings, warning))
    return manifest


def _sources(listing: Path, count: int) -> list[Path | None]:
    """The recording of each row; None where the manifest does not say."""
    with listing.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if any(row.values())]
    return [Path(row["source"]).resolve() if row.get("source") else None for row in rows] or [None] * count
