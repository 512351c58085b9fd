"""Settings of a training run: frozen dataclasses that validate themselves and round-trip through TOML."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kwsembed.errors import ConfigError
from kwsembed.frontend.config import FrontendConfig
from kwsembed.methods import MILD, PRETRAININGS, REBALANCINGS, TEACHER, parse_method
from kwsembed.settings import from_plain, require, require_named, require_not_negative, require_positive

BACKBONES = ("ds_cnn", "bc_resnet", "lstm")
BY_METHOD = "by_method"
_BEFORE_IT_WAS_KNOWN = {"even_groups": 0.0}
"""What training did before there was a setting, where today's default does something else."""

LONGEST_WINDOW_S = 30.0  # a batch of longer ones fills the memory of a usual machine

BETTER, BEST = "better", "best"
KEPT = (BETTER, BEST, "frozen", "end_to_end", "class_weighted")
"""Which variant a run ships: the better pretrained one, the best of all, or the one of that name."""

SAMPLINGS = ("natural", "square_root", "balanced", "oversampled", "undersampled:RATIO")


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of training windows; probabilities are per example.

    Args:
        speed_change: Largest change of speed and pitch: 0.15 plays windows up to 15 % faster or slower.
        gain_db: Range of the gain, in dB.
        background_probability: How often background of the training split, or noise, is mixed in.
        background_snr_db: Range of the signal-to-noise ratio, in dB.
        noise: Folder of recordings that are mixed in too; empty for none.
        noise_share: How many of the mixtures hold such noise in place of background of the training split.
        reverberation_probability: How often a room is applied.
        impulse_responses: Folder of measured impulse responses of rooms; empty for synthetic ones.
        span_probability: How often all but a span of the window is zeroed (see `keep_span`).
        equaliser_db: Spread (standard deviation) of a random frequency response, in dB (see `equalise`).
        low_pass_probability: How often that response also falls off above a random frequency.
        time_masks: SpecAugment stripes in time, each of 0 to `time_mask_frames` frames.
        time_mask_frames: Widest stripe in time.
        mel_masks: SpecAugment stripes in frequency, each of 0 to `mel_mask_bands` bands.
        mel_mask_bands: Widest stripe in frequency.
    """

    speed_change: float = 0.15
    gain_db: tuple[float, float] = (-20.0, 6.0)
    background_probability: float = 0.5
    background_snr_db: tuple[float, float] = (0.0, 30.0)
    noise: str = ""
    noise_share: float = 0.5
    reverberation_probability: float = 0.2
    impulse_responses: str = ""
    span_probability: float = 0.15
    equaliser_db: float = 0.0
    low_pass_probability: float = 0.0
    time_masks: int = 2
    time_mask_frames: int = 10
    mel_masks: int = 2
    mel_mask_bands: int = 8

    def of_waveforms_only(self) -> AugmentConfig:
        """The same without what is done to the spectrogram alone, and so is not heard: masks, equaliser."""
        return dataclasses.replace(
            self, time_masks=0, mel_masks=0, equaliser_db=0.0, low_pass_probability=0.0
        )

    def __post_init__(self) -> None:
        for name in (
            "background_probability",
            "noise_share",
            "reverberation_probability",
            "span_probability",
            "low_pass_probability",
        ):
            value = getattr(self, name)
            require(
                0 <= value <= 1,
                f"{name} must be a probability",
                expected="0 to 1",
                received=f"{name}={value}",
            )
        require(
            0 <= self.speed_change < 1,
            "speed_change is out of range",
            expected="0 to below 1",
            received=f"speed_change={self.speed_change}",
        )
        for name in ("gain_db", "background_snr_db"):
            value = getattr(self, name)
            require(
                len(value) == 2 and -math.inf < value[0] <= value[1] < math.inf,
                f"{name} must be a range",
                expected="[low, high]",
                received=f"{name}={value}",
            )
        require_not_negative(
            self, "equaliser_db", "time_masks", "time_mask_frames", "mel_masks", "mel_mask_bands"
        )


@dataclass(frozen=True)
class ScheduleConfig:
    """How long each stage trains, and how fast.

    Args:
        batch_size: Windows per step.
        epoch_steps: Steps per epoch: checkpoints, validation and re-clustering come once an epoch.
        pretrain_epochs: Epochs of pretraining.
        teacher_epochs: Epochs of pretraining by a teacher, from whom there is more to learn.
        head_epochs: Epochs of the head on the frozen embedding.
        finetune_epochs: Epochs of the end-to-end network that starts from the pretrained weights.
        scratch_epochs: Epochs of the class-weighted network that starts from random weights.
        pretrain_learning_rate: Peak learning rate of pretraining and of the network from random weights.
        head_learning_rate: Peak learning rate of the head.
        finetune_learning_rate: Peak learning rate of the end-to-end network.
        weight_decay: Decoupled weight decay of AdamW.
    """

    batch_size: int = 64
    epoch_steps: int = 100
    pretrain_epochs: int = 32
    teacher_epochs: int = 40
    head_epochs: int = 3
    finetune_epochs: int = 32
    scratch_epochs: int = 32
    pretrain_learning_rate: float = 1.2e-2
    head_learning_rate: float = 3e-3
    finetune_learning_rate: float = 8e-3
    weight_decay: float = 5e-2

    def __post_init__(self) -> None:
        require_not_negative(self, "weight_decay")
        require_positive(
            self, *(entry.name for entry in dataclasses.fields(self) if entry.name != "weight_decay")
        )


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
        teacher: File of the model that the pretraining `teacher` imitates (see
            `kwsembed.teaching.load_teacher`); empty for none.
        rebalance: Remedy for imbalance of the frozen and the end-to-end variant, and its options (see
            `kwsembed.methods.REBALANCINGS`); the yardstick has class weights in inverse proportion to class
            size whatever is asked for here. `mild` looks how much audio of events there is.
        sublabel_weight: Of a second task, telling finer labels apart, in the loss of the end-to-end variant
            (see `kwsembed.training.sublabels`), 0.5 for example; 0 for none, as for data without sublabels.
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

    def __post_init__(self) -> None:
        require_named(self, "backbone", BACKBONES)
        pretrain, _ = parse_method(self.pretrain, PRETRAININGS, kind="pretrain")
        require(
            bool(self.teacher) or pretrain.name != TEACHER,
            "pretraining by a teacher needs one",
            expected="a .tflite or .keras file that takes a waveform (--teacher FILE)",
            received=f"teacher={self.teacher!r}",
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
    def read(cls, path: str | Path, *, recorded: bool = False) -> TrainConfig:
        """Reads a TOML file; what it does not name keeps its default, or is as `recorded` says."""
        try:
            with open(path, "rb") as file:
                values = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"the config is not valid TOML: {error}", where=path) from None
        return cls.recorded(values) if recorded else cls.from_dict(values)
