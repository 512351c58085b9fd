"""Long streams for judging: a split's clips mixed into background at a stated signal-to-noise ratio.

The streams of `kwsembed.evaluation.streams` play clips between pieces of background, each as it was recorded.
Here background goes on without a break and the clips lie on top of it, as sounds in a room do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.audio import decode, wav
from kwsembed.audio.resample import resample
from kwsembed.detection.replay import Event
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.evaluation.streams import join

# Between the end of one clip and the start of the next: longer than a window and its smoothing.
GAP_S = (2.0, 4.0)
_FADE_S = 0.02
# Background below this counts as this loud, or events in digital silence would be as silent.
_QUIETEST_DBFS = -50.0
_LOUDEST_PEAK = 0.95


@dataclass(frozen=True)
class MixedStream:
    """One recording.

    Attributes:
        waveform: `(samples,)` float32 in [-1, 1].
        events: The clips that the detector should report, with the span from first to last active region.
        others: Spans of background clips that were mixed in likewise, such as unknown words.
        snr_db: Power of a clip's active part against that of the background under it.
        sample_rate_hz: Rate.
    """

    waveform: np.ndarray
    events: tuple[Event, ...]
    others: tuple[Event, ...]
    snr_db: float
    sample_rate_hz: int

    @property
    def hours(self) -> float:
        """Its length."""
        return len(self.waveform) / self.sample_rate_hz / 3600

    def write(self, path: Path) -> None:
        """Writes the WAV and, beside it, its events as `kwsembed evaluate --annotations` reads them."""
        wav.write(path, self.waveform, self.sample_rate_hz)
        rows = [f"{path.name}\t{e.onset_s:.3f}\t{e.offset_s:.3f}\t{e.label}" for e in self.events]
        text = "\n".join(["filename\tonset\toffset\tevent_label", *rows]) + "\n"
        atomic.write_text(path.with_suffix(".tsv"), text)


def background_of(audio: SplitAudio) -> np.ndarray:
    """The split's own background as one waveform."""
    clips = audio.clips[audio.classes >= audio.event_count]
    waveforms = [audio.store.waveform(int(clip)) for clip in clips]
    return join(waveforms, fade=round(_FADE_S * audio.sample_rate_hz))


def background_in(folder: Path, sample_rate_hz: int) -> np.ndarray:
    """All audio files of a folder as one waveform, in an order that says nothing."""
    files = sorted(decode.find_audio([folder]))
    waveforms = []
    for at in np.random.default_rng(0).permutation(len(files)):
        waveform, rate = decode.read(files[at])
        waveforms.append(resample(waveform, rate, sample_rate_hz))
    return join(waveforms, fade=round(_FADE_S * sample_rate_hz))


def mixed_stream(
    audio: SplitAudio, background: np.ndarray, *, snr_db: float, with_background_clips: bool, seed: int = 0
) -> MixedStream:
    """Mixes every clip of a split into background, one after the other in random order.

    Args:
        audio: The split.
        background: `(samples,)`; repeated from its start where it is too short.
        snr_db: Signal-to-noise ratio of every clip.
        with_background_clips: Mix the split's background clips in as well, as what must not be reported.
        seed: Order of the clips and time between them; ratios share both, so that they differ in nothing
            else.
    """
    random = np.random.default_rng(seed)
    rate = audio.sample_rate_hz
    chosen = random.permutation(np.arange(len(audio.clips)))
    if not with_background_clips:
        chosen = chosen[audio.classes[chosen] < audio.event_count]
    starts, end = [], 0
    for at in chosen:
        starts.append(end + round(random.uniform(*GAP_S) * rate))
        end = starts[-1] + int(audio.store.samples[int(audio.clips[at])])
    mixed = np.resize(background, end + round(GAP_S[1] * rate)).astype(np.float32)
    events, others = [], []
    for at, start in zip(chosen, starts, strict=True):
        clip = int(audio.clips[at])
        segments = audio.store.segments[clip]
        first, last = int(segments[:, 0].min()), int(segments[:, 1].max())
        place = slice(start, start + int(audio.store.samples[clip]))
        mixed[place] += scaled(audio.store.waveform(clip), segments, under=mixed[place], snr_db=snr_db)
        span = Event(audio.labels[int(audio.classes[at])], (start + first) / rate, (start + last) / rate)
        (events if audio.classes[at] < audio.event_count else others).append(span)
    return MixedStream(np.clip(mixed, -1, 1), tuple(events), tuple(others), snr_db, rate)


def scaled(
    waveform: np.ndarray,
    segments: Sequence[tuple[int, int]] | np.ndarray,
    *,
    under: np.ndarray,
    snr_db: float,
) -> np.ndarray:
    """A clip, so loud that its active regions have the power asked for against the background under them.

    Background is taken for at least -50 dBFS, and no clip gets louder than the format allows.

    Args:
        waveform: `(samples,)`.
        segments: First sample and end of each active region.
        under: `(samples,)` of background.
        snr_db: Ratio of the powers.

    Example:
        >>> quiet = scaled(np.full(4, 0.5), [(0, 4)], under=np.full(4, 0.1), snr_db=0.0)
        >>> quiet.round(3)
        array([0.1, 0.1, 0.1, 0.1])
    """
    active = np.concatenate([np.arange(first, last) for first, last in segments])
    noise = max(np.sqrt(np.mean(np.square(under[active]))), 10 ** (_QUIETEST_DBFS / 20))
    loudness = np.sqrt(np.mean(np.square(waveform[active]))) + 1e-9
    factor = noise / loudness * 10 ** (snr_db / 20)
    return waveform * min(factor, _LOUDEST_PEAK / max(float(np.abs(waveform).max()), 1e-9))
