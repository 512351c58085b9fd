"""From a bundle and long audio to a bundle with thresholds that suit the place where it listens."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kwsembed.audio import decode
from kwsembed.audio.distinct import distinct_files
from kwsembed.bundle import Bundle, write_bundle
from kwsembed.calibration import candidates, curves, wording
from kwsembed.calibration.known_curves import RECORD, curve_record
from kwsembed.calibration.request import beside, check_request, check_target, settings_to_try
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import ScoredStream
from kwsembed.errors import DataError
from kwsembed.manifest.annotations import truth_of
from kwsembed.progress import Progress, silent
from kwsembed.runtime.recordings import score_recordings

_MOST_NAMES = 20  # of files that bundle.json lists; the checksum covers all of them


@dataclass(frozen=True)
class Calibration:
    """What a calibration made.

    Attributes:
        bundle: The new bundle's folder.
        points: Its operating points.
        lines: What there is to say, a sentence each.
        curves: The CSV of misses against false alarms per hour; None where no audio was heard.
        picture: The same drawn, or None.
        skipped: Files that could not be used, with reasons.
        files: How many were used.
    """

    bundle: Path
    points: Mapping[str, OperatingPoint]
    lines: tuple[str, ...]
    curves: Path | None = None
    picture: Path | None = None
    skipped: tuple[tuple[Path, str], ...] = ()
    files: int = 0


def calibrate(
    bundle: str | os.PathLike[str],
    audio: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    annotations: str | os.PathLike[str] | None = None,
    target_false_alarms_per_hour: float | None = None,
    thresholds: Mapping[str, float] | None = None,
    smoothing_windows: Sequence[int] | None = None,
    min_consecutive: Sequence[int] | None = None,
    refractory_s: Sequence[float] | None = None,
    collar_s: float = 0.5,
    runtime: str | None = None,
    progress: Progress = silent,
    trying: Progress = silent,
) -> Calibration:
    """Sets a bundle's thresholds anew; the same as `kwsembed calibrate BUNDLE AUDIO --out OUT`.

    The audio is scored once, as `detect` would; settings and thresholds are then tried on the scores. With
    enough annotated events, another setting replaces the bundle's own if it misses clearly fewer of them (see
    `kwsembed.detection.setting_choice`); without, the bundle's own stays. A threshold is set so that the
    upper bound of its false alarms keeps the target, or, where the hours are too few for that, so that there
    was none.

    Args:
        bundle: Bundle folder; it is read only.
        audio: Files or folders, of any length; what is named or copied twice counts once.
        out: Folder of the new bundle; must not exist. `OUT-calibration.csv` comes beside it.
        annotations: DCASE TSV of the events in the audio; without it, there are none.
        target_false_alarms_per_hour: For each label; that of the bundle if None.
        thresholds: Set by hand for the labels given; they are measured all the same.
        smoothing_windows: Values to try; if None, some with annotations, else the bundle's own.
        min_consecutive: Likewise.
        refractory_s: Likewise.
        collar_s: Tolerance of a match with an annotation, in seconds.
        runtime: Interpreter; see `load_interpreter`.
        progress: Called with seconds heard and seconds in all.
        trying: Called with settings tried and settings in all.

    Raises:
        BundleError: The bundle cannot be used, or `out` exists.
        DataError: Nothing could be heard, or annotations and audio do not fit.
        ConfigError: A setting is out of range.

    Example:
        >>> calibrate("RUN/bundle", "nights", "tuned", target_false_alarms_per_hour=0.2)  # doctest: +SKIP
    """
    source, folder = Bundle.load(bundle), Path(out)
    by_hand = dict(thresholds or {})
    check_request(source, folder, by_hand)
    targets = _targets(source, target_false_alarms_per_hour)
    many = annotations is not None
    posts = settings_to_try(
        source.post,
        smoothing_windows=smoothing_windows,
        min_consecutive=min_consecutive,
        refractory_s=refractory_s,
        annotated=many,
    )
    named = decode.find_audio([audio] if isinstance(audio, str | os.PathLike) else audio)
    paths = distinct_files(named)
    repeated = len(named) - len(paths)
    truth = truth_of(annotations, paths)
    skipped: list[tuple[Path, str]] = []
    listing: list[str] = []
    recordings: list[ScoredStream] = []
    heard_at: dict[str, int] = {}  # position by checksum
    for heard in score_recordings(
        source,
        paths,
        runtime=runtime,
        progress=progress,
        skipped=lambda path, reason: skipped.append((path, reason)),
    ):
        events = tuple(truth.get(heard.path.name, ()))
        sha256 = _file_sha256(heard.path)
        if sha256 in heard_at:  # a copy under another name; what is said of either holds for both
            repeated += 1
            first = recordings[heard_at[sha256]]
            both = tuple(dict.fromkeys((*first.events, *events)))
            recordings[heard_at[sha256]] = replace(first, events=both)
            continue
        heard_at[sha256] = len(recordings)
        recordings.append(ScoredStream(heard.scores, heard.duration_s, events))
        listing.append(f"{heard.path.name}\t{heard.duration_s:.3f}\t{sha256}\n")
    hours = sum(recording.scored_s(source.post.hop_s) for recording in recordings) / 3600
    if not hours > 0:
        raise DataError(
            "no audio to calibrate on could be heard",
            received=f"{len(skipped)} files skipped" + (f", the first: {skipped[0][1]}" if skipped else ""),
        )
    tried = list(
        candidates.judge_candidates(
            source, recordings, posts, targets=targets, collar_s=collar_s, by_hand=by_hand, progress=trying
        )
    )
    chosen = candidates.choose_candidate(tried, source.post, targets)
    record = {
        "files": len(recordings),
        "hours": hours,
        "sha256": hashlib.sha256("".join(listing).encode()).hexdigest(),
        "names": [line.split("\t")[0] for line in listing[:_MOST_NAMES]],
        "repeated": repeated,
        "skipped": [path.name for path, _ in skipped],
        "annotated": many,
        "by_hand": sorted(by_hand),
        "before": {label: point.to_dict() for label, point in source.operating_points.items()},
        **curve_record(chosen.curves),
    }
    table, picture = beside(folder)
    curves.write_csv(table, tried, chosen)
    drawn = curves.draw(picture, tried, chosen)
    write_calibrated(source, folder, post=chosen.post, points=chosen.points, record=record)
    kept = [
        label
        for label, point in chosen.points.items()
        if label not in by_hand and point.threshold == source.operating_points[label].threshold
    ]
    unknown = sorted({event.label for events in truth.values() for event in events} - set(source.labels))
    return Calibration(
        bundle=folder,
        points=chosen.points,
        lines=(
            *(
                wording.point_sentence(point, source.operating_points[label], by_hand=label in by_hand)
                for label, point in chosen.points.items()
            ),
            *wording.notes(
                chosen.points,
                kept=kept,
                before=source.post,
                after=chosen.post,
                hours=hours,
                annotated=many,
                tried=posts,
                events=sum(curve.events for curve in chosen.curves.values()),
                repeated=repeated,
            ),
            *wording.other_points(chosen.curves),
            wording.OTHER_CLIENTS,
            *(f"{label} is annotated but unknown to the bundle: audio like any other" for label in unknown),
        ),
        curves=table,
        picture=picture if drawn else None,
        skipped=tuple(skipped),
        files=len(recordings),
    )


def write_calibrated(
    source: Bundle,
    out: Path,
    *,
    post: PostProcessing,
    points: Mapping[str, OperatingPoint],
    record: Mapping[str, Any],
) -> None:
    """Writes the bundle again with other operating points; model, labels and all else stay as they are."""
    extra = {**source.extra, RECORD: dict(record)}
    made = replace(source, post=post, operating_points=dict(points), extra=extra)
    write_bundle(out, **vars(made))


def _targets(bundle: Bundle, target: float | None) -> dict[str, float]:
    return {
        label: point.target_false_alarms_per_hour if target is None else check_target(target)
        for label, point in bundle.operating_points.items()
    }


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
