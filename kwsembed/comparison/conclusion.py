"""The conclusions of a study in plain words, computed from its statistics, the most important first."""

from __future__ import annotations

from kwsembed.comparison.contender import YARDSTICK
from kwsembed.comparison.standing import Difference, Standing, Statistics
from kwsembed.comparison.study import WHOLE
from kwsembed.comparison.wording import at, fewer, imbalance
from kwsembed.report.intervals import Interval
from kwsembed.report.wording import Finding, counted, decimal, listed, signed

SURE = 0.05
_LEAST_SHARE_OF_RANK = 0.5  # of the directions that telling all classes apart takes


def headline(statistics: Statistics | None) -> str:
    """The most telling result as one sentence; "better" only where the interval leaves out zero."""
    if statistics is None:
        return "No training is finished yet"
    if not any(contender == YARDSTICK for contender, _ in statistics.standings):
        return "No training with class weights is finished yet, so there is nothing to compare with"
    best = _best(statistics)
    if best is None or best.fewer_errors is None:
        comparable = [d for d in statistics.against_yardstick.values() if d.fewer_errors is not None]
        if not comparable:
            return "Nothing can be compared with class weights yet"
        return "On this data nothing is shown to make fewer errors than class weights"
    words = fewer(best.fewer_errors, than=f" than class weights {at(best.ratio)}", cells=best.cells)
    words = f"{best.first} has {words}"
    if _holds(best):
        return f"On this data {words}"
    return f"On this data {words}, which may be chance among {_comparisons(statistics)} comparisons"


def _best(statistics: Statistics) -> Difference | None:
    """Of what is better: first what still is after adjustment, then at the highest imbalance."""
    better = [d for d in statistics.against_yardstick.values() if d.verdict == "better"]
    return max(
        better,
        key=lambda d: (_holds(d), d.ratio, d.fewer_errors.estimate if d.fewer_errors else 0.0),
        default=None,
    )


def _holds(found: Difference) -> bool:
    return found.adjusted_chance is not None and found.adjusted_chance < SURE


def _comparisons(statistics: Statistics) -> int:
    return sum(d.chance is not None for d in statistics.against_yardstick.values())


def findings(statistics: Statistics | None, *, planned: int = 0) -> list[Finding]:
    """All conclusions.

    Args:
        statistics: Of the study; None while it has no cell.
        planned: How many trainings the study is meant to have.
    """
    if statistics is None:
        return [Finding("caution", "Figures appear as trainings finish: the page is written anew then.")]
    return [
        *[f for ratio in reversed(statistics.ratios) for f in _against_yardstick(statistics, ratio)],
        *_many(statistics),
        *_threshold_ratio(statistics),
        *_precision_disagrees(statistics),
        *_misses(statistics),
        *_pairs(statistics),
        *_failures(statistics),
        *_collapses(statistics),
        *_extent(statistics, planned),
    ]


def _against_yardstick(statistics: Statistics, ratio: float) -> list[Finding]:
    found = [d for (_, r), d in statistics.against_yardstick.items() if r == ratio and d.fewer_errors]
    where = at(ratio)[0].upper() + at(ratio)[1:]
    if (YARDSTICK, ratio) not in statistics.standings:
        return [Finding("caution", f"{where} no class weights were measured, so nothing is compared there.")]
    sentences = []
    for verdict, tone in (("better", "good"), ("worse", "bad"), ("undecided", "plain")):
        those = sorted(
            (d for d in found if d.verdict == verdict),
            key=lambda d: -d.fewer_errors.estimate if d.fewer_errors else 0.0,
        )
        if not those:
            continue
        if verdict == "undecided":
            names = listed([f"`{d.first}`" for d in those], most=20)
            text = f"{where} undecided, since the interval holds zero: {names}."
        else:
            each = [f"`{d.first}`: {fewer(d.fewer_errors)}" for d in those if d.fewer_errors]
            text = f"{where} {verdict} than class weights: {'; '.join(each)}."
        sentences.append(Finding(tone, text))
    return sentences


def _many(statistics: Statistics) -> list[Finding]:
    count = _comparisons(statistics)
    if count < 2:
        return []
    better = [d for d in statistics.against_yardstick.values() if d.verdict == "better"]
    text = f"{count} comparisons were made, and the best of many looks better than it is. "
    if not better:
        return [Finding("plain", text + "None was better even on its own.")]
    kept = [f"`{d.first}` {at(d.ratio)}" for d in better if _holds(d)]
    if not kept:
        text += "After Holm's correction none of those called better holds at 5 %."
        return [Finding("caution", text)]
    lost = len(better) - len(kept)
    text += f"After Holm's correction at 5 % these still are better: {listed(kept, most=12)}"
    return [Finding("plain", text + (f"; {lost} of those called better no longer." if lost else "."))]


