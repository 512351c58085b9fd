"""What a head on the teacher says of windows, labelled or not, for the end-to-end network to agree with.

A teacher that has heard more than the run's clips tells their labels apart with few of them, if a head on its
answers hears these clips augmented. From what it says of them, and of much audio without labels, a small
network learns part of that: of words most, of sounds less without hints (docs/teacher.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kwsembed.data.cache import ClipStore
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.surroundings import Surroundings
from kwsembed.data.unlabelled import Unlabelled, heard_in
from kwsembed.errors import ConfigError
from kwsembed.progress import Progress, silent
from kwsembed.report.wording import counted
from kwsembed.teaching import Teacher, TeacherHead, fit_head, load_teacher
from kwsembed.teaching.head import MOST_FITTED
from kwsembed.training.data import TrainingData
from kwsembed.training.hints import hints_of
from kwsembed.training.teacher_answers import Asked, asked_once

_LARGEST_WEIGHT = 10.0  # of a window that sounds like what is hardly ever told
_SMALLEST_SIZE = 1e-9  # of a label that is never told


@dataclass(frozen=True)
class Heard:
    """Windows in the order in which they are heard, round after round, and what the head says of them.

    Attributes:
        store: Where they lie.
        schedule: What is drawn.
        surroundings: What they are heard in.
        told: `(windows, classes)` float32 probabilities.
        weight: `(windows,)` float32, of agreeing with them.
        hint: `(windows, directions)` float32, what is to be told of the teacher's answers; None for nothing.
    """

    store: ClipStore
    schedule: WindowSchedule
    surroundings: Surroundings
    told: np.ndarray
    weight: np.ndarray
    hint: np.ndarray | None = None

    @property
    def round_steps(self) -> int:
        """Steps after which the same windows come again."""
        return len(self.told) // self.schedule.batch_size


@dataclass(frozen=True)
class Lessons:
    """What one phase of a stage learns from the head.

    Attributes:
        labelled: The phase's own windows.
        unlabelled: Windows of recordings without labels, of which as many are heard at a time; None for none.
    """

    labelled: Heard
    unlabelled: Heard | None


def unlabelled_of(data: TrainingData, *, progress: Progress = silent) -> Unlabelled | None:
    """The recordings without labels that the settings name; None if they name none.

    Clips of the data's store are left out, but where the data have been given recordings already.

    Raises:
        ConfigError: The folder is not there or holds no audio.
        DataError: Not one of its files can be used.
    """
    folder = data.config.taught.unlabelled
    if not folder or data.unlabelled is not None:
        return data.unlabelled
    return Unlabelled.of(
        folder,
        data.store.clips,
        cache_dir=data.store.folder,
        sample_rate_hz=data.config.frontend.sample_rate_hz,
        progress=progress,
    )


def lessons(
    data: TrainingData,
    schedule: WindowSchedule,
    *,
    steps: int,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda _: None,
) -> Lessons:
    """Fits a head on the teacher to a phase's windows, and has it say what these and others are.

    The teacher hears every window as the network will, shifted, mixed and played faster or slower; nothing is
    masked on the spectrogram of either. The head learns from training clips only.

    Args:
        data: The run's data; its config names the teacher.
        schedule: What the phase draws.
        steps: How many steps it has; no more windows are asked about than they hold.
        progress: Called with windows that the teacher has been asked about, and how many there are.
        say: Receives a line for the user.

    Raises:
        ConfigError: The teacher cannot be used, or the recordings without labels cannot be found, or the
            windows to ask about are all of one label.
        DataError: Not one of these recordings can be used.
    """
    config, settings = data.config, data.config.taught
    teacher = load_teacher(config.teacher, sample_rate_hz=config.frontend.sample_rate_hz)
    batch = schedule.batch_size
    asked = max(1, min(steps, settings.windows // batch))
    head, answers = head_on(data, schedule, teacher, steps=asked, progress=progress, say=say)
    told = head.probabilities(answers)
    alike = np.full(len(told), settings.weight, np.float32)
    labelled = Heard(data.store, schedule, data.surroundings, told, alike)
    say(f"taught by a head on {teacher.path.name}: heard {len(answers)} training windows")
    heard, said = [labelled], [answers]
    recordings = unlabelled_of(data)
    if recordings is not None:
        others, answers = _of_unlabelled(data, recordings, teacher, head, steps, progress, say)
        heard.append(others)
        said.append(answers)
    if settings.hint_weight:
        hints, explained = hints_of(said, dims=settings.hint_dims)
        heard = [replace(one, hint=hint) for one, hint in zip(heard, hints, strict=True)]
        say(
            f"and tells {hints[0].shape[1]} directions of the teacher's answers, which hold "
            f"{100 * explained:.0f} % of what its {teacher.feature_count} features say"
        )
    return Lessons(heard[0], heard[1] if recordings is not None else None)


def head_on(
    data: TrainingData,
    schedule: WindowSchedule,
    teacher: Teacher,
    *,
    steps: int,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[TeacherHead, np.ndarray]:
    """A head on the teacher that has heard the first steps of a schedule, and what the teacher said of them.

    Raises:
        ConfigError: All windows are of one label.
    """
    windows = Asked.of_training(data, schedule, steps)
    answers = asked_once(teacher, windows, progress=progress)["answers"]
    classes = np.concatenate([data.classes_of("train")[schedule.draw(step).items] for step in range(steps)])
    if len(np.unique(classes[:MOST_FITTED])) < 2:
        raise ConfigError(
            "the windows that the teacher is asked about are all of one label, so no head can be fitted",
            expected="more windows",
            received=f"{len(classes)} windows (taught.windows={data.config.taught.windows})",
        )
    head = fit_head(answers, classes, len(data.labels))
    for index in np.setdiff1d(np.arange(len(data.labels)), classes[:MOST_FITTED]):
        say(f"note: the head on the teacher heard no window of {data.labels[index]}, and never says it")
    return head, answers


def _of_unlabelled(
    data: TrainingData,
    recordings: Unlabelled,
    teacher: Teacher,
    head: TeacherHead,
    steps: int,
    progress: Progress,
    say: Callable[[str], None],
) -> tuple[Heard, np.ndarray]:
    config, settings = data.config, data.config.taught
    batch = config.schedule.batch_size
    schedule = recordings.schedule(window_samples=config.window_samples, batch_size=batch, seed=config.seed)
    background = data.clips_of("train")[~data.event[data.classes_of("train")]]
    surroundings = heard_in(data.surroundings, data.store, background)
    asked = max(1, min(steps, settings.unlabelled_windows // batch))
    windows = Asked(data, recordings.store, schedule, surroundings, asked)
    answers = asked_once(teacher, windows, progress=progress)["answers"]
    say(
        f"and {len(answers)} windows of {counted(len(recordings.store.clips), 'recording')} without labels, "
        f"{recordings.hours:.2f} hours"
    )
    told = head.probabilities(answers)
    weight = settings.unlabelled_weight * evened(told, power=settings.unlabelled_balance)
    return Heard(recordings.store, schedule, surroundings, told, weight), answers


def evened(told: np.ndarray, *, power: float) -> np.ndarray:
    """Weights with which labels that are seldom told count as much as others; their mean is 1.

    Class weights in inverse proportion to class size, where a class is only told with some probability: each
    window weighs what its label is expected to. Where no event is heard for hours, those few windows that
    sound like one are what there is to learn from.

    Args:
        told: `(windows, classes)` probabilities.
        power: Of the weights, >= 0; 0 for all alike.

    Returns:
        `(windows,)` float32. Before their mean is made 1, none is more than ten times what it is.

    Example:
        >>> evened(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), power=1.0).round(3)
        array([0.667, 0.667, 0.667, 2.   ], dtype=float32)
    """
    size = np.maximum(told.mean(axis=0, dtype=np.float64), _SMALLEST_SIZE)
    weights = np.minimum(np.mean(told / size, axis=1) ** power, _LARGEST_WEIGHT)
    return (weights / weights.mean()).astype(np.float32)
