"""Judging a bundle on audio that it has not seen: labelled clips, or long recordings with annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.audio import decode
from kwsembed.audio.distinct import distinct_files
from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound
from kwsembed.detection.replay import Event, ScoredStream, match_events
from kwsembed.errors import AudioError, DataError
from kwsembed.evaluation.clip_metrics import clip_metrics
from kwsembed.evaluation.recording_curves import recording_curves, write_curves
from kwsembed.evaluation.run_data import recorded_further_roots, recorded_root
from kwsembed.manifest import read_manifest
from kwsembed.manifest.annotations import truth_of
from kwsembed.progress import Progress, silent
from kwsembed.runtime import Classifier
from kwsembed.runtime.stream_scores import StreamScorer


def evaluate_clips(
    bundle: Bundle,
    data: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    background: Sequence[str] = (),
    split: str | None = None,
    runtime: str | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Classifies labelled clips and compares with their labels.

    Args:
        bundle: The detector.
        data: Folder with a folder per class, or a CSV manifest; its labels must be among the bundle's.
        root: Folder that the paths of a manifest are relative to. If None its own, except for the data.csv of
            a run: the data folder that its metrics.json records.
        background: Further labels that are background.
        split: Only clips of this split of the manifest.
        runtime: Interpreter; see `load_interpreter`.
        progress: Called as clips are classified.

    Returns:
        What `clip_metrics` returns, `root`: the folder that clips were read from, and `skipped`: files that
        could not be used, with reasons.

    Raises:
        DataError: The data holds a label that the bundle does not know, or no usable clip, or a path that
            leads out of `root`.
    """
    manifest = read_manifest(
        data,
        background=background,
        root=root or recorded_root(data),
        further_roots=recorded_further_roots(data),
    )
    unknown = sorted(set(manifest.labels) - set(bundle.labels))
    if unknown:
        raise DataError(
            "the data has labels that the bundle does not know",
            expected=", ".join(bundle.labels),
            received=", ".join(unknown),
        )
    classifier = Classifier(bundle, runtime=runtime)
    clips = [clip for clip in manifest.clips if split is None or clip.split == split]
    probabilities, classes, skipped = [], [], []
    for done, clip in enumerate(clips, start=1):
        try:
            blocks, rate = decode.blocks(clip.path, start_s=clip.onset_s or 0.0, stop_s=clip.offset_s)
            probabilities.append(classifier.classify_blocks(blocks, rate))
        except AudioError as error:
            skipped.append({"name": clip.name, "reason": str(error)})
        else:
            classes.append(bundle.labels.index(clip.label))
        progress(done, len(clips))
    if not classes:
        raise DataError(
            "no usable clip to evaluate", received=f"{len(skipped)} skipped", where=manifest.source
        )
    metrics = clip_metrics(
        np.array(probabilities),
        np.array(classes),
        labels=_events_first(bundle),
        event_count=len(bundle.event_labels),
    )
    return {**metrics, "root": str(manifest.root), "skipped": skipped}


def _events_first(bundle: Bundle) -> tuple[str, ...]:
    if bundle.labels[: len(bundle.event_labels)] != bundle.event_labels:
        raise DataError("the bundle does not list its events first", received=", ".join(bundle.labels))
    return bundle.labels


