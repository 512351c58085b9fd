"""Where in a clip something happens: regions of raised short-time energy."""

from __future__ import annotations

import numpy as np

_FRAME_S = 0.02
_BELOW_PEAK_DB = 20.0  # quieter frames are the event's tail or its surroundings
_ABOVE_FLOOR_DB = 6.0  # of the quietest tenth of the clip, so that a steady noise bed is not an event
_MERGED_GAP_S = 0.2


def active_regions(waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Finds the active regions of a clip by the energy of 20-ms frames.

    A frame is active within 20 dB of the loudest one and, unless the clip is loud throughout, 6 dB above the
    clip's noise floor; gaps under 0.2 s are closed.

    Args:
        waveform: `(samples,)` float or int16 at any scale, at least one sample.
        sample_rate_hz: Its rate.

    Returns:
        `(regions, 2)` int64, first sample and end of each; in order, apart, never empty.

    Example:
        >>> clip = np.concatenate([np.zeros(16000), 0.5 * np.ones(8000), np.zeros(16000)])
        >>> active_regions(clip, 16000)
        array([[16000, 24000]])
    """
    frame = max(1, round(_FRAME_S * sample_rate_hz))
    whole = len(waveform) - len(waveform) % frame
    frames = np.asarray(waveform[:whole]).reshape(-1, frame)
    energy = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frame  # copies no hour-long clip
    if whole < len(waveform):
        energy = np.append(energy, np.mean(np.square(waveform[whole:], dtype=np.float64)))
    level_db = 10 * np.log10(energy / (energy.max() or 1.0) + 1e-12)
    within = level_db >= level_db.max() - _BELOW_PEAK_DB
    raised = level_db >= np.percentile(level_db, 10) + _ABOVE_FLOOR_DB
    active = within & raised if (within & raised).any() else within
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]])))
    first, last = edges[0::2] * frame, np.minimum(edges[1::2] * frame, len(waveform))
    apart = first[1:] - last[:-1] >= _MERGED_GAP_S * sample_rate_hz
    return np.stack([first[np.append(True, apart)], last[np.append(apart, True)]], axis=1).astype(np.int64)
