"""From a manifest row to 16-bit PCM at the model's rate, with what there is to say about it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from kwsembed.audio import decode
from kwsembed.audio.decode import AudioFileError
from kwsembed.audio.quality import QualityMeter, refuse_silence
from kwsembed.audio.resample import Resampler
from kwsembed.audio.wav import to_int16
from kwsembed.data.active_regions import active_regions
from kwsembed.manifest import LONGEST_S, Clip

CONTEXT_S = 2.0  # kept on either side of an event inside a longer file
_FORMAT = 1  # to be raised when decoding changes, so that older caches are rebuilt


@dataclass(frozen=True)
class DecodedClip:
    """One clip, decoded.

    Attributes:
        pcm: `(samples,)` int16 at the model's rate.
        segments: `(regions, 2)` active regions in samples.
        findings: What is wrong but usable: clipped, short, cut.
    """

    pcm: np.ndarray
    segments: np.ndarray
    findings: tuple[str, ...]


def fingerprint(clip: Clip, sample_rate_hz: int, *, context_s: float) -> str:
    """What decoding depends on: the file by path, size and time of change, the part of it, and the rate."""
    try:
        status = clip.path.stat()
        state = [status.st_size, status.st_mtime_ns]
    except OSError:
        state = []
    part = [clip.onset_s, clip.offset_s, context_s]
    return json.dumps([_FORMAT, str(clip.path.resolve()), *state, *part, sample_rate_hz])


def decode_clip(clip: Clip, sample_rate_hz: int, *, context_s: float = CONTEXT_S) -> DecodedClip:
    """Decodes a clip: mono, resampled, rounded to 16 bits; an event inside a longer file with some context.

    Args:
        clip: Row of the manifest.
        sample_rate_hz: The model's rate.
        context_s: Kept on either side; 0 for background, the neighbourhood of which may hold an event.

    Raises:
        AudioError: The file cannot be used; says why.
    """
    start_s, stop_s = clip.part_s(context_s=context_s)
    blocks, rate = decode.blocks(clip.path, start_s=start_s, stop_s=stop_s)
    meter, resampler = QualityMeter(rate), Resampler(rate, sample_rate_hz)
    parts = []
    for block in blocks:
        meter.add(block)
        parts.append(to_int16(resampler.process(block)))
    parts.append(to_int16(resampler.process(np.zeros(0, np.float32), final=True)))
    findings = meter.findings()
    refuse_silence(clip.path, findings)
    if stop_s - start_s >= LONGEST_S and decode.probe(clip.path).duration_s > stop_s:
        findings.append("cut")
    pcm = np.concatenate(parts).astype("<i2", copy=False)
    segments = _segments(clip, pcm, start_s, sample_rate_hz)
    return DecodedClip(pcm=pcm, segments=segments, findings=tuple(findings))


def _segments(clip: Clip, pcm: np.ndarray, start_s: float, sample_rate_hz: int) -> np.ndarray:
    if clip.onset_s is None or clip.offset_s is None:
        return active_regions(pcm, sample_rate_hz)
    onset, offset = (round((time_s - start_s) * sample_rate_hz) for time_s in (clip.onset_s, clip.offset_s))
    if onset >= len(pcm):
        raise AudioFileError(
            clip.path,
            reason="outside",
            detail=f"the event at {clip.onset_s:g} s lies behind the end of the file",
            fix="mend onset_s and offset_s",
        )
    return np.array([[onset, min(max(offset, onset + 1), len(pcm))]], np.int64)
