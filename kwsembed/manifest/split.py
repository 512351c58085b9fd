"""Putting every clip into train, validation or test, never a group into two of them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kwsembed.errors import ConfigError, DataError
from kwsembed.manifest.clip import SPLITS, Clip, Manifest

_SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}
_SHARES_WITHOUT_TEST = {"train": 0.85, "validation": 0.15}


@dataclass(frozen=True)
class Leak:
    """A group that lies in more than one split, with one clip of each."""

    group: str
    clips: tuple[Clip, ...]


def assign_splits(
    manifest: Manifest,
    *,
    test_folds: Sequence[int] | None = None,
    validation_folds: Sequence[int] | None = None,
    seed: int = 0,
) -> Manifest:
    """Returns `manifest` with the split of every clip, by the first of these rules that applies.

    1. The manifest has a column split: it is used.
    2. It has a column fold: `test_folds` are tested (the highest fold if None), `validation_folds` validate
       (the highest of the rest if None), everything else trains; fold 0 always trains.
    3. Otherwise groups are drawn from `seed`, stratified by label: about 70 % train, 15 % validation and
       15 % test.

    Args:
        manifest: What `read_manifest` returned.
        test_folds: Folds to test on; `()` tests nothing and leaves all but validation for training.
        validation_folds: Folds to validate on.
        seed: Of the third rule.

    Raises:
        DataError: A group lies in two splits, or a class cannot be trained on.
        ConfigError: Folds that do not exist, overlap, or cannot be used.
    """
    return confirm_splits(
        plan_splits(manifest, test_folds=test_folds, validation_folds=validation_folds, seed=seed)
    )


def confirm_splits(planned: Manifest) -> Manifest:
    """Returns `planned`, all clips of which have a split, with warnings of classes that a split lacks.

    Raises:
        DataError: A group lies in two splits, a class has no training clip, or no clip validates.
    """
    leaks = find_leaks(planned)
    if leaks:
        first, more = leaks[0], len(leaks) - 1
        raise DataError(
            "a group lies in two splits, so the test would hear what was trained on",
            received=f"group={first.group}, "
            + ", ".join(f"{clip.name} in {clip.split}" for clip in first.clips),
            where=_rows(planned, first.clips) + (f", and {more} more groups" if more else ""),
            fix="give all clips of a group the same split or fold",
        )
    _refuse_unusable(planned)
    return replace(planned, warnings=(*planned.warnings, *_missing_classes(planned)))


def plan_splits(
    manifest: Manifest,
    *,
    test_folds: Sequence[int] | None = None,
    validation_folds: Sequence[int] | None = None,
    seed: int = 0,
) -> Manifest:
    """As `assign_splits`, but neither leaking groups nor classes without training clips are refused."""
    folds_asked = bool(test_folds) or validation_folds is not None
    if manifest.clips[0].split is not None:
        if folds_asked or test_folds is not None:
            raise ConfigError(
                "folds cannot be chosen, since the manifest has a column split",
                where=manifest.source,
                fix="leave out --test-folds and --validation-folds, or remove the column",
            )
        return manifest
    if manifest.clips[0].fold is not None:
        splits = _by_fold(manifest, test_folds=test_folds, validation_folds=validation_folds)
    elif folds_asked:
        raise ConfigError(
            "folds cannot be chosen, since the data has none",
            where=manifest.source,
            fix="leave out --test-folds and --validation-folds, or add a column fold",
        )
    else:
        splits = _by_seed(manifest, shares=_SHARES if test_folds is None else _SHARES_WITHOUT_TEST, seed=seed)
    clips = tuple(replace(clip, split=split) for clip, split in zip(manifest.clips, splits, strict=True))
    return replace(manifest, clips=clips)


def find_leaks(manifest: Manifest) -> list[Leak]:
    """Groups and files that lie in more than one split, in the order in which they come."""
    leaks: list[Leak] = []
    for key in ("group", "name"):
        members: dict[str, dict[str, Clip]] = defaultdict(dict)
        for clip in manifest.clips:
            members[getattr(clip, key)].setdefault(str(clip.split), clip)
        known = {leak.clips for leak in leaks}
        for group, by_split in members.items():
            clips = tuple(by_split.values())
            if len(clips) > 1 and clips not in known:
                leaks.append(Leak(group, clips))
    return leaks


def _by_fold(
    manifest: Manifest, *, test_folds: Sequence[int] | None, validation_folds: Sequence[int] | None
) -> list[str]:
    folds = sorted({clip.fold for clip in manifest.clips if clip.fold})
    for option, asked in (("test_folds", test_folds), ("validation_folds", validation_folds)):
        for fold in asked or ():
            if fold not in folds:
                raise ConfigError(
                    "fold 0 is always trained on" if fold == 0 else "the fold is not in the data",
                    expected=f"some of {', '.join(map(str, folds))}",
                    received=f"{option}={fold}",
                    where=manifest.source,
                )
    tested = set(folds[-1:] if test_folds is None else test_folds)
    left = [fold for fold in folds if fold not in tested]
    validated = set(left[-1:] if validation_folds is None else validation_folds)
    if tested & validated:
        raise ConfigError(
            "a fold cannot both test and validate", received=f"test_folds={sorted(tested)}, "
            f"validation_folds={sorted(validated)}", where=manifest.source,
        )  # fmt: skip
    return [
        "test" if clip.fold in tested else "validation" if clip.fold in validated else "train"
        for clip in manifest.clips
    ]


def _by_seed(manifest: Manifest, *, shares: dict[str, float], seed: int) -> list[str]:
    """Iterative stratification: the rarest label first, its largest groups where most of it is lacking."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)  # group -> label -> clips
    for clip in manifest.clips:
        counts[clip.group][clip.label] += 1
    groups_of = {
        label: sorted(group for group, of_label in counts.items() if label in of_label)
        for label in manifest.labels
    }
    for label, groups in groups_of.items():
        if len(groups) < 2:
            raise DataError(
                "a class has a single group, so it cannot be both trained on and tested",
                expected=f"at least {len(shares)} recordings or speakers",
                received=f"label={label}, group={groups[0]}",
                where=manifest.source,
                fix="add recordings of this class, or say with a column split or fold where it belongs",
            )
    totals = Counter(clip.label for clip in manifest.clips)
    lacking = {
        label: {split: totals[label] * share for split, share in shares.items()} for label in manifest.labels
    }
    draw = random.Random(seed)
    split_of: dict[str, str] = {}
    for label in sorted(manifest.labels, key=lambda name: (len(groups_of[name]), name)):
        waiting = [group for group in groups_of[label] if group not in split_of]
        draw.shuffle(waiting)
        waiting.sort(key=lambda group: -counts[group][label])
        for position, group in enumerate(waiting):
            taken = {split_of[other] for other in groups_of[label] if other in split_of}
            unserved = [split for split in shares if split not in taken]
            # The last groups go where this label is still missing, train before validation before test.
            choices = unserved if len(waiting) - position <= len(unserved) else list(shares)
            chosen = (
                choices[0] if choices is unserved else max(choices, key=lambda split: lacking[label][split])
            )
            split_of[group] = chosen
            for other, clips in counts[group].items():
                lacking[other][chosen] -= clips
    return [split_of[clip.group] for clip in manifest.clips]


