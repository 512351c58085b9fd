"""Reading clips from a folder with a folder per class."""

from __future__ import annotations

from pathlib import Path

from kwsembed.audio.search import AUDIO_SUFFIXES
from kwsembed.errors import DataError
from kwsembed.manifest.clip import Clip
from kwsembed.manifest.naming import checked_label, inside


def read_folder(root: Path) -> tuple[list[Clip], list[str]]:
    """Clips of a folder, sorted by class and path, and what was noticed, a sentence each.

    Raises:
        DataError: Naming the folder or file.
    """
    clips: list[Clip] = []
    warnings: list[str] = []
    entries = sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        raise DataError(
            "the data folder holds no class folders",
            expected="a folder per class, such as dog_bark/ and background/",
            where=root,
            fix="sort the files into a folder per class, or give a CSV manifest",
        )
    loose = [entry.name for entry in entries if not entry.is_dir()]
    if any(name.endswith(".csv") for name in loose):
        names = ", ".join(name for name in loose if name.endswith(".csv"))
        warnings.append(
            f"{names} in the data folder is not used; give the CSV itself to use its groups and splits"
        )
    outside = [name for name in loose if Path(name).suffix.lower() in AUDIO_SUFFIXES]
    if outside:
        warnings.append(
            f"{len(outside)} audio files lie in no class folder and are not used, such as {outside[0]}"
        )
    for folder in folders:
        found = sorted(
            path
            for path in folder.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(root).parts)
        )
        broken = [path for path in found if path.is_symlink() and not path.exists()]
        if broken:
            warnings.append(
                f"{len(broken)} links in {folder.name}/ lead to no file and are not used, "
                f"such as {broken[0].name}"
            )
        files = [path for path in found if path not in broken and path.is_file()]
        audio = [path for path in files if path.suffix.lower() in AUDIO_SUFFIXES]
        if not audio:
            raise DataError(
                "a class folder holds no audio",
                expected=f"files ending in {', '.join(AUDIO_SUFFIXES)}",
                received=f"{len(broken)} links that lead to no file" if broken else None,
                where=folder,
                fix="add clips of this class, or remove the folder",
            )
        if len(audio) < len(files):
            other = next(path for path in files if path not in audio)
            warnings.append(
                f"{len(files) - len(audio)} files in {folder.name}/ are not audio and not used, "
                f"such as {other.name}"
            )
        label = checked_label(folder.name, folder)
        for path in audio:
            resolved, name = inside(path, root, where=path)
            clips.append(Clip(path=resolved, name=name, label=label, group=name))
    return clips, warnings
