"""The teacher of a run: what is recorded of it, and what pretraining imitates of its answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kwsembed.config import TrainConfig
from kwsembed.data.sampling import WindowSchedule
from kwsembed.methods import PRETRAININGS, TEACHER, parse_method
from kwsembed.progress import Progress, silent
from kwsembed.settings import require
from kwsembed.teaching import TeacherTargets, load_teacher, teacher_targets
from kwsembed.training.data import TrainingData
from kwsembed.training.teacher_answers import Asked, asked_once


def teacher_record(config: TrainConfig) -> dict[str, str] | None:
    """Opens the teacher that the settings ask for, so that a wrong file is refused before any work.

    Returns:
        What metrics.json says of it: its file's name and SHA-256. None where none is asked for.

    Raises:
        ConfigError: The teacher cannot be used, or is to give hints to a network that it does not teach.
    """
    require(
        not config.taught.hint_weight or config.taught.weight > 0,
        "hints are for a network that is taught by a head on the teacher",
        expected="taught.weight above 0, such as 1, or recordings without labels (--unlabelled)",
        received=f"taught.hint_weight={config.taught.hint_weight:g} and taught.weight=0",
    )
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

    def directions(answers: np.ndarray) -> dict[str, np.ndarray]:
        targets = teacher_targets(answers, dims=dims)
        return {"rows": targets.rows, "explained": np.asarray(targets.explained)}

    kept = asked_once(
        teacher,
        Asked.of_training(data, schedule, asked_steps),
        directions,
        of=("directions", dims),
        progress=lambda done, _: progress(done // schedule.batch_size, asked_steps),
    )
    targets = TeacherTargets(rows=kept["rows"], explained=float(kept["explained"]))
    say(
        f"teacher {teacher.path.name}: heard {len(targets.rows)} windows; {targets.rows.shape[1]} directions "
        f"hold {100 * targets.explained:.0f} % of what its {teacher.feature_count} features say"
    )
    return targets
