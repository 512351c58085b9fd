"""What an ESPHome model scores on a run's streams, and the cutoff and sliding window that suit it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from kwsembed.detection.operating import OperatingPoint, choose_threshold, measure
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import LabelReplay, ScoredStream
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.evaluation.streams import Stream
from kwsembed.export_targets.esphome_features import (
    SAMPLE_RATE_HZ,
    STEP_S,
    micro_features,
)
from kwsembed.tflite.esphome import EsphomeModel

SLIDING_WINDOWS = (1, 3, 5, 8, 12)
"""Candidates: how many probabilities the client averages."""
_USUAL_WINDOW = 5
# After a detection the device ignores 100 frames below the cutoff.
REFRACTORY_S = 1.0
_LEVELS = 256  # the probability is a byte, in steps of 1/256
_DEVICE_LEVELS = 255  # the device takes the cutoff in steps of 1/255
_NEVER = 255  # no mean of bytes is above it


@dataclass(frozen=True)
class FeatureStream:
    """A stream as the device hears it: `(frames, 40)` int8 features, and the stream that they are of."""

    features: np.ndarray
    stream: Stream


@dataclass(frozen=True)
class SplitFeatures:
    """The streams of a split for one event.

    Attributes:
        negatives: Background, and the streams of the other events.
        positives: The event between background.
        window_s: Window that the model's scores stand for.
    """

    negatives: list[FeatureStream]
    positives: list[FeatureStream]
    window_s: float

    @classmethod
    def of(cls, audio: SplitAudio, label: str) -> SplitFeatures:
        """Computes the features of a split's streams."""
        others = [other for other in audio.labels[: audio.event_count] if other != label]
        negative = [audio.negative_streams(), *(audio.positive_streams(other) for other in others)]
        return cls(
            negatives=[_heard(stream) for streams in negative for stream in streams],
            positives=[_heard(stream) for stream in audio.positive_streams(label)],
            window_s=audio.window_samples / audio.sample_rate_hz,
        )


@dataclass(frozen=True)
class Cutoff:
    """How a client decides.

    Attributes:
        level: It fires where the mean of the probabilities, as bytes, is above it.
        sliding_window_size: Probabilities that are averaged.
        point: What it costs on the audio it was chosen on.
    """

    level: int
    sliding_window_size: int
    point: OperatingPoint

    @property
    def probability_cutoff(self) -> float:
        """As the manifest says it: the device takes 255 parts of it, rounded down, as the level."""
        return min(math.ceil(self.level / _DEVICE_LEVELS * 10_000) / 10_000, 1.0)


def _heard(stream: Stream) -> FeatureStream:
    return FeatureStream(micro_features(stream.waveform), stream)


