"""Fused batch normalisation: Keras' numbers, faster; and networks that never notice which trained them."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
import keras

from kwsembed.models import build_classifier, build_embedder
from kwsembed.models.fused_normalization import FusedBatchNormalization, for_training


@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (6, 5, 3)])
def test_three_steps_agree_with_keras(shape):
    random = np.random.default_rng(0)
    plain, fused = keras.layers.BatchNormalization(momentum=0.9), FusedBatchNormalization(momentum=0.9)
    for _ in range(3):
        given = tf.constant(random.normal(2, 3, shape), tf.float32)
        results = []
        for layer in (plain, fused):
            with tf.GradientTape() as tape:
                tape.watch(given)
                output = layer(given, training=True)
                loss = tf.reduce_sum(output**3)
            results.append((output, tape.gradient(loss, given)))
        for left, right in zip(*results, strict=True):
            np.testing.assert_allclose(left, right, atol=2e-4)
    for left, right in zip(plain.variables, fused.variables, strict=True):
        np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(plain(given), fused(given), atol=1e-5)  # in inference too


def test_a_frozen_layer_keeps_its_statistics_in_training():
    layer = FusedBatchNormalization()
    layer.build((None, 2, 2, 3))
    layer.trainable = False
    layer(tf.random.normal((4, 2, 2, 3)) + 5, training=True)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(3))


@pytest.mark.parametrize("backbone", ["ds_cnn", "bc_resnet", "lstm"])
def test_the_copy_has_the_variables_of_the_original_in_their_order(backbone):
    original = build_classifier(build_embedder(backbone, frames=40, mels=32, width=0.25, seed=3), 4)
    copy = for_training(original)
    assert any(isinstance(layer, FusedBatchNormalization) for layer in copy.layers)
    for ours, theirs in zip(copy.variables, original.variables, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    windows = tf.random.normal((3, 40, 32))
    np.testing.assert_allclose(copy(windows), original(windows), atol=1e-5)
    assert copy.get_layer("embedding").output.shape == (None, 64)  # names survive
