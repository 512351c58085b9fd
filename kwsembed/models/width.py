"""How wide a network's layers are, and which weights they begin with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


def scaled_channels(count: int, width: float) -> int:
    """So many channels times a width factor, as a multiple of 8, which int8 kernels like best.

    Example:
        >>> scaled_channels(64, 1.0), scaled_channels(64, 0.3), scaled_channels(64, 0.01)
        (64, 16, 8)
    """
    return max(8, 8 * round(count * width / 8))


@contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """Layers made within begin with weights that follow from the seed; no generator of others is disturbed.

    A Keras initialiser without a seed of its own takes one from Python's generator when its layer is made,
    and is a pure function of it afterwards: no other generator decides initial weights.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
