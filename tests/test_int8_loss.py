"""What quantisation costs, and when it is more than chance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from kwsembed.detection.post_processing import PostProcessing
from kwsembed.evaluation.judge import Judgement, SplitAudio
from kwsembed.training.int8_loss import int8_loss

LABELS = ("bark", "noise")
NO_BIAS = np.zeros(2)


def judgement(event_scores: list[float], classes: list[int]) -> Judgement:
    """Of clips with these log odds of the event, each a recording of its own."""
    store = SimpleNamespace(clips=[SimpleNamespace(group=f"recording {i}") for i in range(len(classes))])
    audio = SplitAudio(
        store=store,  # type: ignore[arg-type]
        clips=np.arange(len(classes)),
        classes=np.array(classes),
        labels=LABELS,
        event_count=1,
        sample_rate_hz=16000,
        window_samples=16000,
    )
    evidence = np.stack([event_scores, np.zeros(len(classes))], axis=1)
    return Judgement(evidence=evidence, negatives=[], positives={}, audio=audio, post=PostProcessing())


def loss(of_float: Judgement, of_int8: Judgement, split: str = "test") -> dict:
    return int8_loss({split: of_float}, {split: of_int8}, bias=NO_BIAS, bound=0.01)


def test_a_loss_by_hand() -> None:
    # Barks at ranks 1 and 2 have precision 1 and 1; at ranks 1 and 3, 1 and 2/3.
    found = loss(judgement([3, 2, 1, 0], [0, 0, 1, 1]), judgement([3, 1, 2, 0], [0, 0, 1, 1]))
    assert found["split"] == "test"
    assert found["test_macro_average_precision"] == pytest.approx(1 / 6)


def test_two_clips_that_change_places_are_within_chance() -> None:
    found = loss(judgement([3, 2, 1, 0], [0, 0, 1, 1]), judgement([3, 1, 2, 0], [0, 0, 1, 1]))
    assert found["low"] <= 0 < found["high"]
    assert found["within_bound"]


def test_a_loss_all_over_breaks_the_bound() -> None:
    random = np.random.default_rng(0)
    classes = [0] * 60 + [1] * 60
    ranked = np.where(np.array(classes) == 0, 2.0, 0.0) + random.normal(0, 1, 120)
    found = loss(judgement(ranked.tolist(), classes), judgement(random.normal(0, 1, 120).tolist(), classes))
    assert found["low"] > 0
    assert found["within_bound"] is False


def test_a_gain_and_no_change_are_within_any_bound() -> None:
    good, poor = judgement([3, 2, 1, 0], [0, 0, 1, 1]), judgement([3, 1, 2, 0], [0, 0, 1, 1])
    assert loss(poor, good)["within_bound"]
    assert loss(good, good)["test_macro_average_precision"] == 0
    assert loss(good, good)["within_bound"]


def test_without_a_test_split_validation_is_compared_and_without_an_event_nothing() -> None:
    found = loss(judgement([1, 0], [1, 1]), judgement([1, 0], [1, 1]), split="validation")
    assert found["split"] == "validation"
    assert found["validation_macro_average_precision"] is None
    assert found["within_bound"] is None
