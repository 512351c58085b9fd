"""Metrics of clips: by hand, against scikit-learn, and undefined where nothing can be said."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the package of evaluation imports it")
metrics = pytest.importorskip("sklearn.metrics")

from kwsembed.errors import KwsembedError
from kwsembed.evaluation.clip_metrics import clip_metrics

LABELS = ("dog", "cat", "noise")


def test_metrics_on_paper():
    probabilities = np.array(
        [[0.7, 0.1, 0.2], [0.3, 0.2, 0.5], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.1, 0.3, 0.6]]
    )
    found = clip_metrics(probabilities, np.array([0, 0, 1, 1, 2, 2]), labels=LABELS, event_count=2)
    # dog, by falling score: dog, cat, dog, ... so precision 1 at half the recall and 2/3 at all of it.
    # cat: cat, cat first, so all of it at precision 1.
    assert found["per_class"]["dog"]["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["per_class"]["cat"]["average_precision"] == pytest.approx(1.0)
    assert found["macro_average_precision"] == pytest.approx((5 / 6 + 1) / 2)
    assert found["confusion"] == [[1, 0, 1], [1, 1, 0], [0, 0, 2]]
    assert [found["per_class"][label]["error"] for label in LABELS] == [0.5, 0.5, 0.0]
    assert found["balanced_error"] == pytest.approx(1 / 3)
    assert found["per_class"]["dog"]["prevalence"] == pytest.approx(1 / 3)
    assert (found["clips"], found["labels"]) == (6, list(LABELS))


@pytest.mark.parametrize("seed", range(5))
def test_random_clips_agree_with_scikit_learn(seed):
    random = np.random.default_rng(seed)
    classes = random.choice(3, size=80, p=[0.1, 0.2, 0.7])
    probabilities = random.dirichlet(np.ones(3), size=80).round(2)  # rounded, so that there are ties
    found = clip_metrics(probabilities, classes, labels=LABELS, event_count=2)
    expected = [metrics.average_precision_score(classes == c, probabilities[:, c]) for c in range(3)]
    assert [found["per_class"][label]["average_precision"] for label in LABELS] == pytest.approx(expected)
    assert found["macro_average_precision"] == pytest.approx(np.mean(expected[:2]))
    predicted = probabilities.argmax(axis=1)
    assert found["balanced_error"] == pytest.approx(1 - metrics.balanced_accuracy_score(classes, predicted))
    assert found["confusion"] == metrics.confusion_matrix(classes, predicted).tolist()


@pytest.mark.filterwarnings("error")
def test_what_has_no_clips_is_undefined_and_left_out():
    found = clip_metrics(
        np.array([[0.2, 0.3, 0.5], [0.1, 0.6, 0.3]]), np.array([2, 1]), labels=LABELS, event_count=2
    )
    assert found["per_class"]["dog"] == {
        "average_precision": None,
        "prevalence": 0.0,
        "clips": 0,
        "error": None,
    }
    assert found["macro_average_precision"] == 1.0  # that of cat alone
    assert found["balanced_error"] == 0.0


@pytest.mark.filterwarnings("error")
def test_clips_of_one_label_only_have_no_average_precision():
    found = clip_metrics(np.array([[0.9, 0.0, 0.1]] * 2), np.array([0, 0]), labels=LABELS, event_count=2)
    assert found["macro_average_precision"] is None
    assert found["balanced_error"] == 0.0


def test_no_clips_at_all():
    found = clip_metrics(np.zeros((0, 3)), np.zeros(0, int), labels=LABELS, event_count=2)
    assert (found["macro_average_precision"], found["balanced_error"], found["clips"]) == (None, None, 0)
    assert found["confusion"] == []


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_an_error(broken):
    with pytest.raises(KwsembedError, match="1 of 2 clips"):
        clip_metrics(
            np.array([[0.2, 0.3, 0.5], [0.1, broken, 0.3]]), np.array([2, 1]), labels=LABELS, event_count=2
        )
