"""Learning from what other networks say: pure functions, and targets that hold class and probabilities."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from kwsembed.config import TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.losses.distillation import distillation, joint_probabilities
from kwsembed.training.distillation import Distillation
from kwsembed.training.rebalancing import cross_entropy

RANDOM = np.random.default_rng(0)


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


class TestDistillation:
    def test_it_is_the_sum_over_classes_of_q_times_surprise(self):
        targets, logits = softmax(RANDOM.normal(size=(7, 4))), RANDOM.normal(size=(7, 4)) * 5
        by_loop = [
            -sum(targets[row, k] * np.log(softmax(logits[row])[k]) for k in range(4)) for row in range(7)
        ]
        np.testing.assert_allclose(
            distillation(tf.constant(targets), tf.constant(logits)), by_loop, rtol=1e-5
        )

    def test_of_sure_targets_it_is_cross_entropy(self):
        logits = tf.constant(RANDOM.normal(size=(5, 3)), tf.float32)
        classes = tf.constant([0, 2, 1, 1, 0])
        np.testing.assert_allclose(
            distillation(tf.one_hot(classes, 3), logits), cross_entropy(classes, logits), rtol=1e-6
        )

    def test_it_is_least_where_both_agree(self):
        logits = tf.Variable(RANDOM.normal(size=(6, 3)), dtype=tf.float32)
        targets = tf.nn.softmax(tf.constant(logits))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(distillation(targets, logits))
        np.testing.assert_allclose(tape.gradient(loss, logits), 0.0, atol=1e-6)
        assert loss < tf.reduce_sum(distillation(targets, logits + RANDOM.normal(size=(6, 3))))

    @pytest.mark.parametrize("scale", [1e-30, 1e4, 1e30])
    def test_tiny_and_huge_logits_give_a_number(self, scale):
        logits = tf.constant([[1.0, -1.0], [-1.0, 1.0]]) * scale
        assert np.isfinite(distillation(tf.constant([[1.0, 0.0], [0.5, 0.5]]), logits)).all()

    def test_a_broken_network_is_not_hidden(self):
        with pytest.raises(tf.errors.InvalidArgumentError, match="distillation: Expected logits"):
            distillation(tf.constant([[0.5, 0.5]]), tf.constant([[np.nan, 0.0]]))


class TestJointProbabilities:
    def test_a_network_by_itself_says_what_it_says(self):
        logits = RANDOM.normal(size=(4, 3))
        np.testing.assert_allclose(joint_probabilities([tf.constant(logits)]), softmax(logits), rtol=1e-5)

    def test_odds_are_the_geometric_mean(self):
        one, other = np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])
        joint = joint_probabilities([tf.constant(np.log(one)), tf.constant(np.log(other))]).numpy()
        np.testing.assert_allclose(joint, [[0.75, 0.25]], rtol=1e-5)  # odds of 9 and 1: 3

    def test_what_a_network_adds_to_all_logits_alike_says_nothing(self):
        one, other = RANDOM.normal(size=(2, 5, 3))
        np.testing.assert_allclose(
            joint_probabilities([tf.constant(one), tf.constant(other + 100.0)]),
            joint_probabilities([tf.constant(one), tf.constant(other)]),
            rtol=1e-4,
        )


def network(logits):
    """A network that says the same of every window."""
    windows = keras.Input((2, 3))
    flat = keras.layers.Flatten()(windows)
    head = keras.layers.Dense(len(logits), kernel_initializer="zeros")
    model = keras.Model(windows, head(flat))
    head.bias.assign(logits)
    return model


class TestTargets:
    teachers = (network([2.0, 0.0, 0.0]), network([0.0, 2.0, 0.0]))
    windows = tf.zeros((2, 2, 3))

    def targets(self, backwards=(False, False)):
        drawn = {"class": tf.constant([2, 0]), "backwards": tf.constant(backwards)}
        return Distillation(self.teachers, weight=0.25).targets(self.windows, drawn).numpy()

    def test_they_are_the_class_and_what_the_networks_say_together(self):
        targets = self.targets()
        np.testing.assert_array_equal(targets[:, 0], [2, 0])
        np.testing.assert_allclose(targets[:, 1:], [softmax(np.array([1.0, 1.0, 0.0]))] * 2, rtol=1e-5)

    def test_an_event_played_backwards_is_background_whatever_they_say(self):
        targets = self.targets(backwards=(True, False))
        np.testing.assert_array_equal(targets[0], [2, 0, 0, 1])
        np.testing.assert_array_equal(targets[1], self.targets()[1])

    def test_the_loss_is_shared_by_weight_and_weighted_by_example(self):
        logits = tf.constant(RANDOM.normal(size=(2, 3)), tf.float32)
        loss = Distillation(self.teachers, weight=0.25).loss(cross_entropy)
        targets, weights = self.targets(), tf.constant([3.0, 0.5])
        expected = 0.75 * cross_entropy(tf.constant([2, 0]), logits) + 0.25 * distillation(
            targets[:, 1:], logits
        )
        np.testing.assert_allclose(
            loss(targets, logits, sample_weight=weights), tf.reduce_mean(weights * expected), rtol=1e-6
        )


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_0_to_1_is_refused(weight):
    with pytest.raises(ConfigError, match="distillation_weight is out of range"):
        TrainConfig(distillation_weight=weight)
