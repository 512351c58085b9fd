"""A folder that a command is at work in is no other command's, until that one ends, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from kwsembed.errors import RunError
from kwsembed.sole_use import sole_use

pytest.importorskip("fcntl", reason="folders are not locked on Windows")

HOLDER = """
import sys, time
from kwsembed.sole_use import sole_use
with sole_use(sys.argv[1]):
    print("mine", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_refused_while_another_process_has_it_and_free_once_that_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "mine\n"
        with (
            pytest.raises(RunError, match=f"another command is at work.*out={tmp_path}.*To mend it"),
            sole_use(tmp_path),
        ):
            pytest.fail("two at a time")
        holder.send_signal(signal.SIGKILL)
    with sole_use(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [], "nothing is left in it"


def test_a_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), sole_use(tmp_path):
        _ = 1 / 0
    with sole_use(tmp_path):
        pass


def test_different_folders_do_not_mind_each_other(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with sole_use(tmp_path / "a"), sole_use(tmp_path / "b"):
        for name in ("a", "b"):
            with pytest.raises(RunError, match=f"out={tmp_path / name}"), sole_use(tmp_path / name):
                pytest.fail("two at a time")


def test_where_folders_cannot_be_locked_work_goes_on(tmp_path, monkeypatch):
    asked = []

    def no_locks(handle, operation):
        asked.append(handle)
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with sole_use(tmp_path), sole_use(tmp_path):
        assert len(asked) == 2
