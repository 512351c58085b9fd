"""Which variant is kept, and what is said about it."""

from __future__ import annotations

import pytest

from kwsembed.training.choice import CRITERIA, choose_variant


def validation(frozen, end_to_end, class_weighted):
    precisions = {"frozen": frozen, "end_to_end": end_to_end, "class_weighted": class_weighted}
    return {name: {"macro_average_precision": precision} for name, precision in precisions.items()}


@pytest.mark.parametrize(("frozen", "end_to_end", "kept"), [(0.7, 0.8, "end_to_end"), (0.8, 0.7, "frozen")])
def test_the_better_pretrained_variant_is_kept(frozen, end_to_end, kept):
    choice = choose_variant(validation(frozen, end_to_end, 0.6))
    assert choice.variant == kept
    assert choice.criterion == CRITERIA["better"]
    assert "did better" not in choice.sentence


@pytest.mark.parametrize(
    ("frozen", "end_to_end", "kept"),
    [(0.8, 0.8, "end_to_end"), (0.809, 0.8, "end_to_end"), (0.8101, 0.8, "frozen")],
)
def test_the_frozen_one_is_kept_only_if_it_is_clearly_ahead(frozen, end_to_end, kept):
    choice = choose_variant(validation(frozen, end_to_end, 0.6))
    assert choice.variant == kept
    decided = "which is kept where precision differs by less than 0.01" in choice.sentence
    assert decided == (frozen == 0.809), "said where the kept one has less precision"


def test_the_sentence_names_every_number():
    sentence = choose_variant(validation(0.712, 0.834, 0.655)).sentence
    assert sentence.startswith("kept the end-to-end network: macro average precision 0.834")
    assert "frozen 0.712" in sentence
    assert "class_weighted 0.655" in sentence


def test_the_words_say_when_pretraining_did_not_pay():
    choice = choose_variant(validation(0.7, 0.8, 0.9))
    assert choice.variant == "end_to_end"
    assert "class weights without pretraining did better" in choice.sentence
    assert "class_weighted 0.900" in choice.sentence
    assert "(--resume --keep class_weighted ships that network)" in choice.sentence


@pytest.mark.parametrize(
    ("class_weighted", "kept"), [(0.81, "class_weighted"), (0.809, "end_to_end"), (0.7, "end_to_end")]
)
def test_the_best_of_all_is_the_yardstick_only_if_it_is_clearly_ahead(class_weighted, kept):
    choice = choose_variant(validation(0.78, 0.8, class_weighted), keep="best")
    assert choice.variant == kept
    assert choice.criterion == CRITERIA["best"]
    if kept == "class_weighted":
        assert choice.sentence.startswith(
            "kept the network without pretraining: macro average precision 0.810"
        )
        assert "did better here" in choice.sentence
        assert "--keep" not in choice.sentence
    assert choose_variant(validation(0.82, 0.8, 0.825), keep="best").variant == "frozen"


@pytest.mark.parametrize("asked", ["frozen", "end_to_end", "class_weighted"])
def test_a_variant_that_was_asked_for_is_kept_whatever_its_figures(asked):
    figures = {"frozen": 0.8, "end_to_end": 0.8, "class_weighted": 0.8} | {asked: 0.1}
    choice = choose_variant(validation(**figures), keep=asked)
    assert choice.variant == asked
    assert choice.criterion == f"{asked} was asked for"
    assert "as was asked for" in choice.sentence
