"""Cells over processes: with cells that do nothing, die, or take too long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kwsembed
from kwsembed.comparison import processes
from kwsembed.comparison.study import StudyPlan
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.errors import KwsembedError, RunError

CONTENDER = {"name": "class_weight", "rebalance": "class_weight"}

# What the processes of these tests do instead of training; they find it by the name of this module.


def finishing(plan, out, cache_dir):
    def finish(cell):
        path = StudyFolder(out).cells / f"{cell.name}.json"
        path.write_text(json.dumps({"contender": CONTENDER, "pid": os.getpid(), "cache": cache_dir}))

    return finish


def dying(plan, out, cache_dir):
    finish = finishing(plan, out, cache_dir)
    return lambda cell: finish(cell) if cell.fold != 2 else os._exit(9)


def failing(plan, out, cache_dir):
    def fail(cell):
        raise RunError("the disk is gone", fix="buy another")

    return fail


def full(plan, out, cache_dir):
    raise OSError(28, "No space left on device", "cell.npz")


def mistaken(plan, out, cache_dir):
    return lambda cell: 1 / 0


def lingering(plan, out, cache_dir):
    def linger(cell):
        (Path(out) / "pid").write_text(str(os.getpid()))
        time.sleep(120)

    return linger


def study(root, *, folds=(1, 2, 3)):
    plan = StudyPlan("sounds", ("class_weight",), (0.0,), folds, (0,), steps=200)
    folder = StudyFolder(root)
    folder.claim(plan)
    return plan, folder


def run(root, prepare, *, count=1, folds=(1, 2, 3)):
    plan, folder = study(root, folds=folds)
    cells = list(plan.cells({}))
    processes.run_cells(
        plan, folder, cells, processes=count, cache_dir="CACHE", title="testing", prepare=prepare
    )
    return [folder.result(cell) for cell in cells]


def main(root):
    """What the tests that kill a study run in a process of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    run(Path(root), lingering)


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


def test_only_missing_cells_are_run_and_never_here(tmp_path):
    plan, folder = study(tmp_path)
    first = next(plan.cells({}))
    done = {"contender": CONTENDER, "pid": 0}
    (folder.cells / f"{first.name}.json").write_text(json.dumps(done))
    [kept, *new] = run(tmp_path, finishing, count=2)
    assert kept == done
    assert all(record["cache"] == "CACHE" and record["pid"] != os.getpid() for record in new)
    assert run(tmp_path, None) == [kept, *new], "where nothing is missing no process is started"


def test_processes_are_renewed_every_four_cells_since_memory_grows(tmp_path):
    records = run(tmp_path, finishing, count=2, folds=tuple(range(1, 12)))
    pids = [record["pid"] for record in records]
    assert len(set(pids)) >= 3
    assert max(pids.count(pid) for pid in pids) <= 4


def test_a_process_that_dies_is_an_error_that_names_the_cell_and_says_how_to_go_on(tmp_path):
    with pytest.raises(RunError, match=r"has died.*f2-s0.*exit code 9.*same command again"):
        run(tmp_path, dying)
    assert len(list((tmp_path / "cells").iterdir())) == 1


def test_an_error_inside_a_process_arrives_as_it_was(tmp_path):
    with pytest.raises(RunError, match=r"^the disk is gone. To mend it: buy another"):
        run(tmp_path, failing)


def test_a_full_disk_is_told_as_what_it_is(tmp_path):
    with pytest.raises(OSError, match="No space left on device") as error:
        run(tmp_path, full)
    assert error.value.filename == "cell.npz"


def test_a_fault_inside_a_process_is_shown_and_named(tmp_path, capfd):
    with pytest.raises(KwsembedError, match=r"fault of ours.*f1-s0.*ZeroDivisionError"):
        run(tmp_path, mistaken)
    assert "Traceback" in capfd.readouterr().err


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
