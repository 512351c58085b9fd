"""Checking data before training: what there is, what is broken, and what would make the test dishonest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kwsembed.errors import DataError
from kwsembed.manifest.clip import SPLITS, Clip, Manifest
from kwsembed.manifest.examine import Examination, Finding, examine
from kwsembed.manifest.further import with_negatives
from kwsembed.manifest.near_duplicates import find_near_duplicates
from kwsembed.manifest.read import read_manifest
from kwsembed.manifest.split import Leak, confirm_splits, find_leaks, plan_splits
from kwsembed.progress import Progress, silent


@dataclass(frozen=True)
class Amount:
    """How much usable audio there is of one label in one split."""

    label: str
    split: str
    clips: int
    groups: int
    hours: float


@dataclass(frozen=True)
class Duplicate:
    """Two clips that hold the same recording.

    Args:
        first: The earlier one in the manifest.
        second: The later one.
        offset_s: Where the second one's beginning lies in the first one; negative if it begins earlier.
        similarity: Of the part that both hold, up to 1.
    """

    first: Clip
    second: Clip
    offset_s: float
    similarity: float


@dataclass(frozen=True)
class CheckReport:
    """What `check_data` found.

    Args:
        source: The folder or CSV.
        labels: Events, then backgrounds.
        background_labels: Those that are never an event.
        clips: How many clips the manifest names.
        amounts: Usable audio by label and split, for the splits in use.
        formats: Number of usable files by format, rate and channels.
        findings: What is wrong with single files.
        leaks: Groups that lie in more than one split.
        duplicates: The same audio in two splits, or under two labels.
        repeats: How many further pairs hold the same audio, in one split and under one label.
        warnings: What does not stop training, a sentence each.
        problem: Why the data cannot be trained on; None if it can.
    """

    source: Path
    labels: tuple[str, ...]
    background_labels: tuple[str, ...]
    clips: int
    amounts: tuple[Amount, ...]
    formats: dict[str, int]
    findings: tuple[Finding, ...]
    leaks: tuple[Leak, ...]
    duplicates: tuple[Duplicate, ...]
    repeats: int
    warnings: tuple[str, ...]
    problem: str | None

    @property
    def usable(self) -> bool:
        """Whether the data can be trained on."""
        return self.problem is None

    @property
    def text(self) -> str:
        """The report as lines of text, as `kwsembed check` prints it."""
        from kwsembed.manifest.check_text import check_text

        return check_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {
            "source": str(self.source),
            "usable": self.usable,
            "problem": self.problem,
            "labels": list(self.labels),
            "background_labels": list(self.background_labels),
            "clips": self.clips,
            "amounts": [asdict(amount) for amount in self.amounts],
            "formats": self.formats,
            "findings": [asdict(finding) for finding in self.findings],
            "leaks": [
                {"group": leak.group, "clips": [_placed(clip) for clip in leak.clips]} for leak in self.leaks
            ],
            "duplicates": [
                {
                    "first": _placed(pair.first),
                    "second": _placed(pair.second),
                    "offset_s": round(pair.offset_s, 3),
                    "similarity": round(pair.similarity, 3),
                }
                for pair in self.duplicates
            ],
            "repeats": self.repeats,
            "warnings": list(self.warnings),
        }


def check_data(
    data: str | os.PathLike[str],
    *,
    background: Sequence[str] = (),
    negatives: Sequence[str | os.PathLike[str]] = (),
    test_folds: Sequence[int] | None = None,
    validation_folds: Sequence[int] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> CheckReport:
    """Checks data as training would use it; the same as `kwsembed check DATA`.

    Args:
        data: Folder with a folder per class, or a CSV manifest.
        background: Further labels that are background.
        negatives: Folders of `kwsembed mine`, whose clips are added to the training split.
        test_folds: As for `assign_splits`.
        validation_folds: As for `assign_splits`.
        seed: As for `assign_splits`.
        progress: Called with clips heard and clips in all.

    Raises:
        DataError: The manifest or folder itself cannot be read.
        ConfigError: The folds asked for cannot be used.

    Example:
        >>> check_data("sounds").usable  # doctest: +SKIP
        True
    """
    manifest = read_manifest(data, background=background)
    problem, warnings = None, manifest.warnings
    try:
        manifest = plan_splits(manifest, test_folds=test_folds, validation_folds=validation_folds, seed=seed)
        manifest = with_negatives(manifest, negatives)
        warnings = manifest.warnings
        confirm_splits(manifest)
    except DataError as error:
        problem = str(error)
    examinations = examine(manifest.clips, progress=progress)
    usable = [examination for examination in examinations if examination.usable]
    if problem is None:
        try:
            warnings = _confirm_usable(manifest, [examination.clip for examination in usable])
        except DataError as error:
            problem = str(error)
    duplicates, repeats = _duplicates(usable)
    return CheckReport(
        source=manifest.source,
        labels=manifest.labels,
        background_labels=manifest.background_labels,
        clips=len(manifest.clips),
        amounts=_amounts(manifest, usable),
        formats=_formats(usable),
        findings=tuple(finding for examination in examinations for finding in examination.findings),
        leaks=tuple(find_leaks(manifest)),
        duplicates=duplicates,
        repeats=repeats,
        warnings=warnings,
        problem=problem,
    )


def _confirm_usable(manifest: Manifest, usable: list[Clip]) -> tuple[str, ...]:
    """Warnings about the clips that are left when those that cannot be used are left out."""
    for label in manifest.labels:
        if not any(clip.label == label for clip in usable):
            raise DataError(
                "not one clip of a class can be used",
                received=f"label={label}",
                where=manifest.source,
                fix="replace its files, or take the label out of the data",
            )
    confirmed = confirm_splits(replace(manifest, clips=tuple(usable)))
    validated = {clip.label for clip in confirmed.of_split("validation")}
    for kind, labels in (("event", manifest.event_labels), ("background", manifest.background_labels)):
        if validated.isdisjoint(labels):
            raise DataError(
                f"the validation split has no {kind} clip, so no variant and no threshold can be chosen",
                where=manifest.source,
                fix="give other --validation-folds, or add groups (recordings or speakers) to the data",
            )
    return confirmed.warnings


def _amounts(manifest: Manifest, usable: list[Examination]) -> tuple[Amount, ...]:
    splits = {clip.split for clip in manifest.clips}
    amounts = []
    for label in manifest.labels:
        for split in (*(split for split in SPLITS if split in splits), *({None} & splits)):
            held = [one for one in usable if one.clip.label == label and one.clip.split == split]
            groups = {one.clip.group for one in held}
            hours = sum(one.duration_s for one in held) / 3600
            amounts.append(Amount(label, split or "no split", len(held), len(groups), round(hours, 5)))
    return tuple(amounts)


def _formats(usable: list[Examination]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for examination in usable:
        if examination.info is not None:
            info = examination.info
            channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
            counts[f"{info.format} {info.sample_rate_hz} Hz {channels}"] += 1
    return dict(counts.most_common())


def _duplicates(usable: list[Examination]) -> tuple[tuple[Duplicate, ...], int]:
    """The same audio across splits or labels, and the number of other repeats."""
    pairs = [
        Duplicate(usable[match.first].clip, usable[match.second].clip, match.offset_s, match.similarity)
        for match in find_near_duplicates([examination.fingerprint for examination in usable])
    ]
    telling = tuple(
        pair
        for pair in pairs
        if pair.first.split != pair.second.split or pair.first.label != pair.second.label
    )
    return telling, len(pairs) - len(telling)


def _placed(clip: Clip) -> dict[str, Any]:
    return {"name": clip.name, "label": clip.label, "group": clip.group, "split": clip.split, "row": clip.row}
