"""What a network thinks of its training clips, on average over the epochs in which it learns them.

What most clips of a label have in common is learned first, and what contradicts it, such as a wrong label,
last and by heart. So the average over training tells wrong labels from right ones where the trained network
does not.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kwsembed.models import forward
from kwsembed.training.monitor import softmax


class TrainingDynamics(keras.callbacks.Callback):
    """Adds up the probabilities of all labels for fixed windows after every epoch.

    Their mean is the confidence of Swayamdipta et al. 2020, "Dataset Cartography" (arXiv:2009.10795, section
    2), here for every label and not for the clip's own only; close kin to the area under the margin (Pleiss
    et al. 2020, arXiv:2001.10528).

    Args:
        clips: How many there are.
        labels: How many there are.
    """

    def __init__(self, clips: int, labels: int) -> None:
        super().__init__()
        self._sum = keras.Variable(np.zeros((clips, labels), np.float32), trainable=False)
        self._epochs = keras.Variable(np.zeros((), np.float32), trainable=False)
        self._watched: tuple[keras.Model, np.ndarray] | None = None

    @property
    def carried(self) -> list[keras.Variable]:
        """What a checkpoint has to keep: the sum, and how many epochs are in it."""
        return [self._sum, self._epochs]

    def watch(self, classifier: keras.Model, windows: np.ndarray) -> TrainingDynamics:
        """Says who is asked from now on, and about what.

        Args:
            classifier: The network; what is trained may have further outputs.
            windows: `(clips, frames, mels)` log-mel.
        """
        self._watched = classifier, windows
        return self

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Asks the network."""
        assert self._watched is not None, "somebody is watched before training begins"
        self._sum.assign_add(softmax(forward(*self._watched)))
        self._epochs.assign_add(1.0)

    def mean(self) -> np.ndarray:
        """`(clips, labels)` probabilities, which add up to 1 for each clip.

        Raises:
            ValueError: No epoch was watched.
        """
        epochs = float(keras.ops.convert_to_numpy(self._epochs))
        if not epochs:
            raise ValueError("no epoch was watched, so there is no mean")
        return keras.ops.convert_to_numpy(self._sum) / epochs
