"""Writes the page of a study: conclusions first, then tables, drawings, and how it was made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kwsembed import atomic
from kwsembed.comparison import conclusion, plots, tables
from kwsembed.comparison.detection_tradeoff import tradeoffs
from kwsembed.comparison.standing import Statistics
from kwsembed.comparison.statistics import statistics_of
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.comparison.wording import at
from kwsembed.report.page import page_environment


def write_page(folder: StudyFolder, *, say: Callable[[str], None]) -> Path:
    """Writes OUT/report.html from the study's folder alone, and says its headline.

    Args:
        folder: The study; may have no finished cell yet.
        say: Receives the headline.

    Returns:
        The path of the page: one file that needs no network and no JavaScript.
    """
    statistics = statistics_of(folder)
    say(conclusion.headline(statistics))
    atomic.write_text(folder.page, render(folder, statistics))
    return folder.page


def render(folder: StudyFolder, statistics: Statistics | None) -> str:
    """The page as HTML; equal studies give equal pages."""
    description = folder.description()
    planned = _planned(description)
    return (
        page_environment("kwsembed.comparison", "kwsembed.report")
        .get_template("study.html")
        .render(
            data=description.get("settings", {}).get("data", "unknown data"),
            headline=conclusion.headline(statistics),
            findings=conclusion.findings(statistics, planned=planned),
            planned=planned,
            statistics=statistics,
            sections=[] if statistics is None else _sections(folder, statistics),
            gains_against_imbalance=plots.gains_against_imbalance(statistics) if statistics else [],
            effective_rank=statistics and plots.effective_rank(statistics),
            key=[] if statistics is None else _key(statistics),
            embedding=statistics and tables.embedding(statistics),
            pairs=statistics and tables.pairs(statistics),
            contenders=statistics and tables.contenders(statistics),
            failures=tables.failures(statistics),
            sittings=description.get("sittings", []),
            settings=tables.settings(description.get("settings", {})),
            steps=description.get("settings", {}).get("steps", 0),
        )
        .lstrip()
    )


def _sections(folder: StudyFolder, statistics: Statistics) -> list[dict[str, Any]]:
    """What is shown for each imbalance, the strongest first."""
    found = []
    for ratio in reversed(statistics.ratios):
        curves = tradeoffs(folder, ratio=ratio, event_labels=statistics.event_labels)
        labels = statistics.event_labels if len(statistics.event_labels) > 1 else ()
        of_labels = [plots.detection_tradeoff(statistics, ratio, curves, label) for label in labels]
        found.append(
            {
                "ratio": ratio,
                "where": at(ratio),
                "standings": tables.standings(statistics, ratio),
                "differences": tables.differences(statistics, ratio),
                "misses": tables.misses(statistics, ratio),
                "gains": plots.gains(statistics, ratio),
                "classes": plots.per_class(statistics, ratio),
                "tradeoff": plots.detection_tradeoff(statistics, ratio, curves, None),
                "tradeoffs": [panel for panel in of_labels if panel],
                "spread": plots.spread(statistics, ratio),
            }
        )
    return found


def _key(statistics: Statistics) -> list[dict[str, str]]:
    """Colour, dash and marker of each contender, for the legend."""
    order = plots.order_of(statistics)
    entries = []
    for position, name in enumerate(order):
        dash = plots.dash_of(name, order)[1]
        entries.append(
            {
                "name": name,
                "color": plots.css_of(name, order),
                "dash": " ".join(f"{2.5 * part:g}" for part in dash),
                "marker": plots.svg.marker(position),
            }
        )
    return entries


def _planned(description: dict[str, Any]) -> int:
    extent = description.get("extent", {})
    count = 1
    for name in ("contenders", "ratios", "folds", "seeds"):
        count *= len(extent.get(name, ()))
    return count
