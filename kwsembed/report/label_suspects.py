"""The clips whose label is probably wrong, for the report: the first of them to listen to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kwsembed.report import wording
from kwsembed.report.run_record import RunRecord

MOST = 8
_NAMED = 5  # labels in the sentence on how many there are


@dataclass(frozen=True)
class Suspect:
    """One such clip."""

    name: str
    split: str
    label: str
    suggested: str
    own_probability: float
    suggested_probability: float
    nearest: str  # name of the clip of the other label that sounds most like it
    clip: Mapping[str, str]  # its row of data.csv; empty where there is none


def suspects(run: RunRecord, *, most: int = MOST) -> list[Suspect]:
    """The clips that are most probably mislabelled."""
    rows = {_key(row): row for row in run.data_rows}
    return [
        Suspect(
            name=found["path"],
            split=found["split"],
            label=found["label"],
            suggested=found["suggested"],
            own_probability=float(found["own_probability"]),
            suggested_probability=float(found["suggested_probability"]),
            nearest=found["nearest"],
            clip=rows.get(_key(found), {}),
        )
        for found in run.suspected_labels[:most]
    ]


def summary(run: RunRecord) -> str:
    """How many there are, by label, in a sentence; empty where there are none."""
    counts: dict[str, int] = {}
    for found in run.suspected_labels:
        counts[found["label"]] = counts.get(found["label"], 0) + 1
    if not counts:
        return ""
    most = sorted(counts, key=lambda label: (-counts[label], label))
    named = most if len(most) <= _NAMED else most[: _NAMED - 1]
    parts = [f"{counts[label]} of {label}" for label in named]
    count = len(run.suspected_labels)
    if len(named) < len(most):
        parts.append(f"{count - sum(counts[label] for label in named)} of other labels")
    by_label = wording.listed(parts)
    total, own = wording.counted(count, "clip sounds", "clips sound"), "its" if count == 1 else "their"
    return f"{total} more like another label than like {own} own: {by_label}."


def _key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["path"], row["label"], row.get("onset_s") or ""
