"""Intervals: Wilson's against the printed formula's values, average precision against scikit-learn, gains."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from kwsembed.report.intervals import gain_interval, proportion_interval, weighted_average_precision


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 3, 0.0615, 0.7923)],
)
def test_wilson_interval_has_its_known_values(count, total, low, high):
    interval = proportion_interval(count, total)
    assert interval.estimate == count / total
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-4)


def test_average_precision_is_that_of_scikit_learn_under_any_weights_and_ties():
    random = np.random.default_rng(1)
    positive = random.random(40) < 0.3
    scores = np.round(random.random(40), 1)  # many ties
    weights = random.integers(0, 4, size=(5, 40)).astype(float)
    expected = [average_precision_score(positive, scores, sample_weight=row) for row in weights]
    assert weighted_average_precision(positive, scores, weights) == pytest.approx(expected)


def test_a_clear_gain_excludes_zero_and_a_swap_turns_its_sign():
    random = np.random.default_rng(2)
    labels = np.array(["dog"] * 40 + ["noise"] * 80)
    baseline = random.random((120, 1))
    model = baseline + 2.0 * (labels == "dog")[:, None]
    groups = [str(i) for i in range(120)]
    gain = gain_interval(labels, model, baseline, labels=["dog"], groups=groups)
    loss = gain_interval(labels, baseline, model, labels=["dog"], groups=groups)
    assert 0 < gain.low < gain.estimate < gain.high
    assert (loss.low, loss.estimate, loss.high) == pytest.approx((-gain.high, -gain.estimate, -gain.low))


def test_equal_models_gain_nothing():
    labels = np.array(["dog", "noise"] * 10)
    scores = np.random.default_rng(3).random((20, 1))
    gain = gain_interval(labels, scores, scores, labels=["dog"], groups=[str(i) for i in range(20)])
    assert (gain.low, gain.estimate, gain.high) == (0, 0, 0)


def test_clips_of_one_recording_count_as_one_piece_of_evidence():
    random = np.random.default_rng(4)
    once = np.array(["dog"] * 6 + ["noise"] * 12)
    labels = np.repeat(once, 5)  # five clips from each of 18 recordings, all of which sound alike
    baseline = np.repeat(random.random((18, 1)), 5, axis=0)
    model = np.repeat(random.random((18, 1)) + 0.3 * (once == "dog")[:, None], 5, axis=0)
    alone = gain_interval(labels, model, baseline, labels=["dog"], groups=[str(i) for i in range(90)])
    grouped = gain_interval(labels, model, baseline, labels=["dog"], groups=[str(i // 5) for i in range(90)])
    assert grouped.estimate == alone.estimate
    assert grouped.high - grouped.low > alone.high - alone.low


def test_a_label_without_negatives_or_positives_gives_no_interval():
    scores = np.zeros((4, 1))
    assert gain_interval(np.array(["dog"] * 4), scores, scores, labels=["dog"], groups=list("abcd")) is None
    assert gain_interval(np.array(["cat"] * 4), scores, scores, labels=["dog"], groups=list("abcd")) is None
