"""What `train` says about a run at its end."""

from __future__ import annotations

import pytest

from kwsembed.training.outcome import sentences


@pytest.mark.parametrize(
    ("lost", "within", "said"),
    [
        (0.0042, True, "int8 loses 0.0042 of macro average precision against float on test"),
        (-0.0042, True, "int8 gains 0.0042 of macro average precision against float on test"),
        (-0.00001, True, "int8 loses none of macro average precision against float on test"),
        (
            0.02,
            False,
            "FAILURE: int8 loses 0.0200 of macro average precision against float on test, "
            "more than the bound of 0.01",
        ),
        (
            0.02,
            True,
            "int8 loses 0.0200 of macro average precision against float on test, "
            "more than the bound of 0.01, but within what chance can do on these clips",
        ),
        (None, True, "int8 against float: not comparable, since no event has clips to compare on"),
    ],
)
def test_the_cost_of_int8_is_said_before_parity(lost, within, said):
    chosen = {
        "test": {"macro_average_precision": 0.9, "balanced_error": 0.1, "clips": 12, "per_class": {}},
        "int8_loss": {
            "split": "test",
            "test_macro_average_precision": lost,
            "bound": 0.01,
            "within_bound": within,
        },
        "parity": {"agreements": [{"bounds": {"mean": 0.04}}, {"bounds": {}}], "failures": []},
    }
    assert list(sentences(chosen, []))[-2:] == [
        said,
        "parity: 1 comparisons of what ships with what was trained keep their bounds",
    ]
