"""What a teacher says of the windows that its student will hear."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kwsembed.errors import ConfigError
from kwsembed.progress import Progress, silent
from kwsembed.teaching.teacher import Teacher


def ask_teacher(
    teacher: Teacher, batches: Iterable[np.ndarray], *, count: int, progress: Progress = silent
) -> np.ndarray:
    """A teacher's features of augmented windows, as the student hears them.

    A teacher that takes less than a window hears its middle; one that takes more hears zeros around it.

    Args:
        teacher: Who is asked.
        batches: Batches `(batch, samples)` float32 of waveforms in [-1, 1].
        count: Windows in all.
        progress: Called with windows done and windows in all.

    Returns:
        `(count, features)` float16, in the order of the windows.

    Raises:
        ConfigError: An answer is NaN, infinite, or too large for what it is kept in.
    """
    answers = np.empty((count, teacher.feature_count), np.float16)
    done = 0
    for batch in batches:
        given = teacher.features(centred(batch, teacher.window_samples)).astype(np.float16)
        if not np.all(np.isfinite(given)):
            raise ConfigError(
                "the teacher gives numbers that cannot be learned from",
                expected=f"finite ones, below {np.finfo(np.float16).max:g} in size",
                received="NaN, infinite or larger ones for a training window",
                where=teacher.path,
            )
        answers[done : done + len(batch)] = given
        done += len(batch)
        progress(done, count)
    assert done == count, f"{done} windows came where {count} were announced"
    return answers


def centred(windows: np.ndarray, samples: int) -> np.ndarray:
    """Windows cut, or filled with zeros, on both sides alike to a number of samples.

    Example:
        >>> centred(np.array([[1.0, 2.0, 3.0, 4.0]]), 2), centred(np.array([[1.0, 2.0]]), 4)
        (array([[2., 3.]]), array([[0., 1., 2., 0.]]))
    """
    spare = windows.shape[1] - samples
    if spare >= 0:
        return windows[:, spare // 2 : spare // 2 + samples]
    return np.pad(windows, ((0, 0), (-spare // 2, -spare - -spare // 2)))
