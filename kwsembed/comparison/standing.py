"""What is told of a study: how each contender stands, how two differ, and all of it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kwsembed.report.intervals import Interval


@dataclass(frozen=True)
class Difference:
    """One contender against another, over the cells that both have.

    Attributes:
        first: The one that is judged.
        second: The one that it is compared with.
        ratio: Imbalance.
        cells: How many (fold, seed) both have.
        precision_gain: Macro average precision of the first less that of the second.
        fewer_errors: 1 less the quotient of their balanced errors: 0.2 is a fifth fewer. See `relative_gain`.
        fewer_misses: The same of the events missed in streams, by false alarms per hour.
        chance: Two-sided p-value of `fewer_errors`.
        adjusted_chance: The same by Holm, for all comparisons with the yardstick; None for other pairs.
    """

    first: str
    second: str
    ratio: float
    cells: int
    precision_gain: Interval | None
    fewer_errors: Interval | None
    fewer_misses: Mapping[float, Interval] = field(default_factory=dict)
    chance: float | None = None
    adjusted_chance: float | None = None

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where the interval of the errors leaves out zero, else "undecided"."""
        if self.fewer_errors is None or self.fewer_errors.low <= 0 <= self.fewer_errors.high:
            return "undecided"
        return "better" if self.fewer_errors.low > 0 else "worse"


@dataclass(frozen=True)
class Missed:
    """Events missed at the thresholds that were set for the target of false alarms.

    Attributes:
        rate: Share of the events of all classes and folds, the mean over seeds, with Wilson's interval, which
            takes events for independent.
        events: Different events.
        false_alarms_per_hour: Of all event classes together, over all cells.
    """

    rate: Interval
    events: int
    false_alarms_per_hour: float | None


@dataclass(frozen=True)
class Standing:
    """One contender at one imbalance.

    Attributes:
        contender: Its name.
        ratio: Imbalance.
        cells: How many trainings it was judged on.
        failures: Why others gave nothing to judge.
        precision: Macro average precision on test.
        error: Balanced error on test.
        error_without_bias: Mean of it without the bias that was fitted on validation.
        per_class: Average precision on test by event label.
        missed: Events missed, where streams were measured.
        missed_at: By false alarms per hour, the share of events missed in streams, the mean over event
            labels, each label's threshold being the best one for those streams.
        effective_rank: Mean over cells, of validation embeddings.
        within: Mean over cells and labels of the spread within a class.
        between: Mean over cells of the spread of class means.
        cpu_s: Mean over cells.
        settings: What was trained: pretraining, remedy, learning rate, as far as they are not in its name.
    """

    contender: str
    ratio: float
    cells: int
    failures: tuple[str, ...]
    precision: Interval | None
    error: Interval | None
    error_without_bias: float | None
    per_class: Mapping[str, Interval | None]
    missed: Missed | None
    missed_at: Mapping[float, Interval]
    effective_rank: float | None
    within: float | None
    between: float | None
    cpu_s: float
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Statistics:
    """All of a study that is told.

    Attributes:
        labels: Events first, then backgrounds.
        event_count: How many are events.
        ratios: Imbalances, the data as they are first, then rising.
        folds: Folds that were tested.
        seeds: Seeds that were used.
        standings: By contender and ratio.
        against_yardstick: Every other contender against class weights.
        pairs: Further differences that people ask for.
        groups: Different groups among the test clips.
        trainings: Finished cells, failed ones included.
    """

    labels: tuple[str, ...]
    event_count: int
    ratios: tuple[float, ...]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    standings: Mapping[tuple[str, float], Standing]
    against_yardstick: Mapping[tuple[str, float], Difference]
    pairs: tuple[Difference, ...]
    groups: int
    trainings: int

    @property
    def event_labels(self) -> tuple[str, ...]:
        """Labels of events."""
        return self.labels[: self.event_count]

    def at(self, ratio: float) -> list[Standing]:
        """The contenders at one imbalance, the fewest errors first."""
        found = [standing for (_, at), standing in self.standings.items() if at == ratio]
        return sorted(found, key=lambda s: (s.error is None, s.error.estimate if s.error else 0, s.contender))
