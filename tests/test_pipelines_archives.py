"""Archives are unpacked only into their folder, and only plain files."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from data_pipelines.archives import extract
from data_pipelines.corpus import IndexedFile
from kwsembed.errors import DataError

ESCAPES = ["../evil", "audio/../../evil", "/tmp/evil", "..", "C:/evil", "..\\evil", "audio\\evil"]


def tar_of(path: Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
            else:
                archive.addfile(member)
    return path


def zip_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    folder = tmp_path / "inside" / "corpus"
    folder.mkdir(parents=True)
    return folder


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def test_a_tar_is_unpacked_with_the_md5_of_every_file(tmp_path, destination):
    archive = tar_of(
        tmp_path / "a.tar.gz", special("./yes", tarfile.DIRTYPE), ("./yes/a.wav", b"A"), ("b.txt", b"")
    )
    assert extract(archive, destination) == (
        IndexedFile("yes/a.wav", md5=md5(b"A")),
        IndexedFile("b.txt", md5=md5(b"")),
    )
    assert (destination / "yes" / "a.wav").read_bytes() == b"A"


def test_the_top_folder_of_a_zip_is_left_away_if_it_holds_everything(tmp_path, destination):
    archive = zip_of(
        tmp_path / "a.zip", ("ESC-50-33c8/", b""), ("ESC-50-33c8/audio/a.wav", b"A"), ("ESC-50-33c8/b", b"B")
    )
    assert [entry.path for entry in extract(archive, destination)] == ["audio/a.wav", "b"]


def test_a_zip_without_such_a_folder_is_unpacked_as_it_is(tmp_path, destination):
    archive = zip_of(tmp_path / "a.zip", ("audio/a.wav", b"A"), ("b", b"B"))
    assert [entry.path for entry in extract(archive, destination)] == ["audio/a.wav", "b"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("kind", ["a.tar.gz", "a.zip"])
def test_a_path_out_of_the_folder_is_refused(name, kind, tmp_path, destination):
    make = zip_of if kind == "a.zip" else tar_of
    archive = make(tmp_path / kind, ("good.wav", b"A"), (name, b"evil"))
    with pytest.raises(DataError, match="a path that leaves its folder"):
        extract(archive, destination)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind, tmp_path, destination):
    archive = tar_of(tmp_path / "a.tar.gz", special("link", kind), ("link/evil", b"evil"))
    with pytest.raises(DataError, match="a link or device"):
        extract(archive, destination)


def test_links_in_a_zip_are_refused(tmp_path, destination):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="a link or device"):
        extract(tmp_path / "a.zip", destination)


def test_of_two_members_of_one_name_the_later_counts(tmp_path, destination):
    archive = tar_of(tmp_path / "a.tar.gz", ("a.wav", b"A"), ("./a.wav", b"B"))
    assert extract(archive, destination) == (IndexedFile("a.wav", md5=md5(b"B")),)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_a_file_and_a_folder_of_one_name_are_refused(names, tmp_path, destination):
    archive = tar_of(tmp_path / "a.tar.gz", *((name, b"A") for name in names))
    with pytest.raises(DataError, match="a file and a folder of one name"):
        extract(archive, destination)


@pytest.mark.parametrize("kind", ["a.tar.gz", "a.zip"])
def test_a_damaged_archive_is_one_line(kind, tmp_path, destination):
    make = zip_of if kind == "a.zip" else tar_of
    archive = make(tmp_path / kind, ("a.wav", bytes(range(256)) * 400))
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(DataError, match="the archive is damaged") as caught:
        extract(archive, destination)
    assert "\n" not in str(caught.value)
