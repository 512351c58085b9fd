"""A contender: what one line of the comparison trains, written as users name it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from kwsembed.config import LittleAudioConfig, ScheduleConfig, TaughtConfig, TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.methods import PRETRAININGS, REBALANCINGS, parse_method

YARDSTICK = "class_weight"
RECIPE = "train"
"""The end-to-end network of `kwsembed train`, by its defaults."""

DEFAULT_CONTENDERS = (
    "none",
    "class_weight",
    "class_weight:strength=0.5",
    "oversample",
    "logit_adjusted:draw_power=0.5+even_groups",  # in proportion to class size, rare events are hardly drawn
    "decoupled",
    "siamese",
    "clustering",
    "clustering/frozen",
    "clustering+class_weight:strength=0.5",
    RECIPE,
)

STAGE_EPOCHS = ("pretrain_epochs", "teacher_epochs", "head_epochs", "finetune_epochs", "scratch_epochs")

OVERRIDDEN = (
    "pretrain",
    "rebalance",
    "distillation_weight",
    "keep",
    "seed",
    *(f"schedule.{name}" for name in STAGE_EPOCHS),
    *(f"little_audio.{entry.name}" for entry in dataclasses.fields(LittleAudioConfig)),
)
"""Settings of `TrainConfig` that `Contender.config` replaces or a study does not use: its own say nothing."""

_FROZEN = "/frozen"
_SUBLABELS, _BACKWARDS, _EVEN_GROUPS = "sublabels", "backwards", "even_groups"
_DISTILLED, _TAUGHT = "distilled", "taught"
BATCHES = {f"{sampling}_batches": sampling for sampling in ("natural", "square_root", "balanced")}
"""How a name says in what proportions pretraining draws classes (see `class_probabilities`)."""

_SUBLABEL_WEIGHT = 0.5  # unless the study's settings name another
_BACKWARDS_SHARE = 0.3  # likewise
_EVENNESS = 1.0  # likewise
_DISTILLATION_WEIGHT = 0.5
_TAUGHT_WEIGHT = 1.0  # likewise
_HEAD_SHARE = 0.15  # of the budget, where the rest goes to pretraining
_DISTILLED_HEAD_SHARE = 0.03  # likewise, where an end-to-end network learns from it


@dataclass(frozen=True)
class Contender:
    """What is trained, from the budget of steps that all contenders share.

    Attributes:
        name: As it was asked for: `train` (see `by_audio`), or `REBALANCING`, `PRETRAINING`,
            `PRETRAINING/frozen`, each with options, and
            `+REBALANCING` for the head of a pretrained network (class weights if it is left out), and
            `+even_groups`, `+backwards`, `+sublabels` and `+taught` for all but frozen ones,
            `+natural_batches`, `+square_root_batches` or `+balanced_batches` for pretrained ones, and
            `+distilled` for those of them that are not frozen.
        pretrain: Pretraining method with options; None trains from random weights.
        rebalance: Remedy of the classifier.
        frozen: Whether the pretrained network is frozen under the head.
        learning_rate_factor: On all learning rates.
        sublabels: Whether finer labels are a second task (see `kwsembed.training.sublabels`).
        backwards: Whether the classifier hears events played backwards as background.
        pretrain_sampling: How pretraining draws classes; empty leaves it to the study's settings.
        even_groups: Whether the groups of a class are drawn alike, not in proportion to their audio.
        distilled: Whether it learns from a head on the frozen network too, and from a companion from random
            weights, both trained before it (see `kwsembed.training.distillation`).
        by_audio: Whether, as in `kwsembed train`, it does without pretraining and tells sublabels apart where
            there is little audio of events (see `LittleAudioConfig`); it has all of the budget then.
        taught: Whether it agrees with a head on the study's teacher, beside learning its labels (see
            `TaughtConfig`).
    """

    name: str
    pretrain: str | None
    rebalance: str
    frozen: bool = False
    learning_rate_factor: float = 1.0
    sublabels: bool = False
    backwards: bool = False
    pretrain_sampling: str = ""
    even_groups: bool = False
    distilled: bool = False
    by_audio: bool = False
    taught: bool = False

    @property
    def least_epochs(self) -> int:
        """How many trainings share its budget, of which each takes an epoch at least."""
        if self.distilled:
            return 4
        return 1 if self.pretrain is None else 2

    @property
    def variant(self) -> str:
        """The stage whose network is judged."""
        if self.pretrain is None:
            return "from_scratch"
        return "frozen" if self.frozen else "end_to_end"

    def config(self, base: TrainConfig, *, steps: int, seed: int) -> TrainConfig:
        """The settings under which it is trained with `steps` steps in all.

        Pretraining takes half of them, or all but 15 % where only a head follows. Networks to learn from take
        theirs from the same budget, in about the proportions of `kwsembed train`: a third for the one from
        random weights, and 3 % for the head.
        """
        schedule = base.schedule
        epochs = max(1, round(steps / schedule.epoch_steps))
        classifier = epochs
        if self.pretrain is not None:
            classifier = max(1, round(epochs * (_HEAD_SHARE if self.frozen else 0.5)))
        scratch, pretraining, head = classifier, max(1, epochs - classifier), classifier
        if self.distilled:
            head = max(1, round(epochs * _DISTILLED_HEAD_SHARE))
            scratch = classifier = max(1, (epochs - head) // 3)
            pretraining = max(1, epochs - head - 2 * classifier)
        if self.by_audio:
            scratch = epochs
        factor = self.learning_rate_factor
        return dataclasses.replace(
            base,
            pretrain=self.pretrain or base.pretrain,
            pretrain_sampling=self.pretrain_sampling or base.pretrain_sampling,
            rebalance=self.rebalance,
            sublabel_weight=(base.sublabel_weight or _SUBLABEL_WEIGHT) if self.sublabels else 0.0,
            even_groups=(base.even_groups or _EVENNESS) if self.even_groups else 0.0,
            backwards_share=(base.backwards_share or _BACKWARDS_SHARE) if self.backwards else 0.0,
            distillation_weight=_DISTILLATION_WEIGHT if self.distilled else 0.0,
            taught=dataclasses.replace(base.taught, weight=base.taught.weight or _TAUGHT_WEIGHT)
            if self.taught
            else TaughtConfig(),
            little_audio=LittleAudioConfig() if self.by_audio else LittleAudioConfig(below_windows=0.0),
            seed=seed,
            schedule=dataclasses.replace(
                schedule,
                pretrain_epochs=pretraining,
                teacher_epochs=pretraining,
                head_epochs=head,
                finetune_epochs=classifier,
                scratch_epochs=scratch,
                **{name: getattr(schedule, name) * factor for name in _learning_rates()},
            ),
        )


def parse_contender(name: str) -> Contender:
    """Reads a contender's name.

    Raises:
        ConfigError: Unknown method or option.

    Example:
        >>> parse_contender("siamese:margin=0.8/frozen+logit_adjusted")
        ... # doctest: +NORMALIZE_WHITESPACE
        Contender(name='siamese:margin=0.8/frozen+logit_adjusted', pretrain='siamese:margin=0.8',
                  rebalance='logit_adjusted', frozen=True, learning_rate_factor=1.0, sublabels=False,
                  backwards=False, pretrain_sampling='', even_groups=False, distilled=False,
                  by_audio=False, taught=False)
    """
    if name == RECIPE:
        recipe = parse_contender("clustering+mild+even_groups")
        return dataclasses.replace(recipe, name=RECIPE, by_audio=True)
    first, *further = name.split("+")
    switches = (_SUBLABELS, _BACKWARDS, _EVEN_GROUPS, _DISTILLED, _TAUGHT)
    added = [word for word in (*switches, *BATCHES) if word in further]
    for word in added:
        further.remove(word)
    sublabels, backwards, even_groups, distilled, taught = (word in added for word in switches)
    batches = [word for word in added if word in BATCHES]
    remedy = "+".join(further)
    frozen = first.endswith(_FROZEN)
    method = first.removesuffix(_FROZEN)
    word = method.partition(":")[0]
    if word not in (*REBALANCINGS, *PRETRAININGS):
        raise ConfigError(
            "unknown method to compare",
            expected=f"one of {', '.join((RECIPE, *REBALANCINGS, *PRETRAININGS))}",
            received=name,
        )
    if word in REBALANCINGS:
        if further or frozen:
            raise ConfigError(
                "only a pretrained network can be frozen or take a remedy for its head",
                expected=f"PRETRAINING{_FROZEN} or PRETRAINING+REBALANCING",
                received=name,
            )
        parse_method(method, REBALANCINGS, kind="method")
        if distilled:
            raise ConfigError(
                "only a pretrained network is taught by the networks that were trained before it",
                expected=f"PRETRAINING+{_DISTILLED}",
                received=name,
            )
        if batches:
            raise ConfigError(
                "only pretraining draws classes as one asks; a remedy draws them in its own way",
                expected=f"PRETRAINING+{batches[0]}",
                received=name,
            )
        return Contender(
            name,
            None,
            method,
            sublabels=sublabels,
            backwards=backwards,
            even_groups=even_groups,
            taught=taught,
        )
    parse_method(method, PRETRAININGS, kind="method")
    if frozen and sublabels:
        raise ConfigError(
            "a head on a frozen network has nothing to learn from sublabels",
            expected=f"{method}+{_SUBLABELS}",
            received=name,
        )
    if frozen and distilled:
        raise ConfigError(
            "a head on a frozen network is not taught by other networks, but one of those that teach",
            expected=f"{method}+{_DISTILLED}",
            received=name,
        )
    if taught and (frozen or distilled):
        raise ConfigError(
            "a network on a frozen embedding, or with a companion, is not taught by a head on the teacher",
            expected=f"{method}+{_TAUGHT}",
            received=name,
        )
    if len(batches) > 1:
        raise ConfigError("batches are drawn in one way", expected=f"{method}+{batches[0]}", received=name)
    rebalance = remedy if further else YARDSTICK
    parse_method(rebalance, REBALANCINGS, kind="method")
    return Contender(
        name,
        method,
        rebalance,
        frozen,
        sublabels=sublabels,
        backwards=backwards,
        pretrain_sampling=BATCHES[batches[0]] if batches else "",
        even_groups=even_groups,
        distilled=distilled,
        taught=taught,
    )


def _learning_rates() -> list[str]:
    return [
        entry.name for entry in dataclasses.fields(ScheduleConfig) if entry.name.endswith("learning_rate")
    ]
