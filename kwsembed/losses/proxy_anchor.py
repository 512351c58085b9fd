"""Proxy-Anchor loss: learnable proxies of the classes are the anchors, the examples of a batch their pairs.

Source: Kim et al., "Proxy Anchor Loss for Deep Metric Learning" (CVPR 2020, arXiv:2003.13911), equation 4.
"""

from __future__ import annotations

import tensorflow as tf

from kwsembed.losses.batch_masks import log_sum_exp_where
from kwsembed.losses.checks import finite_in_space, labels_below
from kwsembed.losses.unit_norm import unit_norm


def proxy_anchor(
    embeddings: tf.Tensor,
    classes: tf.Tensor,
    proxies: tf.Tensor,
    *,
    scale: float = 32.0,
    margin: float = 0.1,
) -> tf.Tensor:
    """One loss value per example; the mean over the batch is the paper's loss.

    The paper's loss is a sum over proxies: `log(1 + sum exp(-scale * (cosine - margin)))` over the examples
    of the proxy's class, averaged over the classes in the batch, plus
    `log(1 + sum exp(scale * (cosine + margin)))` over the examples of other classes, averaged over all
    proxies. Each proxy's term is handed out in equal parts to the examples in its sum.

    Args:
        embeddings: `(batch, dim)` float, unit norm.
        classes: `(batch,)` int, rows of `proxies`.
        proxies: `(classes, dim)` float of any length; brought to unit norm here. To be learned.
        scale: Factor on cosines (the paper's alpha), > 0.
        margin: Difference of cosines (the paper's delta), >= 0.

    Returns:
        `(batch,)` float32.

    Raises:
        tf.errors.InvalidArgumentError: A number or a loss is not finite, or a class does not exist.

    Example:
        >>> z, proxies = tf.constant([[1.0, 0.0]]), tf.constant([[1.0, 0.0], [0.0, 1.0]])
        >>> proxy_anchor(z, tf.constant([0]), proxies, scale=1.0, margin=0.0).numpy().round(4)
        array([0.6598], dtype=float32)

        ln(1 + e^-1) = 0.3133 of the proxy of its class, and half of ln(1 + e^0) = 0.6931 of the other.
    """
    embeddings = tf.cast(embeddings, tf.float32)
    directions = unit_norm(proxies)
    cosine = tf.matmul(embeddings, directions, transpose_b=True)  # (batch, class)
    class_count = tf.shape(directions)[0]
    classes = labels_below(class_count, classes, loss="proxy_anchor")
    own = tf.one_hot(classes, class_count, on_value=True, off_value=False, dtype=tf.bool)
    examples = tf.cast(tf.shape(cosine)[0], tf.float32)
    present = tf.reduce_sum(tf.cast(tf.reduce_any(own, axis=0), tf.float32))
    pull = _term_of_each_example(-scale * (cosine - margin), own) / present
    push = _term_of_each_example(scale * (cosine + margin), tf.logical_not(own)) / tf.cast(
        class_count, tf.float32
    )
    return finite_in_space(examples * (pull + push), embeddings, loss="proxy_anchor")


def _term_of_each_example(logits: tf.Tensor, takes_part: tf.Tensor) -> tf.Tensor:
    """`(batch,)`: each proxy's `log(1 + sum exp)`, in equal parts for those that take part in it."""
    # softplus of log sum exp is log(1 + sum exp): 0 for a proxy without examples.
    terms = tf.nn.softplus(log_sum_exp_where(tf.transpose(takes_part), tf.transpose(logits)))
    shares = tf.math.divide_no_nan(terms, tf.reduce_sum(tf.cast(takes_part, tf.float32), axis=0))
    return tf.reduce_sum(tf.where(takes_part, shares[tf.newaxis], 0.0), axis=1)