def _threshold_ratio(statistics: Statistics) -> list[Finding]:
    """Below and above which imbalance nothing makes fewer errors, where several were measured."""
    compared = [r for r in statistics.ratios if any(at == r for _, at in statistics.against_yardstick)]
    beaten = [
        ratio
        for ratio in compared
        if any(d.verdict == "better" for (_, r), d in statistics.against_yardstick.items() if r == ratio)
    ]
    if len(compared) < 2 or not beaten:
        return []
    where = []
    if beaten[0] != compared[0]:
        where.append(f"Below {imbalance(beaten[0])}")
    if beaten[-1] != compared[-1]:
        where.append("On thinned data" if beaten[-1] == WHOLE else f"Above {imbalance(beaten[-1])}")
    return [
        Finding("plain", f"{there} nothing is shown to make fewer errors than class weights.")
        for there in where
    ]


def _precision_disagrees(statistics: Statistics) -> list[Finding]:
    """Where average precision is sure of the contrary, or of a difference that errors leave open."""
    found = []
    for (name, ratio), d in statistics.against_yardstick.items():
        gain = d.precision_gain
        if gain is None or gain.low <= 0 <= gain.high:
            continue
        up = gain.low > 0
        if d.verdict == ("better" if up else "worse"):
            continue
        text = (
            f"`{name}` {at(ratio)}: macro average precision is {'higher' if up else 'lower'} than with class "
            f"weights by {decimal(abs(gain.estimate))} (95 % interval {_bounds(gain)}), while balanced error "
            f"is {d.verdict}."
        )
        found.append(Finding("plain", text))
    return found


def _misses(statistics: Statistics) -> list[Finding]:
    """Where the misses in streams at equal false alarms are sure to differ from those of class weights."""
    found = []
    for ratio in reversed(statistics.ratios):
        measured = [
            (d.first, rate, misses)
            for (_, r), d in statistics.against_yardstick.items()
            if r == ratio
            for rate, misses in d.fewer_misses.items()
        ]
        if not measured:
            continue
        sure = [
            f"`{name}` has {fewer(misses, of='misses')} at {rate:g} an hour"
            for name, rate, misses in measured
            if not misses.low <= 0 <= misses.high
        ]
        text = (
            f"Events in streams, {at(ratio)}, against class weights at equally many false alarms: "
            f"{'; '.join(sure) or 'no interval leaves out zero'}. "
            f"{counted(len(measured), 'difference')} looked at, nothing adjusted for that."
        )
        found.append(Finding("plain", text))
    return found


def _bounds(interval: Interval) -> str:
    return f"{signed(interval.low)} to {signed(interval.high)}"


def _pairs(statistics: Statistics) -> list[Finding]:
    """Every pair in one sentence, imbalance by imbalance, the strongest first."""
    parts: dict[tuple[str, str], list[str]] = {}
    for pair in sorted(statistics.pairs, key=lambda pair: -pair.ratio):
        if pair.fewer_errors is not None:
            verdict = f"{at(pair.ratio)} {pair.verdict}, {fewer(pair.fewer_errors, cells=pair.cells)}"
            parts.setdefault((pair.first, pair.second), []).append(verdict)
    return [
        Finding("plain", f"`{first}` against `{second}`: {'; '.join(verdicts)}.")
        for (first, second), verdicts in parts.items()
    ]


def _failures(statistics: Statistics) -> list[Finding]:
    failed = [standing for standing in statistics.standings.values() if standing.failures]
    if not failed:
        return []
    each = [f"`{s.contender}` {at(s.ratio)} {len(s.failures)} of {s.cells + len(s.failures)}" for s in failed]
    text = f"Trainings that gave nothing to judge: {', '.join(each)}. Figures leave them out, which flatters."
    return [Finding("bad", text)]


def collapsed(standing: Standing, *, label_count: int) -> bool:
    """Whether an embedding uses fewer than half the directions that telling all labels apart takes."""
    rank = standing.effective_rank
    return rank is not None and rank < _LEAST_SHARE_OF_RANK * (label_count - 1)


def _collapses(statistics: Statistics) -> list[Finding]:
    labels = len(statistics.labels)
    found = [s for s in statistics.standings.values() if collapsed(s, label_count=labels)]
    if not found:
        return []
    each = [f"`{s.contender}` {at(s.ratio)} {decimal(s.effective_rank, 1)}" for s in found]
    text = f"Embeddings that use few of the {labels - 1} directions that telling {labels} labels apart takes"
    return [Finding("caution", f"{text}, by effective rank: {', '.join(each)}.")]


def _extent(statistics: Statistics, planned: int) -> list[Finding]:
    found = []
    if statistics.trainings < planned:
        text = f"The study is not finished: {statistics.trainings} of {planned} trainings are done."
        found.append(Finding("caution", text))
    folds, seeds = counted(len(statistics.folds), "fold"), counted(len(statistics.seeds), "seed")
    text = (
        f"Intervals come from drawing the {statistics.groups:,} tested recordings or speakers anew, in "
        f"{folds} with {seeds}."
    )
    if len(statistics.seeds) == 1:
        text += " With one seed they leave out the chance that lies in training itself."
    return [*found, Finding("plain", text)]
