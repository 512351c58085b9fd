"""A check report as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kwsembed.manifest.clip import Clip
from kwsembed.manifest.examine import Finding

if TYPE_CHECKING:
    from kwsembed.manifest.check import CheckReport

_MOST_LINES = 10  # of a list; the rest is counted, and in the JSON


def check_text(report: CheckReport) -> str:
    """Returns the report in sections; those with nothing to say are left out."""
    left_out = [finding for finding in report.findings if not finding.used]
    lines = [
        f"{report.source}: {report.clips} clips, {len(left_out)} unusable, "
        f"{sum(amount.hours for amount in report.amounts):.2f} hours",
        "",
        *_amounts_table(report),
        "",
        "formats",
        *(f"  {count:>6}  {name}" for name, count in report.formats.items()),
    ]
    lines += _findings("left out", left_out)
    lines += _findings("used all the same", [finding for finding in report.findings if finding.used])
    if report.leaks:
        lines += ["", f"groups that lie in two splits: {len(report.leaks)}"]
        lines += _listed(
            f"{leak.group}: {', '.join(f'{clip.name} in {clip.split}' for clip in leak.clips)}"
            for leak in report.leaks
        )
    if report.duplicates:
        lines += ["", f"the same audio in two splits or under two labels: {len(report.duplicates)} pairs"]
        lines += _listed(
            f"{_place(pair.first)} = {_place(pair.second)}, shifted by {pair.offset_s:.2f} s, "
            f"similarity {pair.similarity:.2f}"
            for pair in sorted(report.duplicates, key=lambda pair: pair.first.split == pair.second.split)
        )
    if report.repeats:
        lines += ["", f"the same audio within a split, under one label: {report.repeats} pairs"]
    if report.warnings:
        lines += ["", "warnings", *(f"  {warning}" for warning in report.warnings)]
    lines += ["", "usable" if report.usable else f"NOT usable: {report.problem}"]
    return "\n".join(lines)


def _amounts_table(report: CheckReport) -> list[str]:
    """A row per label, and for each split its clips, groups and hours."""
    splits = list(dict.fromkeys(amount.split for amount in report.amounts))
    named = [
        f"{label} (background)" if label in report.background_labels else label for label in report.labels
    ]
    width = max(len(name) for name in named)
    amount_of = {(amount.label, amount.split): amount for amount in report.amounts}
    columns = f"{'clips':>9} {'groups':>6} {'hours':>6}"
    rows = [
        " " * width + "".join(f"{split:>{len(columns)}}" for split in splits),
        f"{'label':<{width}}" + columns * len(splits),
    ]
    for label, name in zip(report.labels, named, strict=True):
        amounts = [amount_of[label, split] for split in splits]
        cells = (f"{amount.clips:>9} {amount.groups:>6} {amount.hours:>6.2f}" for amount in amounts)
        rows.append(f"{name:<{width}}" + "".join(cells))
    return rows


def _findings(title: str, findings: Sequence[Finding]) -> list[str]:
    lines = []
    for reason in dict.fromkeys(finding.reason for finding in findings):
        of_reason = [finding for finding in findings if finding.reason == reason]
        lines += ["", f"{reason}, {title}: {len(of_reason)}"]
        lines += _listed(f"{finding.name}: {finding.detail}" for finding in of_reason)
    return lines


def _place(clip: Clip) -> str:
    return f"{clip.name} ({clip.split}, {clip.label})"


def _listed(items: Iterable[str]) -> list[str]:
    items = list(items)
    more = len(items) - _MOST_LINES
    return [f"  {item}" for item in items[:_MOST_LINES]] + ([f"  and {more} more"] if more > 0 else [])
