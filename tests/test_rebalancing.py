"""Remedies for imbalance: what each name does to draws and weights."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from kwsembed.data.sampling import class_probabilities
from kwsembed.errors import ConfigError
from kwsembed.losses.classification import focal, ldam, logit_adjusted
from kwsembed.methods import REBALANCINGS
from kwsembed.training.rebalancing import (
    MeanOf,
    balancing_weights,
    effective_number_weights,
    epochs_of,
    rebalancing,
)

WINDOWS = np.array([10.0, 90.0, 900.0])
EVENT = np.array([True, True, False])


def drawn_and_weighed(method):
    [phase] = rebalancing(method).phases
    probabilities = class_probabilities(WINDOWS, EVENT, sampling=phase.sampling)
    return probabilities, phase.weigh(probabilities, WINDOWS)


def test_class_weights_make_every_class_count_alike():
    probabilities, weights = drawn_and_weighed("class_weight")
    assert probabilities * weights == pytest.approx([1 / 3] * 3, rel=1e-6)
    assert weights.dtype == np.float32


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("oversample", [1 / 3, 1 / 3, 1 / 3]),
        ("undersample:2", [10 / 300, 90 / 300, 200 / 300]),
        ("none", [10 / 1000, 90 / 1000, 900 / 1000]),
    ],
)
def test_the_others_draw_as_they_say_and_weigh_nothing(method, expected):
    probabilities, weights = drawn_and_weighed(method)
    assert probabilities == pytest.approx(expected)
    assert weights.tolist() == [1, 1, 1]


def test_weights_average_one_over_the_draws():
    probabilities = np.array([0.05, 0.15, 0.8])
    weights = balancing_weights(probabilities)
    assert weights == pytest.approx([1 / 0.15, 1 / 0.45, 1 / 2.4])
    assert np.sum(probabilities * weights) == pytest.approx(1)


def test_a_class_that_is_never_drawn_weighs_nothing():
    assert balancing_weights(np.array([0.5, 0.0, 0.5])).tolist() == [1, 0, 1]


def test_phases_share_the_epochs():
    assert epochs_of(rebalancing("decoupled:head_share=0.25").phases, 8) == [6, 2]
    assert epochs_of(rebalancing("class_weight").phases, 5) == [5]
    assert epochs_of(rebalancing("ldam_drw").phases, 2) == [1, 1]
    assert epochs_of(rebalancing("ldam_drw").phases, 1) == [1, 1]


@pytest.mark.parametrize("method", ["smote", ""])
def test_an_unknown_remedy_is_answered_with_the_known_ones(method):
    with pytest.raises(ConfigError, match="Expected one of class_weight, mild, oversample"):
        rebalancing(method)


# ---- effective number of samples


def test_effective_numbers_on_paper():
    # beta 1/2: effective numbers 2 (1 - 1/2) = 1 and 2 (1 - 1/8) = 7/4, so weights 1 : 4/7 on natural draws.
    weights = effective_number_weights(np.array([0.25, 0.75]), np.array([1, 3]), beta=0.5)
    assert weights[1] / weights[0] == pytest.approx(4 / 7)
    assert np.sum([0.25, 0.75] * weights) == pytest.approx(1)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.999999])
@pytest.mark.parametrize("sampling", ["natural", "square_root", "balanced"])
def test_effective_numbers_agree_with_loops_however_classes_are_drawn(beta, sampling):
    probabilities = class_probabilities(WINDOWS, EVENT, sampling=sampling)
    weights = effective_number_weights(probabilities, WINDOWS, beta=beta)
    # What a class adds to the expected loss is what it would with natural draws and the paper's weights.
    contribution = []
    for count in WINDOWS:
        effective = sum(beta**power for power in range(int(count)))
        contribution.append(count / WINDOWS.sum() / effective)
    assert probabilities * weights == pytest.approx(np.array(contribution) / np.sum(contribution), rel=1e-4)
    assert np.sum(probabilities * weights) == pytest.approx(1)


def test_a_beta_far_below_every_count_does_nothing():
    # 1 / (1 - beta) = 2, the smallest class has 10 windows: all effective numbers are 2.
    probabilities = class_probabilities(WINDOWS, EVENT, sampling="natural")
    weights = effective_number_weights(probabilities, WINDOWS, beta=0.5)
    assert weights == pytest.approx([1, 1, 1], abs=1e-3)
    # Near 1, every class contributes alike, as with class weights.
    weights = effective_number_weights(probabilities, WINDOWS, beta=0.999999)
    assert weights == pytest.approx(balancing_weights(probabilities), rel=1e-3)


def test_the_smaller_class_never_weighs_less():
    probabilities = class_probabilities(WINDOWS, EVENT, sampling="natural")
    for beta in np.linspace(0, 0.999999, 7):
        weights = effective_number_weights(probabilities, WINDOWS, beta=beta)
        assert np.all(np.diff(weights) <= 1e-6)


def test_a_class_without_windows_weighs_nothing_and_breaks_nothing():
    weights = effective_number_weights(np.array([0.5, 0.5, 0.0]), np.array([10, 90, 0]), beta=0.9)
    assert weights[2] == 0
    assert np.isfinite(weights).all()


# ---- phases


@pytest.mark.parametrize("name", REBALANCINGS)
def test_the_phases_of_every_remedy_share_all_of_the_stage(name):
    remedy = rebalancing(name)
    assert sum(phase.share for phase in remedy.phases) == pytest.approx(1)
    assert sum(epochs_of(remedy.phases, 40)) == 40
    for phase in remedy.phases:
        probabilities = class_probabilities(WINDOWS, EVENT, sampling=phase.sampling)
        weights = phase.weigh(probabilities, WINDOWS)
        assert np.sum(probabilities * weights) == pytest.approx(1)
        assert weights.dtype == np.float32


def test_ldam_weighs_classes_in_its_last_part_only():
    first, second = rebalancing("ldam_drw:beta=0.99,deferred_share=0.25").phases
    assert (first.sampling, second.sampling) == ("natural", "natural")
    assert (first.share, second.share) == (0.75, 0.25)
    assert not first.head_only
    assert not second.head_only
    probabilities = class_probabilities(WINDOWS, EVENT, sampling="natural")
    assert first.weigh(probabilities, WINDOWS).tolist() == [1, 1, 1]
    expected = effective_number_weights(probabilities, WINDOWS, beta=0.99)
    np.testing.assert_array_equal(second.weigh(probabilities, WINDOWS), expected)
    assert expected[0] > 2 > 1 > expected[2]


def test_decoupled_trains_plainly_and_then_the_head_on_balanced_draws():
    first, second = rebalancing("decoupled:head_share=0.3").phases
    assert (first.sampling, first.head_only) == ("natural", False)
    assert (second.sampling, second.head_only) == ("balanced", True)
    probabilities = class_probabilities(WINDOWS, EVENT, sampling=second.sampling)
    assert probabilities * second.weigh(probabilities, WINDOWS) == pytest.approx([1 / 3] * 3)
    assert second.share == 0.3


def test_only_the_decoupled_remedy_has_a_phase_of_the_head_alone():
    names = [name for name in REBALANCINGS if any(phase.head_only for phase in rebalancing(name).phases)]
    assert names == ["decoupled"]


# ---- losses and offsets


def losses_of(method, classes, logits, windows=WINDOWS, event=EVENT):
    loss = rebalancing(method).loss(windows, event)
    return loss(tf.constant(classes), tf.constant(logits, tf.float32)).numpy()


def test_every_remedy_trains_on_the_loss_of_its_name():
    random = np.random.default_rng(0)
    classes, logits = random.integers(0, 3, size=9), random.standard_normal((9, 3)).astype(np.float32)
    at = tf.constant(classes), tf.constant(logits)
    plain = tf.nn.sparse_softmax_cross_entropy_with_logits(*at)
    expected = dict.fromkeys(REBALANCINGS, plain) | {
        "focal:gamma=1": focal(*at, gamma=1.0),
        "logit_adjusted:tau=0.5": logit_adjusted(*at, WINDOWS / 1000, tau=0.5),
        # The square roots of 10, 90 and 900 are as 1 : 3 : sqrt(90).
        "logit_adjusted:draw_power=0.5": logit_adjusted(
            *at, np.array([1, 3, np.sqrt(90)]) / (4 + np.sqrt(90)), tau=1.0
        ),
        "ldam_drw:max_margin=1,scale=2": ldam(*at, WINDOWS, max_margin=1.0, scale=2.0),
    }
    for name in ("focal", "logit_adjusted", "ldam_drw"):
        del expected[name]
    for method, losses in expected.items():
        np.testing.assert_allclose(losses_of(method, classes, logits), losses, rtol=1e-5, err_msg=method)


@pytest.mark.parametrize("power", [0.25, 0.5, 1])
def test_the_prior_of_logit_adjustment_is_that_of_its_draws(power):
    probabilities, weights = drawn_and_weighed(f"logit_adjusted:draw_power={power}")
    assert probabilities == pytest.approx(WINDOWS**power / np.sum(WINDOWS**power))
    assert weights.tolist() == [1, 1, 1]
    # Logits that say nothing: each class is charged with how seldom it is drawn, and no more.
    losses = losses_of(f"logit_adjusted:draw_power={power}", [0, 1, 2], np.zeros((3, 3)))
    assert losses == pytest.approx(-np.log(probabilities), rel=1e-5)


def test_mild_draws_as_milder_class_weights_do_and_weighs_nothing():
    probabilities, weights = drawn_and_weighed("mild")
    milder, weighed = drawn_and_weighed("class_weight:strength=0.5")
    np.testing.assert_array_equal(probabilities, milder)
    assert weights.tolist() == weighed.tolist() == [1, 1, 1]


SCARCE = np.array([21.9, 5.0, 400.0, 900.0])  # the median of the three events is just below 22
AMPLE = np.array([22.0, 5.0, 400.0, 900.0])
THREE_EVENTS = np.array([True, True, True, False])


@pytest.mark.parametrize(
    ("method", "windows", "adjusted"),
    [
        ("mild", SCARCE, True),
        ("mild", AMPLE, False),
        ("mild:adjusted_below=22.1", AMPLE, True),
        ("mild:adjusted_below=0", SCARCE, False),
    ],
)
def test_mild_puts_the_prior_into_the_loss_where_events_have_few_windows(method, windows, adjusted):
    random = np.random.default_rng(1)
    classes, logits = random.integers(0, 4, size=9), random.standard_normal((9, 4)).astype(np.float32)
    at = tf.constant(classes), tf.constant(logits)
    plain = tf.nn.sparse_softmax_cross_entropy_with_logits(*at)
    expected = logit_adjusted(*at, np.sqrt(windows) / np.sqrt(windows).sum()) if adjusted else plain
    found = losses_of(method, classes, logits, windows, THREE_EVENTS)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_offset_takes_the_log_prior_off():
    offset = rebalancing("logit_adjusted_post_hoc:tau=0.5").logit_offset(WINDOWS)
    assert offset == pytest.approx([-0.5 * np.log(share) for share in (0.01, 0.09, 0.9)])
    assert np.all(np.diff(offset) < 0)  # the rarer, the higher
    assert [name for name in REBALANCINGS if rebalancing(name).logit_offset] == ["logit_adjusted_post_hoc"]


def test_the_mean_of_weighted_losses_divides_by_the_batch_and_not_by_the_weights():
    mean_of = MeanOf(lambda classes, logits: tf.cast(classes, tf.float32))
    found = mean_of(tf.constant([[1], [3]]), tf.zeros([2, 4]), sample_weight=tf.constant([4.0, 2.0]))
    assert float(found) == pytest.approx((4 * 1 + 2 * 3) / 2)
