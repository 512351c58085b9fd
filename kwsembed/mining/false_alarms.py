"""From hours of audio without events to a folder with the worst false alarms, as clips with a manifest."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kwsembed import atomic
from kwsembed.audio import decode
from kwsembed.bundle import Bundle
from kwsembed.errors import ConfigError, DataError
from kwsembed.manifest.annotations import truth_of
from kwsembed.mining.clips import MANIFEST, write_clips
from kwsembed.mining.hits import Hit, find_hits, free_of_events
from kwsembed.progress import Progress, silent
from kwsembed.runtime.recordings import score_recordings


@dataclass(frozen=True)
class Mined:
    """What was mined.

    Attributes:
        folder: Folder of the clips.
        manifest: The CSV that lists them.
        clips: How many were written.
        files: How many recordings were heard, and cut where something was found.
        hours: How much was heard.
        fired: How many sounds in all would have been reported, by label.
        near_misses: How many in all came close without being reported.
        skipped: Files that could not be used, or not cut afterwards, with reasons.
    """

    folder: Path
    manifest: Path
    clips: int
    files: int
    hours: float
    fired: dict[str, int]
    near_misses: int
    skipped: tuple[tuple[Path, str], ...]


def mine(
    bundle: str | os.PathLike[str],
    audio: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    count: int = 100,
    per_hour: bool = False,
    least_score: float = 0.5,
    context_s: float = 1.0,
    label: str | None = None,
    annotations: str | os.PathLike[str] | None = None,
    runtime: str | None = None,
    progress: Progress = silent,
) -> Mined:
    """Keeps the worst false alarms as clips; the same as `kwsembed mine BUNDLE AUDIO --out OUT`.

    The worst are those that fired, then near misses, each by their score. Hits of one sound are one clip.

    Args:
        bundle: Bundle folder.
        audio: Files or folders, of any length, without events but for those annotated.
        out: Folder of the clips; must be new or empty. Gets `OUT/<background>/*.wav` and `OUT/manifest.csv`.
        count: The most clips to keep.
        per_hour: Keep so many of each hour heard instead of so many in all.
        least_score: Smoothed score, in (0, 1], from which on a near miss counts.
        context_s: Audio kept before and after the sound, in seconds.
        label: Background label of the clips; the bundle's only one, or the one named like a background, if
            None.
        annotations: DCASE TSV of events in the audio; clips keep clear of them.
        runtime: Interpreter; see `load_interpreter`.
        progress: Called with seconds heard and seconds in all.

    Raises:
        DataError: `out` is not empty, nothing could be heard, or annotations do not fit.
        ConfigError: A setting is out of range.

    Example:
        >>> mine("RUN/bundle", "nights", "mined", count=200).clips  # doctest: +SKIP
        200
    """
    if not os.fspath(out):
        raise DataError("the output folder has no name", received="out=''", fix="name a new or empty folder")
    detector, folder = Bundle.load(bundle), Path(out)
    label = _background(detector, label)
    _check(count=count, least_score=least_score, context_s=context_s)
    paths = decode.find_audio([audio] if isinstance(audio, str | os.PathLike) else audio)
    truth = truth_of(annotations, paths)
    _check_free(folder)
    atomic.check_folder(folder)
    skipped: list[tuple[Path, str]] = []
    found: list[tuple[Path, float, Hit]] = []  # with seconds heard before the recording
    fired: Counter[str] = Counter()
    heard_s = near_misses = 0.0
    files = 0
    for recording in score_recordings(
        detector,
        paths,
        runtime=runtime,
        progress=progress,
        skipped=lambda path, reason: skipped.append((path, reason)),
    ):
        hits = free_of_events(
            find_hits(detector, recording.scores, least_score=least_score),
            truth.get(recording.path.name, ()),
            context_s=context_s,
        )
        fired.update(name for hit in hits for name in hit.fired)
        near_misses += sum(not hit.fired for hit in hits)
        found += [(recording.path, heard_s, hit) for hit in hits]
        heard_s += recording.duration_s
        files += 1
        # Only what may be kept is remembered, so that memory does not grow with the hours.
        found = _worst(found, count=count, per_hour=per_hour)
    if not heard_s:
        raise DataError(
            "no audio to mine could be heard",
            received=f"{len(skipped)} files skipped" + (f", the first: {skipped[0][1]}" if skipped else ""),
        )
    with atomic.replacing_folder(folder) as temporary:
        written, uncut = write_clips(
            temporary, [(path, hit) for path, _, hit in found], label=label, context_s=context_s
        )
        _check_free(folder)  # hours have passed
    return Mined(
        folder=folder,
        manifest=folder / MANIFEST,
        clips=written,
        files=files - len({path for path, _ in uncut}),
        hours=heard_s / 3600,
        fired={name: fired[name] for name in detector.event_labels},
        near_misses=int(near_misses),
        skipped=(*skipped, *uncut),
    )


def _background(bundle: Bundle, label: str | None) -> str:
    if label is None:
        # The broadest of several: keyword detectors have speech and silence as backgrounds too.
        broad = ("background", "_background_noise_", "noise", "other", "_negative_", "_unknown_")
        names = bundle.background_labels
        return names[0] if len(names) == 1 else next((n for n in broad if n in names), names[0])
    if label not in bundle.background_labels:
        raise ConfigError(
            "mined clips get a background label of the bundle",
            expected=" or ".join(bundle.background_labels),
            received=f"label={label}",
        )
    return label


def _check_free(folder: Path) -> None:
    if folder.exists() and not atomic.is_empty(folder):
        raise DataError(
            "the output folder is not empty, and nothing is overwritten",
            received=f"out={folder}",
            fix="choose a new folder for --out",
        )


def _check(*, count: int, least_score: float, context_s: float) -> None:
    for holds, expected, received in (
        (count >= 1, "count of 1 or more", f"count={count}"),
        (0 < least_score <= 1, "least_score in (0, 1]", f"least_score={least_score}"),
        (0 <= context_s < math.inf, "context_s of 0 or more", f"context_s={context_s}"),
    ):
        if not holds:
            raise ConfigError("a setting is out of range", expected=expected, received=received)


def _worst(
    found: Sequence[tuple[Path, float, Hit]], *, count: int, per_hour: bool
) -> list[tuple[Path, float, Hit]]:
    """The worst, in the order in which they came."""
    kept: Counter[int] = Counter()
    positions = []
    for position in sorted(range(len(found)), key=lambda i: (not found[i][2].fired, -found[i][2].score, i)):
        _, before_s, hit = found[position]
        hour = int((before_s + hit.peak_s) // 3600) if per_hour else 0
        if kept[hour] < count:
            kept[hour] += 1
            positions.append(position)
    return [found[position] for position in sorted(positions)]
