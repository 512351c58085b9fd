"""The tables of a study's page: standings, pairs, embeddings, contenders, settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kwsembed.comparison.conclusion import SURE, collapsed
from kwsembed.comparison.contender import OVERRIDDEN, YARDSTICK
from kwsembed.comparison.standing import Standing, Statistics
from kwsembed.comparison.wording import at
from kwsembed.report.intervals import Interval
from kwsembed.report.tables import Cell, Table, table
from kwsembed.report.wording import UNKNOWN, decimal, percent, seconds, short, signed

_TONES = {"better": "good", "worse": "bad", "undecided": ""}


def standings(statistics: Statistics, ratio: float) -> Table:
    """Contenders at one imbalance, the fewest errors first."""
    here = statistics.at(ratio)
    missed = any(standing.missed for standing in here)
    columns = ["method", "macro AP", "95 %", "balanced error", "95 %", "cells"]
    groups = [("", 1), ("test clips", 4), ("", 1)]
    note = (
        "Means over folds and seeds, which are the cells. Macro AP: mean of the average precision of the "
        "event classes, high is good. Balanced error: mean over all labels of the share of clips given to "
        "another, low is good."
    )
    if missed:
        columns += ["missed", "95 %", "events", "false alarms per h"]
        groups.append(("streams, at the target", 4))
        note += (
            " Missed: share of the events in streams at the thresholds that validation set for the target of "
            "false alarms; its interval takes events for independent and knows nothing of seeds."
        )
    return table(columns, [_row(standing, missed=missed) for standing in here], groups=groups, note=note)


def _row(standing: Standing, *, missed: bool) -> list[Cell | str]:
    tone = "strong" if standing.contender == YARDSTICK else ""
    total = standing.cells + len(standing.failures)
    row: list[Cell | str] = [
        Cell(standing.contender, tone=tone),
        Cell(_estimate(standing.precision), tone=tone),
        _bounds(standing.precision),
        Cell(_estimate(standing.error), tone=tone),
        _bounds(standing.error),
        f"{standing.cells}" if not standing.failures else f"{standing.cells} of {total}",
    ]
    if not missed:
        return row
    of = standing.missed
    if of is None:
        return [*row, *[UNKNOWN] * 4]
    bounds = f"{percent(of.rate.low)} to {percent(of.rate.high)}"
    return [*row, percent(of.rate.estimate), bounds, f"{of.events}", short(of.false_alarms_per_hour)]


def differences(statistics: Statistics, ratio: float) -> Table | None:
    """Every contender against class weights at one imbalance, the best first."""
    found = [
        (d, d.fewer_errors)
        for (_, r), d in statistics.against_yardstick.items()
        if r == ratio and d.fewer_errors is not None
    ]
    if not found:
        return None
    rows: list[list[Cell | str]] = [
        [
            d.first,
            Cell(_signed_percent(errors.estimate), tone=_TONES[d.verdict]),
            f"{_signed_percent(errors.low)} to {_signed_percent(errors.high)}",
            signed(d.precision_gain.estimate if d.precision_gain else None),
            _bounds(d.precision_gain, signs=True),
            Cell(d.verdict, tone=_TONES[d.verdict]),
            _chance(d.adjusted_chance),
            str(d.cells),
        ]
        for d, errors in sorted(found, key=lambda row: -row[1].estimate)
    ]
    columns = ["method", "fewer errors", "95 %", "AP gained", "95 %", "verdict", "p (Holm)", "cells"]
    note = (
        "Against class weights, over the cells that both methods have and under the same draws of "
        "recordings. Fewer errors: of balanced error, relative. A verdict is given where their interval "
        "leaves out zero; p is theirs too, adjusted by Holm for all comparisons of the study."
    )
    return table(columns, rows, note=note)


def misses(statistics: Statistics, ratio: float) -> Table | None:
    """What each contender misses in streams at equal false alarms, in the order of the standings."""
    here = statistics.at(ratio)
    rates = sorted({rate for standing in here for rate in standing.missed_at})
    if not rates:
        return None
    rows: list[list[Cell | str]] = []
    for standing in here:
        tone = "strong" if standing.contender == YARDSTICK else ""
        row: list[Cell | str] = [Cell(standing.contender, tone=tone)]
        against = statistics.against_yardstick.get((standing.contender, ratio))
        for rate in rates:
            missed = standing.missed_at.get(rate)
            row.append(Cell(percent(missed.estimate) if missed else UNKNOWN, tone=tone))
            row += _fewer(against.fewer_misses.get(rate) if against else None)
        rows.append(row)
    note = (
        "Share of the events in the test clips' streams that are missed, the mean over the event labels, "
        "where each label may raise so many false alarms an hour. Every threshold is the best for the very "
        "streams that are counted, so that methods meet at equal false alarms; a device, which has to choose "
        "before, misses more. Fewer: than class weights, relative, under the same draws of recordings, and "
        "not adjusted for how many are looked at."
    )
    columns = ["method", *["missed", "fewer", "95 %"] * len(rates)]
    groups = [("", 1), *[(f"at {rate:g} false alarms an hour", 3) for rate in rates]]
    return table(columns, rows, groups=groups, note=note)


def _fewer(interval: Interval | None) -> list[Cell | str]:
    if interval is None:
        return ["", ""]
    tone = "good" if interval.low > 0 else "bad" if interval.high < 0 else ""
    bounds = f"{_signed_percent(interval.low)} to {_signed_percent(interval.high)}"
    return [Cell(_signed_percent(interval.estimate), tone=tone), bounds]


def _estimate(interval: Interval | None) -> str:
    return decimal(interval.estimate if interval else None)


def _bounds(interval: Interval | None, *, signs: bool = False) -> str:
    if interval is None:
        return UNKNOWN
    word = signed if signs else decimal
    return f"{word(interval.low)} to {word(interval.high)}"


def _signed_percent(share: float) -> str:
    return f"{signed(100 * share, 1)} %"


def _chance(value: float | None) -> Cell:
    if value is None:
        return Cell(UNKNOWN)
    return Cell("below 0.01" if value < 0.01 else decimal(value, 2), tone="strong" if value < SURE else "")


def pairs(statistics: Statistics) -> Table | None:
    """Frozen against end to end, and siamese against clustering."""
    found = [pair for pair in statistics.pairs if pair.fewer_errors is not None]
    if not found:
        return None
    rows: list[list[Cell | str]] = [
        [
            f"{pair.first} against {pair.second}",
            at(pair.ratio),
            signed(pair.precision_gain.estimate if pair.precision_gain else None),
            _bounds(pair.precision_gain, signs=True),
            Cell(_signed_percent(pair.fewer_errors.estimate), tone=_TONES[pair.verdict]),
            f"{_signed_percent(pair.fewer_errors.low)} to {_signed_percent(pair.fewer_errors.high)}",
            Cell(pair.verdict, tone=_TONES[pair.verdict]),
            str(pair.cells),
        ]
        for pair in found
        if pair.fewer_errors is not None
    ]
    columns = ["methods", "imbalance", "AP gained", "95 %", "fewer errors", "95 %", "the first is", "cells"]
    return table(columns, rows)


def embedding(statistics: Statistics) -> Table | None:
    """Effective rank and spread of each contender's embedding."""
    rows: list[list[Cell | str]] = []
    for ratio in reversed(statistics.ratios):
        for standing in statistics.at(ratio):
            if standing.effective_rank is None:
                continue
            low = collapsed(standing, label_count=len(statistics.labels))
            rows.append(
                [
                    standing.contender,
                    at(ratio),
                    Cell(decimal(standing.effective_rank, 1), tone="bad" if low else ""),
                    decimal(standing.within),
                    decimal(standing.between),
                ]
            )
    if not rows:
        return None
    columns = ["method", "imbalance", "effective rank", "spread within classes", "between class means"]
    return table(columns, rows)


