"""The parity certificate as tables and a conclusion: does the device compute what was trained?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kwsembed.report.run_record import RunRecord
from kwsembed.report.tables import Cell, Table, table
from kwsembed.report.wording import UNKNOWN, Finding, counted, listed, small

_FIGURE = {"log_mel": "largest", "score": "p99"}


def certificate(run: RunRecord) -> Mapping[str, Any] | None:
    """The certificate in metrics.json; None for runs of versions without one."""
    found = run.metrics.get("chosen", {}).get("parity")
    return found if isinstance(found, Mapping) and found.get("agreements") else None


def parity(run: RunRecord) -> list[Finding]:
    """Whether the certificate holds; what does not is named."""
    made = certificate(run)
    if made is None:
        return []
    bounded = [one for one in made["agreements"] if one["bounds"]]
    failed = made["failures"]
    if not failed:
        text = f"The model computes on a device what was trained: {counted(len(bounded), 'comparison')} on "
        return [Finding("good", f"{text}golden audio, quiet and loud, keep their bounds.")]
    text = (
        f"Parity fails: {len(failed)} of {counted(len(bounded), 'comparison')} on golden audio do not keep "
    )
    return [Finding("bad", f"{text}their bounds, so a device may not compute what was trained. {failed[0]}.")]


def differences_table(run: RunRecord, what: str) -> Table | None:
    """Differences of `log_mel` or `score` by audio, computation and level."""
    made = certificate(run)
    agreements = [one for one in (made or {}).get("agreements", ()) if one["what"] == what]
    if not agreements:
        return None
    figure = _FIGURE[what]
    levels = list(dict.fromkeys(one["level_dbfs"] for one in agreements))
    grouped: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for one in agreements:
        grouped.setdefault((one["audio"], one["computed"], one["against"]), []).append(one)
    rows: list[list[Cell | str]] = []
    for (audio, computed, against), ones in grouped.items():
        by_level = {one["level_dbfs"]: one for one in ones}
        cells = [_difference(by_level.get(level), figure) for level in levels]
        bounds = ones[0]["bounds"]
        rows.append(
            [f"{audio}: {computed} against {against}", _verdict(ones), *cells, small(bounds.get(figure))]
        )
    names = [f"{level:g} dBFS".replace("-", "\N{MINUS SIGN}") for level in levels]
    return table(["golden audio", "", *names, "allowed"], rows)


def events_table(run: RunRecord) -> Table | None:
    """Detections that two computations share."""
    made = certificate(run)
    agreements = [one for one in (made or {}).get("agreements", ()) if one["what"] == "events"]
    if not agreements:
        return None
    rows: list[list[Cell | str]] = []
    for one in agreements:
        figures = one["figures"]
        counts = [f"{figures[name]:.0f}" for name in ("computed", "against", "matched")]
        name = f"{one['audio']}: {one['computed']} against {one['against']}"
        rows.append([name, _verdict([one]), *counts])
    return table(["golden audio", "", "found", "by the other", "the same"], rows)


def made_with(run: RunRecord) -> str:
    """What the certificate was computed with, in words."""
    made = certificate(run)
    if made is None:
        return UNKNOWN
    names = dict.fromkeys(one["computed"] for one in made["agreements"] if one["what"] == "score")
    where = made["computed_with"]
    return f"{listed(list(names))}, on {where['system']}, {where['machine']}"


def _difference(one: Mapping[str, Any] | None, figure: str) -> Cell | str:
    if one is None:
        return UNKNOWN
    return Cell(small(one["figures"][figure]), tone="" if one["passed"] else "bad")


def _verdict(ones: Sequence[Mapping[str, Any]]) -> Cell:
    if not all(one["passed"] for one in ones):
        return Cell("fails", tone="bad")
    if not ones[0]["bounds"]:
        return Cell("to know", tone="nil")
    return Cell("holds", tone="good")
