"""Losses of the classifier: numbers worked by hand, loops as oracles, and which way a prior pushes."""

from __future__ import annotations

import math

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed.losses.classification import focal, ldam, log_priors, logit_adjusted

COUNTS = np.array([3, 40, 500])
PRIORS = COUNTS / COUNTS.sum()
LOSSES = {
    "focal": focal,
    "logit_adjusted": lambda classes, logits: logit_adjusted(classes, logits, PRIORS),
    "ldam": lambda classes, logits: ldam(classes, logits, COUNTS),
}


def case(seed=0, size=20):
    random = np.random.default_rng(seed)
    return random.integers(0, 3, size=size), 3 * random.standard_normal((size, 3)).astype(np.float32)


def cross_entropy(logits, own):
    return -math.log(math.exp(logits[own]) / sum(math.exp(logit) for logit in logits))


def softmax(logits):
    likeness = np.exp(np.asarray(logits, np.float64))
    return likeness / likeness.sum(axis=-1, keepdims=True)


# ---- focal


def test_focal_on_paper():
    # Logits 0 and ln 3: probabilities 1/4 and 3/4.
    logits = [[0.0, math.log(3)]] * 2
    found = focal(tf.constant([0, 1]), tf.constant(logits), gamma=2.0).numpy()
    assert found == pytest.approx([9 / 16 * math.log(4), 1 / 16 * math.log(4 / 3)], rel=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_agrees_with_loops(gamma):
    classes, logits = case()
    expected = []
    for own, row in zip(classes, logits, strict=True):
        p = softmax(row)[own]
        expected.append(-((1 - p) ** gamma) * math.log(p))
    found = focal(tf.constant(classes), tf.constant(logits), gamma=gamma).numpy()
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_a_hopelessly_wrong_example_still_has_its_gradient():
    logits = tf.Variable([[0.0, 60.0]])
    with tf.GradientTape() as tape:
        found = focal(tf.constant([0]), logits)
    assert found.numpy() == pytest.approx([60.0])
    np.testing.assert_allclose(tape.gradient(found, logits), [[-1.0, 1.0]], rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_perfect_example_costs_nothing_and_has_a_finite_gradient(gamma):
    logits = tf.Variable([[200.0, 0.0]])
    with tf.GradientTape() as tape:
        found = focal(tf.constant([0]), logits, gamma=gamma)
    assert found.numpy() == pytest.approx([0.0])
    assert np.isfinite(tape.gradient(found, logits)).all()


# ---- logit adjustment


def test_logit_adjustment_on_paper():
    # Both logits 0, priors 1/4 and 3/4: the adjusted ones are the priors again, as probabilities.
    logits, priors = tf.zeros([2, 2]), np.array([0.25, 0.75])
    found = logit_adjusted(tf.constant([0, 1]), logits, priors).numpy()
    assert found == pytest.approx([math.log(4), math.log(4 / 3)], rel=1e-5)
    # Twice the logarithm: 1/16 against 9/16.
    found = logit_adjusted(tf.constant([0, 1]), logits, priors, tau=2.0).numpy()
    assert found == pytest.approx([math.log(10), math.log(10 / 9)], rel=1e-5)


@pytest.mark.parametrize("tau", [0.0, 0.7, 1.0])
def test_logit_adjustment_agrees_with_loops(tau):
    classes, logits = case()
    expected = [
        cross_entropy(row + tau * np.log(PRIORS), own) for own, row in zip(classes, logits, strict=True)
    ]
    found = logit_adjusted(tf.constant(classes), tf.constant(logits), PRIORS, tau=tau).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_in_training_the_prior_is_added_so_that_rare_examples_cost_more():
    logits = tf.zeros([2, 3])
    rare, common = logit_adjusted(tf.constant([0, 2]), logits, PRIORS).numpy()
    assert rare > math.log(3) > common


def test_what_training_adds_is_what_the_post_hoc_form_takes_off():
    # A network that learned the truth with plain cross entropy has logits log(likelihood * prior); taking the
    # log prior off leaves log likelihood, at which the training-time form is smallest.
    likelihood = np.array([0.5, 0.3, 0.2])
    plain = np.log(likelihood * PRIORS)
    post_hoc = plain - log_priors(PRIORS)
    assert softmax(post_hoc) == pytest.approx(likelihood)
    posterior = softmax(plain)

    def expected_loss(logits):
        repeated = tf.constant(np.tile(logits, (3, 1)), tf.float32)
        return float(posterior @ logit_adjusted(tf.constant([0, 1, 2]), repeated, PRIORS).numpy())

    least = expected_loss(post_hoc)
    assert least == pytest.approx(float(-posterior @ np.log(posterior)), rel=1e-4)
    for off in ([0.1, 0, 0], [0, -0.1, 0], [0, 0, 0.1]):
        assert expected_loss(post_hoc + off) > least
    assert expected_loss(plain) > least


def test_a_class_that_never_occurs_has_a_finite_prior():
    assert log_priors(np.array([0.0, 1.0])) == pytest.approx([math.log(1e-6), 0.0])
    found = logit_adjusted(tf.constant([0]), tf.zeros([1, 2]), np.array([0.0, 1.0])).numpy()
    assert found == pytest.approx([math.log(1 + 1e6)], rel=1e-4)


# ---- LDAM


def test_ldam_on_paper():
    # Counts 1 and 16: margins 0.5 and 0.25, times scale 4 that is 2 and 1 off the true logit.
    logits = [[2.0, 0.0], [0.0, 1.0]]
    found = ldam(tf.constant([0, 1]), tf.constant(logits), np.array([1, 16]), max_margin=0.5, scale=4.0)
    assert found.numpy() == pytest.approx([math.log(2), math.log(2)], rel=1e-5)


def test_ldam_agrees_with_loops():
    classes, logits = case()
    expected = []
    for own, row in zip(classes, logits, strict=True):
        lowered = row.astype(float).copy()
        lowered[own] -= 5.0 * 0.7 * (3 / COUNTS[own]) ** 0.25
        expected.append(cross_entropy(lowered, own))
    found = ldam(tf.constant(classes), tf.constant(logits), COUNTS, max_margin=0.7, scale=5.0).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_ldam_without_a_margin_is_cross_entropy():
    classes, logits = case()
    found = ldam(tf.constant(classes), tf.constant(logits), COUNTS, max_margin=0.0).numpy()
    expected = [cross_entropy(row, own) for own, row in zip(classes, logits, strict=True)]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_ldam_counts_a_class_without_clips_as_one():
    logits = tf.zeros([1, 2])
    none, one = (ldam(tf.constant([0]), logits, np.array([count, 16])).numpy() for count in (0, 1))
    assert none == pytest.approx(one)
    assert np.isfinite(none).all()


# ---- all of them


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_one_float32_per_example_whatever_comes_in(name, kind):
    classes, logits = case()
    logits = logits.astype(kind)
    found = LOSSES[name](tf.constant(classes), tf.constant(logits)).numpy()
    assert (found.shape, found.dtype) == ((20,), np.float32)
    expected = LOSSES[name](tf.constant(classes), tf.constant(logits.astype(np.float32))).numpy()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e3])
def test_losses_and_gradients_stay_finite(name, scale):
    classes, logits = case()
    logits = tf.Variable(scale * logits)
    with tf.GradientTape() as tape:
        found = LOSSES[name](tf.constant(classes), logits)
    assert np.isfinite(found).all()
    assert np.isfinite(tape.gradient(found, logits)).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_broken_logits_are_an_error_that_says_so(name, broken):
    classes, logits = case()
    logits[7, 1] = broken
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: Expected logits that give finite"):
        LOSSES[name](tf.constant(classes), tf.constant(logits))
