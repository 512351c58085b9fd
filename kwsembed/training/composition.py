"""What a batch is made of, in a line for the user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kwsembed.data.sampling import WindowSchedule


def composition_line(
    schedule: WindowSchedule, class_weights: np.ndarray | None, labels: Sequence[str]
) -> str:
    """Windows of each class in a batch, on average, and what each weighs.

    Args:
        schedule: How batches are drawn.
        class_weights: `(classes,)` weight of an example of each; None where none is weighted.
        labels: Names of the classes.
    """
    parts = []
    for index, label in enumerate(labels):
        weight = "" if class_weights is None else f" of weight {class_weights[index]:.2f}"
        backwards = ""
        if index == schedule.backwards_class and schedule.backwards_share > 0:
            backwards = f" ({100 * schedule.backwards_share:.0f} % of them events played backwards)"
        count = schedule.probabilities[index] * schedule.batch_size
        parts.append(f"{label} {count:.1f}{weight}{backwards}")
    return ", ".join(parts)
