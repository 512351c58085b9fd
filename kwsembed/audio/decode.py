"""Decoding audio files to mono float32: whole, in part, or block by block in constant memory.

soundfile decodes where it is installed; without it, PCM WAV files are read by the standard library.
"""

from __future__ import annotations

import logging
import os
import re
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from kwsembed.audio.search import AUDIO_SUFFIXES, audio_below
from kwsembed.audio.truncation import is_cut_off
from kwsembed.audio.wav import to_float
from kwsembed.audio.wave_reader import WaveReader
from kwsembed.errors import AudioError

_log = logging.getLogger(__name__)

_WHOLE = 0.99  # of the stated length; MP3 states it only to within a frame or two
_MP3_LEAD_S = 1.0  # a frame of MP3 needs some before it, at low bit rates many
_MP3_START = re.compile(rb"^ID3|\xff[\xe2-\xff]")


class AudioFileError(AudioError):
    """A file that cannot be used.

    Args:
        path: The file.
        reason: One of missing, unreadable, empty, not audio, corrupt, cut off, nan, silent, outside,
            unsupported.
        detail: The reason as a sentence without full stop, which does not name the file.
        fix: What to do about it.
    """

    def __init__(self, path: object, *, reason: str, detail: str, fix: str | None = None) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail, where=path, fix=fix)


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says; `samples` counts per channel."""

    sample_rate_hz: int
    channels: int
    samples: int
    format: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.sample_rate_hz


class _Reader(Protocol):
    samplerate: int
    channels: int
    frames: int
    format: str
    subtype: str

    def read(self, frames: int, *, dtype: str, always_2d: bool) -> Any: ...

    def seek(self, frames: int) -> Any: ...


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Returns rate, channels and length from the header of `path`, without decoding it.

    Raises:
        AudioFileError: The file is missing, empty, cut off, or no audio.
    """
    with _opened(Path(path)) as reader:
        return AudioInfo(
            reader.samplerate, reader.channels, reader.frames, f"{reader.format}/{reader.subtype}"
        )


def read(
    path: str | os.PathLike[str], *, start_s: float = 0.0, stop_s: float | None = None
) -> tuple[np.ndarray, int]:
    """Decodes `path`, or the part from `start_s` to `stop_s`, and averages its channels.

    Returns:
        The waveform, float32 (samples,), nominally in [-1, 1], and its rate in Hz. A `stop_s` behind the end
        reads to the end.

    Raises:
        AudioFileError: The file is missing, empty, cut off, corrupt, no audio, or holds NaN.

    Example:
        >>> waveform, sample_rate_hz = read("bark.ogg", stop_s=2.0)  # doctest: +SKIP
    """
    parts, sample_rate_hz = blocks(path, start_s=start_s, stop_s=stop_s)
    return np.concatenate([np.zeros(0, np.float32), *parts]), sample_rate_hz


def blocks(
    path: str | os.PathLike[str], *, block_s: float = 10.0, start_s: float = 0.0, stop_s: float | None = None
) -> tuple[Iterator[np.ndarray], int]:
    """As `read`, but yields the waveform in blocks of `block_s`, in constant memory.

    Errors of the header are raised at once, errors of what follows when its block is reached.
    """
    path = Path(path)
    opened = _opened(path)
    reader = opened.__enter__()
    first = round(start_s * reader.samplerate)
    last = reader.frames if stop_s is None else min(reader.frames, round(stop_s * reader.samplerate))
    if not 0 <= first < last:
        opened.__exit__(None, None, None)
        until = "" if stop_s is None else f" to {stop_s:g}"
        raise AudioFileError(
            path,
            reason="outside",
            detail=f"the part from {start_s:g}{until} s lies outside the file, "
            f"which lasts {reader.frames / reader.samplerate:.3f} s",
        )
    size = max(1, round(block_s * reader.samplerate))
    return _read_blocks(path, opened, reader, first=first, last=last, size=size), reader.samplerate


