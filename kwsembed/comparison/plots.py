"""The drawings of a study: gains with intervals, classes, errors against false alarms, and the embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import NullLocator
from scipy.special import ndtri

from kwsembed.comparison.contender import YARDSTICK
from kwsembed.comparison.detection_tradeoff import Tradeoff
from kwsembed.comparison.standing import Difference, Statistics
from kwsembed.comparison.wording import at, imbalance
from kwsembed.report import svg
from kwsembed.report.intervals import Interval
from kwsembed.report.plots import Panel
from kwsembed.report.wording import counted

_DASHES = ((0, ()), (0, (4, 1.5)), (0, (1.2, 1.2)))
_RATES = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95)
_LONGEST_NAME = 30
_ROW_PX = 24
_GAINS = (  # field of `Difference`, heading, how its values are scaled for the eye, the axis
    ("fewer_errors", "Fewer balanced errors", 100.0, "per cent fewer than class weights"),
    ("precision_gain", "Macro average precision gained", 1.0, "more than class weights"),
)


def order_of(statistics: Statistics) -> tuple[str, ...]:
    """Contenders as they are drawn everywhere: the yardstick, then the others by name."""
    names = {contender for contender, _ in statistics.standings}
    return tuple(sorted(names, key=lambda name: (name != YARDSTICK, name)))


def color_of(name: str, order: Sequence[str]) -> str:
    """The yardstick in ink, the others in the page's colours."""
    return svg.INK if name == YARDSTICK else svg.series(_number(name, order))


def dash_of(name: str, order: Sequence[str]) -> tuple[int, tuple[float, ...]]:
    """Line style; beyond eight contenders colours come again with another dash."""
    return (0, ()) if name == YARDSTICK else _DASHES[_number(name, order) // svg.SERIES_COUNT % len(_DASHES)]


def _number(name: str, order: Sequence[str]) -> int:
    return [other for other in order if other != YARDSTICK].index(name)


def gains(statistics: Statistics, ratio: float) -> list[Panel]:
    """Fewer errors and average precision gained by each contender over class weights, with intervals."""
    found = [d for (_, r), d in statistics.against_yardstick.items() if r == ratio]
    drawn = []
    for figure, heading, scale, axis in _GAINS:
        rows = [(d, getattr(d, figure)) for d in found if getattr(d, figure) is not None]
        rows.sort(key=lambda row: row[1].estimate)
        if rows:
            drawn.append(_forest(statistics, rows, figure, heading, ratio, scale, axis))
    return drawn


def _forest(
    statistics: Statistics,
    rows: Sequence[tuple[Difference, Interval]],
    figure: str,
    heading: str,
    ratio: float,
    scale: float,
    axis: str,
) -> Panel:
    description = f"{heading} by each method {at(ratio)}, with 95 % intervals"
    order = order_of(statistics)
    height = 62 + _ROW_PX * len(rows)
    with svg.drawing(f"{figure}-{ratio:g}", description, width_px=440, height_px=height) as plot:
        axes = plot.axes
        axes.axvline(0, color=svg.INK, linewidth=1.2)
        for position, (found, interval) in enumerate(rows):
            color = color_of(found.first, order)
            axes.plot([scale * interval.low, scale * interval.high], [position] * 2, color=color)
            # Open where zero lies within: the eye should not count what is undecided.
            decided = not interval.low <= 0 <= interval.high
            axes.plot(
                scale * interval.estimate, position, "o", color=color,
                markerfacecolor=color if decided else svg.PAPER, markersize=7, markeredgewidth=1.6,
            )  # fmt: skip
        _names(plot, [found.first for found, _ in rows])
        axes.set_xlabel(axis)
        cells = sorted({found.cells for found, _ in rows})
        how_many = counted(cells[0], "cell") if len(cells) == 1 else f"{cells[0]} to {cells[-1]} cells"
        note = f"To the right is better. 95 % intervals over {how_many}; open circles: zero lies within."
        return Panel(f"{heading} {at(ratio)}", plot.inline(), note)


def _names(plot: svg.Plot, names: Sequence[str]) -> None:
    """Names of the rows at the left, with the room that they take."""
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in names]
    plot.axes.set_yticks(range(len(shown)), shown, color=svg.INK)
    plot.axes.set_ylim(-0.7, len(shown) - 0.3)
    plot.axes.grid(axis="y", visible=False)
    plot.axes.tick_params(axis="y", length=0)
    plot.axes.spines["left"].set_visible(False)
    width_px = plot.figure.get_figwidth() * 72
    plot.figure.subplots_adjust(left=min(0.5, (14 + 6.4 * max(len(name) for name in shown)) / width_px))


