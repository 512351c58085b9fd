"""Facts about a run: the figures at its head, sizes and latency, where the time went, versions."""

from __future__ import annotations

from dataclasses import dataclass

from kwsembed.report import wording
from kwsembed.report.model_findings import quantisation_loss
from kwsembed.report.run_record import RunRecord
from kwsembed.report.tables import Cell, Table, table

_OTHER_STEPS = {"cache": "decoding", "evaluate": "evaluation"}


@dataclass(frozen=True)
class KeyFigure:
    """One of the few numbers at the head of the page."""

    name: str
    value: str
    note: str


def key_figures(run: RunRecord) -> list[KeyFigure]:
    """The numbers that one asks for first; those that were not measured are left out."""
    chosen, figures = run.metrics.get("chosen", {}), run.figures
    found = []
    if figures is not None:
        macro, error = figures.macro_average_precision, figures.balanced_error
        found.append(KeyFigure("macro average precision", wording.decimal(macro), f"{run.split}, int8"))
        found.append(KeyFigure("balanced error", wording.percent(error, 1), f"{run.split}, int8"))
        measured = [figures.of(label) for label in run.event_labels]
        counts = [f.false_alarms for f in measured if f.false_alarms is not None and f.hours]
        if counts:
            heard = wording.hours(max(f.hours or 0.0 for f in measured))
            found.append(KeyFigure("false alarms", f"{sum(counts):,}", f"of all event classes, in {heard}"))
    lost = quantisation_loss(run)
    if lost is not None:
        change = wording.signed(-lost, wording.digits_apart([(lost, 0.0)]))
        found.append(KeyFigure("int8 against float", change, "macro average precision"))
    sizes = chosen.get("size_bytes") or {}
    if sizes.get("model"):
        core = (
            f"of which int8 core {wording.size(sizes['core_int8'])}"
            if sizes.get("core_int8")
            else "waveform in"
        )
        found.append(KeyFigure("model file", wording.size(sizes["model"]), core))
    latency = {name: value for name, value in (chosen.get("latency_us") or {}).items() if value}
    if latency:
        fastest = min(latency, key=lambda name: latency[name])
        found.append(
            KeyFigure("per window", wording.latency(latency[fastest]), f"{fastest}, on the training machine")
        )
    return found


def sizes_table(run: RunRecord) -> Table:
    """Sizes of the file and its parts, parameters, multiplications, latency by interpreter."""
    chosen = run.metrics.get("chosen", {})
    sizes, latency = chosen.get("size_bytes") or {}, chosen.get("latency_us") or {}
    rows = [
        ["model.tflite", wording.size(sizes.get("model"))],
        ["its int8 core", wording.size(sizes.get("core_int8"))],
        ["its float front end", wording.size(sizes.get("front_end"))],
        ["parameters", wording.whole(chosen.get("parameters"))],
    ]
    if chosen.get("multiply_adds"):
        rows.append(["multiply-adds per window", wording.whole(chosen["multiply_adds"])])
    if chosen.get("min_runtime_version"):
        rows.append(["oldest TFLite runtime", str(chosen["min_runtime_version"])])
    rows += [[f"median per window, {name}", wording.latency(value)] for name, value in latency.items()]
    if not latency:
        rows.append(["median per window", "not measured: no interpreter was installed"])
    return table(["the model on a device", ""], rows)


def durations_table(run: RunRecord) -> Table | None:
    """How long each step took, with its share of the whole."""
    stage_s = run.metrics.get("stage_s") or {}
    total = sum(value for value in stage_s.values() if value is not None)
    if not total:
        return None
    rows: list[list[Cell | str]] = [
        [
            _OTHER_STEPS.get(name) or run.name_of(name),
            Cell("not recorded" if value is None else wording.seconds(value), share=value and value / total),
        ]
        for name, value in stage_s.items()
    ]
    complete = None not in stage_s.values()
    return table(
        ["step", "duration"],
        [
            *rows,
            [Cell("all" if complete else "all that were recorded", tone="strong"), wording.seconds(total)],
        ],
        note="Of a resumed run: stages over all its sittings, the other steps in the last one.",
    )


def versions_table(run: RunRecord) -> Table | None:
    """Versions of what took part."""
    versions = {name: version for name, version in (run.metrics.get("versions") or {}).items() if version}
    return (
        table(["package", "version"], [[name, str(version)] for name, version in versions.items()])
        if versions
        else None
    )
