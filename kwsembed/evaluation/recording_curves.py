"""What other thresholds would have cost on annotated recordings that were scored once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kwsembed.bundle import Bundle
from kwsembed.calibration import curves
from kwsembed.calibration.candidates import Candidate
from kwsembed.detection.operating import measure, operating_curve
from kwsembed.detection.recording_replay import RecordingReplay
from kwsembed.detection.replay import ScoredStream

_POINTS = 60


def recording_curves(bundle: Bundle, recordings: Sequence[ScoredStream], *, collar_s: float) -> Candidate:
    """The bundle's setting, what its thresholds cost, and the curves that they lie on.

    Args:
        bundle: The detector whose scores they are.
        recordings: Scores with the annotated events.
        collar_s: Tolerance of a match, in seconds.
    """
    points, found = {}, {}
    for label, own in bundle.operating_points.items():
        replay = RecordingReplay(
            label, bundle.labels, recordings, post=bundle.post, window_s=bundle.window_s, collar_s=collar_s
        )
        target = own.target_false_alarms_per_hour
        points[label] = measure(replay, own.threshold, target_false_alarms_per_hour=target)
        found[label] = operating_curve(replay, points=_POINTS, thresholds=[own.threshold])
    return Candidate(bundle.post, points, found)


def write_curves(path: Path, judged: Candidate) -> Path | None:
    """Writes the curves as CSV, and a picture beside it where matplotlib is there; returns the picture."""
    curves.write_csv(path, [judged], judged)
    picture = path.with_suffix(".svg")
    return picture if curves.draw(picture, [judged], judged) else None
