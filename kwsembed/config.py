"""Settings of a training run: frozen dataclasses that validate themselves and round-trip through TOML."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kwsembed.config_sections import AugmentConfig, LittleAudioConfig, ScheduleConfig, TaughtConfig
from kwsembed.errors import ConfigError
from kwsembed.frontend.config import FrontendConfig
from kwsembed.methods import MILD, PRETRAININGS, REBALANCINGS, TEACHER, parse_method
from kwsembed.settings import from_plain, require, require_named, require_not_negative, require_positive

__all__ = ["AugmentConfig", "LittleAudioConfig", "ScheduleConfig", "TaughtConfig", "TrainConfig"]

BACKBONES = ("ds_cnn", "bc_resnet", "lstm")
BY_METHOD = "by_method"
_BEFORE_IT_WAS_KNOWN: dict[str, Any] = {"even_groups": 0.0, "little_audio": {"below_windows": 0.0}}
"""What training did before there was a setting, where today's default does something else."""

LONGEST_WINDOW_S = 30.0  # a batch of longer ones fills the memory of a usual machine

BETTER, BEST = "better", "best"
KEPT = (BETTER, BEST, "frozen", "end_to_end", "class_weighted")
"""Which variant a run ships: the better of frozen and end to end, the best of all, or that of the name."""

