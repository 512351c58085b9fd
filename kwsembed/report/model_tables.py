"""Tables of what the networks reach: variants, classes, operating points, confusions, int8 against float."""

from __future__ import annotations

from kwsembed.report.intervals import proportion_interval
from kwsembed.report.run_record import ClassFigures, Figures, RunRecord
from kwsembed.report.tables import Cell, Table, table
from kwsembed.report.wording import (
    UNKNOWN,
    decimal,
    digits_apart,
    hours,
    percent,
    short,
    signed,
)

SPLITS = ("validation", "test")
_INT8 = "kept, int8"


def _best(values: list[float | None], *, highest: bool) -> float | None:
    known = [value for value in values if value is not None]
    return (max(known) if highest else min(known)) if len(known) > 1 else None


def variants_table(run: RunRecord) -> Table | None:
    """Macro average precision and balanced error of each variant, the best of each column in bold."""
    models = {run.name_of(key): splits for key, splits in run.variants.items()}
    models[_INT8] = run.models["int8"]
    models = {name: splits for name, splits in models.items() if any(splits.values())}
    splits = [split for split in SPLITS if any(model[split] for model in models.values())]
    if not splits:
        return None
    columns: list[list[Cell]] = []
    for split in splits:
        measured = [model[split] for model in models.values()]
        for field, highest in (("macro_average_precision", True), ("balanced_error", False)):
            values = [None if figures is None else getattr(figures, field) for figures in measured]
            best = _best(values, highest=highest)
            of_models = dict(zip(models, values, strict=True))
            digits = digits_apart([(of_models.get(run.name_of(run.chosen)), of_models.get(_INT8))])
            columns.append(
                [
                    Cell(decimal(v, digits), tone="strong" if v is not None and v == best else "")
                    for v in values
                ]
            )
    rows = [[name, *cells] for name, *cells in zip(models, *columns, strict=True)]
    return table(
        ["network", *["macro AP", "balanced error"] * len(splits)],
        rows,
        groups=[("", 1), *((split, 2) for split in splits)],
        note="Macro AP is the mean of the average precision of the event classes, high is good. "
        "Balanced error is the mean over all labels of the share of clips given to another, low is good.",
    )


def precision_table(run: RunRecord) -> Table | None:
    """Average precision of each label by each variant, beside the prevalence that chance reaches."""
    split = run.split
    models = {run.name_of(key): splits[split] for key, splits in run.variants.items()}
    models[_INT8] = run.models["int8"][split]
    measured = {name: figures for name, figures in models.items() if figures is not None}
    reference = run.figures or next(iter(measured.values()), None)
    if reference is None:
        return None
    float_figures, int8_figures = measured.get(run.name_of(run.chosen)), measured.get(_INT8)
    digits = 3
    if float_figures is not None and int8_figures is not None:
        digits = digits_apart(
            (float_figures.of(label).average_precision, int8_figures.of(label).average_precision)
            for label in run.labels
        )
    rows: list[list[Cell | str]] = []
    for label in run.labels:
        values = [figures.of(label).average_precision for figures in measured.values()]
        best = _best(values, highest=True)
        cells = [
            Cell(decimal(v, digits), share=v, tone="strong" if v is not None and v == best else "")
            for v in values
        ]
        own = reference.of(label)
        rows.append([label, f"{own.clips:,}", decimal(own.prevalence), *cells])
    return table(
        ["label", "clips", "prevalence", *measured],
        rows,
        groups=[("", 1), (split, 2), (f"average precision on {split}", len(measured))],
        note="Prevalence is the share of clips with the label: what a ranking by chance reaches.",
    )


