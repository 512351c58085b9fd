"""Conclusions about the networks: which was kept, whether pretraining paid, what int8 costs."""

from __future__ import annotations

from kwsembed.report.intervals import Interval, gain_interval
from kwsembed.report.run_record import Figures, RunRecord
from kwsembed.report.wording import Finding, decimal, digits_apart, listed, signed

NOTABLE_DROP = 0.03  # of macro average precision, from validation to test


def _macro(figures: Figures | None) -> float | None:
    return figures.macro_average_precision if figures else None


def kept(run: RunRecord) -> list[Finding]:
    """Which variant was kept, against the validation figures of the others."""
    macros = {key: _macro(splits["validation"]) for key, splits in run.variants.items()}
    measured = {key: macro for key, macro in macros.items() if macro is not None}
    text = f"Kept: {run.name_of(run.chosen)}."
    if run.chosen in measured and len(measured) > 1:
        own = measured.pop(run.chosen)
        others = listed([f"{decimal(macro)} {run.name_of(key)}" for key, macro in measured.items()])
        text = f"Kept: {run.name_of(run.chosen)}, macro average precision {decimal(own)} on validation, "
        text += f"against {others}."
        if own < max(measured.values()):
            text += " By this figure alone another variant would have been kept."
    criterion = str(run.metrics.get("chosen", {}).get("criterion", "")).rstrip(".")
    return [Finding("plain", text + (f" Criterion: {criterion}." if criterion else ""))]


def pretraining(run: RunRecord) -> list[Finding]:
    """Whether the better pretrained variant beats class weights only, and whether that could be chance."""
    pretrained = run.pretrained_variants
    if not pretrained or "class_weighted" not in run.variants:
        return [
            Finding(
                "plain",
                "This run did not train with and without pretraining, so it cannot say what it gains.",
            )
        ]
    best = max(pretrained, key=lambda key: _macro(run.variants[key]["validation"]) or 0.0)
    gain = pretraining_gain(run, best)
    if gain is None:
        return []
    text = (
        f"{signed(gain.estimate)} macro average precision over the event classes on {run.split} "
        f"({run.name_of(best)}, against class weights only; "
        f"95 % interval {signed(gain.low)} to {signed(gain.high)})"
    )
    if gain.low > 0:
        return [Finding("good", f"Pretraining helped: {text}.")]
    if gain.high < 0:
        return [Finding("bad", f"Pretraining made it worse: {text}.")]
    verdict = "is ahead" if gain.estimate > 0 else "is behind" if gain.estimate < 0 else "changes nothing"
    return [Finding("caution", f"Pretraining {verdict}, within what chance can do on these clips: {text}.")]


def pretraining_gain(run: RunRecord, variant: str) -> Interval | None:
    """The gain of a pretrained variant over class weights only; None where the clips' scores are missing."""
    model, baseline = (run.predictions.get((key, run.split)) for key in (variant, "class_weighted"))
    if model is None or baseline is None or model.names != baseline.names:
        return None
    columns = [run.labels.index(label) for label in run.event_labels]
    return gain_interval(
        model.true_labels,
        model.scores[:, columns],
        baseline.scores[:, columns],
        labels=run.event_labels,
        groups=[clip.get("group") or f"clip {i}" for i, clip in enumerate(model.clips)],
    )


def quantisation(run: RunRecord) -> list[Finding]:
    """What int8 costs against float, held against the bound that the training stated."""
    loss = run.metrics.get("chosen", {}).get("int8_loss") or {}
    before, after = (_macro(run.models[model][run.split]) for model in ("float", "int8"))
    lost = quantisation_loss(run)
    if lost is None:
        return []
    digits = digits_apart([(before, after), (lost, 0.0)])
    change = "keeps all" if lost == 0 else f"{'loses' if lost > 0 else 'gains'} {decimal(abs(lost), digits)}"
    text = f"int8 {change} macro average precision on {run.split} "
    text += f"({decimal(before, digits)} float, {decimal(after, digits)} int8)"
    bound = loss.get("bound")
    if bound is None:
        return [Finding("plain", f"{text}.")]
    if lost <= bound:
        return [Finding("good", f"{text}, within the bound of {decimal(bound)}.")]
    text += f": more than the bound of {decimal(bound)}"
    if loss.get("within_bound"):
        interval = f"95 % interval {decimal(loss['low'])} to {decimal(loss['high'])}"
        return [Finding("caution", f"{text}, but within what chance can do on these clips ({interval}).")]
    return [Finding("bad", f"{text}, so the export counts as failed.")]


def quantisation_loss(run: RunRecord) -> float | None:
    """Macro average precision of float less that of int8, in the split that conclusions rest on."""
    before, after = (_macro(run.models[model][run.split]) for model in ("float", "int8"))
    return None if before is None or after is None else before - after


def optimism(run: RunRecord) -> list[Finding]:
    """Validation chose the variant and the thresholds, so what test gives less is the truer figure."""
    if run.split == "validation":
        text = "There is no test split: the validation clips that gave these figures also chose variant and "
        return [
            Finding(
                "bad",
                text + "thresholds, so the figures are too good. Train with a test fold to get true ones.",
            )
        ]
    validation, test = (_macro(run.models["int8"][split]) for split in ("validation", "test"))
    if validation is None or test is None or validation - test < NOTABLE_DROP:
        return []
    text = (
        f"Macro average precision falls from {decimal(validation)} on validation to {decimal(test)} on test. "
    )
    return [
        Finding("caution", text + "Validation chose the variant and the thresholds: expect the test figure.")
    ]
