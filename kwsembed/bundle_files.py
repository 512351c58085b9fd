"""The files of a bundle and their checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kwsembed.errors import BundleError

FORMAT = 1
MODEL_FILE, LABELS_FILE, DESCRIPTION_FILE = "model.tflite", "labels.txt", "bundle.json"
STREAMING_FILE = "streaming.json"
"""In place of bundle.json where the streaming target made the folder."""

_GIVE = "give the folder that holds bundle.json"


def check_folder(folder: Path) -> None:
    """Says what to give instead of a path that is next to a bundle, or a streaming export where none will do.

    Raises:
        BundleError: If `folder` is one of these.
    """
    if folder.is_file():
        beside = any((folder.parent / name).is_file() for name in (DESCRIPTION_FILE, STREAMING_FILE))
        raise BundleError(
            "a bundle is a folder, and this is a file",
            fix=f"give the folder {folder.parent}/" if beside else _GIVE,
        )
    if not folder.is_dir():
        raise BundleError("there is no such folder", fix=_GIVE)
    if (folder / DESCRIPTION_FILE).exists():
        return
    if (folder / STREAMING_FILE).exists():
        raise BundleError(
            "it is a streaming export, which only detect and wyoming take",
            fix="give the bundle that it was made of, such as RUN/bundle",
        )
    if (folder / "bundle" / DESCRIPTION_FILE).exists():
        raise BundleError("the bundle is in a folder inside", fix=f"give {folder / 'bundle'}")
    if not (folder / MODEL_FILE).exists():
        raise BundleError("the folder holds no bundle", fix=_GIVE)


def read_description(folder: Path, name: str = DESCRIPTION_FILE) -> dict[str, Any]:
    """The content of bundle.json or a file like it: whole, unchanged, of a format that is understood."""
    content = _read(folder, name)
    try:
        description = json.loads(content)
        version, stated = description["format"], description["sha256"]
        files = description["files"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BundleError(f"{name} is damaged", fix="copy the bundle again") from None
    if not isinstance(version, int) or version > FORMAT:
        raise BundleError(
            "its format is newer than this kwsembed reads",
            expected=f"format {FORMAT} or older",
            received=f"format={version!r}",
            fix="upgrade kwsembed",
        )
    if stated != own_sha256(description) or not isinstance(files, dict):
        raise _changed(name)
    return description


def read_checked(folder: Path, name: str, checksums: Mapping[str, str]) -> bytes:
    """The content of the file `name`, unchanged."""
    content = _read(folder, name)
    if checksums.get(name) != sha256_of(content):
        raise _changed(name)
    return content


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{name} cannot be read, {error.strerror}", fix="copy the bundle again, whole"
        ) from None


def _changed(name: str) -> BundleError:
    return BundleError(
        f"{name} was changed after it was written", fix="copy the bundle again, or export it anew"
    )


def sha256_of(content: bytes) -> str:
    """Checksum of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def own_sha256(description: Mapping[str, Any]) -> str:
    """Checksum of canonical JSON without the checksum itself, so that layout does not matter."""
    rest = {key: value for key, value in description.items() if key != "sha256"}
    return sha256_of(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())
