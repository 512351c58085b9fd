"""Each recording once: audio that is counted twice certifies a target on hours that nobody listened to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def distinct_files(paths: Sequence[Path]) -> list[Path]:
    """The paths without those that lead to a file that came before, by whatever name or link.

    Example:
        >>> distinct_files([Path("a.wav"), Path("b.wav"), Path("./b.wav")])
        [PosixPath('a.wav'), PosixPath('b.wav')]
    """
    first: dict[str, Path] = {}
    for path in paths:
        # os.path.realpath, since Path.resolve may raise at links in a circle, which are told in their turn.
        first.setdefault(os.path.realpath(path), path)
    return list(first.values())
