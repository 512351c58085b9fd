"""The tf.data pipeline: cached clips -> windows -> augmented waveforms -> log-mel -> batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from kwsembed.config import AugmentConfig
from kwsembed.data.augment import augment_waveforms, mask_spectrogram
from kwsembed.data.cache import ClipStore
from kwsembed.data.equaliser import equalise
from kwsembed.data.log_mel import LogMel
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.speed import SpeedChange
from kwsembed.data.surroundings import AS_IN_THE_DATA, Surroundings
from kwsembed.frontend import FrontendConfig, log_mel

_PCM_SCALE = 1.0 / 32768.0


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
    round_steps: int | None = None,
    surroundings: Surroundings = AS_IN_THE_DATA,
) -> tf.data.Dataset:
    """Batches of augmented training windows for the steps [first_step, last_step).

    A step's batch is a function of the schedule, the seed and the step: a resumed run starts at its step and
    sees what it would have seen. Memory stays at a few batches, whatever the size of the store.

    Args:
        store: Decoded clips.
        schedule: What is drawn.
        frontend: Definition of the front end.
        augment: What is done to the windows.
        first_step: Step of the first batch.
        last_step: The step before which to stop.
        seed: Seed of the run.
        round_steps: Steps after which the same batches come again; None for never.
        surroundings: Noise to mix in and rooms; background of the training split and synthetic rooms if left
            out.

    Returns:
        Dataset of what `batch_of_step` gives.
    """
    features = batch_of_step(
        store,
        schedule,
        frontend=frontend,
        augment=augment,
        seed=seed,
        round_steps=round_steps,
        surroundings=surroundings,
    )
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
    round_steps: int | None = None,
    surroundings: Surroundings = AS_IN_THE_DATA,
) -> Callable[[tf.Tensor], tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    """The function of a step, for a graph, that `training_dataset` maps; arguments as there.

    Returns:
        Function from a step, int64, to `(log_mel, labels)`: `(batch, frames, mels)` float32, and a dict of
        `class`, `item` and `window` (the window's number in its round), each `(batch,)` int32, and
        `backwards`, `(batch,)` bool: where an event is heard backwards, class and item are those of the
        background in whose place it is.
    """
    audio = _AugmentedAudio(
        store, schedule, frontend=frontend, augment=augment, seed=seed, surroundings=surroundings
    )
    to_log_mel = LogMel(frontend)
    batch = schedule.batch_size

    def features(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        drawn = step if round_steps is None else step % round_steps
        waveforms, labels, (mask_seed, equaliser_seed) = audio(drawn)
        log_mels = to_log_mel(waveforms)
        log_mels = equalise(log_mels, equaliser_seed, config=augment, log_offset=frontend.log_offset)
        log_mels = mask_spectrogram(log_mels, mask_seed, config=augment)
        windows = tf.cast(drawn * batch + tf.range(batch, dtype=tf.int64), tf.int32)
        return log_mels, {**labels, "window": windows}

    return features


def augmented_waveforms(
    store: ClipStore,
    schedule: WindowSchedule,
    *,
    frontend: FrontendConfig,
    augment: AugmentConfig,
    last_step: int,
    seed: int = 0,
    surroundings: Surroundings = AS_IN_THE_DATA,
) -> tf.data.Dataset:
    """The audio of the batches of `training_dataset` from its first step on, `(batch, samples)` float32."""
    audio = _AugmentedAudio(
        store, schedule, frontend=frontend, augment=augment, seed=seed, surroundings=surroundings
    )
    return (
        tf.data.Dataset.range(last_step)
        .map(lambda step: audio(step)[0], num_parallel_calls=2, deterministic=True)
        .prefetch(4)
    )


class _AugmentedAudio:
    """From a step to its batch: `(batch, samples)` float32 in [-1, 1], labels, seeds for features."""

    def __init__(
        self,
        store: ClipStore,
        schedule: WindowSchedule,
        *,
        frontend: FrontendConfig,
        augment: AugmentConfig,
        seed: int,
        surroundings: Surroundings,
    ) -> None:
        self._surroundings = surroundings
        self._store = store
        self._schedule = schedule
        self._augment = augment
        self._change_speed = SpeedChange(schedule.window_samples, largest_change=augment.speed_change)
        self._rooms = tf.constant(
            surroundings.transfer_functions(
                window_samples=schedule.window_samples,
                sample_rate_hz=frontend.sample_rate_hz,
                seed=seed,
            )
        )

    def __call__(self, step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], tuple[tf.Tensor, ...]]:
        batch, window_samples = self._schedule.batch_size, self._schedule.window_samples
        played, mix, classes, items, backwards, augment_seed = tf.numpy_function(
            self._cut, [step], (tf.float32, tf.int16, tf.int32, tf.int32, tf.bool, tf.int64)
        )
        waveforms = tf.ensure_shape(played, (batch, window_samples))
        backgrounds = tf.cast(tf.ensure_shape(mix, (batch, window_samples)), tf.float32)
        seeds = tf.random.experimental.stateless_split(tf.ensure_shape(augment_seed, (2,)), 3)
        waveforms = augment_waveforms(waveforms, backgrounds, self._rooms, seeds[0], config=self._augment)
        labels = {"class": classes, "item": items, "backwards": backwards}
        labels = {name: tf.ensure_shape(values, (batch,)) for name, values in labels.items()}
        return waveforms, labels, (seeds[1], seeds[2])

    def _cut(self, step: np.int64) -> tuple[np.ndarray, ...]:
        draw, schedule = self._schedule.draw(int(step)), self._schedule
        lead = self._change_speed.lead
        window_samples = schedule.window_samples
        cuts = read_windows(
            self._store, schedule.clips[draw.items], draw.starts - lead, window_samples + 2 * lead
        )
        played = self._change_speed(cuts, draw.speeds, scale=_PCM_SCALE)
        mixed = read_windows(self._store, schedule.clips[draw.mix_items], draw.mix_starts, window_samples)
        backwards = draw.backwards >= 0
        played[backwards] = played[draw.backwards[backwards], ::-1]
        return (
            played,
            self._surroundings.mixed(mixed, draw.seed),
            draw.classes.astype(np.int32),
            draw.items.astype(np.int32),
            backwards,
            draw.seed,
        )


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
