"""One process at a time in a folder: a command begun twice by mistake does not write over itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kwsembed.errors import RunError


@contextmanager
def sole_use(folder: str | os.PathLike[str]) -> Iterator[None]:
    """While it lasts no other process has the folder.

    The operating system frees the folder when the process ends, however it ends, so a killed one leaves
    nothing that has to be cleared away. Where folders cannot be locked (Windows, some network drives), any
    number of processes get in, as they would without this.

    Args:
        folder: A folder that exists.

    Raises:
        RunError: Another process has it.

    Example:
        >>> with sole_use("RUN"):  # doctest: +SKIP
        ...     go_on_with("RUN")
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                "another command is at work in this folder",
                received=f"out={os.fspath(folder)}",
                fix="wait until it is done, or stop it; the same command then goes on where it was",
            ) from None
        except OSError:
            pass  # this file system has no locks
        yield
    finally:
        os.close(handle)
