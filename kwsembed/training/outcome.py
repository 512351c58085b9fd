"""What a run came to, in sentences: quality, operating points and their certainty, the cost of int8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def sentences(chosen: Mapping[str, Any], event_labels: Sequence[str]) -> Iterator[str]:
    """Lines for the user about the shipped model.

    Args:
        chosen: The record `chosen` of metrics.json.
        event_labels: Labels that are events.

    Yields:
        One line on clips, one per event label, one on int8, one on parity and one per failure of it.
    """
    split = "test" if chosen["test"] else "validation"
    metrics = chosen[split]
    yield (
        f"{split}: macro average precision {_number(metrics['macro_average_precision'])}, "
        f"balanced error {_number(metrics['balanced_error'])} on {metrics['clips']} clips"
    )
    for label in event_labels:
        yield f"{split}: {label}: {_operating_point(metrics['per_class'][label])}"
    yield _int8(chosen["int8_loss"])
    yield from parity(chosen["parity"])


def _operating_point(values: Mapping[str, Any]) -> str:
    found = f"misses {values['misses']} of {values['events']}" if values["events"] else "no event to miss"
    text = f"threshold {values['threshold']:.3f} {found}, {values['false_alarms']} false alarms"
    target = values["target_false_alarms_per_hour"]
    if values["false_alarms_per_hour_upper"] is None:
        return f"{text}; without background audio nothing is known of false alarms per hour"
    upper = values["false_alarms_per_hour_upper"]
    text += f" in {values['hours']:.2f} h, with 95 % confidence at most {upper:.1f} per hour"
    return text + (
        f" (certified for {target:g})" if values["certified"] else f" (not certified for {target:g})"
    )


def _int8(loss: Mapping[str, Any]) -> str:
    value = loss[f"{loss['split']}_macro_average_precision"]
    if value is None:
        return "int8 against float: not comparable, since no event has clips to compare on"
    change = "loses none" if round(value, 4) == 0 else f"{'loses' if value > 0 else 'gains'} {abs(value):.4f}"
    text = f"int8 {change} of macro average precision against float on {loss['split']}"
    if value <= loss["bound"]:
        return text
    text += f", more than the bound of {loss['bound']:g}"
    if loss["within_bound"]:
        return f"{text}, but within what chance can do on these clips"
    return f"FAILURE: {text}"


def parity(certificate: Mapping[str, Any]) -> Iterator[str]:
    """One line where the parity certificate holds, one per comparison that does not."""
    bounded = sum(bool(one["bounds"]) for one in certificate["agreements"])
    failed = certificate["failures"]
    if not failed:
        yield f"parity: {bounded} comparisons of what ships with what was trained keep their bounds"
    for failure in failed:
        yield f"FAILURE: parity: {failure}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
