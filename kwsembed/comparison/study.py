"""A study: what it compares, and the cells that it consists of."""

from __future__ import annotations

import dataclasses
import itertools
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from kwsembed.comparison.contender import Contender, parse_contender
from kwsembed.comparison.trials import tuning_trials
from kwsembed.config import TrainConfig

_LONGEST_WORD = 100
_LATER = ("sublabels", "backwards", "pretrain_sampling", "even_groups", "distilled", "by_audio", "taught")
"""What a contender could not be when the first cells were named; see `Cell.name`."""

WHOLE = 0.0
"""Stands for data that are not thinned, where a ratio is expected."""


@dataclass(frozen=True)
class Cell:
    """One training: a contender under a ratio, on a fold, with a seed.

    Attributes:
        contender: What is trained.
        ratio: Background clips per clip of each event class; `WHOLE` for data as they are.
        fold: Fold that is tested; where the data have no folds, seed of their split.
        seed: Of weights, draws, and of which groups are kept.
        trial: 0 for a cell of the comparison; 1, 2, ... for one of the tuning before it.
    """

    contender: Contender
    ratio: float
    fold: int
    seed: int
    trial: int = 0

    @property
    def name(self) -> str:
        """Name of its files; different settings never share one."""
        # Cut, since a file system takes names of 255 bytes only; the checksum keeps long ones apart.
        word = "".join(c if c.isalnum() else "-" for c in self.contender.name)[:_LONGEST_WORD]
        values = dataclasses.asdict(self.contender)
        for name in _LATER:
            if not values[name]:
                del values[name]  # as cells were called before there was such a thing
        settings = json.dumps(values, sort_keys=True)
        ratio = "whole" if self.ratio == WHOLE else f"{self.ratio:g}"
        trial = f"-trial{self.trial}" if self.trial else ""
        return f"{word}-{zlib.crc32(settings.encode()):08x}-r{ratio}-f{self.fold}-s{self.seed}{trial}"


@dataclass(frozen=True)
class StudyPlan:
    """What a study compares.

    Attributes:
        data: Folder or manifest.
        contenders: Names; see `kwsembed.comparison.contender.Contender`.
        ratios: Imbalances.
        folds: Folds that are tested in turn.
        seeds: Seeds; every contender meets the same.
        steps: Budget of steps of every contender.
        trials: Settings that are tried for each contender before the comparison; 1 takes them as named.
        streams: Whether misses at the target of false alarms are measured, which takes longer.
        background: Further labels that are background.
        config: Settings that all contenders share.
    """

    data: str
    contenders: tuple[str, ...]
    ratios: tuple[float, ...]
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    trials: int = 1
    streams: bool = True
    background: tuple[str, ...] = ()
    config: TrainConfig = dataclasses.field(default_factory=TrainConfig)

    @property
    def size(self) -> int:
        """How many cells the comparison has, those of the tuning not counted."""
        return len(self.contenders) * len(self.ratios) * len(self.folds) * len(self.seeds)

    def tuning_cells(self) -> dict[str, list[Cell]]:
        """For each contender one cell a trial: at the middle ratio, on the first fold, with their own seed.

        The fold's validation clips choose among them; its test clips are not looked at.
        """
        if self.trials < 2:
            return {}
        ratio = sorted(self.ratios)[len(self.ratios) // 2]
        seed = max(self.seeds) + 1000
        return {
            name: [
                Cell(contender, ratio, self.folds[0], seed, trial=number)
                for number, contender in enumerate(
                    tuning_trials(parse_contender(name), self.trials, seed=seed), start=1
                )
            ]
            for name in self.contenders
        }

    def cells(self, tuned: dict[str, Contender]) -> Iterator[Cell]:
        """The cells of the comparison, one replication of everything before the next.

        Args:
            tuned: The settings to use for a contender's name, where they are not the named ones.
        """
        for seed, fold in itertools.product(self.seeds, self.folds):
            for ratio, name in itertools.product(self.ratios, self.contenders):
                yield Cell(tuned.get(name) or parse_contender(name), ratio, fold, seed)
