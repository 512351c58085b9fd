"""Folders of recordings that come without labels: finding them, and keeping the data's own clips out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kwsembed.audio.decode import find_audio
from kwsembed.audio.search import AUDIO_SUFFIXES
from kwsembed.data.cache import SkippedFile
from kwsembed.data.shards import file_sha256
from kwsembed.errors import AudioError, ConfigError
from kwsembed.manifest import Clip, Manifest


def recordings_in(folder: str, *, setting: str, kind: str) -> list[Path]:
    """The audio files of a folder and of those below it.

    Args:
        folder: As the settings have it.
        setting: What the setting is called, for the message.
        kind: What the recordings are for, likewise.

    Raises:
        ConfigError: The folder is not there or holds no audio.
    """
    try:
        return [path.resolve() for path in find_audio([folder])]
    except AudioError:
        raise ConfigError(
            f"there is no audio to take as {kind}",
            expected=f"a folder with files ending in {', '.join(AUDIO_SUFFIXES)}",
            received=f"{setting}={folder}",
            fix="name the folder where it is now; what a run was trained with, refit, add and export to "
            "esphome need where it was",
        ) from None


def apart_from(
    clips: Sequence[Clip], files: Sequence[Path], *, kind: str
) -> tuple[list[Path], list[SkippedFile]]:
    """Those files that are none of the clips of the data, by path or by content, and why others are not used.

    A clip of the data might be an event, or belong to the validation or test split.
    """
    known = {clip.path.resolve() for clip in clips}
    sizes = {_size(path) for path in files}
    contents = {file_sha256(path) for path in known if (size := _size(path)) and size in sizes}
    kept, skipped = [], []
    for path in files:
        if path in known or (_size(path) and file_sha256(path) in contents):
            skipped.append(SkippedFile(str(path), f"a clip of the data, so it is no {kind}"))
        else:
            kept.append(path)
    return kept, skipped


def as_manifest(files: Sequence[Path], folder: Path, *, label: str) -> Manifest:
    """The files as clips of one background label, each a group of its own."""
    root = folder.resolve()
    names = [path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name for path in files]
    clips = tuple(
        Clip(path=path, name=name, label=label, group=name) for path, name in zip(files, names, strict=True)
    )
    return Manifest(root, folder, clips, labels=(label,), background_labels=(label,))


def _size(path: Path) -> int:
    """Bytes of a file; 0 where it cannot be read, which decoding tells of."""
    try:
        return path.stat().st_size if os.access(path, os.R_OK) else 0
    except OSError:
        return 0
