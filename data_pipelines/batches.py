"""From a manifest to tf.data: decoded once into the cache, then batches of log-mel windows per split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kwsembed.config import TrainConfig
from kwsembed.manifest import Manifest, assign_splits
from kwsembed.progress import ProgressLine

if TYPE_CHECKING:
    import tensorflow as tf

    from kwsembed.data.cache import ClipStore
    from kwsembed.data.sampling import WindowSchedule


def split_datasets(
    manifest: Manifest,
    *,
    test_folds: Sequence[int] | None = None,
    validation_folds: Sequence[int] | None = None,
    sampling: str = "balanced",
    config: TrainConfig | None = None,
    cache_dir: str | Path | None = None,
) -> dict[str, tf.data.Dataset]:
    """Makes a dataset per split, of the windows that `kwsembed train` learns from.

    Args:
        manifest: What `build_manifest` returned.
        test_folds: Folds to test on; the highest if None.
        validation_folds: Folds to validate on; the highest of the rest if None.
        sampling: How training draws its classes (see `kwsembed.data.sampling.class_probabilities`).
        config: Window, front end, augmentation, batch size, steps per epoch and seed; the defaults if None.
        cache_dir: Where decoded audio is kept; where `kwsembed train` keeps it if None.

    Returns:
        Under "train", "validation" and "test" (those that have clips): batches of
        `(log_mel (batch, frames, mels) float32, label (batch,) int32)`, the label being an index into
        `manifest.labels`. Training gives `config.schedule.epoch_steps` batches of augmented random windows,
        the same at every iteration; the others one fixed, unaugmented window for each clip, in order.
    """
    from kwsembed.data.cache import build_cache, default_cache_dir
    from kwsembed.data.pipeline import training_dataset
    from kwsembed.data.sampling import WindowSchedule

    config = config or TrainConfig()
    manifest = assign_splits(
        manifest, test_folds=test_folds, validation_folds=validation_folds, seed=config.seed
    )
    store = build_cache(
        manifest,
        cache_dir=Path(cache_dir or default_cache_dir(manifest.source)),
        sample_rate_hz=config.frontend.sample_rate_hz,
        progress=ProgressLine("decoding", unit="clips"),
    )
    label_index = {label: position for position, label in enumerate(manifest.labels)}
    event = np.array([label in manifest.event_labels for label in manifest.labels])
    datasets: dict[str, tf.data.Dataset] = {}
    for split in ("train", "validation", "test"):
        clips = np.array([i for i, clip in enumerate(store.clips) if clip.split == split], np.int64)
        if not len(clips):
            continue
        schedule = WindowSchedule(
            store,
            clips,
            np.array([label_index[store.clips[clip].label] for clip in clips]),
            event,
            window_samples=config.window_samples,
            batch_size=config.schedule.batch_size,
            sampling=sampling,
            seed=config.seed,
        )
        if split == "train":
            datasets[split] = training_dataset(
                store,
                schedule,
                frontend=config.frontend,
                augment=config.augment,
                first_step=0,
                last_step=config.schedule.epoch_steps,
                seed=config.seed,
            ).map(lambda log_mel, labels: (log_mel, labels["class"]))
        else:
            datasets[split] = _fixed_windows(store, schedule, config)
    return datasets


def _fixed_windows(store: ClipStore, schedule: WindowSchedule, config: TrainConfig) -> tf.data.Dataset:
    """One window per clip, centred on the event, without augmentation."""
    import tensorflow as tf

    from kwsembed.data.log_mel import LogMel
    from kwsembed.data.pipeline import read_windows

    to_log_mel = LogMel(config.frontend)
    starts = schedule.anchor_starts()

    def cut(item: np.int64) -> np.ndarray:
        (window,) = read_windows(store, [schedule.clips[item]], [starts[item]], config.window_samples)
        return window

    def features(item: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pcm = tf.ensure_shape(tf.numpy_function(cut, [item], tf.int16), (config.window_samples,))
        return to_log_mel(tf.cast(pcm, tf.float32) / 32768.0), label

    items = np.arange(len(schedule.clips))
    return (
        tf.data.Dataset.from_tensor_slices((items, schedule.classes.astype(np.int32)))
        .map(features, num_parallel_calls=2, deterministic=True)
        .batch(config.schedule.batch_size)
        .prefetch(2)
    )
