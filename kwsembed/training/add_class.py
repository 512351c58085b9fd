"""A new class from a few clips, on the frozen embedding of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kwsembed.audio.decode import find_audio
from kwsembed.errors import DataError
from kwsembed.manifest import BACKGROUND_NAMES, Clip
from kwsembed.manifest.examine import Examination, examine
from kwsembed.manifest.further import with_clips
from kwsembed.manifest.naming import checked_label
from kwsembed.manifest.near_duplicates import find_near_duplicates
from kwsembed.models import embedder_of
from kwsembed.progress import ProgressLine
from kwsembed.report import write_report
from kwsembed.training.left_out import LeftOut, leave_out
from kwsembed.training.new_head import say_aloud, train_new_head
from kwsembed.training.prior_run import PriorRun, continue_head
from kwsembed.training.run_directory import RunDirectory, new_run

FEWEST_RECORDINGS = 3


@dataclass(frozen=True)
class AddResult:
    """What adding a class made.

    Attributes:
        run: The new run directory.
        bundle: Its bundle.
        before_after: A row per split and label; see `kwsembed.training.before_after`.
        left_out: What became of the new clips, each judged by a head trained without it.
    """

    run: Path
    bundle: Path
    before_after: list[dict[str, Any]]
    left_out: LeftOut


def add_class(
    run: str | os.PathLike[str],
    clips: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    label: str,
    cache_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    say: Callable[[str], None] = say_aloud,
) -> AddResult:
    """Adds a class to a detector; the same as `kwsembed add RUN CLIPS --label L --out OUT`.

    The head is trained on the old clips and the new ones; the embedding stays as it is. All new clips are
    trained on, so validation and test hold none of them: what they say of the new class is its false alarms,
    and what is known of its misses comes from leaving each clip out once.

    Args:
        run: A finished run; it is read only.
        clips: Files or folders; at least three recordings of the new event, three to twenty clips as a rule.
        out: New run directory.
        label: Name of the new class; none of the run's.
        cache_dir: Where decoded audio is kept; that of the run's data if None.
        command: What the report shows as the command that made it.
        say: Receives lines for the user.

    Raises:
        RunError: `run` is no finished run, or `out` is in use.
        DataError: The label cannot be used, or there are too few usable recordings.

    Example:
        >>> add_class("RUN", "doorbell", "RUN2", label="doorbell").left_out.interval  # doctest: +SKIP
    """
    prior = PriorRun.read(run)
    _check_label(label, prior)
    paths = find_audio([clips] if isinstance(clips, str | os.PathLike) else clips)
    new = _recordings(paths, label, say)
    manifest = with_clips(prior.manifest, new, roots=list(dict.fromkeys(clip.path.parent for clip in new)))
    with new_run(out, prior=prior.run) as folder:
        made = train_new_head(
            prior,
            manifest,
            folder,
            cache_dir=cache_dir,
            command=command or f"kwsembed.add_class({str(run)!r}, ..., {str(out)!r}, label={label!r})",
            say=say,
        )
        old = prior.classifier()
        left_out = leave_out(
            made.data,
            label,
            embedder_of(old),
            continue_head(old, prior.manifest.labels, made.data.labels),
            post=made.bundle.post,
            progress=ProgressLine("leaving clips out", unit="recordings"),
        )
        made.finish({"kind": "add", "label": label, "left_out": left_out.to_dict()})
    write_report(os.path.realpath(out))  # anew: it says in which folder it lies
    for line in _sentences(left_out, groups=len({clip.group for clip in new})):
        say(line)
    added = RunDirectory(out)
    say(f"report: {added.report}")
    say(f"bundle: {added.bundle}")
    return AddResult(added.root, added.bundle, made.table, left_out)


def _check_label(label: str, prior: PriorRun) -> None:
    checked_label(label, "--label")
    if label in prior.manifest.labels:
        raise DataError(
            "the class is in the run already",
            expected=f"a label besides {', '.join(prior.manifest.labels)}",
            received=f"label={label}",
            fix="to give it more clips, add them to the data and train anew",
        )
    if label.lower() in BACKGROUND_NAMES:
        raise DataError(
            "the label is the name of a background, which is never an event",
            received=f"label={label}",
            fix="to add negatives, use kwsembed refit --negatives",
        )


def _recordings(paths: Sequence[Path], label: str, say: Callable[[str], None]) -> list[Clip]:
    """The usable clips; those that hold the same audio share a group, so that they are left out together."""
    resolved = list(dict.fromkeys(path.resolve() for path in paths))
    looked_at = examine(
        [Clip(path=path, name=path.name, label=label, group=str(path), split="train") for path in resolved],
        progress=ProgressLine("listening", unit="clips"),
    )
    for one in looked_at:
        for finding in one.findings:
            say(f"note: {finding.name}: {finding.detail}" + ("" if finding.used else "; not used"))
    usable = [one for one in looked_at if one.usable]
    groups = _groups(usable)
    if len(set(groups)) < FEWEST_RECORDINGS:
        raise DataError(
            "too few recordings of the new class",
            expected=f"at least {FEWEST_RECORDINGS} usable ones that differ",
            received=f"{len(usable)} usable clips of {len(paths)}, {len(set(groups))} that differ",
            fix="record it a few times more, in other places and by other sources",
        )
    return [
        replace(one.clip, group=f"{label}: {resolved[group].name}#{group}")
        for one, group in zip(usable, groups, strict=True)
    ]


def _groups(usable: Sequence[Examination]) -> list[int]:
    """Number of the first clip that holds the same audio, for each clip."""
    groups = list(range(len(usable)))
    for match in find_near_duplicates([one.fingerprint for one in usable]):
        first, second = sorted((groups[match.first], groups[match.second]))
        groups = [first if group == second else group for group in groups]
    return groups


def _sentences(left_out: LeftOut, *, groups: int) -> list[str]:
    record = left_out.to_dict()
    return [
        f"{left_out.label}: each of {groups} recordings left out once, {record['found']} of "
        f"{record['clips']} clips were found; with 95 % confidence between {record['share_low']:.0%} and "
        f"{record['share_high']:.0%} of such clips are",
        f"{left_out.label}: of sounds unlike these {groups} recordings nothing is known, and its threshold "
        "rests on what must not fire alone; `kwsembed evaluate` on recordings with the event tells more",
    ]
