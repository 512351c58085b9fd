"""Searching a folder for audio, without passing over anything in silence."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".mp3",
    ".opus",
    ".oga",
    ".aiff",
    ".aif",
    ".aifc",
    ".au",
    ".caf",
    ".rf64",
    ".w64",
    ".wave",
)
"""What a search of a folder takes: what libsndfile decodes, and notices when it is cut off.

The list is the same without soundfile, so that a file that needs it is refused by name and not passed over.
"""

_MOST_NAMED = 3


@dataclass(frozen=True)
class Below:
    """What lies below a folder.

    Args:
        audio: Files with the name of audio, sorted by path.
        left_out: What else lies there, a sentence for each kind; hidden files do not count.
    """

    audio: list[Path]
    left_out: list[str]


def audio_below(folder: Path) -> Below:
    """Finds the files below `folder` whose names end in one of `AUDIO_SUFFIXES`, in upper or lower case.

    Links to files are followed, links to folders are not: they may lead round in a circle.
    """
    audio: list[Path] = []
    others: list[Path] = []
    linked: list[Path] = []
    refused: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=refused.append):
        here = Path(parent)
        hidden = any(part.startswith(".") for part in here.relative_to(folder).parts)
        linked += [
            here / name
            for name in folders
            if not (hidden or name.startswith(".")) and (here / name).is_symlink()
        ]
        for name in names:
            path = here / name
            if name.startswith("."):
                continue
            if path.suffix.lower() in AUDIO_SUFFIXES and _may_be_file(path):
                audio.append(path)
            elif not hidden:
                others.append(path)
    left_out = []
    if others:
        left_out.append(
            f"{_are(len(others), 'file')} not audio and not used in {folder}, "
            f"such as {min(others).relative_to(folder)}"
        )
    if linked:
        left_out.append(
            f"{_are(len(linked), 'link to a folder', 'links to folders')} not followed in {folder}, "
            f"such as {min(linked).relative_to(folder)}"
        )
    if refused:
        reasons = sorted(f"{error.strerror}: {error.filename}" for error in refused)
        more = ", ..." if len(reasons) > _MOST_NAMED else ""
        left_out.append(
            f"{_are(len(refused), 'folder')} not searched, since listing is refused "
            f"({', '.join(reasons[:_MOST_NAMED])}{more})"
        )
    return Below(sorted(audio), left_out)


def _are(count: int, one: str, several: str | None = None) -> str:
    return f"1 {one} is" if count == 1 else f"{count} {several or f'{one}s'} are"


def _may_be_file(path: Path) -> bool:
    """Whether this is a file, or cannot be told: who opens it will say why."""
    return os.path.isfile(path) or not os.path.exists(path)
