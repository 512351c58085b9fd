"""What a teacher says of every clip, asked once and kept beside the decoded audio."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kwsembed import atomic
from kwsembed.data.cache import ClipStore
from kwsembed.data.pipeline import read_windows
from kwsembed.errors import ConfigError
from kwsembed.progress import Progress, silent
from kwsembed.teaching.teacher import Teacher

_AT_ONCE = 64  # windows


def window_count(samples: int, hop_samples: int) -> int:
    """Windows of the grid over a clip: centred at its start, every hop, and once at or after its end.

    Example:
        >>> window_count(8000, 4000), window_count(8001, 4000)
        (3, 4)
    """
    return math.ceil(samples / hop_samples) + 1


class TeacherFeatures:
    """A teacher's features of windows on a grid over each clip, read from files shard by shard.

    Args:
        files: File of each shard, and the clips in it.
        counts: `(clips,)` windows of each clip of the store.
    """

    def __init__(self, files: dict[Path, Sequence[int]], counts: np.ndarray) -> None:
        self._files = files
        self.counts = counts

    def of_clips(self, clips: np.ndarray) -> list[np.ndarray]:
        """For each clip `(windows, features)` float16."""
        wanted = set(map(int, clips))
        found: dict[int, np.ndarray] = {}
        for path, members in self._files.items():
            if wanted.isdisjoint(members):
                continue
            rows = np.load(path, mmap_mode="r")
            edges = np.concatenate([[0], np.cumsum(self.counts[list(members)])])
            for place, clip in enumerate(members):
                if clip in wanted:
                    found[clip] = np.array(rows[edges[place] : edges[place + 1]])
        return [found[int(clip)] for clip in clips]


def ask_teacher(
    store: ClipStore, teacher: Teacher, *, hop_samples: int, progress: Progress = silent
) -> TeacherFeatures:
    """Asks a teacher about all clips of a store, unless a file in the cache has its answers already.

    Window k of a clip is centred at sample `k * hop_samples`; what lies outside the clip is zero. Features
    are kept as float16, in one file for each shard of the cache, named for shard, teacher and hop.

    Args:
        store: Decoded clips.
        teacher: Who is asked.
        hop_samples: From one window to the next.
        progress: Called with clips done and clips in all.
    """
    counts = np.array([window_count(int(samples), hop_samples) for samples in store.samples])
    files: dict[Path, Sequence[int]] = {}
    done = 0
    for shard, members in store.by_shard().items():
        path = shard.with_name(f"{shard.stem}.{teacher.digest[:16]}.{hop_samples}.npy")
        expected = (int(counts[members].sum()), teacher.feature_count)
        if not _holds(path, expected):
            rows = np.empty(expected, np.float16)
            first = 0
            for clip in members:
                rows[first : first + counts[clip]] = _answers(store, clip, counts[clip], teacher, hop_samples)
                first += counts[clip]
            content = io.BytesIO()
            np.save(content, rows)
            atomic.write_bytes(path, content.getvalue())
        files[path] = members
        done += len(members)
        progress(done, len(store.clips))
    return TeacherFeatures(files, counts)


def _answers(store: ClipStore, clip: int, count: int, teacher: Teacher, hop_samples: int) -> np.ndarray:
    """`(windows, features)` of one clip."""
    starts = np.arange(count) * hop_samples - teacher.window_samples // 2
    parts = []
    for first in range(0, count, _AT_ONCE):
        part = starts[first : first + _AT_ONCE]
        pcm = read_windows(store, [clip] * len(part), part, teacher.window_samples)
        parts.append(teacher.features(pcm.astype(np.float32) / 32768.0).astype(np.float16))
    answers = np.concatenate(parts)
    if not np.all(np.isfinite(answers)):
        raise ConfigError(
            "the teacher gives numbers that cannot be learned from",
            expected=f"finite ones, below {np.finfo(np.float16).max:g} in size",
            received=f"NaN, infinite or larger ones for {store.clips[clip].name}",
            where=teacher.path,
        )
    return answers


def _holds(path: Path, shape: tuple[int, int]) -> bool:
    """Whether a file holds an array of the shape; a damaged one does not."""
    try:
        return bool(np.load(path, mmap_mode="r").shape == shape)
    except (OSError, ValueError, EOFError):
        return False
