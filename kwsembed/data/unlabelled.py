"""Recordings without labels, of which a teacher says what a network is to say of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.data.cache import ClipStore, SkippedFile, build_cache
from kwsembed.data.recordings import as_manifest, recordings_in
from kwsembed.data.same_sound import apart_from_clips
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.surroundings import Noise, Surroundings
from kwsembed.errors import DataError
from kwsembed.manifest import Clip
from kwsembed.progress import Progress, silent


@dataclass(frozen=True)
class Unlabelled:
    """Recordings that nobody said what they are.

    Attributes:
        store: Decoded recordings.
        hours: How much there is.
        skipped: Files that could not be used, and why.
        cut: Recordings of which only the first hour is used.
        digest: Stands for all of the audio.
    """

    store: ClipStore
    hours: float
    skipped: tuple[SkippedFile, ...]
    cut: tuple[SkippedFile, ...]
    digest: str

    @classmethod
    def of(
        cls,
        folder: str,
        clips: Sequence[Clip],
        *,
        cache_dir: str | Path,
        sample_rate_hz: int,
        progress: Progress = silent,
    ) -> Unlabelled:
        """Reads a folder; a recording that is a clip of the data, or sounds the same, is left out.

        Args:
            folder: With recordings, in whatever folders below it.
            clips: Those of the data.
            cache_dir: Where decoded recordings are kept.
            sample_rate_hz: The model's rate.
            progress: Called with files listened to or decoded and how many there are.

        Raises:
            ConfigError: The folder is not there or holds no audio.
            DataError: Not one of its files can be used.

        Example:
            >>> options = {"cache_dir": "cache", "sample_rate_hz": 16000}
            >>> Unlabelled.of("street", store.clips, **options).hours  # doctest: +SKIP
            3.2
        """
        files, known = apart_from_clips(
            clips,
            check_unlabelled(folder),
            folder=Path(folder),
            cache_dir=Path(cache_dir),
            kind="recording without a label",
            progress=progress,
        )
        if not files:
            raise DataError(
                "every recording without a label is a clip of the data",
                received=f"taught.unlabelled={folder}",
                fix="leave the option out: the teacher is asked about training clips anyway",
            )
        store = build_cache(
            as_manifest(files, Path(folder), label="unlabelled"),
            cache_dir=cache_dir,
            sample_rate_hz=sample_rate_hz,
            progress=progress,
        )
        said = [
            [clip.name, int(samples), spans.tolist()]
            for clip, samples, spans in zip(store.clips, store.samples, store.segments, strict=True)
        ]
        return cls(
            store,
            hours=float(np.sum(store.samples)) / sample_rate_hz / 3600,
            skipped=(*known, *store.skipped),
            cut=store.cut,
            digest=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
        )

    def schedule(self, *, window_samples: int, batch_size: int, seed: int) -> WindowSchedule:
        """Windows from anywhere in the recordings, drawn in proportion to how long these are."""
        count = len(self.store.clips)
        return WindowSchedule(
            self.store,
            np.arange(count),
            np.zeros(count, np.int64),
            np.array([False]),
            window_samples=window_samples,
            batch_size=batch_size,
            seed=seed,
            stage="unlabelled",
        )

    def record(self) -> dict[str, Any]:
        """What metrics.json says of them."""
        return {
            "sha256": self.digest,
            "unlabelled_files": len(self.store.clips),
            "unlabelled_hours": self.hours,
        }


def check_unlabelled(folder: str) -> list[Path]:
    """The recordings of a folder, before any work.

    Raises:
        ConfigError: The folder is not there or holds no audio.
    """
    return recordings_in(folder, setting="taught.unlabelled", kind="recordings without labels")


def heard_in(surroundings: Surroundings, store: ClipStore, background: np.ndarray) -> Surroundings:
    """The surroundings of recordings without labels: what is mixed into them is what clips are mixed with.

    Left to themselves they would be mixed with one another.

    Args:
        surroundings: Of the data.
        store: The data's clips.
        background: `(clips,)` which of them are background of the training split.
    """
    of_data = _Layered(store, share=1.0, hours=0.0, clips=background, above=surroundings.noise)
    return replace(surroundings, noise=of_data)


@dataclass(frozen=True)
class _Layered(Noise):
    """Background of the data in all mixtures, and in its share of them the user's noise in its place."""

    above: Noise | None = None

    def into(self, stretches: np.ndarray, seed: np.ndarray) -> np.ndarray:
        """See `Noise.into`."""
        mixed = super().into(stretches, seed)
        return mixed if self.above is None else self.above.into(mixed, seed)
