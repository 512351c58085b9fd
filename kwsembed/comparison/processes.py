"""Runs cells over processes: so many at a time, none left behind when the study is stopped or killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from kwsembed.comparison.study import Cell, StudyPlan
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.errors import KwsembedError, RunError
from kwsembed.progress import ProgressLine

# TensorFlow keeps a few hundred megabytes of every network that was traced, until its process ends.
# (ProcessPoolExecutor's max_tasks_per_child would do it, but hangs: github.com/python/cpython/issues/115634.)
_CELLS_PER_PROCESS = 4

Job = Callable[[Cell], object]
Prepare = Callable[[StudyPlan, str, str], Job]


def run_cells(
    plan: StudyPlan,
    folder: StudyFolder,
    cells: Sequence[Cell],
    *,
    processes: int,
    cache_dir: str,
    title: str,
    prepare: Prepare | None = None,
) -> None:
    """Runs the cells that are missing, in their order, `processes` at a time.

    Args:
        plan: The study.
        folder: Where results are and go.
        cells: All that should be there in the end.
        processes: How many at a time.
        cache_dir: Of the decoded audio.
        title: What the progress is called.
        prepare: Called in each process with plan, folder and cache; gives what runs a cell there. What trains
            and judges it if None.

    Raises:
        RunError: A process died.
        KwsembedError: What a cell raised.
    """
    missing = deque(cell for cell in cells if folder.result(cell) is None)
    folder.remove_work(cell for cell in cells if cell not in missing)
    show = ProgressLine(title, unit="cells", every_s=60.0)
    done = len(cells) - len(missing)
    show(done, len(cells))
    workers: list[_Worker] = []
    try:
        while missing or workers:
            while missing and len(workers) < processes:
                workers.append(_Worker(prepare or _trainer, plan, str(folder.root), cache_dir))
                workers[-1].give(missing.popleft())
            by_connection = {worker.connection: worker for worker in workers}
            for connection in wait(list(by_connection)):
                worker = by_connection[connection]  # type: ignore[index]  # only connections were asked for
                worker.take()
                done += 1
                show(done, len(cells))
                if missing and worker.given < _CELLS_PER_PROCESS:
                    worker.give(missing.popleft())
                else:
                    worker.dismiss()
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


class _Worker:
    """A fresh process, since TensorFlow does not survive a fork, that runs one cell after the other."""

    def __init__(self, prepare: Prepare, plan: StudyPlan, out: str, cache_dir: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_work, args=(theirs, prepare, plan, out, cache_dir), daemon=True
        )
        self.given = 0
        self._cell: Cell | None = None
        with _interrupts_ignored():  # inherited: an interrupt is for the parent, which ends this process
            self.process.start()
        theirs.close()

    def give(self, cell: Cell) -> None:
        """Begins a cell."""
        self._cell = cell
        self.given += 1
        with suppress(BrokenPipeError):  # it died at once, which `take` tells
            self.connection.send(cell)

    def take(self) -> None:
        """Waits for the cell's end.

        Raises:
            RunError: The process died.
            KwsembedError: What the cell raised.
        """
        try:
            error = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(timeout=10)
            raise RunError(
                "a process that trained has died, perhaps for want of memory",
                received=f"exit code {self.process.exitcode}",
                where=self._cell.name if self._cell else None,
                fix="give the same command again, with fewer --processes if memory is short; finished cells "
                "are kept",
            ) from None
        if error is not None:
            raise error

    def dismiss(self) -> None:
        """Lets the process end."""
        self.connection.close()
        self.process.join()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """While it lasts Ctrl-C does nothing; processes that are started meanwhile never hear it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set it, and only there does an interrupt arrive
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(connection: Connection, prepare: Prepare, plan: StudyPlan, out: str, cache_dir: str) -> None:
    """What a process does: takes cells and answers with None, or with the error of the cell."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: Job | None = None
    while True:
        try:
            cell = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        answer: KwsembedError | OSError | None = None
        try:
            job = job or prepare(plan, out, cache_dir)  # here, so that what it raises is told like the rest
            job(cell)
        except (KwsembedError, OSError) as error:
            answer = error
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            answer = KwsembedError(
                "a cell failed by a fault of ours, shown above",
                received=f"{type(error).__name__}: {error}",
                where=cell.name,
            )
        connection.send(answer)


def _end_with_parent() -> None:
    """Ends this process when its parent is killed, lest it go on with cells that the next sitting begins."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _trainer(plan: StudyPlan, out: str, cache_dir: str) -> Job:
    """Prepares training: on one thread, since several cells run side by side."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from kwsembed.comparison.cell import CellRunner

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return CellRunner(plan, StudyFolder(out), cache_dir=cache_dir).run
