"""Scoring whole recordings, file by file: the audio in constant memory, of each file its scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsembed.audio import decode
from kwsembed.bundle import Bundle
from kwsembed.errors import AudioError
from kwsembed.progress import Progress, silent
from kwsembed.runtime.stream_scores import StreamScorer


@dataclass(frozen=True)
class ScoredRecording:
    """One recording as the detector would hear it.

    Attributes:
        path: The file.
        duration_s: Its length in seconds.
        scores: (hops, labels) float32, labels in the order of the bundle's: 16 bytes a second and label.
    """

    path: Path
    duration_s: float
    scores: np.ndarray


def score_recordings(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    runtime: str | None = None,
    progress: Progress = silent,
    skipped: Callable[[Path, str], None],
) -> Iterator[ScoredRecording]:
    """Scores recordings one after the other, exactly as `Detector` would.

    Args:
        bundle: The detector.
        paths: The files, of any rate, channels and length.
        runtime: Interpreter; see `load_interpreter`.
        progress: Called with seconds heard and seconds in all.
        skipped: Receives each file that cannot be used, with the reason; nothing of it is counted.
    """
    durations_s = [_duration_s(path) for path in paths]
    total_s, before_s = math.ceil(sum(durations_s)), 0.0
    scorers: dict[int, StreamScorer] = {}
    for path, expected_s in zip(paths, durations_s, strict=True):
        try:
            blocks, rate = decode.blocks(path)
            if rate not in scorers:
                scorers[rate] = StreamScorer(bundle, rate, runtime=runtime)
            scorer, parts = scorers[rate], []
            try:
                for block in blocks:
                    parts.append(scorer.process(block))
                    progress(min(int(before_s + scorer.heard_s), max(total_s - 1, 0)), total_s)
                duration_s = scorer.heard_s
            finally:
                parts.append(scorer.flush())  # ready for the next file, whatever happened to this one
        except AudioError as error:
            skipped(path, str(error))
        else:
            yield ScoredRecording(path, duration_s, np.concatenate(parts))
        before_s += expected_s
    progress(total_s, total_s)


def _duration_s(path: Path) -> float:
    try:
        return decode.probe(path).duration_s
    except AudioError:
        return 0.0  # said why when its turn comes