def evaluate_recordings(
    bundle: Bundle,
    audio: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    *,
    collar_s: float = 0.5,
    runtime: str | None = None,
    curves_file: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Runs the detector over long recordings and compares with their annotations.

    Args:
        bundle: The detector.
        audio: Folder of recordings.
        annotations: TSV with `filename onset offset event_label`; a recording that it does not name, or names
            without an event (no times, or `nan` as both), holds none.
        collar_s: Tolerance around an event, in seconds.
        runtime: Interpreter; see `load_interpreter`.
        curves_file: CSV that the curves are written to, with a picture beside it where matplotlib is there.
        progress: Called as recordings are done.

    Returns:
        `hours`, `recordings`, `skipped`, and `per_class`: for each event label `events`, `misses`,
        `miss_rate`, `false_alarms`, `false_alarms_per_hour` with its `_upper` bound, `precision`, and `f1`;
        `curves`: by label what other thresholds would have cost on the same scores (see `operating_curve`);
        `unknown_labels`: annotated labels that the bundle does not know, whose events count as background.
    """
    found = decode.find_audio([audio])
    truth = truth_of(annotations, found)
    # Of several names for one file, the one that is annotated.
    once = distinct_files(sorted(found, key=lambda path: path.name not in truth))
    files = {path.name: path for path in once}
    counted = set(once)
    totals = {
        label: {"events": 0, "misses": 0, "false_alarms": 0, "hits": 0} for label in bundle.event_labels
    }
    hours, streams = 0.0, []
    skipped = [
        {"name": path.name, "reason": "another name for a file that is counted already"}
        for path in found
        if path not in counted
    ]
    for done, (name, path) in enumerate(sorted(files.items()), start=1):
        try:
            scores, duration_s = _score_file(bundle, path, runtime=runtime)
        except AudioError as error:
            skipped.append({"name": name, "reason": str(error)})
        else:
            hours += duration_s / 3600
            streams.append(ScoredStream(scores, duration_s, tuple(truth.get(name, ()))))
            detections = _detections(bundle, scores, duration_s)
            _count(totals, truth.get(name, []), detections, collar_s=collar_s)
        progress(done, len(files))
    if hours == 0:
        raise DataError("no usable recording to evaluate", received=f"{len(skipped)} skipped", where=audio)
    judged = recording_curves(bundle, streams, collar_s=collar_s)
    if curves_file is not None:
        write_curves(Path(curves_file), judged)
    return {
        "curves": {label: curve.to_dict() for label, curve in judged.curves.items()},
        "hours": hours,
        "recordings": len(streams),
        "skipped": skipped,
        "unknown_labels": sorted(
            {event.label for events in truth.values() for event in events} - set(bundle.labels)
        ),
        "per_class": {label: _rates(count, hours) for label, count in totals.items()},
    }


def detect_file(
    bundle: Bundle, path: str | os.PathLike[str], *, runtime: str | None = None
) -> tuple[list[Detection], float]:
    """Detections in one file, and its length in seconds."""
    scores, duration_s = _score_file(bundle, path, runtime=runtime)
    return _detections(bundle, scores, duration_s), duration_s


def _score_file(
    bundle: Bundle, path: str | os.PathLike[str], *, runtime: str | None
) -> tuple[np.ndarray, float]:
    """Scores `(hops, labels)` of one file, as `Detector` sees them, and its length in seconds."""
    blocks, rate = decode.blocks(path)
    scorer = StreamScorer(bundle, rate, runtime=runtime)
    parts = [scorer.process(block) for block in blocks]
    duration_s = scorer.heard_s
    return np.concatenate([*parts, scorer.flush()]), duration_s


def _detections(bundle: Bundle, scores: np.ndarray, duration_s: float) -> list[Detection]:
    detector = EventDetector(bundle.event_labels, bundle.thresholds, bundle.post, bundle.window_s)
    return detector.process(scores[:, ~bundle.background_mask]) + detector.flush(end_s=duration_s)


def _count(
    totals: dict[str, dict[str, int]],
    truth: Sequence[Event],
    detections: Sequence[Detection],
    *,
    collar_s: float,
) -> None:
    for label, count in totals.items():
        events = [event for event in truth if event.label == label]
        found = match_events(events, [d for d in detections if d.label == label], collar_s=collar_s)
        count["events"] += len(events)
        count["misses"] += found.misses
        count["hits"] += len(events) - found.misses
        count["false_alarms"] += found.false_alarms


def _rates(count: dict[str, int], hours: float) -> dict[str, Any]:
    events, hits, alarms = count["events"], count["hits"], count["false_alarms"]
    return {
        **count,
        "miss_rate": count["misses"] / events if events else None,
        "false_alarms_per_hour": alarms / hours,
        "false_alarms_per_hour_upper": false_alarm_upper_bound(alarms, hours),
        "precision": hits / (hits + alarms) if hits + alarms else None,
        "f1": 2 * hits / (2 * hits + alarms + count["misses"]) if events + alarms else None,
    }