SAMPLINGS = ("natural", "square_root", "balanced", "oversampled", "undersampled:RATIO")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the outcome of `kwsembed train`, besides the data.

    Args:
        backbone: Network: ds_cnn, bc_resnet or lstm.
        width: Factor on the number of channels.
        embedding_size: Dimensions of the embedding.
        window_s: Length of the window that the model sees, in seconds, up to 30.
        pretrain: Pretraining method and its options (see `kwsembed.methods.PRETRAININGS`).
        pretrain_sampling: How pretraining draws classes (see `class_probabilities`), or `by_method`: as suits
            the method, balanced for most.
        even_groups: How evenly the groups (recordings, speakers) of a label are drawn, 0 to 1: 0 in
            proportion to the audio they hold, 1 all alike, but a recording of more than 120 windows as often
            as several. The yardstick draws by audio, as is usual.
        teacher: File of the model that the pretraining `teacher` imitates, and that the end-to-end variant is
            taught by if `taught` says so (see `kwsembed.teaching.load_teacher`); empty for none.
        rebalance: Remedy for imbalance of the frozen and the end-to-end variant, and its options (see
            `kwsembed.methods.REBALANCINGS`); the yardstick has class weights in inverse proportion to class
            size whatever is asked for here. `mild` looks how much audio of events there is.
        sublabel_weight: Of a second task, telling finer labels apart, in the loss of the end-to-end variant
            (see `kwsembed.training.sublabels`), 0.5 for example; 0 for none, as for data without sublabels,
            but where there is little audio of events `little_audio` says.
        distillation_weight: How much of the loss of the end-to-end variant is to agree with the head on the
            frozen embedding and with a companion, which is trained from random weights for that (see
            `kwsembed.training.distillation`), 0 to 1; 0 for labels alone, and no companion.
        backwards_share: How many of the windows of background, of the background label that holds most, are
            events played backwards while a head or the end-to-end network trains, 0 to 1, such as 0.3:
            sounds that are like events and are none. Not for sounds that are the same backwards, such as
            beeps. The yardstick has none.
        class_weights: By label, what the weights of the remedy are multiplied with, above 0 (only ratios
            count; 1 for a label that is not named); the yardstick keeps its own.
        target_false_alarms_per_hour: What the thresholds aim at, per event label.
        int8_loss_bound: Loss of macro average precision by quantisation that still counts as none.
        keep: Which variant is shipped: `better` of frozen and end to end, `best` of these and the yardstick,
            or one by its name. It changes no training, so a run may be resumed with another.
        seed: Seed of everything random.
    """

    backbone: str = "ds_cnn"
    width: float = 1.0
    embedding_size: int = 64
    window_s: float = 1.0
    pretrain: str = "clustering"
    pretrain_sampling: str = BY_METHOD
    even_groups: float = 1.0
    teacher: str = ""
    rebalance: str = MILD
    sublabel_weight: float = 0.0
    distillation_weight: float = 0.0
    backwards_share: float = 0.0
    target_false_alarms_per_hour: float = 0.5
    int8_loss_bound: float = 0.01
    keep: str = BETTER
    seed: int = 0
    class_weights: Mapping[str, float] = field(default_factory=dict)
    frontend: FrontendConfig = field(default_factory=FrontendConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    little_audio: LittleAudioConfig = field(default_factory=LittleAudioConfig)
    taught: TaughtConfig = field(default_factory=TaughtConfig)

    def __post_init__(self) -> None:
        require_named(self, "backbone", BACKBONES)
        pretrain, _ = parse_method(self.pretrain, PRETRAININGS, kind="pretrain")
        require(
            bool(self.teacher) or pretrain.name != TEACHER,
            "pretraining by a teacher needs one",
            expected="a .tflite or .keras file that takes a waveform (--teacher FILE)",
            received=f"teacher={self.teacher!r}",
        )
        require(
            bool(self.teacher) or not self.taught.weight,
            "a network that is taught needs a teacher",
            expected="a .tflite or .keras file that takes a waveform (--teacher FILE)",
            received=f"taught.weight={self.taught.weight:g} and teacher={self.teacher!r}",
        )
        require(
            not (self.taught.weight and self.distillation_weight),
            "a network is taught by a teacher or by its companion, not by both",
            expected="taught.weight = 0 or distillation_weight = 0",
            received=f"{self.taught.weight:g} and {self.distillation_weight:g}",
        )
        require_named(self, "pretrain_sampling", (BY_METHOD, *SAMPLINGS))
        require_named(self, "keep", KEPT)
        parse_method(self.rebalance, REBALANCINGS, kind="rebalance")
        require_positive(self, "width", "embedding_size", "window_s", "target_false_alarms_per_hour")
        require_not_negative(self, "int8_loss_bound", "sublabel_weight")
        for name in ("even_groups", "distillation_weight", "backwards_share"):
            value = getattr(self, name)
            require(
                0 <= value <= 1,
                f"{name} is out of range",
                expected="0 to 1",
                received=f"{name}={value}",
            )
        for label, weight in self.class_weights.items():
            require(
                0 < weight < math.inf,
                "a class weight must be positive",
                expected="more than 0",
                received=f"class_weights.{label}={weight}",
            )
        require(
            self.window_samples >= self.frontend.window_samples,
            "the window is shorter than one frame of the front end",
            expected=f"{self.frontend.window_ms / 1000:g} s or more",
            received=f"window_s={self.window_s}",
        )
        require(
            self.window_s <= LONGEST_WINDOW_S,
            "the window is too long",
            expected=f"{LONGEST_WINDOW_S:g} s or less",
            received=f"window_s={self.window_s}",
        )
        require(
            0 <= self.seed < 2**32,
            "the seed is out of range",
            expected="0 to 2^32 - 1",
            received=f"seed={self.seed}",
        )

    @property
    def window_samples(self) -> int:
        """Length of the model's window in samples."""
        return round(self.window_s * self.frontend.sample_rate_hz)

    @property
    def pretraining_sampling(self) -> str:
        """How pretraining draws classes, whoever chose it."""
        if self.pretrain_sampling != BY_METHOD:
            return self.pretrain_sampling
        return parse_method(self.pretrain, PRETRAININGS, kind="pretrain")[0].sampling

    @property
    def pretraining_epochs(self) -> int:
        """How many epochs pretraining takes, by whatever method."""
        by_teacher = parse_method(self.pretrain, PRETRAININGS, kind="pretrain")[0].name == TEACHER
        return self.schedule.teacher_epochs if by_teacher else self.schedule.pretrain_epochs

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for TOML or JSON; without `class_weights` if there are none."""
        values = dataclasses.asdict(self)
        if not self.class_weights:
            del values["class_weights"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """Builds the config; an unknown key or a value of the wrong kind is a ConfigError that names it."""
        return from_plain(cls, values)

    @classmethod
    def recorded(cls, values: dict[str, Any]) -> TrainConfig:
        """Builds the config that something was trained with from what was kept of it then.

        A setting that the version of then did not know counts as what that version did.
        """
        return cls.from_dict({**_BEFORE_IT_WAS_KNOWN, **values})

    @classmethod
    def read(cls, path: str | Path, *, recorded: bool = False, teacher: str | None = None) -> TrainConfig:
        """Reads a TOML file; what it does not name keeps its default, or is as `recorded` says.

        Args:
            path: The file.
            recorded: Whether something was trained with it, perhaps by an older version.
            teacher: Takes the place of the file's own, without which it may say nothing sensible; None
                leaves that.
        """
        try:
            with open(path, "rb") as file:
                values = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"the config is not valid TOML: {error}", where=path) from None
        if teacher is not None:
            values["teacher"] = teacher
        return cls.recorded(values) if recorded else cls.from_dict(values)
