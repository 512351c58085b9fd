"""What the user says sounds are heard in: recordings of noise to mix in, impulse responses of rooms."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.config import AugmentConfig
from kwsembed.data.augment import synthetic_rooms, transfer_functions
from kwsembed.data.cache import ClipStore, SkippedFile, build_cache
from kwsembed.data.impulse_responses import measured_rooms
from kwsembed.data.recordings import as_manifest, recordings_in
from kwsembed.data.same_sound import apart_from_clips
from kwsembed.errors import DataError
from kwsembed.manifest import Manifest
from kwsembed.progress import Progress, silent

_ROOMS = 32  # synthetic ones
_OWN_DRAWS = 0x6E6F697365  # keeps these draws apart from others of the same batch


@dataclass(frozen=True)
class Noise:
    """Recordings that are mixed into training windows, and nothing else.

    Attributes:
        store: Decoded recordings.
        share: How many of the stretches that could be mixed in are noise, 0 to 1; the others are background
            of the training split.
        hours: How much there is.
        clips: `(recordings,)` which of the store's clips it is; None for all.
    """

    store: ClipStore
    share: float
    hours: float
    clips: np.ndarray | None = None

    def into(self, stretches: np.ndarray, seed: np.ndarray) -> np.ndarray:
        """Some stretches of background replaced by noise, drawn evenly over all that there is of it.

        A recording that is shorter than a stretch is repeated.

        Args:
            stretches: `(batch, samples)` int16; what is not replaced stays as it is.
            seed: `(2,)` int64 of the batch.

        Returns:
            `(batch, samples)` int16.
        """
        random = np.random.default_rng((*seed.tolist(), _OWN_DRAWS))
        count, length = stretches.shape
        chosen = random.random(count) < self.share
        clips = np.arange(len(self.store.clips)) if self.clips is None else self.clips
        samples = np.asarray(self.store.samples)[clips]
        edges = np.cumsum(samples)
        recordings = np.searchsorted(edges, random.random(count) * edges[-1], side="right")
        places = random.random(count)
        mixed = stretches.copy()
        for row in np.flatnonzero(chosen):
            recording = int(recordings[row])
            start = int(places[row] * (max(int(samples[recording]) - length, 0) + 1))
            end = min(start + length, int(samples[recording]))
            heard = self.store.read(int(clips[recording]), start, end)
            mixed[row] = np.resize(heard, length)
        return mixed


@dataclass(frozen=True)
class Surroundings:
    """Noise and rooms of a run's augmentation.

    Attributes:
        noise: Recordings to mix in; None if background of the training split is all there is.
        rooms: `(rooms, samples)` impulse responses that were measured; None for synthetic ones.
        skipped: Files that could not be used, and why.
        cut: Recordings of which only the first hour is used.
        digest: Stands for all of the audio; empty if there is none.
    """

    noise: Noise | None = None
    rooms: np.ndarray | None = None
    skipped: tuple[SkippedFile, ...] = ()
    cut: tuple[SkippedFile, ...] = ()
    digest: str = ""

    @classmethod
    def of(
        cls,
        augment: AugmentConfig,
        manifest: Manifest,
        *,
        cache_dir: str | os.PathLike[str],
        sample_rate_hz: int,
        progress: Progress = silent,
    ) -> Surroundings:
        """Reads the folders that the settings name.

        A recording of noise that is a clip of the data as well, or sounds the same, is left out: it might be
        an event, or belong to the validation or test split.

        Args:
            augment: `noise`, `noise_share` and `impulse_responses` count.
            manifest: The data.
            cache_dir: Where decoded noise is kept.
            sample_rate_hz: The model's rate.
            progress: Called with recordings of noise decoded and how many there are.

        Raises:
            ConfigError: A folder is not there or holds no audio.
            DataError: Not one file of a folder can be used.
        """
        noise, rooms = None, None
        cut: tuple[SkippedFile, ...] = ()
        skipped: list[SkippedFile] = []
        said: list[Any] = []
        if augment.noise:
            files, known = apart_from_clips(
                manifest.clips,
                _found(augment.noise, "noise"),
                folder=Path(augment.noise),
                cache_dir=Path(cache_dir),
                kind="noise",
                progress=progress,
            )
            skipped += known
            if not files:
                raise DataError(
                    "every recording of noise is a clip of the data",
                    received=f"noise={augment.noise}",
                    fix="leave the option out: background of the training split is mixed in anyway",
                )
            store = build_cache(
                as_manifest(files, Path(augment.noise), label="noise"),
                cache_dir=cache_dir,
                sample_rate_hz=sample_rate_hz,
                progress=progress,
            )
            skipped += store.skipped
            cut = store.cut
            hours = float(store.samples.sum()) / sample_rate_hz / 3600
            noise = Noise(store, augment.noise_share, hours)
            said += [
                [clip.name, int(samples), spans.tolist()]
                for clip, samples, spans in zip(store.clips, store.samples, store.segments, strict=True)
            ]
        if augment.impulse_responses:
            files = _found(augment.impulse_responses, "impulse_responses")
            rooms, unusable = measured_rooms(files, sample_rate_hz=sample_rate_hz)
            skipped += unusable
            said.append(hashlib.sha256(rooms.tobytes()).hexdigest())
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest() if said else ""
        return cls(noise, rooms, tuple(skipped), cut, digest)

    def transfer_functions(self, *, window_samples: int, sample_rate_hz: int, seed: int) -> np.ndarray:
        """Of the measured rooms, or of synthetic ones; see `kwsembed.data.augment.transfer_functions`."""
        rooms = self.rooms
        if rooms is None:
            rooms = synthetic_rooms(rooms=_ROOMS, sample_rate_hz=sample_rate_hz, seed=seed)
        return transfer_functions(rooms, window_samples=window_samples)

    def mixed(self, stretches: np.ndarray, seed: np.ndarray) -> np.ndarray:
        """`(batch, samples)` int16 to mix in, in place of stretches of background; see `Noise.into`."""
        return stretches if self.noise is None else self.noise.into(stretches, seed)

    def record(self) -> dict[str, Any] | None:
        """What metrics.json says of them; None if there are none."""
        if not self.digest:
            return None
        record: dict[str, Any] = {"sha256": self.digest}
        if self.noise is not None:
            record["noise_files"] = len(self.noise.store.clips)
            record["noise_hours"] = self.noise.hours
        if self.rooms is not None:
            record["impulse_responses"] = len(self.rooms)
        return record


AS_IN_THE_DATA = Surroundings()
"""Background of the training split, and synthetic rooms."""


def check_folders(augment: AugmentConfig) -> None:
    """Refuses settings that name a folder without recordings, before any work.

    Raises:
        ConfigError: A folder is not there or holds no audio.
    """
    for setting in ("noise", "impulse_responses"):
        if getattr(augment, setting):
            _found(getattr(augment, setting), setting)


def _found(folder: str, setting: str) -> list[Path]:
    return recordings_in(folder, setting=setting, kind=setting.replace("_", " "))
