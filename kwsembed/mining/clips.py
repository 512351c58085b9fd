"""Cutting hits out of their recordings: a folder of clips with a manifest."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.audio import decode, wav
from kwsembed.errors import AudioError
from kwsembed.mining.hits import Hit

MANIFEST = "manifest.csv"
COLUMNS = (
    "path",
    "label",
    "group",
    "source",
    "source_onset_s",
    "source_offset_s",
    "event_label",
    "score",
    "fired",
)
_LONGEST_S = 10.0  # of a sound that goes on and on, this much around its peak


def write_clips(
    folder: Path, kept: Sequence[tuple[Path, Hit]], *, label: str, context_s: float
) -> tuple[int, list[tuple[Path, str]]]:
    """Writes the audio of hits as `label/*.wav`, and what they are as `manifest.csv`.

    Args:
        folder: Where to; exists.
        kept: Recordings and hits in them.
        label: Background label of the clips.
        context_s: Audio kept before and after the sound, in seconds.

    Returns:
        How many clips were written, and the recordings that not all could be cut from, with reasons.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    (folder / label).mkdir()
    written, uncut = 0, dict[Path, str]()
    for source, hit in kept:
        if source in uncut:
            continue
        start_s = max(hit.onset_s, hit.peak_s - _LONGEST_S / 2) - context_s
        stop_s = min(hit.offset_s, hit.peak_s + _LONGEST_S / 2) + context_s
        try:
            waveform, rate = _cut(source, start_s=max(start_s, 0.0), stop_s=stop_s)
        except AudioError as error:
            # It was heard hours ago and may be gone by now; what the others gave is not lost with it.
            uncut[source] = f"heard, but its clips could not be cut out: {error}"
            continue
        written += 1
        stem = re.sub(r"[^\w.-]+", "_", source.stem)[:60]
        name = f"{label}/{written:05d}_{stem}.wav"
        wav.write(folder / name, waveform, rate)
        rows.writerow(
            [
                name,
                label,
                _printable(source.name),
                _printable(str(source.resolve())),
                f"{max(start_s, 0.0):.3f}",
                f"{max(start_s, 0.0) + len(waveform) / rate:.3f}",
                hit.label,
                f"{hit.score:.6f}",
                "+".join(hit.fired),
            ]
        )
    atomic.write_text(folder / MANIFEST, text.getvalue())
    return written, list(uncut.items())


def _cut(source: Path, *, start_s: float, stop_s: float) -> tuple[np.ndarray, int]:
    """A part of a recording, also of one in which nothing can be skipped, as GSM in WAV."""
    try:
        return decode.read(source, start_s=start_s, stop_s=stop_s)
    except AudioError:
        if not start_s:
            raise
    blocks, rate = decode.blocks(source, stop_s=stop_s)
    position, first, parts = 0, round(start_s * rate), [np.zeros(0, np.float32)]
    for block in blocks:
        parts.append(block[max(first - position, 0) :])
        position += len(block)
    waveform = np.concatenate(parts)
    if not len(waveform):
        raise AudioError(f"the file ends before {start_s:.3f} s", where=source)
    return waveform, rate


def _printable(text: str) -> str:
    """A file name as UTF-8 text, also where it is none."""
    return text.encode("utf-8", "backslashreplace").decode()