def gains_against_imbalance(statistics: Statistics) -> list[Panel]:
    """Fewer errors and precision gained, from the mildest imbalance to the strongest; none with only one."""
    if len(statistics.ratios) < 2 or not statistics.against_yardstick:
        return []
    return [_against_imbalance(statistics, *drawn) for drawn in _GAINS]


def _against_imbalance(statistics: Statistics, figure: str, heading: str, scale: float, axis: str) -> Panel:
    order = order_of(statistics)
    others = [name for name in order if name != YARDSTICK]
    description = f"{heading}, against class weights, by imbalance"
    with svg.drawing(f"{figure}-imbalance", description, width_px=440, height_px=320) as plot:
        axes = plot.axes
        axes.axhline(0, color=svg.INK, linewidth=1.2)
        for number, name in enumerate(others):
            shift = 0.5 * ((number + 0.5) / len(others) - 0.5)
            points: list[tuple[float, Interval]] = []
            for position, ratio in enumerate(statistics.ratios):
                found = statistics.against_yardstick.get((name, ratio))
                interval = found and getattr(found, figure)
                if interval:
                    points.append((position + shift, interval))
            color = color_of(name, order)
            axes.plot(
                [x for x, _ in points], [scale * i.estimate for _, i in points],
                color=color, linestyle=dash_of(name, order), marker=svg.marker(number), markersize=6,
            )  # fmt: skip
            for x, interval in points:
                axes.plot([x, x], [scale * interval.low, scale * interval.high], color=color, linewidth=1.2)
        axes.set_xticks(range(len(statistics.ratios)), [imbalance(ratio) for ratio in statistics.ratios])
        axes.set_xlim(-0.5, len(statistics.ratios) - 0.5)
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("background clips per clip of an event")
        axes.set_ylabel(axis)
        note = "Bars are 95 % intervals; above zero is better."
        return Panel(f"{heading}, against imbalance", plot.inline(), note)


def per_class(statistics: Statistics, ratio: float) -> list[Panel]:
    """Average precision of each event by each contender."""
    order = order_of(statistics)
    standings = list(reversed([s for s in statistics.at(ratio) if s.cells]))
    if not standings:
        return []
    panels = []
    for number, label in enumerate(statistics.event_labels):
        description = f"Average precision of {label} by each method {at(ratio)}, with 95 % intervals"
        height = 56 + 20 * len(standings)
        name = f"class-{number}-{ratio:g}"
        with svg.drawing(name, description, width_px=330, height_px=height) as plot:
            for position, standing in enumerate(standings):
                interval = standing.per_class[label]
                if interval is not None:
                    color = color_of(standing.contender, order)
                    plot.axes.plot([interval.low, interval.high], [position] * 2, color=color)
                    plot.axes.plot(interval.estimate, position, "o", color=color, markersize=6)
            _names(plot, [standing.contender for standing in standings])
            plot.axes.set_xlabel("average precision")
            panels.append(Panel(label, plot.inline(), ""))
    return panels


