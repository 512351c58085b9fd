"""Center loss: how far an example lies from the learnable centre of its class.

Source: Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition" (ECCV 2016),
equation 2. Alone it is smallest when everything collapses into one point; the paper's equation 5 therefore
adds it to a softmax over classes, as `CenterObjective` does.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.checks import finite_in_space, labels_below


def center(embeddings: tf.Tensor, classes: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
    """One loss value per example: half the squared distance to the centre of its class.

    The paper moves centres towards the means of a batch by a rule of its own; here they follow the gradient,
    which points the same way.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int, rows of `centers`.
        centers: `(classes, dim)` float, means of unit vectors and therefore inside of the unit sphere. To be
            learned.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite, or a class does not exist.

    Example:
        >>> center(tf.constant([[1.0, 0.0]]), tf.constant([1]), tf.constant([[1.0, 0.0], [0.0, 1.0]])).numpy()
        array([1.], dtype=float32)
    """
    embeddings = tf.cast(embeddings, tf.float32)
    centers = tf.cast(centers, tf.float32)
    classes = labels_below(tf.shape(centers)[0], classes, loss="center")
    # A product instead of a lookup: its gradient is a plain tensor, summed in a fixed order.
    own = tf.matmul(tf.one_hot(classes, tf.shape(centers)[0]), centers)
    return finite_in_space(
        0.5 * tf.reduce_sum(tf.square(embeddings - own), axis=1), embeddings, centers, loss="center"
    )