def contenders(statistics: Statistics) -> Table:
    """What was trained under each name, how often, and what it cost."""
    rows: list[list[Cell | str]] = []
    for ratio in reversed(statistics.ratios):
        for standing in statistics.at(ratio):
            settings = standing.settings
            rows.append(
                [
                    standing.contender,
                    at(ratio),
                    settings["pretrain"] or "none",
                    settings["rebalance"],
                    f"{settings['learning_rate_factor']:g}",
                    str(standing.cells),
                    str(len(standing.failures)),
                    decimal(standing.error_without_bias),
                    seconds(standing.cpu_s),
                ]
            )
    columns = ["method", "imbalance", "pretraining", "remedy", "learning rate factor", "cells", "failed"]
    columns += ["balanced error without bias", "processor time of a cell"]
    note = (
        "The bias of the labels is fitted on validation for every method alike; the error without it shows "
        "what a method does to the balance of the labels by itself."
    )
    return table(columns, rows, note=note)


def failures(statistics: Statistics | None) -> list[tuple[str, str]]:
    """Contender and reason of every training that gave nothing to judge."""
    if statistics is None:
        return []
    return [
        (f"{standing.contender}, {at(standing.ratio)}", reason)
        for standing in statistics.standings.values()
        for reason in standing.failures
    ]


def settings(values: Mapping[str, Any], *, prefix: str = "") -> list[tuple[str, str]]:
    """The settings that all contenders share, one line each, `config.schedule.batch_size` for nested ones."""
    # Chosen by the contender, cell by cell.
    by_contender = (*OVERRIDDEN, "sublabel_weight", "backwards_share", "even_groups")
    own = {f"config.{name}" for name in by_contender}
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if f"{prefix}{name}" in own:
            continue
        if isinstance(value, Mapping):
            lines += settings(value, prefix=f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
            lines.append((f"{prefix}{name}", text))
    return lines
