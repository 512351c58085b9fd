"""Conclusions about detection: false alarms and what the hours prove, misses, confusions, thin classes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kwsembed.report.intervals import proportion_interval
from kwsembed.report.operating_curves import fewest_misses
from kwsembed.report.run_record import ClassFigures, RunRecord
from kwsembed.report.wording import Finding, counted, hours, listed, percent, short

FEW_CLIPS = 20  # with fewer, one clip moves an average precision by several hundredths


def hours_to_certify(false_alarms_per_hour: float) -> float:
    """Hours of audio without one false alarm that prove, at 95 %, a rate below `false_alarms_per_hour`.

    Example:
        >>> round(hours_to_certify(0.5), 2)
        5.99
    """
    return -math.log(0.05) / false_alarms_per_hour


def chance_of_at_least(count: int, expected: float) -> float:
    """Probability that a Poisson count with mean `expected` is `count` or more."""
    below = sum(math.exp(-expected + k * math.log(expected) - math.lgamma(k + 1)) for k in range(count))
    return max(0.0, 1.0 - below)


def _measured(run: RunRecord) -> list[tuple[str, ClassFigures]]:
    every = [] if run.figures is None else [(label, run.figures.of(label)) for label in run.event_labels]
    return [(label, f) for label, f in every if f.hours and f.false_alarms is not None]


def _span(values: list[float]) -> str:
    low, high = hours(min(values)), hours(max(values))
    return high if low == high else f"{low} to {high}"


def false_alarms(run: RunRecord) -> list[Finding]:
    """How many false alarms were heard, in how many hours, and the rate that this proves."""
    measured = _measured(run)
    if not measured:
        text = "False alarms per hour are unknown: there is no audio without events to count them in."
        return [Finding("caution", text)]
    found = []
    loud = [(label, f) for label, f in measured if f.false_alarms]
    silent = [(label, f) for label, f in measured if not f.false_alarms]
    if loud:
        loud.sort(key=lambda entry: -(entry[1].false_alarms or 0))
        counts = [
            f"{label} {f.false_alarms} ({short(f.false_alarms_per_hour)} per hour, proven only "
            f"< {short(f.false_alarms_per_hour_upper)})"
            for label, f in loud
        ]
        heard = _span([f.hours or 0.0 for _, f in loud])
        text = f"False alarms in {heard} of {run.split} audio: {listed(counts, most=4)}."
        found.append(Finding("caution", text))
        found += _above_target(loud)
    if silent:
        heard = _span([f.hours or 0.0 for _, f in silent])
        bound = short(max(f.false_alarms_per_hour_upper or 0.0 for _, f in silent))
        text = f"0 false alarms in {heard} of {run.split} audio proves only < {bound} per hour"
        found.append(Finding("caution", f"{text} ({listed([label for label, _ in silent])})."))
    return found


def _above_target(loud: list[tuple[str, ClassFigures]]) -> list[Finding]:
    surely = [
        label
        for label, f in loud
        if f.target_false_alarms_per_hour
        and chance_of_at_least(f.false_alarms or 0, f.target_false_alarms_per_hour * (f.hours or 0.0)) < 0.05
    ]
    if not surely:
        return []
    text = f"{listed(surely)}: more false alarms than the target allows, beyond chance. The thresholds do "
    text += "not carry over from validation to these recordings; more such audio in validation would mend it."
    return [Finding("bad", text)]


def certification(run: RunRecord) -> list[Finding]:
    """Whether the hours are enough to prove the target, and how many would be."""
    measured = [(label, f) for label, f in _measured(run) if f.target_false_alarms_per_hour]
    open_labels = [label for label, f in measured if not f.is_certified]
    if not measured:
        return []
    target = max(f.target_false_alarms_per_hour or 0.0 for _, f in measured)
    if not open_labels:
        text = f"The target of {target:g} false alarms per hour is certified for every event class."
        return [Finding("good", text)]
    which = "any event class" if len(open_labels) == len(measured) else listed(open_labels)
    text = f"The target of {target:g} false alarms per hour is not certified for {which}: "
    text += f"that takes {hours(hours_to_certify(target))} of audio without a false alarm."
    return [Finding("caution", text)]


def missed_most(run: RunRecord) -> list[Finding]:
    """The event class with the highest miss rate, with its interval."""
    every = [] if run.figures is None else [(label, run.figures.of(label)) for label in run.event_labels]
    missed = [(f.misses / f.events, label, f) for label, f in every if f.events and f.misses is not None]
    if len(missed) < 2 or max(missed, key=lambda entry: entry[0])[0] == 0:
        return []
    rate, label, f = max(missed, key=lambda entry: entry[0])
    bounds = proportion_interval(f.misses or 0, f.events or 1)
    text = f"Missed most: {label}, {f.misses} of {f.events} events ({percent(rate)}, 95 % interval "
    return [Finding("plain", f"{text}{percent(bounds.low)} to {percent(bounds.high)}).")]


def cause_of_misses(run: RunRecord) -> list[Finding]:
    """How many misses another threshold would have spared, and how many no threshold could."""
    spared, lasting = {}, {}
    for label, f in _measured(run):
        fewest = fewest_misses((run.curves.get(label) or {}).get(run.split) or {}, f)
        if fewest is not None and f.misses:
            lasting[label] = min(fewest, f.misses)
            spared[label] = f.misses - lasting[label]
    if not lasting:
        return []
    by_threshold, by_network = sum(spared.values()), sum(lasting.values())
    text = f"Of {counted(by_threshold + by_network, 'miss', 'misses')} on {run.split}, "
    if by_threshold:
        text += (
            f"{by_threshold} from the threshold{_by_label(spared)}: another, known only in hindsight, finds "
        )
        text += "these events with no more false alarms than now or than the target allows. "
        text += f"{by_network or 'None'} from the network"
    else:
        text += f"{by_network} from the network"
    if by_network:
        text += f"{_by_label(lasting)}: no threshold finds these events so, since they score no higher than "
        text += "sounds that are none"
    return [Finding("plain", f"{text}.")]


def _by_label(counts: Mapping[str, int]) -> str:
    most = sorted((label for label in counts if counts[label]), key=lambda label: -counts[label])
    return f" ({listed([f'{label} {counts[label]}' for label in most])})" if most else ""


def commonest_mistake(run: RunRecord) -> list[Finding]:
    """The largest share of one class's clips that goes to another."""
    figures = run.figures
    if figures is None or figures.confusion is None:
        return []
    totals = figures.confusion.sum(axis=1)
    wrong = figures.confusion * (1 - np.eye(len(totals), dtype=np.int64))
    if not wrong.any():
        return [Finding("good", f"No {run.split} clip is taken for another class.")]
    row, column = np.unravel_index(int(np.argmax(wrong / np.maximum(totals, 1)[:, None])), wrong.shape)
    text = f"Commonest mistake by clip: {figures.labels[row]} taken for {figures.labels[column]}, "
    return [Finding("plain", f"{text}{wrong[row, column]} of {counted(int(totals[row]), 'clip')}.")]


def thin_classes(run: RunRecord) -> list[Finding]:
    """Event classes with no clip, or too few, in the split that conclusions rest on."""
    clips = {} if run.figures is None else {label: run.figures.of(label).clips for label in run.event_labels}
    absent = [label for label, count in clips.items() if count == 0]
    thin = [f"{label} ({count})" for label, count in clips.items() if 0 < count < FEW_CLIPS]
    found = []
    if absent:
        text = f"No {run.split} clip of {listed(absent)}: how well that is detected is unknown."
        found.append(Finding("bad", text))
    if thin:
        found.append(Finding("caution", f"Few {run.split} clips, so uncertain figures: {listed(thin)}."))
    return found
