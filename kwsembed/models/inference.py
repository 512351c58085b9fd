"""Outputs of a network for many windows, in batches that bound memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

_BATCH = 256

# One graph per network, which runs in a third of the time of one call after the other; gone with its network.
_GRAPHS: weakref.WeakKeyDictionary[keras.Model, Callable[[tf.Tensor], tf.Tensor]] = (
    weakref.WeakKeyDictionary()
)


def forward(model: keras.Model, windows: np.ndarray) -> np.ndarray:
    """Outputs of a network for `(windows, frames, mels)`, in inference mode, with the weights it has now."""
    graph = _GRAPHS.get(model)
    if graph is None:
        graph = _GRAPHS[model] = _graph_of(model)
    parts = [
        graph(tf.constant(windows[first : first + _BATCH], tf.float32)).numpy()
        for first in range(0, len(windows), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, model.output_shape[-1]), np.float32)


def _graph_of(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    # The graph keeps the variables, which suffices; were it to keep the network, that would never be freed.
    network = weakref.ref(model)

    def outputs(windows: tf.Tensor) -> tf.Tensor:
        traced = network()
        assert traced is not None, "traced while the caller holds it"
        return traced(windows, training=False)

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
    # Traced here: TensorFlow counts what a call traces, and warns where many networks are called a few times.
    return tf.function(outputs, input_signature=signature).get_concrete_function()
