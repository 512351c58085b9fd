"""The figure that a search maximises, worked out by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow", reason="the package belongs to the training ring")

import numpy as np
from toy_store import EVENT_COUNT, LABELS, RATE_HZ, classes_of, tone_probabilities, tones

from kwsembed.detection.post_processing import PostProcessing
from kwsembed.evaluation.judge import SplitAudio, judge
from kwsembed.tuning.objective import TIE_BREAK, Figures, figures_of, mean_figures


def metrics(dog, bell, precision):
    return {
        "macro_average_precision": precision,
        "per_class": {"dog": {"miss_rate": dog}, "bell": {"miss_rate": bell}, "noise": {"error": 0.5}},
    }


def test_recall_is_the_mean_over_event_labels_whatever_their_sizes():
    figures = figures_of(metrics(0.5, 0.1, 0.8))
    assert figures.recall == pytest.approx((0.5 + 0.9) / 2)
    assert figures.recall_by_label == pytest.approx({"dog": 0.5, "bell": 0.9})
    assert figures.objective == pytest.approx(0.7 + TIE_BREAK * 0.8)


def test_a_label_without_events_does_not_count():
    assert figures_of(metrics(0.5, None, 0.8)).recall == pytest.approx(0.5)


def test_average_precision_decides_among_equal_recalls_and_no_others():
    assert Figures(0.7, 0.9, {}).objective > Figures(0.7, 0.8, {}).objective
    # 100 events of each of two labels: one event more is 0.005.
    assert Figures(0.705, 0.0, {}).objective > Figures(0.7, 1.0, {}).objective


def test_seeds_are_averaged():
    mean = mean_figures([figures_of(metrics(0.5, 0.1, 0.8)), figures_of(metrics(0.3, 0.3, 0.6))])
    assert mean.recall == pytest.approx(0.7)
    assert mean.macro_average_precision == pytest.approx(0.7)
    assert mean.recall_by_label == pytest.approx({"dog": 0.6, "bell": 0.8})


@pytest.mark.parametrize(("deaf_to", "recall"), [((), 1.0), (("tone_3k",), 0.5)])
def test_a_network_that_hears_one_of_two_tones_has_half_the_recall(deaf_to, recall):
    store = tones(splits=("validation",))
    audio = SplitAudio(
        store, np.arange(len(store.clips)), classes_of(store), LABELS, EVENT_COUNT, RATE_HZ, RATE_HZ
    )

    def scorer(windows):
        scores = tone_probabilities(windows)
        for label in deaf_to:
            scores[:, LABELS.index(label)] = 0.1
        return scores

    judgement = judge(scorer, audio, post=PostProcessing())
    points = judgement.choose_thresholds(0.5)
    figures = figures_of(judgement.metrics(points, judgement.fit_bias()))
    assert figures.recall == pytest.approx(recall)
