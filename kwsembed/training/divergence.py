"""Training that has diverged ends with an error that says so, before anything uses the broken network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from kwsembed.errors import DivergenceError
from kwsembed.losses.checks import GIVE_FINITE_LOSSES


class StopAtDivergence(keras.callbacks.Callback):
    """Ends a stage whose loss is no number any more; belongs before all callbacks that use the network."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the epoch's mean loss."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise _diverged(epoch, received=f"loss={loss}")


@contextmanager
def told_as_divergence(epochs_finished: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Around training: what our losses refuse to compute, as they do within an epoch, is divergence.

    Args:
        epochs_finished: Says how many epochs are finished when it happens.

    Raises:
        DivergenceError: A loss was NaN or infinite.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if GIVE_FINITE_LOSSES not in str(error):
            raise
        raise _diverged(epochs_finished(), received="a loss that is NaN or infinite") from error


def _diverged(epoch: int, *, received: str) -> DivergenceError:
    return DivergenceError(
        f"training diverged in epoch {epoch + 1}",
        received=received,
        fix="lower the learning rate in the [schedule] section of --config",
    )
