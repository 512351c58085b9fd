"""Writing files and folders so that a final name never holds half an artefact."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FULL = "the disk is full"
_PART = ".part"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it takes the name `path`, on any error it vanishes.

    Example:
        >>> with replacing("labels.txt") as temporary:  # doctest: +SKIP
        ...     temporary.write_text("dog_bark")
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{final.name}.", suffix=f".part{final.suffix}", dir=final.parent
        )
        os.close(handle)
    except OSError as error:
        raise OSError(error.errno, reason(error), str(final)) from None
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; artefacts get the permissions any new file would get.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, final)
    except OSError as error:
        raise _named(error, temporary, final) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary folder; on success its content is the folder `path`, in place of what was there.

    A link is followed. An empty folder is filled and not exchanged: it may be a mount point, or where the
    user's shell is.

    Raises:
        FileExistsError: `path` is a file.
    """
    named, final = Path(path), Path(os.path.realpath(path))
    if final.exists() and not final.is_dir():
        raise FileExistsError(errno.EEXIST, "a file is where a folder is to be written", str(named))
    final.parent.mkdir(parents=True, exist_ok=True)
    filled = is_empty(final)
    try:
        temporary = Path(
            tempfile.mkdtemp(prefix=f".{final.name}.", suffix=_PART, dir=final if filled else final.parent)
        )
    except OSError as error:
        raise OSError(error.errno, reason(error), str(named)) from None
    try:
        temporary.chmod(0o755)
        yield temporary
        if filled:
            if not is_empty(final):
                raise FileExistsError(errno.EEXIST, "the folder was empty and is not any more", str(named))
            # Files after folders: they are what says that the rest is there.
            for part in sorted(temporary.iterdir(), key=lambda one: (not one.is_dir(), one.name)):
                os.replace(part, final / part.name)
        else:
            _exchange(temporary, final)
    except OSError as error:
        raise _named(error, temporary, named) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_empty(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is there and holds nothing but what a killed process began to write."""
    path = Path(folder)
    return path.is_dir() and all(_is_temporary(entry) for entry in path.iterdir())


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuses a folder that `replacing_folder` could not write, before the work is done; leaves nothing.

    Raises:
        OSError: It cannot be written, as when the disk is full or a permission is missing.
    """
    final = Path(os.path.realpath(path))
    nearest = final if is_empty(final) else final.parent
    while not nearest.exists():
        nearest = nearest.parent
    try:
        os.rmdir(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=_PART, dir=nearest))
    except OSError as error:
        raise OSError(error.errno, reason(error), str(path)) from None


def _exchange(temporary: Path, final: Path) -> None:
    """Gives `temporary` the name `final`; what had it goes."""
    retired = temporary.with_suffix(".old")
    if not final.exists():
        os.replace(temporary, final)
        return
    os.replace(final, retired)
    try:
        os.replace(temporary, final)
    except OSError:
        os.replace(retired, final)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_PART)


def reason(error: OSError) -> str:
    """What the file system said, in plain words where the disk is full.

    Example:
        >>> reason(OSError(errno.ENOSPC, "No space left on device"))
        'the disk is full (No space left on device)'
    """
    text = error.strerror or str(error)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) and not text.startswith(_FULL)
    return f"{_FULL} ({text})" if full else text


def _named(error: OSError, temporary: Path, final: Path) -> OSError:
    """The error with the artefact's name, which neither a full disk nor a temporary file gives away."""
    path = final if error.filename is None else Path(os.fsdecode(error.filename))
    if path.is_relative_to(temporary):
        path = final / path.relative_to(temporary)
    text = reason(error).replace(str(temporary), str(final))
    return OSError(error.errno, text, str(path))


def remove_leftovers(folder: str | os.PathLike[str], names: str, *, unchanged_for_s: float = 3600.0) -> None:
    """Removes what killed processes began to write as `names`, a pattern, and write to no more."""
    for temporary in Path(folder).glob(f".{names}.????????{_PART}*"):
        try:
            if time.time() - _last_change(temporary) <= unchanged_for_s:
                continue
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink()
        except FileNotFoundError:
            pass  # its writer has just finished


def _last_change(path: Path) -> float:
    return max(one.stat().st_mtime for one in (path, *path.rglob("*")))


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """While it lasts SIGTERM ends the process by way of every `finally`, so that nothing temporary stays."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the tidying
    raise SystemExit(128 + number)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` (UTF-8) under `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes `content` under `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON under `path`; NaN and infinity are refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