def operating_table(run: RunRecord) -> Table | None:
    """The threshold of each event class and what it costs, on validation where it was set, and on test."""
    splits = [split for split in SPLITS if run.models["int8"][split] is not None]
    if not splits or not run.event_labels:
        return None
    rows: list[list[Cell | str]] = []
    for label in run.event_labels:
        figures = {split: _of(run.models["int8"][split], label) for split in splits}
        own = figures[splits[-1]]
        row: list[Cell | str] = [label, decimal(own.threshold)]
        for split in splits:
            row += _operating_cells(figures[split], detailed=split == splits[-1])
        row.append(_certificate(own))
        rows.append(row)
    short_head, long_head = (
        ["missed", "false alarms"],
        ["missed", "95 % interval", "false alarms", "per hour", "proven below"],
    )
    heads = [long_head if split == splits[-1] else short_head for split in splits]
    target = next(
        (t for t in (_of(run.figures, x).target_false_alarms_per_hour for x in run.event_labels) if t), None
    )
    return table(
        [
            "event",
            "threshold",
            *(name for head in heads for name in head),
            f"target {target:g} per hour" if target else "target",
        ],
        rows,
        groups=[
            ("", 2),
            *(
                (f"{split}, where it was set" if split == "validation" else split, len(head))
                for split, head in zip(splits, heads, strict=True)
            ),
            ("", 1),
        ],
        note="“Proven below” is the one-sided 95 % bound of a Poisson count. “Uncertified” does not say too "
        "many false alarms: it says too few hours to prove the target.",
    )


def _of(figures: Figures | None, label: str) -> ClassFigures:
    return ClassFigures() if figures is None else figures.of(label)


def _operating_cells(f: ClassFigures, *, detailed: bool) -> list[Cell | str]:
    missed = f"{f.misses} of {f.events}" if f.events else "no event"
    counted = UNKNOWN if f.false_alarms is None else f"{f.false_alarms} in {hours(f.hours)}"
    if not detailed:
        return [missed, counted]
    if f.events and f.misses is not None:
        bounds = proportion_interval(f.misses, f.events)
        span = f"{percent(bounds.low)} to {percent(bounds.high)}"
    else:
        span = UNKNOWN
    rate = Cell(f"{missed} ({percent(f.miss_rate)})" if f.events else missed, share=f.miss_rate)
    return [rate, span, counted, short(f.false_alarms_per_hour), short(f.false_alarms_per_hour_upper)]


def _certificate(f: ClassFigures) -> Cell:
    if f.is_certified is None:
        return Cell(UNKNOWN)
    return Cell("certified", tone="good") if f.is_certified else Cell("uncertified", tone="caution")


def confusion_table(run: RunRecord) -> Table | None:
    """Clips by true label (rows) and by the label with the highest probability (columns)."""
    figures = run.figures
    if figures is None or figures.confusion is None:
        return None
    rows: list[list[Cell | str]] = []
    for name, counts in zip(figures.labels, figures.confusion, strict=True):
        total = int(counts.sum())
        cells = [
            Cell(
                f"{count:,}" if count else "·",
                share=count / total if total else None,
                tone="" if count else "nil",
            )
            for count in counts.tolist()
        ]
        right = counts[figures.labels.index(name)] / total if total else None
        rows.append([name, *cells, percent(right)])
    return table(["true label", *figures.labels, "right"], rows)


def quantisation_table(run: RunRecord) -> Table | None:
    """Float beside int8 at the same thresholds, for each event class and over all."""
    before, after = (run.models[model][run.split] for model in ("float", "int8"))
    if before is None or after is None:
        return None
    macro = [before.macro_average_precision, after.macro_average_precision]
    pairs = [(before.of(x).average_precision, after.of(x).average_precision) for x in run.event_labels]
    digits = digits_apart([*pairs, (macro[0], macro[1])])
    rows: list[list[Cell | str]] = []
    for label in run.event_labels:
        f, q = before.of(label), after.of(label)
        change = (
            None
            if f.average_precision is None or q.average_precision is None
            else q.average_precision - f.average_precision
        )
        rows.append(
            [
                label,
                decimal(q.threshold),
                decimal(f.average_precision, digits),
                decimal(q.average_precision, digits),
                signed(change, digits),
                *(f"{x.misses} of {x.events}" if x.events else "no event" for x in (f, q)),
                *(UNKNOWN if x.false_alarms is None else f"{x.false_alarms:,}" for x in (f, q)),
            ]
        )
    change = None if macro[0] is None or macro[1] is None else macro[1] - macro[0]
    means = [*(decimal(value, digits) for value in macro), signed(change, digits)]
    rows.append([Cell("macro", tone="strong"), "", *means, "", "", "", ""])
    return table(
        ["event", "threshold", "float", "int8", "change", "float", "int8", "float", "int8"],
        rows,
        groups=[("", 2), ("average precision", 3), ("missed", 2), ("false alarms", 2)],
        note="Macro is the mean of the event classes.",
    )
