"""The audio of a finished run, opened again with the run's own split."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.data.cache import build_cache, default_cache_dir
from kwsembed.errors import DataError, RunError
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.manifest import Manifest, read_manifest
from kwsembed.manifest.read import read_clips
from kwsembed.progress import ProgressLine
from kwsembed.training.run_directory import RunDirectory

_FIX = "give --data, or --keep-thresholds to do without it"


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
        seed = int(metrics["seed"])
        record = {name: metrics["data"][name] for name in ("root", "source", "labels", "background_labels")}
        record["further_roots"] = metrics["data"].get("further_roots", ())
        with directory.data.open(encoding="utf-8", newline="") as file:
            split_of = {_key(row): row["split"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError("no finished run", received=f"run={run}", where=str(error)) from None
    manifest = (
        _as_recorded(directory, record)
        if data is None
        else _given(Path(data), directory, record, bundle, split_of)
    )
    store = build_cache(
        manifest,
        cache_dir=default_cache_dir(manifest.source),
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


def _as_recorded(directory: RunDirectory, record: dict[str, Any]) -> Manifest:
    """The clips as the run lists them, mined negatives and added classes among them."""
    root, source = Path(record["root"]), Path(record["source"])
    if not root.is_dir():
        raise RunError("the run's audio is not where it was", received=f"data={root}", fix=_FIX)
    further = tuple(Path(folder) for folder in record["further_roots"])
    try:
        clips = read_clips(directory.data, root=root, further_roots=further)
    except DataError as error:
        raise RunError(f"the run's audio is not where it was: {error}", fix=_FIX) from None
    return Manifest(
        root=root,
        source=root / source.name if source.suffix.lower() == ".csv" else root,
        clips=tuple(clips),
        labels=tuple(record["labels"]),
        background_labels=tuple(record["background_labels"]),
        further_roots=further,
    )


def _given(
    source: Path,
    directory: RunDirectory,
    record: dict[str, Any],
    bundle: Bundle,
    split_of: dict[tuple[str, str], str],
) -> Manifest:
    """The clips of another place, if they are those of the run, with the run's split."""
    if not source.exists():
        raise RunError("the run's audio is not there", received=f"data={source}", fix=_FIX)
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
    return replace(
        manifest,
        clips=tuple(
            replace(clip, split=split_of[(clip.name, _seconds(clip.onset_s))]) for clip in manifest.clips
        ),
    )


def _key(row: dict[str, str]) -> tuple[str, str]:
    return row["path"], row.get("onset_s") or ""


def _seconds(onset_s: float | None) -> str:
    return "" if onset_s is None else str(onset_s)
