"""The clips that each fold of a study judges: kept beside the cells, so that statistics need no audio."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.data.cache import ClipStore
from kwsembed.errors import ConfigError, DataError, RunError
from kwsembed.manifest import Manifest, assign_splits

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

    Raises:
        ConfigError: The data have folds, and this is none of them.
    """
    has_folds = any(clip.fold is not None for clip in manifest.clips)
    return assign_splits(manifest, test_folds=(fold,) if has_folds else None, seed=fold)


def judged_clips(
    manifest: Manifest, store: ClipStore, folds: Sequence[int]
) -> dict[tuple[int, str], JudgedClips]:
    """Validation and test clips of each fold, as cells judge them: in the manifest's order, usable ones only.

    Raises:
        ConfigError: A fold that does not exist, or several where the manifest itself names the splits.
        DataError: A fold without clips to validate or test on.
    """
    if len(folds) > 1 and manifest.clips[0].split is not None:
        raise ConfigError(
            "the manifest has a column split, so there is only one way to split it",
            expected="one fold",
            received=f"folds={','.join(map(str, folds))}",
            where=manifest.source,
        )
    found = {}
    for fold in folds:
        split_of = {clip.name: clip.split for clip in split_for(manifest, fold).clips}
        for split in SPLITS:
            clips = [clip for clip in store.clips if split_of[clip.name] == split]
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


def record_judged_clips(path: Path, now: Judged) -> None:
    """Writes clips.csv, or adds the folds that it lacks.

    Raises:
        RunError: A fold's clips are others than before, so that its cells could not be compared.
    """
    earlier = read_judged_clips(path)
    for (fold, split), clips in earlier.items():
        current = now.get((fold, split))
        if current is not None and current != clips:
            raise RunError(
                f"the {split} clips of fold {fold} are others than when the study began",
                expected=f"{len(clips.names)} clips as listed",
                received=f"{len(current.names)} clips, {_first_change(clips, current)}",
                where=path,
                fix="bring the data back as they were, or choose another --out",
            )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (fold, split), clips in sorted({**earlier, **now}.items()):
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
