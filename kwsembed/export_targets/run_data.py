"""The audio of a finished run, opened again with the run's own split."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.data.cache import build_cache, default_cache_dir
from kwsembed.errors import RunError
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.manifest import read_manifest
from kwsembed.progress import ProgressLine
from kwsembed.training.run_directory import RunDirectory


def open_run_audio(
    run: Path, bundle: Bundle, *, split: str, data: str | os.PathLike[str] | None = None
) -> SplitAudio:
    """Opens one split of the clips that a run was trained and judged on.

    Args:
        run: The run directory.
        bundle: Its bundle.
        split: `validation` or `test`.
        data: Folder or manifest of the clips; where the run found them if None.

    Raises:
        RunError: The folder is no finished run, or the data is no longer that of the run.
    """
    directory = RunDirectory(run)
    try:
        metrics = json.loads(directory.metrics.read_text(encoding="utf-8"))
        record, seed = metrics["data"], int(metrics["seed"])
        with directory.data.open(encoding="utf-8", newline="") as file:
            split_of = {_key(row): row["split"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError) as error:
        raise RunError("no finished run", received=f"run={run}", where=str(error)) from None
    source = Path(data if data is not None else record["source"])
    if not source.exists():
        raise RunError(
            "the run's audio is not where it was",
            received=f"data={source}",
            fix="give --data, or --keep-thresholds to do without it",
        )
    manifest = read_manifest(source, background=record["background_labels"])
    if manifest.labels != bundle.labels:
        raise RunError(
            "the data has other labels than the run",
            expected=", ".join(bundle.labels),
            received=", ".join(manifest.labels),
        )
    found = {(clip.name, _seconds(clip.onset_s)) for clip in manifest.clips}
    if found != set(split_of):
        raise RunError(
            "the data has changed since the run",
            expected=f"the {len(split_of)} clips of {directory.data}",
            received=f"{len(found)} clips, {len(found ^ set(split_of))} differ",
        )
    clips = tuple(
        replace(clip, split=split_of[(clip.name, _seconds(clip.onset_s))]) for clip in manifest.clips
    )
    store = build_cache(
        replace(manifest, clips=clips),
        cache_dir=default_cache_dir(source),
        sample_rate_hz=bundle.sample_rate_hz,
        progress=ProgressLine("decoding", unit="clips"),
    )
    members = [at for at, clip in enumerate(store.clips) if clip.split == split]
    return SplitAudio(
        store=store,
        clips=np.array(members, np.int64),
        classes=np.array([bundle.labels.index(store.clips[at].label) for at in members], np.int64),
        labels=bundle.labels,
        event_count=len(bundle.event_labels),
        sample_rate_hz=bundle.sample_rate_hz,
        window_samples=bundle.window_samples,
        seed=seed,
    )


def _key(row: dict[str, str]) -> tuple[str, str]:
    return row["path"], row.get("onset_s") or ""


def _seconds(onset_s: float | None) -> str:
    return "" if onset_s is None else str(onset_s)
