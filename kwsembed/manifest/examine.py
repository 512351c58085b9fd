"""Listening to every file of a manifest once: what it is, how long, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kwsembed.audio import decode
from kwsembed.audio.decode import AudioFileError, AudioInfo
from kwsembed.audio.quality import SHORT_BELOW_S, QualityMeter, refuse_silence
from kwsembed.errors import AudioError
from kwsembed.manifest.clip import LONGEST_S, Clip
from kwsembed.manifest.fingerprint import Fingerprinter
from kwsembed.progress import Progress, silent

_THREADS = 2

_USABLE_ALL_THE_SAME = {
    "clipped": "it reaches full scale in runs of samples",
    "short": f"it is shorter than {1000 * SHORT_BELOW_S:.0f} ms",
    "cut": f"it is longer than {LONGEST_S:.0f} s: only the first hour is used",
}


@dataclass(frozen=True)
class Finding:
    """Something wrong with one file.

    Args:
        name: Of the clip, as in the manifest.
        reason: `AudioFileError.reason` of a file left out; clipped, short or cut for one that is used.
        detail: The reason as a sentence without full stop.
        used: Whether training uses the file all the same.
    """

    name: str
    reason: str
    detail: str
    used: bool


@dataclass(frozen=True)
class Examination:
    """What listening to a clip has shown.

    Args:
        clip: The clip.
        info: The header; None if the file cannot be used.
        duration_s: Length of the part that is used, 0 if none is.
        findings: What is wrong with it.
        fingerprint: `(frames, bands)` uint8 for `find_near_duplicates`; no frame if the file cannot be used.
    """

    clip: Clip
    info: AudioInfo | None
    duration_s: float
    findings: tuple[Finding, ...]
    fingerprint: np.ndarray

    @property
    def usable(self) -> bool:
        """Whether training can use the clip."""
        return all(finding.used for finding in self.findings)


def examine(clips: Sequence[Clip], *, progress: Progress = silent) -> list[Examination]:
    """Decodes every clip, two at a time and block by block.

    Args:
        clips: Clips of a manifest.
        progress: Called with clips done and clips in all.

    Returns:
        One examination per clip, in order.
    """
    examinations = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for examination in pool.map(_examine, clips):
            examinations.append(examination)
            progress(len(examinations), len(clips))
    return examinations


def _examine(clip: Clip) -> Examination:
    try:
        info = decode.probe(clip.path)
        start_s, stop_s = clip.part_s()
        blocks, rate = decode.blocks(clip.path, start_s=start_s, stop_s=stop_s)
        meter, fingerprinter, samples = QualityMeter(rate), Fingerprinter(rate), 0
        for block in blocks:
            meter.add(block)
            fingerprinter.add(block)
            samples += len(block)
        reasons = meter.findings()
        refuse_silence(clip.path, reasons)
    except AudioFileError as error:
        return _unusable(clip, error.reason, error.detail)
    except AudioError as error:
        return _unusable(clip, "unsupported", str(error))
    if stop_s - start_s >= LONGEST_S and info.duration_s > stop_s:
        reasons.append("cut")
    findings = (Finding(clip.name, reason, _USABLE_ALL_THE_SAME[reason], used=True) for reason in reasons)
    return Examination(clip, info, samples / rate, tuple(findings), fingerprinter.finish())


def _unusable(clip: Clip, reason: str, detail: str) -> Examination:
    return Examination(clip, None, 0.0, (Finding(clip.name, reason, detail, used=False),), Fingerprinter.NONE)