def find_audio(
    paths: Iterable[str | os.PathLike[str]], *, notice: Callable[[str], None] | None = None
) -> list[Path]:
    """Returns files as they are and folders replaced by the audio files below them, sorted by path.

    A link in a folder that leads to no file is among them: who opens it says so, like of any other bad file.

    Args:
        paths: Files and folders.
        notice: Receives a sentence about each kind of thing in a folder that is left out: files that are not
            audio, folders that cannot be listed. If None, they are warnings of this module's logger.

    Raises:
        AudioError: A path does not exist, or a folder holds no audio or cannot be listed.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            if not path.exists():
                raise AudioFileError(
                    path, reason="missing", detail="the file does not exist", fix="check the path"
                )
            found.append(path)
            continue
        below = audio_below(path)
        if not below.audio:
            raise AudioError(
                "the folder holds no audio",
                expected=f"files ending in {', '.join(AUDIO_SUFFIXES)}",
                received="; ".join(below.left_out) or None,
                where=path,
            )
        for sentence in below.left_out:
            (notice or _log.warning)(sentence)
        found.extend(below.audio)
    return found


def _read_blocks(
    path: Path, opened: AbstractContextManager[_Reader], reader: _Reader, *, first: int, last: int, size: int
) -> Iterator[np.ndarray]:
    with opened:
        try:
            if first:
                lead = min(first, round(_MP3_LEAD_S * reader.samplerate)) if reader.format == "MP3" else 0
                reader.seek(first - lead)
                reader.read(lead, dtype="float32", always_2d=True)
            position = first
            # 16-bit samples are made floats here: four times as fast as in libsndfile, and the same numbers.
            dtype = "int16" if reader.subtype == "PCM_16" else "float32"
            while position < last:
                block = reader.read(min(size, last - position), dtype=dtype, always_2d=True)
                if not len(block):
                    break
                position += len(block)
                if dtype == "int16":
                    block = to_float(block)
                mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
                if not np.isfinite(mono).all():
                    raise AudioFileError(
                        path,
                        reason="nan",
                        detail="the file holds samples that are no numbers",
                        fix="export it anew",
                    )
                yield np.ascontiguousarray(mono)
        except (RuntimeError, OSError, EOFError, wave.Error) as error:  # soundfile's errors are RuntimeErrors
            raise _corrupt(path, str(error)) from None
        if position - first < _WHOLE * (last - first):
            raise _corrupt(path, f"it ends after {position} of {reader.frames} samples")


def _opened(path: Path) -> AbstractContextManager[_Reader]:
    """Opens `path`; the result is a context manager that is already its own reader."""
    try:
        if path.is_dir():
            raise AudioFileError(path, reason="not audio", detail="this is a folder, not an audio file")
        if path.stat().st_size == 0:
            raise AudioFileError(
                path, reason="empty", detail="the file is empty", fix="remove it or copy it anew"
            )
        if is_cut_off(path):
            raise AudioFileError(
                path, reason="cut off", detail="the file is cut off before its own end", fix="copy it anew"
            )
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except FileNotFoundError:
        raise AudioFileError(
            path, reason="missing", detail="the file does not exist", fix="check the path"
        ) from None
    except OSError as error:
        raise AudioFileError(
            path, reason="unreadable", detail=f"the file cannot be read: {error.strerror}"
        ) from None
    if path.suffix.lower() == ".mp3" and not _MP3_START.search(start):
        # Told here, because libmpg123 would fill standard error with its search for a frame.
        raise AudioFileError(path, reason="not audio", detail="the file is not audio that can be decoded")
    reader = _open_decoder(path)
    if reader.frames == 0:
        cast("AbstractContextManager[_Reader]", reader).__exit__(None, None, None)
        raise AudioFileError(path, reason="empty", detail="the file holds no samples", fix="remove it")
    return cast("AbstractContextManager[_Reader]", reader)


def _open_decoder(path: Path) -> _Reader:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package without its library
        return _open_wave(path)
    try:
        file = soundfile.SoundFile(os.fsencode(path))
        # Else soundfile seeks after every read, and in MP3 a seek spoils the next frames.
        file.seekable = lambda: False
        return cast("_Reader", file)
    except soundfile.LibsndfileError as error:
        if error.code in (1, 7, 18):  # unknown format, no frame found by libmpg123, unknown codec
            raise AudioFileError(
                path,
                reason="not audio",
                detail="the file is not audio that can be decoded",
                fix="remove or convert it",
            ) from None
        raise _corrupt(path, error.error_string) from None


def _open_wave(path: Path) -> _Reader:
    install = 'python -m pip install "soundfile>=0.12.1"'
    if path.suffix.lower() not in (".wav", ".wave"):
        raise AudioFileError(
            path, reason="unsupported", detail=f"{path.suffix or 'this'} files need soundfile", fix=install
        )
    try:
        return WaveReader(path)
    except (wave.Error, EOFError) as error:
        raise AudioFileError(
            path,
            reason="unsupported",
            detail="the file is no WAV that can be read without soundfile: "
            + (str(error) or "it ends within its header"),
            fix=install,
        ) from None


def _corrupt(path: Path, detail: str) -> AudioFileError:
    return AudioFileError(
        path,
        reason="corrupt",
        detail=f"the file is corrupt: {detail.rstrip('.')}",
        fix="copy it anew or remove it",
    )
