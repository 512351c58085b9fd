"""What a corpus is: paper, licence, archive, list of files; and the check of a folder against that list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kwsembed.errors import DataError
from kwsembed.progress import Progress, silent

RECORDED_INDEX = "index.md5"


@dataclass(frozen=True)
class Remote:
    """One archive on the web.

    Args:
        url: Where its publisher serves it.
        filename: Its name on disk, and under a mirror.
        size_bytes: Its size; enforced together with `sha256`, else only a rough figure for the progress line.
        sha256: Its checksum in hexadecimal; None where the publisher promises none, and then every file
            inside must be in a published index.
    """

    url: str
    filename: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True)
class IndexedFile:
    """A file that a corpus must hold: its path inside the corpus folder, and its MD5 or size where known."""

    path: str
    md5: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True)
class Corpus:
    """A public corpus, or a kind of local folder.

    Args:
        name: As its authors write it.
        homepage: Where to read about it.
        citation: BibTeX.
        licence: In one line, with what it forbids.
        remote: Its archive; None for recordings of one's own.
        folder: Name of the folder under ROOT that the archive becomes.
        marker: A file inside that shows that a folder is this corpus.
        published_index: An `md5sum` list of its files; None where nobody publishes one, and then the list
            is recorded while the archive, itself verified, is extracted.
    """

    name: str
    homepage: str
    citation: str
    licence: str
    remote: Remote | None = None
    folder: str = ""
    marker: str = ""
    published_index: Path | None = None

    def locate(self, root: Path) -> Path | None:
        """The folder of the corpus: `root` itself (a clone, for instance) or the one unpacked under it."""
        for folder in (root, root / self.folder):
            if (folder / self.marker).is_file():
                return folder
        return None

    def require(self, root: Path) -> Path:
        """As `locate`, but an absent corpus is an error that says how to get it."""
        folder = self.locate(root)
        if folder is None:
            archive = self.remote.filename if self.remote else "the archive"
            raise DataError(
                f"{self.name} is not there",
                expected=f"{self.marker} in that folder or in its folder {self.folder}",
                received=f"root={root}",
                fix=f"run with --download, or put {archive} into {root} and run again",
            )
        return folder

    def index(self, root: Path) -> tuple[IndexedFile, ...]:
        """The files that the corpus under `root` must hold; empty if nobody published or recorded a list."""
        path = self.published_index or self.require(root) / RECORDED_INDEX
        return read_md5_list(path) if path.is_file() else ()


@dataclass(frozen=True)
class ValidationReport:
    """The outcome of checking a folder against an index.

    Args:
        folder: What was checked.
        checked: How many files were compared by checksum or size.
        present: How many files could only be seen to exist.
        missing: Paths that are not there.
        changed: Paths whose content is not the indexed one, each with the reason.
    """

    folder: Path
    checked: int
    present: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is missing and nothing changed."""
        return not self.missing and not self.changed

    def text(self) -> str:
        """The report as one line, with the first few names where something is wrong."""
        counts = f"{self.checked} files verified"
        if self.present:
            counts += f", {self.present} more are there but have no checksum to compare"
        for word, paths in (("missing", self.missing), ("changed", self.changed)):
            if paths:
                shown = ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")
                counts += f"; {len(paths)} {word}: {shown}"
        return f"{self.folder}: {counts}"

    def require_ok(self, fix: str) -> None:
        """Raises an error that names the first offending files and says `fix` unless the report is clean."""
        if not self.ok:
            raise DataError(f"the corpus is damaged: {self.text()}", fix=fix)


def check_files(
    folder: Path, index: Sequence[IndexedFile], *, progress: Progress = silent
) -> ValidationReport:
    """Compares every indexed file with what is in `folder`, by MD5 where there is one, else by size."""
    missing: list[str] = []
    changed: list[str] = []
    checked = 0
    for done, entry in enumerate(index, start=1):
        path = folder / entry.path
        if not path.is_file():
            missing.append(entry.path)
        elif entry.md5 is not None or entry.size_bytes is not None:
            checked += 1
            size_bytes = path.stat().st_size
            if entry.size_bytes not in (None, size_bytes):
                changed.append(f"{entry.path} (size {size_bytes} for {entry.size_bytes} bytes)")
            elif entry.md5 is not None and file_digest(path, "md5") != entry.md5:
                changed.append(f"{entry.path} (other content)")
        progress(done, len(index))
    present = len(index) - len(missing) - checked
    return ValidationReport(folder, checked, present, tuple(missing), tuple(changed))


def file_digest(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of a file, read in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def read_md5_list(path: Path) -> tuple[IndexedFile, ...]:
    """Reads the output format of `md5sum`: a digest, two spaces, a path; lines with # are remarks."""
    entries = []
    for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#"):
            continue
        digest, separator, name = line.partition("  ")
        if len(digest) != 32 or not separator or not name:
            raise DataError(
                "an index line cannot be read", expected="md5, two spaces, path", where=f"{path} row {row}"
            )
        entries.append(IndexedFile(name, md5=digest))
    return tuple(entries)


def write_md5_list(path: Path, entries: Sequence[IndexedFile]) -> None:
    """Writes entries so that `md5sum -c` and `read_md5_list` read them."""
    lines = sorted(f"{entry.md5}  {entry.path}\n" for entry in entries)
    path.write_text("".join(lines), encoding="utf-8", newline="")
