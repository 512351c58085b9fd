"""What trained networks, still in float, make of validation: which to keep, and where its threshold lies.

A byte cannot tell 0.998 from 0.9996, and the thresholds of rare events lie there. The logits are therefore
moved: around 0.5 the steps of a byte are fine, and the user can move the cutoff both ways.
"""

from __future__ import annotations

import math

import keras
import numpy as np

from kwsembed.detection.operating import choose_threshold
from kwsembed.detection.replay import LabelReplay
from kwsembed.export_targets.esphome_judgement import SplitFeatures, replay_of, scored
from kwsembed.export_targets.esphome_training import as_numbers
from kwsembed.models.temporal_cnn import STRIDE, over_stream

_SLIDING_WINDOW = 5
_FALSE_ALARMS = (0, 1, 2, 4, 8)


def centre(
    network: keras.Model, split: SplitFeatures, label: str, *, target_false_alarms_per_hour: float
) -> float:
    """Shifts the bias of a `temporal_cnn` so that the threshold of its float scores becomes 0.5.

    Args:
        network: Changed in place.
        split: Validation.
        label: The event.
        target_false_alarms_per_hour: What the threshold aims at.

    Returns:
        The logit that the threshold was at.
    """
    replay = float_replay(network, split, label)
    threshold = choose_threshold(replay, target_false_alarms_per_hour=target_false_alarms_per_hour).threshold
    threshold = min(max(threshold, 1e-6), 1 - 1e-6)
    logit = math.log(threshold / (1 - threshold))
    dense = network.get_layer("logit")
    dense.bias.assign(dense.bias - logit)
    return logit


def misses_on(network: keras.Model, split: SplitFeatures, label: str) -> int:
    """The fewest misses with at most 0, 1, 2, 4 and 8 false alarms, added up.

    Misses without any false alarm alone hang on a single sound; these five together tell networks apart.
    """
    replay = float_replay(network, split, label)
    return sum(
        choose_threshold(replay, target_false_alarms_per_hour=1.0, most_false_alarms=most).misses
        for most in _FALSE_ALARMS
    )


def float_replay(network: keras.Model, split: SplitFeatures, label: str) -> LabelReplay:
    """Streams as a `temporal_cnn` scores them in float, with the usual sliding window."""
    frames = network.input_shape[1]

    def heard(features: np.ndarray) -> np.ndarray:
        logits = over_stream(network, as_numbers(features)) if len(features) >= frames else np.zeros(0)
        return 1 / (1 + np.exp(-logits))

    negatives, positives = (
        [scored(heard(one.features), one, first_frame=0, split=split) for one in streams]
        for streams in (split.negatives, split.positives)
    )
    return replay_of(
        label, negatives, positives, stride=STRIDE, split=split, sliding_window_size=_SLIDING_WINDOW
    )
