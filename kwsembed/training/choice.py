"""Keeping a variant: a stated criterion on validation, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kwsembed.config import BEST, BETTER

SAME_PRECISION = 0.01
"""Difference of macro average precision that counts as none, as a run calls it none when int8 costs it."""

CRITERIA = {
    BETTER: "highest macro average precision on validation of frozen and end to end, "
    f"end to end if they differ by less than {SAME_PRECISION:g}",
    BEST: "highest macro average precision on validation, where frozen has to be ahead of end to end, and "
    f"class weights only of the better of these, by {SAME_PRECISION:g}",
}

_CANDIDATES = ("frozen", "end_to_end")
_YARDSTICK = "class_weighted"
_IN_WORDS = {
    "frozen": "the frozen embedding",
    "end_to_end": "the end-to-end network",
    _YARDSTICK: "the network without pretraining",
}


@dataclass(frozen=True)
class Choice:
    """The variant that is kept.

    Attributes:
        variant: Its name.
        criterion: How it was chosen.
        sentence: The choice in words, with its numbers and those of the others.
    """

    variant: str
    criterion: str
    sentence: str


def choose_variant(validation: Mapping[str, Mapping[str, Any]], *, keep: str = BETTER) -> Choice:
    """Chooses a variant by the metrics on validation, or takes the one that was asked for.

    Class weights without pretraining are the yardstick: always named, chosen only where `keep` allows it.

    Args:
        validation: Metrics on validation by variant, with `macro_average_precision`.
        keep: As in `TrainConfig`.

    Example:
        >>> precisions = {"frozen": 0.7, "end_to_end": 0.8, "class_weighted": 0.85}
        >>> metrics = {name: {"macro_average_precision": value} for name, value in precisions.items()}
        >>> choose_variant(metrics).variant, choose_variant(metrics, keep="best").variant
        ('end_to_end', 'class_weighted')
    """
    precision = {name: validation[name]["macro_average_precision"] for name in (*_CANDIDATES, _YARDSTICK)}
    kept = keep if keep in precision else _best(precision, yardstick=keep == BEST)
    others = ", ".join(f"{name} {precision[name]:.3f}" for name in precision if name != kept)
    sentence = (
        f"kept {_IN_WORDS[kept]}: macro average precision {precision[kept]:.3f} on validation ({others})"
    )
    if keep == kept:
        sentence += ", as was asked for"
    elif kept == "end_to_end" and 0 < precision["frozen"] - precision[kept] < SAME_PRECISION:
        sentence += f", which is kept where precision differs by less than {SAME_PRECISION:g}"
    if precision[_YARDSTICK] > max(precision[name] for name in _CANDIDATES):
        sentence += "; class weights without pretraining did better here than either"
        if kept != _YARDSTICK:
            sentence += f" (--resume --keep {_YARDSTICK} ships that network)"
    criterion = CRITERIA.get(keep, f"{keep} was asked for")
    return Choice(variant=kept, criterion=criterion, sentence=sentence)


def _best(precision: Mapping[str, float], *, yardstick: bool) -> str:
    best = "frozen" if precision["frozen"] - precision["end_to_end"] >= SAME_PRECISION else "end_to_end"
    if yardstick and precision[_YARDSTICK] - precision[best] >= SAME_PRECISION:
        return _YARDSTICK
    return best
