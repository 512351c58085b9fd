"""The data of a run as training sees it: decoded clips, their splits and classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore
from kwsembed.data.pipeline import anchor_features
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.surroundings import AS_IN_THE_DATA, Surroundings
from kwsembed.data.unlabelled import Unlabelled
from kwsembed.errors import DataError
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.manifest import Manifest
from kwsembed.progress import Progress, silent
from kwsembed.training.sublabels import Sublabels, sublabels_of

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class TrainingData:
    """Decoded clips with their splits.

    Attributes:
        store: Decoded clips; its clips carry their split.
        labels: Events first, then backgrounds.
        event_count: How many labels are events.
        config: Settings of the run.
        classes: `(clips,)` class of each clip of the store.
        surroundings: Noise and rooms that augmentation puts sounds in.
        unlabelled: Recordings without labels, where they have been read already (see
            `kwsembed.training.lessons.unlabelled_of`).
    """

    store: ClipStore
    labels: tuple[str, ...]
    event_count: int
    config: TrainConfig
    classes: np.ndarray = field(repr=False)
    surroundings: Surroundings = AS_IN_THE_DATA
    unlabelled: Unlabelled | None = None

    @classmethod
    def of(
        cls,
        store: ClipStore,
        manifest: Manifest,
        config: TrainConfig,
        *,
        surroundings: Surroundings | None = None,
        unlabelled: Unlabelled | None = None,
        progress: Progress = silent,
    ) -> TrainingData:
        """Joins the store with the labels of its manifest, and with the noise and rooms of the settings.

        Args:
            store: Decoded clips.
            manifest: The same clips, with their splits.
            config: Settings of the run.
            surroundings: Noise and rooms, where they are known already; read as the settings say if None.
            unlabelled: Recordings without labels, where they are known already.
            progress: Called with recordings of noise decoded and how many there are.

        Raises:
            DataError: A label has no training clip, or validation has no event or no background; or no file
                of noise or rooms can be used.
            ConfigError: The folder of noise or rooms cannot be found.
        """
        labels = tuple(manifest.labels)
        data = cls(
            store=store,
            labels=labels,
            event_count=len(manifest.event_labels),
            config=config,
            classes=np.array([labels.index(clip.label) for clip in store.clips]),
            unlabelled=unlabelled,
        )
        data._check({clip.name: clip.label for clip in manifest.clips})
        augment = config.augment
        if not (augment.noise or augment.impulse_responses):
            return data
        surroundings = surroundings or Surroundings.of(
            augment,
            manifest,
            cache_dir=store.folder,
            sample_rate_hz=config.frontend.sample_rate_hz,
            progress=progress,
        )
        return dataclasses.replace(data, surroundings=surroundings)

    def _check(self, label_of: Mapping[str, str]) -> None:
        for index, label in enumerate(self.labels):
            if not np.any(self.classes[self.clips_of("train")] == index):
                skipped = [file for file in self.store.skipped if label_of.get(file.name) == label]
                received = None
                if skipped:
                    received = f"{len(skipped)} skipped, the first: {skipped[0].name}: {skipped[0].reason}"
                raise DataError(
                    f"no usable training clip of {label} is left",
                    received=received,
                    fix="add clips of it, or take the label out of the data",
                )
        validation = self.classes[self.clips_of("validation")]
        for kind, found in (
            ("event", validation < self.event_count),
            ("background", validation >= self.event_count),
        ):
            if not found.any():
                raise DataError(
                    f"the validation split has no {kind} clip, so no variant and no threshold can be chosen",
                    fix="give --validation-folds, or add groups (recordings or speakers) to the data",
                )

    def clips_of(self, split: str) -> np.ndarray:
        """Indices of the store's clips of a split."""
        return np.array([i for i, clip in enumerate(self.store.clips) if clip.split == split], dtype=np.int64)

    def classes_of(self, split: str) -> np.ndarray:
        """Class of each clip of a split."""
        return self.classes[self.clips_of(split)]

    @cached_property
    def event(self) -> np.ndarray:
        """`(classes,)` bool, True for events."""
        return np.arange(len(self.labels)) < self.event_count

    @cached_property
    def windows_per_class(self) -> np.ndarray:
        """`(classes,)` windows that the training split holds of each label; of events in active regions."""
        return self._schedule("train", sampling="natural", stage="windows").windows_per_class

    def schedule(
        self, *, sampling: str, stage: str, even_groups: float, backwards_share: float = 0.0
    ) -> WindowSchedule:
        """The windows that a stage trains on."""
        return self._schedule(
            "train",
            sampling=sampling,
            stage=stage,
            even_groups=even_groups,
            backwards_share=backwards_share,
        )

    def _schedule(
        self,
        split: str,
        *,
        sampling: str,
        stage: str,
        even_groups: float = 0.0,
        backwards_share: float = 0.0,
    ) -> WindowSchedule:
        return WindowSchedule(
            self.store,
            self.clips_of(split),
            self.classes_of(split),
            self.event,
            window_samples=self.config.window_samples,
            batch_size=self.config.schedule.batch_size,
            sampling=sampling,
            even_groups=even_groups,
            backwards_share=backwards_share,
            seed=self.config.seed,
            stage=stage,
        )

    @cached_property
    def sublabels(self) -> Sublabels | None:
        """What the training clips are divided into besides classes; None if the data do not say."""
        clips = self.clips_of("train")
        return sublabels_of(
            [self.labels[index] for index in self.classes[clips]],
            [self.store.clips[clip].sublabel for clip in clips],
        )

    def anchors(self, split: str) -> np.ndarray:
        """`(clips, frames, mels)` log-mel of one fixed window per clip of a split."""
        clips = self.clips_of(split)
        if not len(clips):
            frames = self.config.frontend.frame_count(self.config.window_samples)
            return np.zeros((0, frames, self.config.frontend.mel_count), np.float32)
        starts = self._schedule(split, sampling="natural", stage="anchors").anchor_starts()
        return anchor_features(
            self.store,
            clips,
            starts,
            frontend=self.config.frontend,
            window_samples=self.config.window_samples,
        )

    def audio(self, split: str) -> SplitAudio:
        """A split, ready to be judged."""
        return SplitAudio(
            store=self.store,
            clips=self.clips_of(split),
            classes=self.classes_of(split),
            labels=self.labels,
            event_count=self.event_count,
            sample_rate_hz=self.config.frontend.sample_rate_hz,
            window_samples=self.config.window_samples,
            seed=self.config.seed,
        )

    def counts(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Clips, groups and hours by split and label."""
        rate = self.config.frontend.sample_rate_hz
        table: dict[str, dict[str, dict[str, Any]]] = {}
        for split in SPLITS:
            clips = self.clips_of(split)
            table[split] = {}
            for index, label in enumerate(self.labels):
                members = clips[self.classes[clips] == index]
                table[split][label] = {
                    "clips": len(members),
                    "groups": len({self.store.clips[i].group for i in members}),
                    "hours": float(np.sum(np.asarray(self.store.samples)[members])) / rate / 3600,
                }
        return table
