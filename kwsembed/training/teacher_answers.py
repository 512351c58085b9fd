"""What a teacher says of the windows that a schedule draws, asked once and kept beside the clips."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kwsembed import atomic
from kwsembed.data.cache import ClipStore
from kwsembed.data.pipeline import augmented_waveforms
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.surroundings import Surroundings
from kwsembed.progress import Progress, silent
from kwsembed.teaching import Teacher, ask_teacher
from kwsembed.training.data import TrainingData


@dataclass(frozen=True)
class Asked:
    """The windows that a teacher is asked about: a schedule's first ones, as a student hears them.

    Attributes:
        data: The run's data; answers are kept in its store's folder.
        store: Where the windows lie.
        schedule: What is drawn.
        surroundings: What they are heard in.
        steps: How many of the schedule's steps.
    """

    data: TrainingData
    store: ClipStore
    schedule: WindowSchedule
    surroundings: Surroundings
    steps: int

    @classmethod
    def of_training(cls, data: TrainingData, schedule: WindowSchedule, steps: int) -> Asked:
        """Windows of the run's own clips."""
        return cls(data, data.store, schedule, data.surroundings, steps)

    @property
    def count(self) -> int:
        """How many windows these are."""
        return self.steps * self.schedule.batch_size

    def key(self, teacher: Teacher, *more: Any) -> str:
        """Names everything that the teacher's answers depend on, and whatever else is given."""
        config = self.data.config
        settings = [
            asdict(config.augment),
            config.frontend.sample_rate_hz,
            self.schedule.window_samples,
            config.seed,
            self.steps,
            self.surroundings.digest,
            [self.data.store.identity(int(clip)) for clip in self.data.clips_of("train")],
            *more,
        ]
        digest = hashlib.sha256(json.dumps([teacher.digest, tf.__version__, *settings]).encode())
        digest.update(",".join(self.store.identity(int(clip)) for clip in self.schedule.clips).encode())
        # The first and the last batch stand for the rest: all follow from the same seed and probabilities.
        for step in (0, self.steps - 1):
            draw = self.schedule.draw(step)
            for drawn in (draw.items, draw.starts, draw.mix_items, draw.mix_starts, draw.speeds, draw.seed):
                digest.update(drawn.tobytes())
        return digest.hexdigest()[:32]

    def answers(self, teacher: Teacher, *, progress: Progress = silent) -> np.ndarray:
        """`(windows, features)`: what the teacher says of them."""
        config = self.data.config
        heard = augmented_waveforms(
            self.store,
            self.schedule,
            frontend=config.frontend,
            augment=config.augment,
            last_step=self.steps,
            seed=config.seed,
            surroundings=self.surroundings,
        )
        return ask_teacher(teacher, heard.as_numpy_iterator(), count=self.count, progress=progress)


def asked_once(
    teacher: Teacher,
    asked: Asked,
    keep: Callable[[np.ndarray], dict[str, np.ndarray]] = lambda answers: {"answers": answers},
    *,
    of: tuple[Any, ...] = (),
    progress: Progress = silent,
) -> dict[str, np.ndarray]:
    """What is kept of a teacher's answers, of an earlier run if it asked the same.

    Args:
        teacher: Who is asked.
        asked: About which windows.
        keep: From the answers, `(windows, features)`, to the arrays to keep; the answers themselves unless
            given.
        of: What `keep` depends on.
        progress: Called with windows that the teacher has been asked about, and how many there are.
    """
    # Training has clips, so there is a folder that they lie in.
    path = asked.data.store.folder / f"teacher-{asked.key(teacher, *of)}.npz"
    kept = _kept(path)
    if kept is None:
        kept = keep(asked.answers(teacher, progress=progress))
        content = io.BytesIO()
        np.savez(content, **kept)
        atomic.write_bytes(path, content.getvalue())
    return kept


def _kept(path: Path) -> dict[str, np.ndarray] | None:
    """Arrays of an earlier run; None if there are none, or the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return dict(kept)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
