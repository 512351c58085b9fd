"""Cells over processes: with cells that do nothing, die, or take too long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import kwsembed
from kwsembed.comparison import processes
from kwsembed.comparison.study import StudyFolder, StudyPlan
from kwsembed.errors import RunError

_folder: StudyFolder | None = None

# What the processes of these tests do instead of training; they find it by the name of this module.


def start(plan, out, cache_dir):
    global _folder
    threading.Thread(target=processes._end_with_parent, daemon=True).start()
    _folder = StudyFolder(out)


def finish(cell):
    (_folder.cells / f"{cell.name}.json").write_text(json.dumps({"pid": os.getpid()}))


def die(cell):
    if cell.fold == 2:
        os._exit(9)
    finish(cell)


def fail(cell):
    raise RunError("the disk is gone", fix="buy another")


def linger(cell):
    (_folder.root / "pid").write_text(str(os.getpid()))
    time.sleep(120)


def study(root, *, folds=(1, 2, 3)):
    plan = StudyPlan("sounds", ("class_weight",), (0.0,), folds, (0,), steps=200)
    folder = StudyFolder(root)
    folder.claim(plan)
    return plan, folder


def run(root, job, *, count=1, monkeypatch=None):
    plan, folder = study(root)
    monkeypatch.setattr(processes, "_start_worker", start)
    monkeypatch.setattr(processes, "_run_cell", job)
    processes.run_cells(plan, folder, list(plan.cells({})), processes=count, cache_dir="", title="testing")
    return folder


def main(root):
    """What the tests that kill a study run in a process of its own."""
    processes._start_worker, processes._run_cell = start, linger
    plan, folder = study(Path(root))
    processes.run_cells(plan, folder, list(plan.cells({})), processes=1, cache_dir="", title="testing")


def begun(root):
    """A study in a process group of its own, once a cell is under way, and the process that has it."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); "
    code += "import test_comparison_processes as tests; tests.main(sys.argv[2])"
    paths = {"PYTHONPATH": str(Path(kwsembed.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(root)],
        env={**os.environ, **paths},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pid = root / "pid"
    deadline = time.monotonic() + 100
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, int(pid.read_text())


def gone(pid):
    """Whether a process has ended, or is a zombie that waits for nobody."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


def test_only_missing_cells_are_run(tmp_path, monkeypatch):
    plan, folder = study(tmp_path)
    first = next(plan.cells({}))
    (folder.cells / f"{first.name}.json").write_text('{"pid": 0}')
    run(tmp_path, finish, count=2, monkeypatch=monkeypatch)
    pids = [folder.result(cell)["pid"] for cell in plan.cells({})]
    assert pids[0] == 0
    assert os.getpid() not in pids
    assert all(pids[1:])


def test_a_process_that_dies_is_an_error_that_says_how_to_go_on(tmp_path, monkeypatch):
    with pytest.raises(RunError, match=r"has died.*1 of 3 cells done.*same command again"):
        run(tmp_path, die, monkeypatch=monkeypatch)
    assert len(list((tmp_path / "cells").iterdir())) == 1


def test_an_error_inside_a_process_arrives_as_it_was(tmp_path, monkeypatch):
    with pytest.raises(RunError, match=r"^the disk is gone. To mend it: buy another.$"):
        run(tmp_path, fail, monkeypatch=monkeypatch)


@needs_proc
def test_a_killed_study_leaves_no_process_behind(tmp_path):
    process, worker = begun(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert gone(worker)


@needs_proc
def test_an_interrupt_ends_all_processes_and_only_one_of_them_speaks(tmp_path):
    process, worker = begun(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert gone(worker)
    assert said.count("Traceback") == 1
    assert said.strip().endswith("KeyboardInterrupt")