def _refuse_unusable(manifest: Manifest) -> None:
    """Raises DataError if a class cannot be trained on, or nothing validates."""
    present = Counter((clip.label, clip.split) for clip in manifest.clips)
    used = {clip.split for clip in manifest.clips}
    for split, purpose in (("train", "to train on"), ("validation", "to choose thresholds on")):
        if split not in used:
            raise DataError(
                f"there is no clip {purpose}",
                received=f"splits={', '.join(name for name in SPLITS if name in used)}",
                where=manifest.source,
                fix=f"put some groups into {split}, by the column split or fold or by --validation-folds",
            )
    for label in manifest.labels:
        if not present[label, "train"]:
            raise DataError(
                "a class has no clip to train on",
                received=f"label={label}, splits={', '.join(s for s in SPLITS if present[label, s])}",
                where=manifest.source,
                fix="put some of its groups into train (fold 0 always trains), or choose other folds",
            )


def _missing_classes(manifest: Manifest) -> list[str]:
    """Warnings of classes without validation or test clips."""
    present = Counter((clip.label, clip.split) for clip in manifest.clips)
    used = {clip.split for clip in manifest.clips}
    warnings = []
    for label in manifest.labels:
        missing = [split for split in SPLITS if split in used and not present[label, split]]
        if missing:
            warnings.append(
                f"{label} has no clip in {' and '.join(missing)}, so no figure there speaks of it"
            )
    if "test" not in used:
        warnings.append("no clip is kept for testing, so the report can show validation figures only")
    return warnings


def _rows(manifest: Manifest, clips: tuple[Clip, ...]) -> str:
    rows = [str(clip.row) for clip in clips if clip.row is not None]
    return f"{manifest.source} rows {', '.join(rows)}" if rows else str(manifest.source)
