"""Keeping the better variant: a stated criterion on validation, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SAME_PRECISION = 0.01
"""Difference of macro average precision that counts as none, as a run calls it none when int8 costs it."""

CRITERION = (
    "highest macro average precision on validation among the pretrained variants, "
    f"end to end if they differ by less than {SAME_PRECISION:g}"
)

_CANDIDATES = ("frozen", "end_to_end")
_YARDSTICK = "class_weighted"
_IN_WORDS = {"frozen": "the frozen embedding", "end_to_end": "the end-to-end network"}


@dataclass(frozen=True)
class Choice:
    """The variant that is kept.

    Attributes:
        variant: Its name.
        criterion: How it was chosen.
        sentence: The choice in words, with its numbers and the yardstick's.
    """

    variant: str
    criterion: str
    sentence: str


def choose_variant(validation: Mapping[str, Mapping[str, Any]]) -> Choice:
    """Chooses between frozen and end to end by their validation metrics.

    Class weights without pretraining are the yardstick: never chosen, always named.

    Args:
        validation: Metrics on validation by variant, with `macro_average_precision`.

    Example:
        >>> precisions = {"frozen": 0.7, "end_to_end": 0.8, "class_weighted": 0.6}
        >>> choose_variant({name: {"macro_average_precision": value}
        ...                 for name, value in precisions.items()}).variant
        'end_to_end'
    """
    precision = {name: validation[name]["macro_average_precision"] for name in (*_CANDIDATES, _YARDSTICK)}
    ahead = precision["frozen"] - precision["end_to_end"]
    best = "frozen" if ahead >= SAME_PRECISION else "end_to_end"
    others = ", ".join(f"{name} {precision[name]:.3f}" for name in precision if name != best)
    sentence = (
        f"kept {_IN_WORDS[best]}: macro average precision {precision[best]:.3f} on validation ({others})"
    )
    if 0 < ahead < SAME_PRECISION:
        sentence += f", which is kept where precision differs by less than {SAME_PRECISION:g}"
    if precision[_YARDSTICK] > precision[best]:
        sentence += (
            "; class weights without pretraining did better here, so pretraining did not pay on this data"
        )
    return Choice(variant=best, criterion=CRITERION, sentence=sentence)
