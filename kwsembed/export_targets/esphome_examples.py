"""What the ESPHome network is trained on: augmented windows as the device would hear them in a stream."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kwsembed.data.augment import augment_waveforms
from kwsembed.data.log_mel import LogMel
from kwsembed.data.pipeline import read_windows
from kwsembed.data.sampling import Draw, WindowSchedule
from kwsembed.data.speed import SpeedChange
from kwsembed.export_targets.esphome_features import (
    CHANNELS,
    SAMPLE_RATE_HZ,
    STEP_SAMPLES,
    frame_count,
    micro_features,
)
from kwsembed.frontend import FrontendConfig
from kwsembed.progress import Progress, silent
from kwsembed.training.data import TrainingData

Teacher = Callable[[np.ndarray], np.ndarray]
"""`(windows, samples)` float32 -> `(windows, labels)` logits."""

# Noise reduction and gain control follow the stream with time constants of up to 0.4 s.
_LEAD_S = 1.5
_FADE_SAMPLES = 320
# So often a clip stands in digital silence, as in a recording that was cut; else in background, as in life.
_SILENCE_PROBABILITY = 0.15
_BATCH = 64


@dataclass(frozen=True)
class Examples:
    """Augmented windows.

    Attributes:
        features: `(examples, frames, 40)` int8, the model's input.
        classes: `(examples,)` class of each.
        teacher: `(examples, labels)` logits of the run's own network on the same audio.
        probabilities: `(labels,)` how often each class is drawn.
        windows_per_class: `(labels,)` windows that the training split holds.
    """

    features: np.ndarray
    classes: np.ndarray
    teacher: np.ndarray
    probabilities: np.ndarray
    windows_per_class: np.ndarray


def make_examples(
    data: TrainingData,
    teacher: Teacher,
    *,
    count: int,
    sampling: str,
    progress: Progress = silent,
) -> Examples:
    """Draws windows from the training split as training does, each with the audio before it.

    What lies outside a clip is other background, as in a stream. Speed, room, background and gain change as
    the run's settings say.

    Args:
        data: The run's data at 16 kHz.
        teacher: Logits of the run's network.
        count: Examples to make, rounded up to whole batches.
        sampling: How classes are drawn; see `class_probabilities`.
        progress: Called with examples made and examples in all.
    """
    config, window = data.config, data.config.window_samples
    lead = STEP_SAMPLES * round(_LEAD_S * SAMPLE_RATE_HZ / STEP_SAMPLES)
    schedule = WindowSchedule(
        data.store,
        data.clips_of("train"),
        data.classes_of("train"),
        data.event,
        window_samples=window,
        batch_size=_BATCH,
        sampling=sampling,
        seed=config.seed,
        stage="esphome",
    )
    change_speed = SpeedChange(window + 2 * lead, largest_change=config.augment.speed_change)
    # Short clips are not padded with zeros here, so background need not be cut out of zeros either.
    augment = dataclasses.replace(config.augment, span_probability=0.0)
    rooms = tf.constant(
        data.surroundings.transfer_functions(
            window_samples=lead + window, sample_rate_hz=SAMPLE_RATE_HZ, seed=config.seed
        )
    )

    @tf.function
    def augmented(waveforms: tf.Tensor, backgrounds: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return augment_waveforms(waveforms, backgrounds, rooms, seed, config=augment)

    batches = -(-count // _BATCH)
    features = np.empty((batches * _BATCH, frame_count(window), CHANNELS), np.int8)
    classes, logits = [], []
    for step in range(batches):
        draw = schedule.draw(step)
        cut = _in_background(
            data, schedule, draw, before=lead + change_speed.lead, after=lead + change_speed.lead
        )
        played = change_speed(cut, draw.speeds)[:, : lead + window]
        mix = data.surroundings.mixed(_stretches(data, schedule, draw, lead + window), draw.seed)
        waveforms = augmented(played / 32768.0, mix.astype(np.float32) / 32768.0, draw.seed).numpy()
        for row, waveform in enumerate(waveforms):
            features[step * _BATCH + row] = micro_features(waveform)[-features.shape[1] :]
        classes.append(draw.classes)
        logits.append(teacher(waveforms[:, lead:]))
        progress((step + 1) * _BATCH, batches * _BATCH)
    return Examples(
        features,
        np.concatenate(classes),
        np.concatenate(logits),
        schedule.probabilities,
        schedule.windows_per_class,
    )


def network_teacher(classifier: keras.Model, frontend: FrontendConfig) -> Teacher:
    """Logits of a Keras classifier behind its own front end."""
    to_log_mel = LogMel(frontend)

    @tf.function
    def logits(windows: tf.Tensor) -> tf.Tensor:
        return classifier(to_log_mel(windows), training=False)

    return lambda windows: logits(tf.constant(windows)).numpy()


def _in_background(
    data: TrainingData, schedule: WindowSchedule, draw: Draw, *, before: int, after: int
) -> np.ndarray:
    """`(batch, before + window + after)` float32: the clips, and what lies outside them from other clips."""
    length = before + schedule.window_samples + after
    starts = draw.starts - before
    clips = schedule.clips[draw.items]
    cut = read_windows(data.store, clips, starts, length).astype(np.float32)
    # Background of the next example: never the one that is mixed into this one.
    around = np.roll(_stretches(data, schedule, draw, length), 1, axis=0)
    random = np.random.default_rng(draw.seed)
    silent_rows = random.random(len(cut)) < _SILENCE_PROBABILITY
    position = np.arange(length)
    first, last = -starts, data.store.samples[clips] - starts
    inside = np.minimum(position - first[:, np.newaxis], last[:, np.newaxis] - position)
    share = np.clip(inside / _FADE_SAMPLES, 0.0, 1.0).astype(np.float32)
    around = np.where(silent_rows[:, np.newaxis], 0.0, around)
    return share * cut + (1.0 - share) * around


def _stretches(data: TrainingData, schedule: WindowSchedule, draw: Draw, length: int) -> np.ndarray:
    """`(batch, length)` int16 of the background that goes with each example, repeated where it is shorter."""
    stretches = np.empty((len(draw.mix_items), length), np.int16)
    for row, (item, start) in enumerate(zip(draw.mix_items, draw.mix_starts, strict=True)):
        clip = int(schedule.clips[item])
        samples = int(data.store.samples[clip])
        first = int(np.clip(start, 0, max(samples - length, 0)))
        stretches[row] = np.resize(data.store.read(clip, first, min(first + length, samples)), length)
    return stretches
