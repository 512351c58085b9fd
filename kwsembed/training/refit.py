"""Refitting the head of a run with mined negatives: minutes, where training anew takes much longer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kwsembed.errors import DataError
from kwsembed.manifest.further import with_negatives
from kwsembed.report import write_report
from kwsembed.training.before_after import fires_on
from kwsembed.training.new_head import NewHead, say_aloud, train_new_head
from kwsembed.training.prior_run import PriorRun
from kwsembed.training.run_directory import RunDirectory, new_run


@dataclass(frozen=True)
class RefitResult:
    """What a refit made.

    Attributes:
        run: The new run directory.
        bundle: Its bundle.
        before_after: A row per split and label; see `kwsembed.training.before_after`.
        negatives: How many negatives were trained on.
        fired_before: On how many of them the old bundle fires.
        fired_after: On how many the new one still does.
    """

    run: Path
    bundle: Path
    before_after: list[dict[str, Any]]
    negatives: int
    fired_before: int
    fired_after: int


def refit(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    negatives: Sequence[str | os.PathLike[str]],
    cache_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    say: Callable[[str], None] = say_aloud,
) -> RefitResult:
    """Trains the head of a run anew on old data and mined negatives; `kwsembed refit RUN --negatives DIR`.

    The embedding stays as it is. Validation and test stay as they were, so that before and after compare;
    negatives cut from their recordings are left out.

    Args:
        run: A finished run; it is read only.
        out: New run directory.
        negatives: Folders of `kwsembed mine`.
        cache_dir: Where decoded audio is kept; that of the run's data if None.
        command: What the report shows as the command that made it.
        say: Receives lines for the user.

    Raises:
        RunError: `run` is no finished run, or `out` is in use.
        DataError: There is no negative to train on, or data of the run is gone.

    Example:
        >>> refit("RUN", "RUN2", negatives=["mined"]).before_after  # doctest: +SKIP
    """
    prior = PriorRun.read(run)
    manifest = with_negatives(prior.manifest, negatives)
    if len(manifest.clips) == len(prior.manifest.clips):
        raise DataError(
            "there is no negative to train on", received="; ".join(manifest.warnings) or "empty manifests"
        )
    with new_run(out, prior=prior.run) as folder:
        made = train_new_head(
            prior,
            manifest,
            folder,
            cache_dir=cache_dir,
            command=command
            or f"kwsembed.refit({str(run)!r}, {str(out)!r}, negatives={list(map(str, negatives))})",
            say=say,
        )
        known = {clip.path for clip in prior.manifest.clips}
        mined = [index for index, clip in enumerate(made.data.store.clips) if clip.path not in known]
        result = _result(prior, made, mined, out=RunDirectory(out))
        made.finish(
            {
                "kind": "refit",
                "negatives": result.negatives,
                "negatives_fired_before": result.fired_before,
                "negatives_fired_after": result.fired_after,
            }
        )
    write_report(os.path.realpath(out))  # anew: it says in which folder it lies
    say(
        f"of {result.negatives} negatives {result.fired_before} fired before, {result.fired_after} fire now; "
        "they were trained on, so only other audio shows what this is worth"
    )
    say(f"report: {RunDirectory(out).report}")
    say(f"bundle: {result.bundle}")
    return result


def _result(prior: PriorRun, made: NewHead, mined: Sequence[int], *, out: RunDirectory) -> RefitResult:
    return RefitResult(
        run=out.root,
        bundle=out.bundle,
        before_after=made.table,
        negatives=len(mined),
        fired_before=fires_on(prior.bundle, made.data.store, mined),
        fired_after=fires_on(made.bundle, made.data.store, mined),
    )
