"""Writing whole or not at all: what is left behind, and what an error names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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


def written(path):
    with atomic.replacing_folder(path) as new:
        (new / "inner").mkdir()
        (new / "inner" / "a.txt").write_text("a")
        (new / "labels.txt").write_text("new")
    return sorted(str(one.relative_to(path)) for one in Path(path).rglob("*"))


WHOLE = ["inner", "inner/a.txt", "labels.txt"]


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = Path.cwd().stat().st_ino
    assert written(Path()) == WHOLE
    assert Path.cwd().stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_link_is_followed_whatever_its_target_holds(tmp_path):
    target = tmp_path / "disk" / "out"
    target.mkdir(parents=True)
    (tmp_path / "link").symlink_to(target)
    for _ in range(2):  # into an empty folder, then over what it holds
        assert written(tmp_path / "link") == WHOLE
        assert (tmp_path / "link").is_symlink()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]
        assert list((tmp_path / "disk").iterdir()) == [target]


def test_a_link_to_what_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "later")
    assert written(tmp_path / "link") == WHOLE
    assert (tmp_path / "later" / "labels.txt").read_text() == "new"


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileExistsError), atomic.replacing_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_an_empty_folder_that_was_filled_meanwhile_keeps_what_it_got(tmp_path):
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(FileExistsError, match="not any more"),
        atomic.replacing_folder(tmp_path / "out"),
    ):
        (tmp_path / "out" / "b.txt").write_text("theirs")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.txt"]


def test_the_old_folder_is_back_when_the_new_one_cannot_take_its_name(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old")
    replace = os.replace

    def refuse(source, target):
        if str(source).endswith(".part"):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"), atomic.replacing_folder(tmp_path / "out"):
        pass
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["out", "out/old.txt"]


def test_a_place_that_cannot_be_written_is_known_beforehand(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NotADirectoryError) as caught:
        atomic.check_folder(tmp_path / "file" / "out")
    assert caught.value.filename == str(tmp_path / "file" / "out")
    atomic.check_folder(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_leftovers_of_killed_processes_go_once_nobody_writes_to_them(tmp_path):
    left = tmp_path / ".RUN.abcdefgh.part"
    (left / "logs").mkdir(parents=True)
    (left / "logs" / "events").write_text("half")
    atomic.remove_leftovers(tmp_path, "RUN")
    assert left.exists()
    long_ago = time.time() - 4000
    for path in (left / "logs" / "events", left / "logs", left):
        os.utime(path, (long_ago, long_ago))
    assert atomic.is_empty(tmp_path)
    atomic.remove_leftovers(tmp_path, "RUN")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="there SIGTERM asks nobody")
def test_a_terminated_process_leaves_nothing_temporary(tmp_path):
    script = (
        "import sys, time\nfrom kwsembed import atomic\n"
        "with atomic.ending_cleanly(), atomic.replacing_folder(sys.argv[1]) as new:\n"
        "    (new / 'half').touch()\n    print('there', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "RUN")], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "there\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_that_the_disk_is_full_in_one_line(tmp_path, monkeypatch, capsys):
    def refuse(*arguments, **options):
        with atomic.replacing(tmp_path / "RUN" / "details.npz"):
            fill_the_disk()

    monkeypatch.setattr("kwsembed.cli.check.run", refuse)
    assert cli.main(["check", str(tmp_path)]) == 2
    line = f"kwsembed check: the disk is full (No space left on device): {tmp_path}/RUN/details.npz\n"
    assert capsys.readouterr().err == line
