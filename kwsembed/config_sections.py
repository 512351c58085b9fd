"""Sections of a run's settings: augmentation, lengths of stages, little audio of events, being taught."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from kwsembed.methods import LITTLE_AUDIO_WINDOWS
from kwsembed.settings import require, require_not_negative, require_positive


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
        scratch_epochs: Epochs of networks that start from random weights: the class-weighted one, and the
            end-to-end one where there is little audio of events.
        pretrain_learning_rate: Peak learning rate of pretraining and of networks from random weights.
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
class TaughtConfig:
    """What the end-to-end network learns from a head on the teacher, beside its labels.

    Args:
        weight: Of agreeing with it on training windows, beside 1 for their labels; 0 for not being taught.
        windows: How many training windows it is asked about; they are heard again and again, so as many steps
            as hold these make a round.
        unlabelled: Folder of recordings without labels that it is asked about too; empty for none.
        unlabelled_weight: Of agreeing with it on those.
        unlabelled_balance: How far labels that the head hears seldom in those weigh more than others: by the
            inverse of how much of all of them they are, to this power; 0 for every window alike.
        unlabelled_windows: How many windows of them it is asked about; they come again likewise.
        hint_weight: Of telling the teacher's answers to all these windows, besides what the head makes of
            them; 0 for not telling them.
        hint_dims: Main directions of the answers that are to be told, at most.
    """

    weight: float = 0.0
    windows: int = 25_600
    unlabelled: str = ""
    unlabelled_weight: float = 1.0
    unlabelled_balance: float = 0.0
    unlabelled_windows: int = 64_000
    hint_weight: float = 0.0
    hint_dims: int = 64

    def __post_init__(self) -> None:
        require_not_negative(self, "weight", "unlabelled_weight", "unlabelled_balance", "hint_weight")
        require_positive(self, "windows", "unlabelled_windows", "hint_dims")
        require(
            self.weight > 0 or not self.unlabelled,
            "recordings without labels are for a network that is taught",
            expected="taught.weight above 0, such as 1",
            received=f"taught.weight={self.weight:g} and taught.unlabelled={self.unlabelled!r}",
        )


@dataclass(frozen=True)
class LittleAudioConfig:
    """How the end-to-end network is trained where there is little audio of events.

    Args:
        below_windows: There is little where the median event has fewer windows of the training split than
            this (see `kwsembed.training.little_audio`); 0 where that should never be so.
        pretrained: Whether it starts from the pretrained weights there as elsewhere; else from random ones,
            and trains as long and as fast as `ScheduleConfig` says of these.
        sublabel_weight: What `TrainConfig.sublabel_weight` is there where that is 0.
    """

    below_windows: float = LITTLE_AUDIO_WINDOWS
    pretrained: bool = False
    sublabel_weight: float = 0.5

    def __post_init__(self) -> None:
        require_not_negative(self, "below_windows", "sublabel_weight")
