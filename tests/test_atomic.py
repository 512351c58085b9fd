"""Writing whole or not at all: what is left behind, and what an error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwsembed import atomic
from kwsembed.cli import main as cli


def fill_the_disk() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full, so no disk can be full here")
    with open("/dev/full", "wb", buffering=0) as full:
        full.write(b"more")


def test_a_full_disk_is_said_with_the_name_of_the_artefact_and_nothing_is_left(tmp_path):
    with pytest.raises(OSError, match="the disk is full") as caught, atomic.replacing(tmp_path / "a.json"):
        fill_the_disk()
    assert caught.value.filename == str(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_names_the_temporary_file_is_told_of_the_artefact(tmp_path):
    with (
        pytest.raises(OSError, match="the disk is full") as caught,
        atomic.replacing(tmp_path / "a.npz") as new,
    ):
        raise OSError(28, "No space left on device", str(new))
    assert caught.value.filename == str(tmp_path / "a.npz")
    assert ".part" not in str(caught.value)


def test_an_error_of_a_library_without_a_number_keeps_its_words(tmp_path):
    with (
        pytest.raises(OSError, match="cannot flush") as caught,
        atomic.replacing(tmp_path / "m.keras") as new,
    ):
        raise OSError(f"cannot flush {new}")
    assert caught.value.filename == str(tmp_path / "m.keras")
    assert ".part" not in str(caught.value)


def test_a_file_inside_a_folder_is_named_where_it_would_have_been(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "labels.txt").write_text("old")
    with (
        pytest.raises(OSError, match="the disk is full") as caught,
        atomic.replacing_folder(tmp_path / "bundle") as new,
        atomic.replacing(new / "model.tflite"),
    ):
        fill_the_disk()
    assert caught.value.filename == str(tmp_path / "bundle" / "model.tflite")
    assert str(caught.value).count("the disk is full") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["bundle", "labels.txt"]


def test_a_folder_that_cannot_be_written_to_keeps_its_kind_of_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileExistsError), atomic.replacing(tmp_path / "file" / "a.json"):
        pass
    with pytest.raises(IsADirectoryError) as caught, atomic.replacing(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)


def test_the_command_says_that_the_disk_is_full_in_one_line(tmp_path, monkeypatch, capsys):
    def refuse(*arguments, **options):
        with atomic.replacing(tmp_path / "RUN" / "details.npz"):
            fill_the_disk()

    monkeypatch.setattr("kwsembed.cli.check.run", refuse)
    assert cli.main(["check", str(tmp_path)]) == 2
    line = f"kwsembed check: the disk is full (No space left on device): {tmp_path}/RUN/details.npz\n"
    assert capsys.readouterr().err == line
