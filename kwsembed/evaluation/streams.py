"""Streams made of a split's clips: background for false alarms, events between background for misses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kwsembed.data.cache import ClipStore
from kwsembed.detection.replay import Event, ScoredStream
from kwsembed.evaluation.scoring import Scorer

# Long enough to make joins rare against the audio, short enough to bound memory.
_STREAM_S = 300.0
# Background around each event: longer than a window, so that the detector comes to rest between events.
_LEAD_S = 2.0
# Clips are joined over this time; a hard cut would be a click that no microphone hears.
_FADE_S = 0.02


@dataclass(frozen=True)
class Stream:
    """One recording to be replayed.

    Attributes:
        waveform: `(samples,)` float32 in [-1, 1] at the model's rate.
        events: What truly happens in it.
    """

    waveform: np.ndarray
    events: tuple[Event, ...] = ()

    def scored(
        self, scorer: Scorer, *, window_samples: int, hop_samples: int, sample_rate_hz: int
    ) -> ScoredStream:
        """The stream as the model hears it: one score per hop, windows only where they are full."""
        duration_s = len(self.waveform) / sample_rate_hz
        # A view: overlapping windows of an hour, written out, would fill a gigabyte.
        windows = np.lib.stride_tricks.sliding_window_view(self.waveform, window_samples)[::hop_samples]
        return ScoredStream(scorer(windows), duration_s, self.events)


def background_streams(store: ClipStore, clips: np.ndarray, *, sample_rate_hz: int) -> Iterator[Stream]:
    """Joins background clips into streams of some minutes; their hours are those of the audio.

    Args:
        store: Decoded clips.
        clips: `(clips,)` indices of background clips, in the order they are played.
        sample_rate_hz: Rate of the store.
    """
    for part in _parts(store, clips, sample_rate_hz):
        yield Stream(join([store.waveform(int(clip)) for clip in part], fade=round(_FADE_S * sample_rate_hz)))


def event_streams(
    store: ClipStore,
    clips: np.ndarray,
    background_clips: np.ndarray,
    *,
    label_of: Sequence[str],
    sample_rate_hz: int,
    seed: int = 0,
) -> Iterator[Stream]:
    """Plays event clips one after the other with background before, between and after them.

    The true span of a clip reaches from its first active region to its last.

    Args:
        store: Decoded clips.
        clips: `(clips,)` indices of event clips.
        background_clips: Indices of the same split's background clips; none gives digital silence instead.
        label_of: Label of each clip of the store.
        sample_rate_hz: Rate of the store.
        seed: Chooses which background lies where.
    """
    random = np.random.default_rng(seed)
    lead, fade = round(_LEAD_S * sample_rate_hz), round(_FADE_S * sample_rate_hz)
    for part in _parts(store, clips, sample_rate_hz):
        pieces = [_background(store, background_clips, lead, random)]
        events, end = [], lead
        for clip in part:
            waveform, segments = store.waveform(int(clip)), store.segments[int(clip)]
            start = end - min(fade, len(waveform))
            onset, offset = start + int(segments[:, 0].min()), start + int(segments[:, 1].max())
            events.append(Event(label_of[clip], onset / sample_rate_hz, offset / sample_rate_hz))
            pieces += [waveform, _background(store, background_clips, lead, random)]
            end = start + len(waveform) + lead - fade
        yield Stream(join(pieces, fade=fade), tuple(events))


def join(waveforms: Sequence[np.ndarray], *, fade: int) -> np.ndarray:
    """Joins waveforms, each fading into the next over `fade` samples (or all of a shorter one).

    Example:
        >>> len(join([np.ones(100, np.float32), np.ones(50, np.float32)], fade=10))
        140
    """
    joined = np.zeros(sum(len(waveform) for waveform in waveforms), np.float32)
    end = 0
    for waveform in waveforms:
        overlap = min(fade, len(waveform), end)
        ramp = (np.arange(overlap, dtype=np.float32) + 0.5) / max(overlap, 1)
        start = end - overlap
        joined[start:end] *= 1 - ramp
        joined[start:end] += waveform[:overlap] * ramp
        joined[end : end + len(waveform) - overlap] = waveform[overlap:]
        end = start + len(waveform)
    return joined[:end]


def _parts(store: ClipStore, clips: np.ndarray, sample_rate_hz: int) -> Iterator[list[int]]:
    """Runs of clips of about `_STREAM_S` each."""
    part: list[int] = []
    samples = 0
    for clip in clips:
        part.append(int(clip))
        samples += int(store.samples[int(clip)])
        if samples >= _STREAM_S * sample_rate_hz:
            yield part
            part, samples = [], 0
    if part:
        yield part


def _background(store: ClipStore, clips: np.ndarray, samples: int, random: np.random.Generator) -> np.ndarray:
    """A piece of a random background clip, repeated where the clip is shorter."""
    if len(clips) == 0:
        return np.zeros(samples, np.float32)
    waveform = store.waveform(int(clips[random.integers(len(clips))]))
    start = random.integers(max(1, len(waveform) - samples + 1))
    return np.resize(waveform[start : start + samples], samples)
