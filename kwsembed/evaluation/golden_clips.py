"""The real part of the golden audio: a piece of one clip of each event label, background in between."""

from __future__ import annotations

import numpy as np

from kwsembed.evaluation.judge import SplitAudio
from kwsembed.evaluation.streams import join

_PIECE_S = 2.0
_LEAD_S = 0.5
_BETWEEN_S = 1.0
_FADE_S = 0.02
# Peak of the background below that of the events.
_BACKGROUND_GAIN = 0.1


def golden_clips(audio: SplitAudio, evidence: np.ndarray) -> np.ndarray:
    """Joins the clips that the model is surest of, so that there are events to compare.

    Args:
        audio: A split with an event.
        evidence: `(clips, labels)` pooled per clip of the split.

    Returns:
        `(samples,)` float32 at the model's rate; every piece of an event has a peak of 1.
    """
    rate = audio.sample_rate_hz
    backgrounds = audio.clips[audio.classes >= audio.event_count]
    pieces: list[np.ndarray] = []
    for label in range(audio.event_count):
        members = np.flatnonzero(audio.classes == label)
        if len(members):
            surest = int(audio.clips[members[np.argmax(evidence[members, label])]])
            onset = int(audio.store.segments[surest][:, 0].min())
            start = max(onset - round(_LEAD_S * rate), 0)
            event = _loud(audio.store.waveform(surest)[start : start + round(_PIECE_S * rate)])
            pieces += [_between(audio, backgrounds, len(pieces)), event]
    pieces.append(_between(audio, backgrounds, len(pieces)))
    return join(pieces, fade=round(_FADE_S * rate))


def _between(audio: SplitAudio, backgrounds: np.ndarray, number: int) -> np.ndarray:
    samples = round(_BETWEEN_S * audio.sample_rate_hz)
    if not len(backgrounds):
        return np.zeros(samples, np.float32)
    waveform = audio.store.waveform(int(backgrounds[number % len(backgrounds)]))
    return np.float32(_BACKGROUND_GAIN) * _loud(np.resize(waveform, samples))


def _loud(waveform: np.ndarray) -> np.ndarray:
    peak = np.abs(waveform).max(initial=0.0)
    return waveform / peak if peak else waveform
