"""Writing files and folders so that a final name never holds half an artefact."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FULL = "the disk is full"


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
    """Yields a temporary folder beside `path`; on success it replaces the folder `path` as a whole."""
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".part", dir=final.parent))
    except OSError as error:
        raise OSError(error.errno, reason(error), str(final)) from None
    try:
        temporary.chmod(0o755)
        yield temporary
        retired = temporary.with_suffix(".old")
        if final.exists():
            os.replace(final, retired)
        os.replace(temporary, final)
        shutil.rmtree(retired, ignore_errors=True)
    except OSError as error:
        raise _named(error, temporary, final) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
    for temporary in Path(folder).glob(f".{names}.????????.part*"):
        try:
            if time.time() - temporary.stat().st_mtime > unchanged_for_s and temporary.is_file():
                temporary.unlink()
        except FileNotFoundError:
            pass  # its writer has just finished


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
