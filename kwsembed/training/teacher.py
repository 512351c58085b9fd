"""What the teacher of a run says of the windows that its student will hear, asked once and kept."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kwsembed import atomic
from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore
from kwsembed.data.pipeline import augmented_waveforms
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.surroundings import Surroundings
from kwsembed.methods import PRETRAININGS, TEACHER, parse_method
from kwsembed.progress import Progress, silent
from kwsembed.teaching import Teacher, TeacherTargets, ask_teacher, load_teacher, teacher_targets
from kwsembed.training.data import TrainingData


def teacher_record(config: TrainConfig) -> dict[str, str] | None:
    """Opens the teacher that the settings ask for, so that a wrong file is refused before any work.

    Returns:
        What metrics.json says of it: its file's name and SHA-256. None where none is asked for.

    Raises:
        ConfigError: The teacher cannot be used.
    """
    pretrains = parse_method(config.pretrain, PRETRAININGS, kind="pretrain")[0].name == TEACHER
    if not (pretrains or config.taught.weight):
        return None
    teacher = load_teacher(config.teacher, sample_rate_hz=config.frontend.sample_rate_hz)
    return {"file": teacher.path.name, "sha256": teacher.digest}


def teacher_targets_of(
    data: TrainingData,
    schedule: WindowSchedule,
    dims: int,
    windows: int,
    *,
    steps: int,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda _: None,
) -> TeacherTargets:
    """Asks the teacher that the run's settings name, or takes its answers from the cache.

    It hears the first windows that the schedule draws, augmented as the student will hear them.

    Args:
        data: The run's data.
        schedule: What pretraining draws.
        dims: See `teacher_targets`.
        windows: How many windows to ask about, at most.
        steps: Steps of pretraining; no more windows are asked about than they hold.
        progress: Called with steps of whose windows it has been asked, and how many there are.
        say: Receives a line for the user.

    Raises:
        ConfigError: The teacher cannot be used.
    """
    config = data.config
    teacher = load_teacher(config.teacher, sample_rate_hz=config.frontend.sample_rate_hz)
    asked_steps = max(1, min(steps, windows // schedule.batch_size))
    # Training has clips, so there is a folder that they lie in.
    key = windows_key(data.config, data.store, schedule, data.surroundings, teacher, asked_steps, dims)
    path = data.store.folder / f"teacher-{key}.npz"
    targets = _kept(path)
    if targets is None:
        heard = augmented_waveforms(
            data.store,
            schedule,
            frontend=config.frontend,
            augment=config.augment,
            last_step=asked_steps,
            seed=config.seed,
            surroundings=data.surroundings,
        )
        features = ask_teacher(
            teacher,
            heard.as_numpy_iterator(),
            count=asked_steps * schedule.batch_size,
            progress=lambda done, _: progress(done // schedule.batch_size, asked_steps),
        )
        targets = teacher_targets(features, dims=dims)
        content = io.BytesIO()
        np.savez(content, rows=targets.rows, explained=targets.explained)
        atomic.write_bytes(path, content.getvalue())
    say(
        f"teacher {teacher.path.name}: heard {len(targets.rows)} windows; {targets.rows.shape[1]} directions "
        f"hold {100 * targets.explained:.0f} % of what its {teacher.feature_count} features say"
    )
    return targets


def windows_key(
    config: TrainConfig,
    store: ClipStore,
    schedule: WindowSchedule,
    surroundings: Surroundings,
    teacher: Teacher,
    steps: int,
    *more: Any,
) -> str:
    """Names everything that a teacher's answers about the first steps of a schedule depend on."""
    digest = hashlib.sha256()
    rate_hz, seed = config.frontend.sample_rate_hz, config.seed
    settings = [asdict(config.augment), rate_hz, schedule.window_samples, seed, steps, *more]
    settings.append(surroundings.digest)
    digest.update(json.dumps([teacher.digest, tf.__version__, *settings]).encode())
    digest.update(",".join(store.identity(int(clip)) for clip in schedule.clips).encode())
    # The first and the last batch stand for the rest: all follow from the same seed and probabilities.
    for step in (0, steps - 1):
        draw = schedule.draw(step)
        for drawn in (draw.items, draw.starts, draw.mix_items, draw.mix_starts, draw.speeds, draw.seed):
            digest.update(drawn.tobytes())
    return digest.hexdigest()[:32]


def _kept(path: Path) -> TeacherTargets | None:
    """Targets of an earlier run; None if there are none, or the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return TeacherTargets(rows=kept["rows"], explained=float(kept["explained"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
