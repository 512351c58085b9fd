"""Finding clips that hold the same recording, also at another gain, a little trimmed, or encoded anew.

Frames of the fingerprints are reduced to hashes, the signs of energy differences between neighbouring bands
and over time (after Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002), each also
with its weakest bits flipped. Clips that share hashes at one and the same offset are compared there in full.
The effort grows with the number of frames, not with that of pairs: an occurrence of a hash is held against
its next few only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kwsembed.manifest.fingerprint import BANDS, HOP_S

_LAG = 4  # frames over which bands are followed: as long as the window, so that the two ends are independent
_LEAST_CHANGE = 2.0  # steps of 0.5 dB, on average over the bands: steady sounds have nothing to be known by
_FLIPPED = 2  # weakest bits of a hash
_NEXT = 8  # occurrences of a hash that one is held against
_LEAST_VOTES = 3
_LEAST_SIMILARITY = 0.85
_LEAST_SHARED = 0.5  # of the shorter clip
_AUDIBLE = 40  # steps of 0.5 dB above the fingerprint's floor
_LEAST_AUDIBLE_FRAMES = 10


@dataclass(frozen=True)
class Match:
    """Two fingerprints of the same recording.

    Args:
        first: Index of the one.
        second: Index of the other, larger.
        offset_s: Where the second one begins in the first one; negative if it begins earlier.
        similarity: Correlation of the parts that overlap, up to 1.
    """

    first: int
    second: int
    offset_s: float
    similarity: float


def find_near_duplicates(
    fingerprints: Sequence[np.ndarray], *, first_with_rest: int | None = None
) -> list[Match]:
    """Returns, in order, the pairs that hold the same recording.

    They overlap in at least half of the shorter one. Of many copies of a recording, each is matched with the
    next few only.

    Args:
        fingerprints: `(frames, bands)` uint8 of each clip, from `Fingerprinter`.
        first_with_rest: Only the first so many are held against the others, and neither against its own
            kind; None for all against all.

    Example:
        >>> random = np.random.default_rng(0)
        >>> sound = random.integers(0, 120, size=(100, 25)).astype(np.uint8)
        >>> find_near_duplicates([sound, sound[::-1], sound[10:]])
        [Match(first=0, second=2, offset_s=0.16, similarity=1.0)]
    """
    matches = []
    for first, second, offset in _candidates(fingerprints):
        if first_with_rest is not None and not first < first_with_rest <= second:
            continue
        near = (offset, offset - 1, offset + 1)  # the first of equals wins
        similarities = [_similarity(fingerprints[first], fingerprints[second], shift) for shift in near]
        similarity, shift = max(zip(similarities, near, strict=True), key=lambda pair: pair[0])
        if similarity >= _LEAST_SIMILARITY:
            matches.append(Match(first, second, round(shift * HOP_S, 3), round(similarity, 4)))
    return matches


def _candidates(fingerprints: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """(first, second, offset in frames) of pairs that share hashes there, sorted; one offset per pair."""
    hashed = [_hashes(fingerprint) for fingerprint in fingerprints]
    hashes = np.concatenate([values.ravel() for values, _ in hashed] or [np.zeros(0, np.uint32)])
    frames = np.concatenate([np.repeat(f, v.shape[1]) for v, f in hashed] or [np.zeros(0, np.int32)])
    clips = np.repeat(np.arange(len(hashed), dtype=np.int64), [values.size for values, _ in hashed])
    order = np.argsort(hashes, kind="stable")  # keeps the clips of a hash in order
    hashes, frames, clips = hashes[order], frames[order], clips[order]
    # A hash that goes on within a clip counts once there.
    fresh = np.append(True, (hashes[1:] != hashes[:-1]) | (clips[1:] != clips[:-1]))[: len(hashes)]
    hashes, frames, clips = hashes[fresh], frames[fresh], clips[fresh]
    longest = max((len(fingerprint) for fingerprint in fingerprints), default=0) + 1
    keys = []
    for step in range(1, _NEXT + 1):
        same = np.flatnonzero(hashes[step:] == hashes[:-step])
        first, second = clips[same], clips[same + step]
        offset = frames[same].astype(np.int64) - frames[same + step] + longest
        keys.append((first * len(fingerprints) + second) * (2 * longest + 1) + offset)
    key, votes = np.unique(np.concatenate(keys or [np.zeros(0, np.int64)]), return_counts=True)
    beside = np.append(np.where(key[1:] == key[:-1] + 1, votes[1:], 0), 0)[: len(key)]
    votes = votes + beside  # the true offset may lie between two frames
    key, votes = key[votes >= _LEAST_VOTES], votes[votes >= _LEAST_VOTES]
    pair, offset = key // (2 * longest + 1), key % (2 * longest + 1) - longest
    best = np.lexsort((-votes, pair))
    pair, offset = pair[best], offset[best]
    leading = np.append(True, pair[1:] != pair[:-1])[: len(pair)]
    first, second = np.divmod(pair[leading], max(1, len(fingerprints)))
    return list(zip(first.tolist(), second.tolist(), offset[leading].tolist(), strict=True))


def _hashes(fingerprint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes `(frames, variants)` uint32 of the frames in which something changes, and their numbers."""
    across = fingerprint[:, :-1].astype(np.int16) - fingerprint[:, 1:]
    change = across[_LAG:] - across[:-_LAG]
    strength = np.abs(change)
    frames = np.flatnonzero(strength.mean(axis=1) >= _LEAST_CHANGE) if len(change) else np.zeros(0, np.int64)
    change, strength = change[frames], strength[frames]
    bit = np.uint32(1) << np.arange(BANDS - 1, dtype=np.uint32)
    variants = ((change > 0) * bit).sum(axis=1, dtype=np.uint32)[:, np.newaxis]
    for weakest in np.argsort(strength, axis=1, kind="stable")[:, :_FLIPPED].T:
        variants = np.concatenate([variants, variants ^ bit[weakest][:, np.newaxis]], axis=1)
    return variants, frames.astype(np.int32)


def _similarity(first: np.ndarray, second: np.ndarray, offset: int) -> float:
    """Correlation of what the overlapping frames have beyond their own level and the clips' own spectra."""
    begin, end = max(0, offset), min(len(first), len(second) + offset)
    if end - begin < _LEAST_SHARED * min(len(first), len(second)):
        return 0.0
    one, other = first[begin:end], second[begin - offset : end - offset]
    audible = np.maximum(one.max(axis=1), other.max(axis=1)) >= _AUDIBLE
    if audible.sum() < _LEAST_AUDIBLE_FRAMES:
        return 0.0
    one, other = (_beyond_level_and_spectrum(part[audible]) for part in (one, other))
    norm = np.sqrt(np.sum(one**2) * np.sum(other**2))
    return float(np.sum(one * other) / norm) if norm else 0.0


def _beyond_level_and_spectrum(part: np.ndarray) -> np.ndarray:
    centred = part - part.mean(axis=1, keepdims=True)
    return centred - centred.mean(axis=0)
