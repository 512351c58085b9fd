"""The bias of clip probabilities: it shifts labels that win too often, if validation knows them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the package of evaluation imports it")

from kwsembed.clip_scores import probabilities_of
from kwsembed.evaluation.calibration import fit_bias


def evidence_of(classes, *, labels=4, shift=None, seed=0):
    """Log probabilities that favour the true label, each shifted by as much as asked."""
    logits = np.random.default_rng(seed).normal(size=(len(classes), labels))
    logits[np.arange(len(classes)), classes] += 2
    return np.log(probabilities_of(logits, bias=shift))


def balanced_error(evidence, classes, bias=None):
    predicted = probabilities_of(evidence, bias=bias).argmax(axis=1)
    return np.mean([np.mean(predicted[classes == label] != label) for label in np.unique(classes)])


def test_labels_that_a_network_favours_are_brought_back():
    classes = np.repeat(np.arange(4), [10, 20, 40, 80])
    shift = np.array([-2.0, 0.0, 0.0, 2.0])
    evidence = evidence_of(classes, shift=shift)
    bias = fit_bias(evidence, classes)
    assert bias[0] > 0.5 > -0.5 > bias[3]
    assert bias.mean() == pytest.approx(0, abs=1e-9)
    assert balanced_error(evidence, classes, bias) < balanced_error(evidence, classes) - 0.1


def test_it_is_the_minimum_of_the_balanced_cross_entropy():
    classes = np.repeat(np.arange(4), [10, 20, 40, 80])
    evidence = evidence_of(classes)

    def penalised_loss(bias):
        own = np.log(probabilities_of(evidence, bias=bias))[np.arange(len(classes)), classes]
        return -np.mean([own[classes == label].mean() for label in range(4)]) + 0.03 * np.sum(bias**2)

    best = fit_bias(evidence, classes)
    for label in range(4):
        for step in (-0.05, 0.05):
            moved = best.copy()
            moved[label] += step
            assert penalised_loss(moved) > penalised_loss(best)


def test_a_label_without_clips_is_neither_raised_nor_lowered():
    classes = np.repeat([0, 2], [30, 100])
    bias = fit_bias(evidence_of(classes, shift=np.array([1.0, 3.0, -1.0, 0.0])), classes)
    assert bias[[1, 3]].tolist() == [0.0, 0.0]
    assert bias[0] == pytest.approx(-bias[2])


def test_a_single_label_leaves_nothing_to_weigh():
    assert fit_bias(evidence_of(np.zeros(5, int)), np.zeros(5, int)).tolist() == [0.0] * 4


def test_the_penalty_bounds_it_however_wrong_the_network_is():
    # One clip of each label, both heard as the second: its gradient of 1/2 stops at 2 * 0.03 * bias.
    evidence = np.log([[1e-6, 1 - 1e-6], [1e-6, 1 - 1e-6]])
    first, second = fit_bias(evidence, np.array([0, 1]))
    assert 0 < first <= 0.5 / 0.06
    assert second == pytest.approx(-first)
