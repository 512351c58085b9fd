"""The folder of an export: written whole, and only over nothing or an untouched export of the same target."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kwsembed import __version__, atomic
from kwsembed.bundle import Bundle
from kwsembed.bundle_files import sha256_of
from kwsembed.errors import RunError

_MARK = "export.json"
_NAMED_AT_MOST = 3


@contextmanager
def writing(out: Path, *, target: str, bundle: Bundle) -> Iterator[Path]:
    """Yields a temporary folder that takes the name `out` on success.

    Args:
        out: The folder; new, empty, or an earlier export of the target that nobody worked on.
        target: Name of the target, noted in `export.json` with what it was made of and its files.
        bundle: The bundle that it is made of.

    Raises:
        RunError: `out` holds something else.
    """
    check_output(out, target=target)
    with atomic.replacing_folder(out) as folder:
        yield folder
        mark = {
            "target": target,
            "kwsembed": __version__,
            "bundle_model_sha256": sha256_of(bundle.model),
            "files": _checksums(folder),
        }
        atomic.write_json(folder / _MARK, mark)
        check_output(out, target=target)  # the work may have taken minutes


def check_output(out: Path, *, target: str) -> None:
    """Refuses a folder that holds something else than an untouched earlier export of the target.

    Raises:
        RunError: It does; names the files that were added or changed since.
    """
    if not out.exists() or atomic.is_empty(out):
        return
    recorded = _recorded(out, target)
    if recorded is None:
        raise RunError(
            "the output folder holds something else than an earlier export of this target",
            received=f"out={out}",
            fix="choose a new or empty folder for --out",
        )
    now = _checksums(out)
    # What was taken out is no work that could be lost.
    own = [name for name, checksum in now.items() if recorded.get(name) != checksum]
    if own:
        more = f" and {len(own) - _NAMED_AT_MOST} more" if len(own) > _NAMED_AT_MOST else ""
        raise RunError(
            "the output folder holds files that were added or changed since it was exported",
            received=f"out={out}, with {', '.join(own[:_NAMED_AT_MOST])}{more}",
            fix="choose a new or empty folder for --out, and take over what is yours",
        )


def _recorded(out: Path, target: str) -> dict[str, str] | None:
    """Checksums of the files that an export of the target wrote to `out`; None if none is known to have."""
    try:
        mark = json.loads((out / _MARK).read_text(encoding="utf-8"))
        return dict(mark["files"]) if mark["target"] == target else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checksums(folder: Path) -> dict[str, str]:
    """Name and checksum of every file in a folder but the mark itself, sorted by name."""
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    return {name: _checksum(folder / name) for name in names if name != _MARK}


def _checksum(path: Path) -> str:
    return sha256_of(path.read_bytes()) if path.is_file() else "no file that an export writes"
