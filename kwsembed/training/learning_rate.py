"""The learning rate over a stage: it rises in a straight line, then falls to zero as a cosine."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """`keras.optimizers.schedules.CosineDecay` with a warm-up, computed without a branch.

    Keras's own begins with a `cond`, and AdamW asks for the rate once for every variable: that is one more
    subgraph each to trace before the first step, and to enter in every step.

    Args:
        start: Rate of the first step.
        peak: Rate after the warm-up.
        warmup_steps: Steps of the warm-up, at least 1.
        decay_steps: Steps of the cosine, at least 1; afterwards the rate is 0.

    Example:
        >>> rate = WarmupCosine(0.1, 1.0, warmup_steps=2, decay_steps=4)
        >>> [round(float(rate(step)), 3) for step in range(8)]
        [0.1, 0.55, 1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    def __init__(self, start: float, peak: float, *, warmup_steps: int, decay_steps: int) -> None:
        self._start = start
        self._peak = peak
        self._warmup_steps = warmup_steps
        self._decay_steps = decay_steps

    def __call__(self, step: Any) -> Any:
        """The rate of a step, a float32 scalar; steps count from 0."""
        done = ops.cast(step, "float32")
        rising = self._start + (self._peak - self._start) * done / self._warmup_steps
        fraction = ops.clip((done - self._warmup_steps) / self._decay_steps, 0.0, 1.0)
        falling = 0.5 * self._peak * (1.0 + ops.cos(math.pi * fraction))
        return ops.where(done < self._warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras saves them."""
        return {
            "start": self._start,
            "peak": self._peak,
            "warmup_steps": self._warmup_steps,
            "decay_steps": self._decay_steps,
        }