def probabilities(model: bytes, features: np.ndarray, *, stride: int) -> np.ndarray:
    """The model's output for each call on a new stream, `(calls,)` uint8, by the reference kernels.

    TensorFlow Lite Micro's give the same bytes; others round otherwise, by some 256ths of a probability.
    """
    interpreter = tf.lite.Interpreter(
        model_content=model,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    result = np.empty(len(features) // stride, np.uint8)
    for call in range(len(result)):
        interpreter.set_tensor(into, features[np.newaxis, call * stride : (call + 1) * stride])
        interpreter.invoke()
        result[call] = interpreter.get_tensor(out)[0, 0]
    return result


def scored(
    scores: np.ndarray, heard: FeatureStream, *, first_frame: int, split: SplitFeatures
) -> ScoredStream:
    """Scores of a stream's windows, the first of which starts at a frame; there is time 0 for its events.

    Args:
        scores: `(windows,)`.
        heard: The stream.
        first_frame: Where the window of the first score starts.
        split: Whose stream it is.
    """
    shift_s = first_frame * STEP_S
    events = tuple(
        replace(event, onset_s=event.onset_s - shift_s, offset_s=event.offset_s - shift_s)
        for event in heard.stream.events
    )
    duration_s = len(heard.stream.waveform) / SAMPLE_RATE_HZ - shift_s
    return ScoredStream(scores[:, np.newaxis], duration_s, events)


def replay_of(
    label: str,
    negatives: list[ScoredStream],
    positives: list[ScoredStream],
    *,
    stride: int,
    split: SplitFeatures,
    sliding_window_size: int,
) -> LabelReplay:
    """Streams of one label, smoothed as a client smooths that gets a score every `stride` frames."""
    post = PostProcessing(
        hop_s=stride * STEP_S, smoothing_windows=sliding_window_size, refractory_s=REFRACTORY_S
    )
    return LabelReplay(label, [label], negatives, positives, post=post, window_s=split.window_s)


class EsphomeJudgement:
    """Scores of one model on a split, ready to be counted with any cutoff and sliding window.

    Args:
        model: The model.
        split: The streams.
        label: The event.
        play: Gives the model's output for each call on a stream, `(calls,)` bytes; `probabilities` if None.
    """

    def __init__(
        self,
        model: EsphomeModel,
        split: SplitFeatures,
        label: str,
        *,
        play: Callable[[FeatureStream], np.ndarray] | None = None,
    ) -> None:
        self._label, self._split, self._stride = label, split, model.stride
        first_frame = (model.warm_up + 1) * model.stride - model.frames

        def heard(stream: FeatureStream) -> ScoredStream:
            values = (
                play(stream) if play else probabilities(model.model, stream.features, stride=model.stride)
            )
            return scored(values[model.warm_up :] / _LEVELS, stream, first_frame=first_frame, split=split)

        self._negatives, self._positives = (
            [heard(stream) for stream in streams] for streams in (split.negatives, split.positives)
        )

    def replay(self, sliding_window_size: int) -> LabelReplay:
        """The streams, smoothed as the client smooths."""
        return replay_of(
            self._label,
            self._negatives,
            self._positives,
            stride=self._stride,
            split=self._split,
            sliding_window_size=sliding_window_size,
        )

    def choose(self, target_false_alarms_per_hour: float) -> Cutoff:
        """The sliding window and cutoff with the fewest misses within the target; if equal, the usual one."""
        candidates = [self._cutoff(size, target_false_alarms_per_hour) for size in SLIDING_WINDOWS]
        return min(
            candidates,
            key=lambda one: (one.point.misses, abs(one.sliding_window_size - _USUAL_WINDOW)),
        )

    def measured(self, level: int, size: int, target_false_alarms_per_hour: float) -> Cutoff:
        """What it costs to fire where the mean of `size` probabilities, as bytes, is above `level`."""
        threshold = (level + 0.5 / size) / _LEVELS  # between two means
        point = measure(
            self.replay(size), threshold, target_false_alarms_per_hour=target_false_alarms_per_hour
        )
        return Cutoff(level, size, point)

    def table(self, cutoff: Cutoff) -> list[dict[str, Any]]:
        """What other cutoffs than the chosen one cost, with its sliding window."""
        size, target = cutoff.sliding_window_size, cutoff.point.target_false_alarms_per_hour
        levels = sorted({cutoff.level, *(round(_DEVICE_LEVELS * tenths / 20) for tenths in range(2, 20, 2))})
        found = [self.measured(level, size, target) for level in levels]
        return [
            {
                "probability_cutoff": one.probability_cutoff,
                **{
                    name: getattr(one.point, name)
                    for name in ("misses", "events", "false_alarms", "hours", "false_alarms_per_hour_upper")
                },
            }
            for one in found
        ]

    def _cutoff(self, size: int, target: float) -> Cutoff:
        wanted = choose_threshold(self.replay(size), target_false_alarms_per_hour=target)
        level = min(max(math.ceil(wanted.threshold * _LEVELS) - 1, 0), _NEVER)
        found = self.measured(level, size, target)
        while found.point.false_alarms > wanted.false_alarms and level < _NEVER:
            level += 1
            found = self.measured(level, size, target)
        return found
