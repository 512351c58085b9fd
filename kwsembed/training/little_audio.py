"""How much audio of events there is to learn from, and how the end-to-end network is trained on little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kwsembed.methods import PRETRAININGS, TEACHER, parse_method

if TYPE_CHECKING:
    from kwsembed.training.data import TrainingData


@dataclass(frozen=True)
class EndToEndTraining:
    """How the end-to-end network of some data is trained.

    Attributes:
        windows: How many windows the median event has; see `median_event_windows`.
        little: Whether that is little.
        pretrained: Whether it starts from the pretrained weights, not from random ones.
        sublabel_weight: Of the second task; 0 for none.
    """

    windows: float
    little: bool
    pretrained: bool
    sublabel_weight: float


def median_event_windows(class_counts: np.ndarray, event: np.ndarray) -> float:
    """How much audio of an event there is to learn from, in the median over the events.

    Args:
        class_counts: `(classes,)` windows of each class in the training split, of events in active regions.
        event: `(classes,)` bool, True for events.

    Example:
        >>> median_event_windows(np.array([9.0, 4.0, 40.0, 900.0]), np.array([True, True, True, False]))
        9.0
    """
    return float(np.median(np.asarray(class_counts)[np.asarray(event)]))


def end_to_end_training(data: TrainingData) -> EndToEndTraining:
    """What the settings come to on these data; see `kwsembed.config_sections.LittleAudioConfig`.

    On a few clips of events, weights that were pretrained on the same clips are no better a start than random
    ones, and what background says of itself is worth more (docs/decisions/0028-little-audio.md). What a
    teacher brings is more than those clips, so its weights are the start, unless the
    network is taught by a head on that teacher anyway.

    Example:
        >>> end_to_end_training(data).pretrained  # doctest: +SKIP
        True
    """
    settings = data.config.little_audio
    windows = median_event_windows(data.windows_per_class, data.event)
    little = windows < settings.below_windows
    method, _ = parse_method(data.config.pretrain, PRETRAININGS, kind="pretrain")
    # One that is taught while it learns its labels need not begin with what the teacher said before.
    by_teacher = method.name == TEACHER and not data.config.taught.weight
    weight = data.config.sublabel_weight or (settings.sublabel_weight if little else 0.0)
    return EndToEndTraining(
        windows=windows,
        little=little,
        pretrained=settings.pretrained or not little or by_teacher,
        sublabel_weight=weight if data.sublabels else 0.0,
    )
