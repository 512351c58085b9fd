"""The tf.data pipeline: cached clips -> windows -> augmented waveforms -> log-mel -> batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from kwsembed.config import AugmentConfig
from kwsembed.data.augment import augment_waveforms, mask_spectrogram, room_responses
from kwsembed.data.cache import ClipStore
from kwsembed.data.equaliser import equalise
from kwsembed.data.log_mel import LogMel
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.speed import SpeedChange
from kwsembed.frontend import FrontendConfig, log_mel

_PCM_SCALE = 1.0 / 32768.0
_ROOMS = 32


def read_windows(
    store: ClipStore, clips: Iterable[int], starts: Iterable[int], window_samples: int
) -> np.ndarray:
    """Cuts windows out of clips; what lies outside a clip is zero.

    Args:
        store: Decoded clips.
        clips: `(batch,)` indices in the store.
        starts: `(batch,)` first sample of each window; may be negative.
        window_samples: Length of a window.

    Returns:
        `(batch, window_samples)` int16.
    """
    clips, starts = list(clips), list(starts)
    windows = np.zeros((len(clips), window_samples), np.int16)
    for row, (clip, start) in enumerate(zip(clips, starts, strict=True)):
        first, last = max(int(start), 0), min(int(start) + window_samples, int(store.samples[clip]))
        if last > first:
            windows[row, first - start : last - start] = store.read(int(clip), first, last)
    return windows


def training_dataset(
    store: ClipStore,
    schedule: WindowSchedule,
    *,
    frontend: FrontendConfig,
    augment: AugmentConfig,
    first_step: int,
    last_step: int,
    seed: int = 0,
) -> tf.data.Dataset:
    """Batches of augmented training windows for the steps [first_step, last_step).

    A step's batch is a function of the schedule, the seed and the step: a resumed run starts at its step and
    sees what it would have seen. Memory stays at a few batches, whatever the size of the store.

    Returns:
        Dataset of what `batch_of_step` gives.
    """
    features = batch_of_step(store, schedule, frontend=frontend, augment=augment, seed=seed)
    return (
        tf.data.Dataset.range(first_step, last_step)
        .map(features, num_parallel_calls=2, deterministic=True)
        .prefetch(4)
    )


def batch_of_step(
    store: ClipStore,
    schedule: WindowSchedule,
    *,
    frontend: FrontendConfig,
    augment: AugmentConfig,
    seed: int = 0,
) -> Callable[[tf.Tensor], tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    """The function of a step, for a graph, that `training_dataset` maps; arguments as there.

    Returns:
        Function from a step, int64, to `(log_mel, labels)`: `(batch, frames, mels)` float32, and a dict of
        `class`, `item` and `start` (the window's first sample within its clip), each `(batch,)` int32.
    """
    window_samples, batch = schedule.window_samples, schedule.batch_size
    change_speed = SpeedChange(window_samples, largest_change=augment.speed_change)
    lead = change_speed.lead

    def cut(step: np.int64) -> tuple[np.ndarray, ...]:
        draw = schedule.draw(int(step))
        cuts = read_windows(store, schedule.clips[draw.items], draw.starts - lead, window_samples + 2 * lead)
        return (
            change_speed(cuts, draw.speeds, scale=_PCM_SCALE),
            read_windows(store, schedule.clips[draw.mix_items], draw.mix_starts, window_samples),
            draw.classes.astype(np.int32),
            draw.items.astype(np.int32),
            draw.starts.astype(np.int32),
            draw.seed,
        )

    rooms = tf.constant(
        room_responses(
            rooms=_ROOMS, window_samples=window_samples, sample_rate_hz=frontend.sample_rate_hz, seed=seed
        )
    )
    to_log_mel = LogMel(frontend)

    def features(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        played, mix, classes, items, starts, augment_seed = tf.numpy_function(
            cut, [step], (tf.float32, tf.int16, tf.int32, tf.int32, tf.int32, tf.int64)
        )
        waveforms = tf.ensure_shape(played, (batch, window_samples))
        backgrounds = tf.cast(tf.ensure_shape(mix, (batch, window_samples)), tf.float32)
        seeds = tf.random.experimental.stateless_split(tf.ensure_shape(augment_seed, (2,)), 3)
        waveforms = augment_waveforms(waveforms, backgrounds, rooms, seeds[0], config=augment)
        log_mels = to_log_mel(waveforms)
        log_mels = equalise(log_mels, seeds[2], config=augment, log_offset=frontend.log_offset)
        log_mels = mask_spectrogram(log_mels, seeds[1], config=augment)
        labels = {
            name: tf.ensure_shape(values, (batch,))
            for name, values in (("class", classes), ("item", items), ("start", starts))
        }
        return log_mels, labels

    return features


def anchor_features(
    store: ClipStore, clips: np.ndarray, starts: np.ndarray, *, frontend: FrontendConfig, window_samples: int
) -> np.ndarray:
    """Unaugmented log-mel of one window per clip, `(clips, frames, mels)` float32."""
    pcm = read_windows(store, clips, starts, window_samples)
    frames = frontend.frame_count(window_samples)
    features = np.empty((len(pcm), frames, frontend.mel_count), np.float32)
    for row, window in enumerate(pcm):
        features[row] = log_mel(window.astype(np.float32) * np.float32(_PCM_SCALE), frontend)
    return features
