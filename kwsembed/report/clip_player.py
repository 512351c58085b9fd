"""Makes a clip playable inside the page: 16 kHz WAV and a picture of its log-mel, both as data URIs."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from kwsembed.audio import decode
from kwsembed.audio.resample import resample
from kwsembed.errors import AudioError
from kwsembed.frontend.config import FrontendConfig
from kwsembed.frontend.log_mel import log_mel

SAMPLE_RATE_HZ = 16000
LONGEST_S = 5.0


@dataclass(frozen=True)
class PlayableClip:
    """Data URIs of a clip's sound and picture, or the reason why there are none."""

    audio: str | None
    picture: str | None
    note: str


def playable(clip: Mapping[str, str], *, root: Path | None) -> PlayableClip:
    """Reads the audio of a row of data.csv; never raises for audio that is gone or unreadable.

    Args:
        clip: The row, with `path` relative to `root` and, for a part of the file, `onset_s` and `offset_s`.
        root: The folder that the data was read from, None where it is not known.
    """
    if root is None or not clip:
        return PlayableClip(None, None, "The run does not say where this clip's audio is.")
    path = root / clip["path"]
    if not path.resolve().is_relative_to(root.resolve()):
        return PlayableClip(None, None, "The clip's path leads out of the data folder, so it was not opened.")
    if not path.is_file():
        return PlayableClip(None, None, "The audio is no longer where it was during training.")
    start_s = max(0.0, float(clip.get("onset_s") or 0.0))
    stop_s = min(start_s + LONGEST_S, float(clip.get("offset_s") or np.inf))
    try:
        waveform, sample_rate_hz = decode.read(path, start_s=start_s, stop_s=stop_s)
    except AudioError as error:
        return PlayableClip(None, None, f"The audio cannot be read: {error}")
    waveform = resample(waveform, sample_rate_hz, SAMPLE_RATE_HZ)
    duration_s = len(waveform) / SAMPLE_RATE_HZ
    note = f"{duration_s:.1f} s" if duration_s < LONGEST_S - 0.05 else f"the first {LONGEST_S:.0f} s"
    return PlayableClip(_wav(waveform), _picture(waveform), note)


def _wav(waveform: np.ndarray) -> str:
    pcm = np.clip(np.round(waveform * 32768), -32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, SAMPLE_RATE_HZ, len(pcm), "NONE", ""))
        sound.writeframes(pcm.tobytes())
    return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()


def _picture(waveform: np.ndarray) -> str | None:
    config = FrontendConfig()
    if len(waveform) < config.window_samples:
        return None
    levels = log_mel(waveform, config).T[::-1]  # (mels, frames), low notes at the bottom
    step = -(-levels.shape[1] // 250)  # at most 250 columns: wider than the picture is on the page
    levels = levels[:, : levels.shape[1] // step * step].reshape(len(levels), -1, step).mean(axis=2)
    file = io.BytesIO()
    imsave(file, levels, cmap="magma", format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
