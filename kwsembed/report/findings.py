"""The conclusions of a run in plain words, computed from its numbers, the most important first."""

from __future__ import annotations

from kwsembed.report import detection_findings, label_suspects, model_findings, parity_tables, wording
from kwsembed.report.run_record import RunRecord
from kwsembed.report.wording import Finding


def headline(run: RunRecord) -> str:
    """The most telling number of the run as one sentence.

    Example:
        >>> headline(read_run("RUN"))  # doctest: +SKIP
        'Misses 18 of 101 test events (18 %), with 2 false alarms in 0.31 h of audio'
    """
    figures = run.figures
    measured = [] if figures is None else [figures.of(label) for label in run.event_labels]
    measured = [f for f in measured if f.events and f.misses is not None]
    events, misses = sum(f.events or 0 for f in measured), sum(f.misses or 0 for f in measured)
    if events:
        text = f"Misses {misses:,} of {events:,} {run.split} events ({wording.percent(misses / events)})"
        counts = [f.false_alarms for f in measured if f.false_alarms is not None and f.hours]
        if counts:
            heard = wording.hours(max(f.hours or 0.0 for f in measured))
            text += f", with {wording.counted(sum(counts), 'false alarm')} in {heard} of audio"
        return text
    if figures is not None and figures.macro_average_precision is not None:
        return f"Macro average precision {wording.decimal(figures.macro_average_precision)} on {run.split}"
    return "Trained, but not measured: there are no validation and no test clips"


def findings(run: RunRecord) -> list[Finding]:
    """All conclusions; each is computed, and says so where the numbers prove little."""
    return [
        *model_findings.optimism(run),
        *detection_findings.false_alarms(run),
        *detection_findings.certification(run),
        *detection_findings.missed_most(run),
        *detection_findings.cause_of_misses(run),
        *detection_findings.commonest_mistake(run),
        *model_findings.kept(run),
        *model_findings.pretraining(run),
        *model_findings.quantisation(run),
        *parity_tables.parity(run),
        *detection_findings.thin_classes(run),
        *_files(run),
        *_labels(run),
    ]


def _files(run: RunRecord) -> list[Finding]:
    data = run.metrics.get("data", {})
    skipped, cut = len(data.get("skipped") or ()), len(data.get("cut") or ())
    if not skipped and not cut:
        return []
    text = f"{wording.counted(skipped, 'file')} skipped and {cut} cut; the reasons are listed with the data."
    return [Finding("caution", text)]


def _labels(run: RunRecord) -> list[Finding]:
    text = label_suspects.summary(run)
    return [Finding("plain", f"{text} The first are under Labels to check.")] if text else []
