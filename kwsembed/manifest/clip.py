"""The clip, the manifest (all clips of a data set), and writing a manifest down as CSV."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

from kwsembed.atomic import write_text
from kwsembed.errors import DataError

SPLITS = ("train", "validation", "test")

#: Labels that are background without being asked for. A background stays a label but is never an event.
BACKGROUND_NAMES = (
    "background",
    "noise",
    "_negative_",
    "_background_noise_",
    "other",
    "_unknown_",
    "_silence_",
)


#: Of a longer file only the first hour is used.
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Clip:
    """One labelled piece of audio: a whole file, or an event inside a longer one.

    Args:
        path: The file, absolute.
        name: The path relative to the data folder, with forward slashes.
        label: What is heard.
        group: Recording or speaker; a group is never in two splits.
        split: "train", "validation" or "test"; None until it is known.
        fold: Number of the cross-validation fold; None where the manifest has none.
        onset_s: Where the event begins in the file, in seconds; None if the file is the event's own.
        offset_s: Where the event ends in the file, in seconds; None together with `onset_s`.
        row: Row of the CSV, the header being row 1; None for a folder.
        sublabel: What is heard, more finely than the label says, such as rain in background; None if unknown.
    """

    path: Path
    name: str
    label: str
    group: str
    split: str | None = None
    fold: int | None = None
    onset_s: float | None = None
    offset_s: float | None = None
    row: int | None = None
    sublabel: str | None = None

    def part_s(self, *, context_s: float = 0.0) -> tuple[float, float]:
        """Start and end, in seconds, of what is used of the file; the end may lie behind the file's own.

        Args:
            context_s: Kept on either side of an event inside a longer file.
        """
        if self.onset_s is None or self.offset_s is None:
            return 0.0, LONGEST_S
        start_s = max(0.0, self.onset_s - context_s)
        return start_s, min(self.offset_s + context_s, start_s + LONGEST_S)


@dataclass(frozen=True)
class Manifest:
    """All clips of a data set, in the order of the CSV or sorted by label and path.

    Args:
        root: Folder that all paths are relative to.
        source: What was read, as it was given: the folder or the CSV file.
        clips: The clips.
        labels: Event labels sorted, then background labels sorted: the order of every model output.
        background_labels: Those labels that are never an event.
        warnings: What was noticed and did not stop the work, a sentence each.
        further_roots: Folders besides `root` that clips lie in, such as one of mined negatives; names of
            those clips lead there from `root`.
    """

    root: Path
    source: Path
    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    background_labels: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    further_roots: tuple[Path, ...] = ()

    @property
    def event_labels(self) -> tuple[str, ...]:
        """Labels that are events, in the order of `labels`."""
        return tuple(label for label in self.labels if label not in self.background_labels)

    def of_split(self, split: str) -> tuple[Clip, ...]:
        """The clips of one split, in the manifest's order."""
        return tuple(clip for clip in self.clips if clip.split == split)


def order_labels(
    found: set[str], *, background: tuple[str, ...] = (), source: Path
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns (labels, background labels); names given as `background` add to those known as background.

    Raises:
        DataError: There is no background label, no event label, or a name in `background` is no label.
    """
    listed = ", ".join(sorted(found))
    for name in background:
        if name not in found:
            raise DataError(
                "the background class is not in the data",
                expected=f"one of {listed}",
                received=f"background={name}",
                where=source,
            )
    backgrounds = {label for label in found if label in background or label.lower() in BACKGROUND_NAMES}
    if not backgrounds:
        raise DataError(
            "there is no background class, so false alarms could not be counted",
            expected=f"a class named {', '.join(BACKGROUND_NAMES)}",
            received=f"classes={listed}",
            where=source,
            fix="add such a class, or name the one that is background with --background NAME",
        )
    events = found - backgrounds
    if not events:
        raise DataError(
            "every class is background, so there is nothing to detect",
            received=f"classes={listed}",
            where=source,
            fix="add a class with the sounds to detect",
        )
    return (*sorted(events), *sorted(backgrounds)), tuple(sorted(backgrounds))


def write_manifest(path: str | os.PathLike[str], manifest: Manifest) -> None:
    """Writes `manifest` as CSV: path (relative to its root), label, group, and what else its clips have.

    Example:
        >>> write_manifest("RUN/data.csv", assign_splits(read_manifest("sounds")))  # doctest: +SKIP
    """
    write_text(path, manifest_text(manifest))


def manifest_text(manifest: Manifest) -> str:
    """The CSV that `write_manifest` writes."""
    optional = [
        column
        for column in ("split", "fold", "onset_s", "offset_s", "sublabel")
        if any(getattr(clip, column) is not None for clip in manifest.clips)
    ]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "group", *optional])
    for clip in manifest.clips:
        # csv writes None as an empty cell, which reads back as None
        rows.writerow([clip.name, clip.label, clip.group, *(getattr(clip, column) for column in optional)])
    return text.getvalue()
