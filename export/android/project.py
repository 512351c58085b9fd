"""Makes the app's project: its sources, the bundle as its assets, and what its tests compare with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from export.android.golden import write_golden
from kwsembed import atomic
from kwsembed.bundle import Bundle
from kwsembed.bundle_files import DESCRIPTION_FILE, LABELS_FILE, MODEL_FILE
from kwsembed.errors import UserError

HERE = Path(__file__).parent
ASSETS = Path("app", "src", "main", "assets")
GOLDEN = Path("detector", "src", "test", "resources", "golden")

# What Gradle and Android Studio leave behind where somebody has opened the sources in place.
_LEFT_BEHIND = (".gradle", ".idea", ".kotlin", "build", "local.properties")


def export_android(source: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Makes a folder that Android Studio opens: an app that listens with the model of a bundle.

    Args:
        source: A run directory or a bundle folder.
        out: The folder, new or empty; it appears whole or not at all.

    Returns:
        `out`.

    Raises:
        BundleError: The bundle cannot be used.
        UserError: `out` holds something, perhaps a project that was worked on.

    Example:
        >>> export_android("RUN", "listen")  # doctest: +SKIP
        PosixPath('listen')
    """
    out, source = Path(out), Path(source)
    inside = source / "bundle"
    bundle_folder = inside if (inside / DESCRIPTION_FILE).exists() else source
    Bundle.load(bundle_folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            "the folder for the app is not empty",
            expected="a new or empty folder",
            received=f"out={out}",
            fix=f"choose another --out; to change an app's model, copy the bundle's files to its {ASSETS}",
        )
    with atomic.replacing_folder(out) as folder:
        write_project(folder, bundle_folder)
    return out


def write_project(folder: Path, bundle_folder: Path) -> None:
    """Writes the project into a folder that exists; the bundle is not looked into."""
    ignored = shutil.ignore_patterns(*_LEFT_BEHIND)
    shutil.copytree(HERE / "project", folder, dirs_exist_ok=True, ignore=ignored)
    shutil.copyfile(HERE / "README.md", folder / "README.md")
    shutil.copyfile(HERE.parents[1] / "LICENSE", folder / "LICENSE")
    (folder / ASSETS).mkdir(parents=True, exist_ok=True)
    for name in (MODEL_FILE, LABELS_FILE, DESCRIPTION_FILE):
        shutil.copyfile(bundle_folder / name, folder / ASSETS / name)
    write_golden(folder / GOLDEN)


def made(project: Path) -> str:
    """What to tell the user about a project that was made."""
    return f"{project}: open it in Android Studio, or see {project / 'README.md'}"
