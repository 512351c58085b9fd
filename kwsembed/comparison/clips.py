"""The clips that each fold of a study judges: kept beside the cells, so that statistics need no audio."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.data.cache import ClipStore
from kwsembed.errors import ConfigError, DataError, RunError
from kwsembed.manifest import Clip, Manifest, assign_splits

COLUMNS = ("fold", "split", "path", "label", "group")
SPLITS = ("validation", "test")


@dataclass(frozen=True)
class JudgedClips:
    """The clips of one split of one fold, in the order in which every cell's evidence has them.

    Attributes:
        names: Their paths.
        labels: Their labels.
        groups: Their recordings or speakers.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]

    def classes(self, labels: Sequence[str]) -> np.ndarray:
        """`(clips,)` position of each clip's label in `labels`."""
        position = {label: index for index, label in enumerate(labels)}
        return np.array([position[label] for label in self.labels], dtype=np.int64)


Judged = Mapping[tuple[int, str], JudgedClips]


def split_for(manifest: Manifest, fold: int) -> Manifest:
    """The manifest with the splits of one fold of a study; where it has no folds, `fold` seeds the split.

    A column split goes before a column fold, as in training.

    Raises:
        ConfigError: The data have folds, and this is none of them.
    """
    by_fold = not has_splits(manifest) and any(clip.fold is not None for clip in manifest.clips)
    return assign_splits(manifest, test_folds=(fold,) if by_fold else None, seed=fold)


def has_splits(manifest: Manifest) -> bool:
    """Whether the manifest itself says how it is split."""
    return manifest.clips[0].split is not None


def clips_by_split(manifest: Manifest, store: ClipStore, fold: int) -> dict[str, list[Clip]]:
    """The usable clips of each split of one fold, in the manifest's order; see `split_for`."""
    split_of = {clip.name: clip.split for clip in split_for(manifest, fold).clips}
    return {
        split: [clip for clip in store.clips if split_of[clip.name] == split] for split in ("train", *SPLITS)
    }


def judged_clips(
    manifest: Manifest, store: ClipStore, folds: Sequence[int]
) -> dict[tuple[int, str], JudgedClips]:
    """Validation and test clips of each fold, as cells judge them: in the manifest's order, usable ones only.

    Raises:
        ConfigError: A fold that does not exist, or several where the manifest itself names the splits.
        DataError: A fold that cannot be trained, validated or tested, before any other is trained.
    """
    if len(folds) > 1 and has_splits(manifest):
        raise ConfigError(
            "the manifest has a column split, so there is only one way to split it",
            expected="one fold",
            received=f"folds={','.join(map(str, folds))}",
            where=manifest.source,
        )
    clips_of = {fold: clips_by_split(manifest, store, fold) for fold in folds}
    found = {}
    for fold in folds:
        for split in SPLITS:
            clips = clips_of[fold][split]
            if not clips:
                raise DataError(
                    f"fold {fold} has no usable {split} clip, so nothing can be compared there",
                    where=manifest.source,
                    fix="leave the fold out, or add clips to it",
                )
            found[fold, split] = JudgedClips(
                tuple(clip.name for clip in clips),
                tuple(clip.label for clip in clips),
                tuple(clip.group or clip.name for clip in clips),
            )
    for fold in folds:
        _check_labels(manifest, clips_of[fold], fold)
    return found


def _check_labels(manifest: Manifest, clips: Mapping[str, Sequence[Clip]], fold: int) -> None:
    """Refuses a fold whose training would stop for want of clips, after others have been trained."""
    fix = "leave the fold out, or add clips to the other folds"
    trained = {clip.label for clip in clips["train"]}
    for label in manifest.labels:
        if label not in trained:
            raise DataError(
                f"with fold {fold} tested no usable training clip of {label} is left",
                where=manifest.source,
                fix=fix,
            )
    validated = {clip.label for clip in clips["validation"]}
    for kind, labels in (("event", manifest.event_labels), ("background", manifest.background_labels)):
        if validated and not validated.intersection(labels):
            raise DataError(
                f"with fold {fold} tested the validation split has no usable {kind} clip",
                where=manifest.source,
                fix=fix,
            )


def training_digests(manifest: Manifest, store: ClipStore, folds: Sequence[int]) -> dict[str, str]:
    """By fold the SHA-256 of its training clips' names, labels and groups, which all its cells must share."""
    found = {}
    for fold in folds:
        rows = [
            f"{clip.name}\t{clip.label}\t{clip.group or clip.name}\n"
            for clip in clips_by_split(manifest, store, fold)["train"]
        ]
        found[str(fold)] = hashlib.sha256("".join(rows).encode()).hexdigest()
    return found


def read_judged_clips(path: Path) -> dict[tuple[int, str], JudgedClips]:
    """Reads clips.csv; nothing where it does not exist, as in a study of a version that wrote none."""
    if not path.exists():
        return {}
    rows: dict[tuple[int, str], list[tuple[str, str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault((int(row["fold"]), row["split"]), []).append(
                (row["path"], row["label"], row["group"])
            )
    return {
        key: JudgedClips(*(tuple(column) for column in zip(*found, strict=True)))
        for key, found in rows.items()
    }


def check_judged_clips(path: Path, now: Judged) -> None:
    """Refuses to go on where a fold judges other clips than clips.csv says.

    Raises:
        RunError: A fold's clips are others than before, so that its cells could not be compared.
    """
    for (fold, split), clips in read_judged_clips(path).items():
        current = now.get((fold, split))
        if current is not None and current != clips:
            raise RunError(
                f"the {split} clips of fold {fold} are others than when the study began",
                expected=f"{len(clips.names)} clips as listed",
                received=f"{len(current.names)} clips, {_first_change(clips, current)}",
                where=path,
                fix="bring the data back as they were, or choose another --out",
            )


def record_judged_clips(path: Path, now: Judged) -> None:
    """Writes clips.csv, or adds the folds that it lacks.

    Raises:
        RunError: As `check_judged_clips`.
    """
    check_judged_clips(path, now)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (fold, split), clips in sorted({**read_judged_clips(path), **now}.items()):
        writer.writerows(
            (fold, split, *row) for row in zip(clips.names, clips.labels, clips.groups, strict=True)
        )
    atomic.write_text(path, text.getvalue())


def _first_change(before: JudgedClips, after: JudgedClips) -> str:
    rows = [list(zip(c.names, c.labels, c.groups, strict=True)) for c in (before, after)]
    for was, now in zip(*rows, strict=False):
        if was != now:
            return f"{now[0]} ({now[1]}, {now[2]}) where {was[0]} ({was[1]}, {was[2]}) was"
    return "the first ones alike"
