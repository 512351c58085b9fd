"""Unpacking an archive from the web: only plain files, only inside the destination, hashed on the way."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from data_pipelines.corpus import IndexedFile
from kwsembed.errors import DataError
from kwsembed.progress import Progress, silent

_BLOCK_BYTES = 1 << 20


def extract(archive: Path, destination: Path, *, progress: Progress = silent) -> tuple[IndexedFile, ...]:
    """Extracts a .zip or .tar.gz into the empty folder `destination` and returns its files with their MD5.

    The folder that holds everything at the top of a .zip, as GitHub makes it, is left away. Of two members of
    one name the later one counts, as for tar.

    Raises:
        DataError: The archive is damaged, or holds a link, a device, or a path that leaves `destination`. The
            destination is then to be thrown away: `atomic.replacing_folder` does that.
    """
    members = _zip_members if archive.suffix == ".zip" else _tar_members
    entries: dict[str, IndexedFile] = {}
    try:
        for path, source, done, total in members(archive):
            target = destination.joinpath(*path.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.md5(usedforsecurity=False)
            with source, target.open("wb") as file:
                while block := source.read(_BLOCK_BYTES):
                    digest.update(block)
                    file.write(block)
            entries[str(path)] = IndexedFile(str(path), md5=digest.hexdigest())
            progress(done, total)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(
            f"the archive is damaged: {error}", where=archive, fix="delete it and fetch it again"
        ) from error
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise _refused(archive, str(error.filename), "a file and a folder of one name") from error
    return tuple(entries.values())


def _zip_members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes], int, int]]:
    """Yields path, content and how much of the archive that makes, for every file of a .zip."""
    with zipfile.ZipFile(archive) as opened:
        files = [info for info in opened.infolist() if not info.is_dir()]
        paths = [_inside(info.filename, archive) for info in files]
        if len({path.parts[0] for path in paths}) == 1 and all(len(path.parts) > 1 for path in paths):
            paths = [PurePosixPath(*path.parts[1:]) for path in paths]
        for done, (info, path) in enumerate(zip(files, paths, strict=True), start=1):
            # Unix modes sit in the upper half; 0 where the archive was made elsewhere.
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _refused(archive, info.filename, "a link or device")
            yield path, opened.open(info), done, len(files)


def _tar_members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes], int, int]]:
    """The same for a .tar.gz, read in one pass; progress is by position in the compressed file, in MiB."""
    total_mib = (archive.stat().st_size >> 20) + 1
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:gz") as opened:
        for member in opened:
            if member.isdir():
                continue
            source = opened.extractfile(member) if member.isreg() else None
            if source is None:
                raise _refused(archive, member.name, "a link or device")
            yield _inside(member.name, archive), source, raw.tell() >> 20, total_mib


def _inside(name: str, archive: Path) -> PurePosixPath:
    """`name` as a relative path, refused if any system could read it as a way out of the destination."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or set(name) & set("\\:\0"):
        raise _refused(archive, name, "a path that leaves its folder")
    return path


def _refused(archive: Path, name: str, reason: str) -> DataError:
    return DataError(
        f"the archive holds {reason}, and is refused", received=f"member={name!r}", where=archive
    )