def detection_tradeoff(
    statistics: Statistics, ratio: float, curves: Mapping[str, Tradeoff], label: str | None
) -> Panel | None:
    """Misses against false alarms on clips, on the axes of a DET plot; of one event, or the mean of all."""
    order = order_of(statistics)
    number = "all" if label is None else str(statistics.event_labels.index(label))
    what = label or "all events"
    description = f"Miss rate against false-alarm rate on clips for {what} {at(ratio)}"
    lines = {name: curve.line(label) for name, curve in curves.items()}
    drawn = {name: line for name, line in lines.items() if line is not None}
    if not drawn:
        return None
    least = min(float(rates[0]) for rates, _ in drawn.values())
    with svg.drawing(f"tradeoff-{number}-{ratio:g}", description) as plot:
        axes = plot.axes
        low = ndtri(max(least, 1e-5))
        for name in order:
            if name in drawn:
                rates, misses = drawn[name]
                axes.plot(
                    ndtri(rates), ndtri(np.clip(misses, 0.002, 0.998)), color=color_of(name, order),
                    linestyle=dash_of(name, order), linewidth=2.2 if name == YARDSTICK else 1.5,
                )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ndtri(_RATES), [f"{100 * rate:g} %" for rate in _RATES])
            axis.set_minor_locator(NullLocator())
        axes.set_xlim(low, ndtri(0.6))
        axes.set_ylim(ndtri(0.004), ndtri(0.98))
        axes.set_xlabel("others taken for it")
        axes.set_ylabel("missed")
        return Panel(what, plot.inline(), "")


def effective_rank(statistics: Statistics) -> Panel | None:
    """How many directions each contender's embedding uses."""
    order = order_of(statistics)
    names = [
        name
        for name in reversed(order)
        if any(s.effective_rank is not None for s in statistics.standings.values() if s.contender == name)
    ]
    if not names:
        return None
    height = 62 + _ROW_PX * len(names)
    description = "Effective rank of each method's embedding"
    with svg.drawing("effective-rank", description, width_px=440, height_px=height) as plot:
        for position, name in enumerate(names):
            for number, ratio in enumerate(statistics.ratios):
                standing = statistics.standings.get((name, ratio))
                if standing is not None and standing.effective_rank is not None:
                    plot.axes.plot(
                        standing.effective_rank, position, svg.marker(number), markersize=7,
                        color=color_of(name, order),
                    )  # fmt: skip
        plot.axes.axvline(len(statistics.labels) - 1, color=svg.WARN, linestyle=(0, (2, 2)), linewidth=1.2)
        plot.axes.set_xlim(left=0)
        _names(plot, names)
        plot.axes.set_xlabel("effective rank")
        note = (
            f"Of the embeddings of validation clips. The dashed line is {len(statistics.labels) - 1}, the "
            f"directions that telling {len(statistics.labels)} labels apart takes."
        )
        return Panel("Directions in use", plot.inline(), note)


def spread(statistics: Statistics, ratio: float) -> Panel | None:
    """Spread within classes against the distance between them, one point a contender."""
    order = order_of(statistics)
    points = {
        s.contender: (s.within, s.between)
        for s in statistics.at(ratio)
        if s.within is not None and s.between is not None
    }
    if not points:
        return None
    description = f"Spread within classes against the distance between them {at(ratio)}"
    with svg.drawing(f"spread-{ratio:g}", description, height_px=280) as plot:
        for name, (within, between) in points.items():
            shape = svg.marker(order.index(name))
            plot.axes.plot(within, between, shape, markersize=8, color=color_of(name, order))
        plot.axes.set_xlim(left=0)
        plot.axes.set_ylim(bottom=0)
        plot.axes.set_xlabel("mean squared spread within classes")
        plot.axes.set_ylabel("between class means")
        return Panel(f"Spread {at(ratio)}", plot.inline(), "Up and to the left classes lie further apart.")


def css_of(name: str, order: Sequence[str]) -> str:
    """The page's name of a contender's colour."""
    return "ink" if name == YARDSTICK else f"series-{_number(name, order) % svg.SERIES_COUNT}"
