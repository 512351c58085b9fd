"""Finding the clips of a run's data.csv, whose paths are relative to the data and not to the run."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kwsembed.errors import DataError

_FIX = "name the folder that the paths are relative to with --root"


def recorded_root(data: str | os.PathLike[str]) -> Path | None:
    """The data folder of the run whose data.csv this is, as its metrics.json records it; None for other data.

    Raises:
        DataError: metrics.json records no folder, or one that is not there.

    Example:
        >>> recorded_root("RUN/data.csv")  # doctest: +SKIP
        PosixPath('/home/ann/sounds')
    """
    path = Path(data)
    metrics_path = path.parent / "metrics.json"
    if path.name != "data.csv" or not path.is_file() or not metrics_path.is_file():
        return None
    try:
        root = Path(json.loads(metrics_path.read_text(encoding="utf-8"))["data"]["root"])
    except (ValueError, KeyError, TypeError):
        raise DataError("the run does not say where its data is", where=metrics_path, fix=_FIX) from None
    if not root.is_dir():
        raise DataError(
            "the data is no longer where the run was trained on it",
            received=f"root={root}",
            where=metrics_path,
            fix=_FIX,
        )
    return root


def recorded_further_roots(data: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Folders besides the data folder that clips of a run's data.csv lie in, such as mined negatives."""
    path = Path(data)
    try:
        record = json.loads((path.parent / "metrics.json").read_text(encoding="utf-8"))["data"]
        return tuple(map(Path, record.get("further_roots", ()))) if path.name == "data.csv" else ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()  # other data; a damaged record has been told by `recorded_root`
