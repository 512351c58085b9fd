"""What the teacher of a run says of its training clips."""

from __future__ import annotations

from collections.abc import Callable

from kwsembed.config import TrainConfig
from kwsembed.methods import PRETRAININGS, TEACHER, parse_method
from kwsembed.progress import Progress, silent
from kwsembed.teaching import TeacherTargets, ask_teacher, load_teacher, teacher_targets
from kwsembed.training.data import TrainingData

# From one window that the teacher hears to the next: an eighth of a second off, it says much the same.
_HOP_S = 0.25


def teacher_record(config: TrainConfig) -> dict[str, str] | None:
    """Opens the teacher that the settings ask for, so that a wrong file is refused before any work.

    Returns:
        What metrics.json says of it: its file's name and SHA-256. None where none is asked for.

    Raises:
        ConfigError: The teacher cannot be used.
    """
    if parse_method(config.pretrain, PRETRAININGS, kind="pretrain")[0].name != TEACHER:
        return None
    teacher = load_teacher(config.teacher, sample_rate_hz=config.frontend.sample_rate_hz)
    return {"file": teacher.path.name, "sha256": teacher.digest}


def teacher_targets_of(
    data: TrainingData, dims: int, *, progress: Progress = silent, say: Callable[[str], None] = lambda _: None
) -> TeacherTargets:
    """Asks the teacher that the run's settings name, or takes its answers from the cache.

    Args:
        data: The run's data; clips of all splits are asked about, training clips alone decide the targets.
        dims: See `teacher_targets`.
        progress: Called with clips done and clips in all.
        say: Receives a line for the user.

    Raises:
        ConfigError: The teacher cannot be used.
    """
    config = data.config
    teacher = load_teacher(config.teacher, sample_rate_hz=config.frontend.sample_rate_hz)
    hop_samples = round(_HOP_S * config.frontend.sample_rate_hz)
    features = ask_teacher(data.store, teacher, hop_samples=hop_samples, progress=progress)
    targets = teacher_targets(
        features.of_clips(data.clips_of("train")), dims=dims, hop_samples=hop_samples, seed=config.seed
    )
    say(
        f"teacher {teacher.path.name}: {targets.rows.shape[1]} directions hold "
        f"{100 * targets.explained:.0f} % of what its {teacher.feature_count} features say"
    )
    return targets
