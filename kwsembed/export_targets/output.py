"""The folder of an export: written whole, and only over nothing or an earlier export of the same target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kwsembed import __version__, atomic
from kwsembed.bundle import Bundle
from kwsembed.bundle_files import sha256_of
from kwsembed.errors import RunError

_MARK = "export.json"


@contextmanager
def writing(out: Path, *, target: str, bundle: Bundle) -> Iterator[Path]:
    """Yields a temporary folder that takes the name `out` on success.

    Args:
        out: The folder; new, empty, or an earlier export of the target.
        target: Name of the target, noted in `export.json` with what it was made of.
        bundle: The bundle that it is made of.

    Raises:
        RunError: `out` holds something else.
    """
    check_output(out, target=target)
    with atomic.replacing_folder(out) as folder:
        yield folder
        made_of = {"target": target, "kwsembed": __version__, "bundle_model_sha256": sha256_of(bundle.model)}
        atomic.write_json(folder / _MARK, made_of)


def check_output(out: Path, *, target: str) -> None:
    """Refuses a folder that holds something else than an earlier export of the target.

    Raises:
        RunError: It does.
    """
    foreign = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if foreign and f'"target": "{target}"' not in _mark_of(out):
        raise RunError(
            "the output folder holds something else than an earlier export of this target",
            received=f"out={out}",
            fix="choose a new or empty folder for --out",
        )


def _mark_of(out: Path) -> str:
    try:
        return (out / _MARK).read_text(encoding="utf-8")
    except OSError:
        return ""
