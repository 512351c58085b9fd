"""How a clip of any length becomes windows, and how the windows' probabilities become the clip's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kwsembed.errors import AudioError, ConfigError

_EVIDENCE_WINDOWS = 5
_LEAST_PROBABILITY = 1e-6  # one window that rules a label out must not outweigh four that hear it


def clip_windows(waveform: np.ndarray, window_samples: int, hop_samples: int) -> np.ndarray:
    """The windows that a clip is judged by.

    A clip shorter than a window lies in the middle of it, between zeros. In a longer one a window starts at
    each hop, and one more ends where the clip ends if samples would be left over.

    Args:
        waveform: (samples,), at least one sample.
        window_samples: Length of a window.
        hop_samples: Distance of window starts, in 1 .. window_samples.

    Returns:
        (windows, window_samples), of the waveform's type.

    Example:
        >>> clip_windows(np.array([1, 2, 3, 4, 5, 6]), 4, 3)
        array([[1, 2, 3, 4],
               [3, 4, 5, 6]])
        >>> clip_windows(np.array([1, 2]), 4, 3)
        array([[0, 1, 2, 0]])
    """
    return next(clip_windows_in_parts(waveform, window_samples, hop_samples, most=len(waveform)))


def clip_windows_in_parts(
    waveform: np.ndarray, window_samples: int, hop_samples: int, *, most: int
) -> Iterator[np.ndarray]:
    """The windows of `clip_windows` in their order, at most so many at once.

    Windows overlap, so that those of an hour, cut all at once, would fill a gigabyte.

    Yields:
        (most or fewer, window_samples), of the waveform's type.
    """
    if waveform.ndim != 1 or not len(waveform):
        raise AudioError("not a clip", expected="(samples,), at least 1", received=f"shape={waveform.shape}")
    if not 1 <= hop_samples <= window_samples:
        raise ConfigError("hop_samples is out of range", expected="1 .. window", received=f"{hop_samples=}")
    missing = max(window_samples - len(waveform), 0)
    padded = np.pad(waveform, (missing // 2, missing - missing // 2)) if missing else waveform
    last = len(padded) - window_samples
    starts = np.arange(0, last + 1, hop_samples)
    if starts[-1] != last:
        starts = np.append(starts, last)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window_samples)
    for first in range(0, len(starts), most):
        yield windows[starts[first : first + most]]


def clip_evidence(window_scores: np.ndarray, background_mask: np.ndarray) -> np.ndarray:
    """How much speaks for each label of a clip: its mean log probability where an event is likeliest.

    Of the windows, the five with the least probability of background count (about two seconds of audio at
    the usual window and hop): a short event is not drowned by what surrounds it, and a single stray window
    decides nothing.

    Args:
        window_scores: (windows, labels), each row adds up to 1.
        background_mask: (labels,) bool, True where a label is background.

    Returns:
        (labels,) float64, at most 0.

    Example:
        >>> clip_evidence(np.array([[0.8, 0.2]]), np.array([False, True])).round(3)
        array([-0.223, -1.609])
    """
    scores = np.asarray(window_scores, dtype=np.float64)
    background = scores[:, background_mask].sum(axis=1)
    strongest = np.argsort(background, kind="stable")[:_EVIDENCE_WINDOWS]
    return np.log(np.maximum(scores[strongest], _LEAST_PROBABILITY)).mean(axis=0)


def pool_clip(
    window_scores: np.ndarray, background_mask: np.ndarray, *, bias: np.ndarray | None = None
) -> np.ndarray:
    """The probabilities of a clip from those of its windows: the softmax of its evidence plus a bias.

    Args:
        window_scores: (windows, labels), each row adds up to 1.
        background_mask: (labels,) bool, True where a label is background.
        bias: (labels,) added to the evidence, fitted on validation; zeros if None.

    Returns:
        (labels,) float64, adds up to 1.

    Example:
        >>> pool_clip(np.array([[0.8, 0.2], [0.8, 0.2]]), np.array([False, True]))
        array([0.8, 0.2])
    """
    return probabilities_of(clip_evidence(window_scores, background_mask), bias=bias)


def probabilities_of(evidence: np.ndarray, *, bias: np.ndarray | None = None) -> np.ndarray:
    """Softmax over the last axis of evidence (..., labels) plus a bias (labels,)."""
    shifted = evidence if bias is None else evidence + bias
    odds = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)
