"""Sound from the microphone, block by block; needs the optional package sounddevice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kwsembed.errors import AudioError, MissingDependencyError

_INSTALL = 'python -m pip install "kwsembed[mic]"'


def blocks(
    sample_rate_hz: int, *, block_s: float = 0.1, on_overflow: Callable[[], None] = lambda: None
) -> Iterator[np.ndarray]:
    """Listens to the system's default input until the iterator is closed.

    Args:
        sample_rate_hz: Rate to record at.
        block_s: Length of a block in seconds.
        on_overflow: Called when sound was lost because blocks were not taken in time.

    Returns:
        An iterator of float32 (samples,) in [-1, 1].

    Raises:
        MissingDependencyError: If sounddevice or its library PortAudio is not installed.
        AudioError: If there is no input device, it cannot record at this rate, or it stops to record.
    """
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise MissingDependencyError("the microphone needs sounddevice", fix=_INSTALL) from None
    except OSError as error:  # the package without its library
        raise MissingDependencyError(
            f"sounddevice cannot be used: {error}",
            fix="install PortAudio (Debian: apt install libportaudio2)",
        ) from None
    try:
        stream = sounddevice.InputStream(samplerate=sample_rate_hz, channels=1, dtype="float32")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(f"the microphone cannot be opened at {sample_rate_hz} Hz: {error}") from None
    samples = max(1, round(block_s * sample_rate_hz))
    return _listen(stream, samples, on_overflow, failure=sounddevice.PortAudioError)


def _listen(
    stream: Any, samples: int, on_overflow: Callable[[], None], *, failure: type[Exception]
) -> Iterator[np.ndarray]:
    with stream:
        while True:
            try:
                block, overflowed = stream.read(samples)
            except failure as error:  # it was unplugged
                raise AudioError(f"the microphone gives no more sound: {error}") from None
            if overflowed:
                on_overflow()
            yield block[:, 0].copy()
