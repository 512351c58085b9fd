"""Runs cells over processes: so many at a time, none left behind when the study is stopped or killed."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from kwsembed.comparison.study import Cell, StudyFolder, StudyPlan
from kwsembed.errors import RunError
from kwsembed.progress import ProgressLine


def run_cells(
    plan: StudyPlan,
    folder: StudyFolder,
    cells: Sequence[Cell],
    *,
    processes: int,
    cache_dir: str,
    title: str,
) -> None:
    """Runs the cells that are missing, in their order, `processes` at a time.

    Args:
        plan: The study.
        folder: Where results are and go.
        cells: All that should be there in the end.
        processes: How many at a time.
        cache_dir: Of the decoded audio.
        title: What the progress is called.

    Raises:
        RunError: A process died.
    """
    missing = [cell for cell in cells if folder.result(cell) is None]
    show = ProgressLine(title, unit="cells", every_s=60.0)
    done = len(cells) - len(missing)
    show(done, len(cells))
    if not missing:
        return
    # Fresh processes, since TensorFlow does not survive a fork.
    pool = ProcessPoolExecutor(
        min(processes, len(missing)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(plan, str(folder.root), cache_dir),
    )
    workers: list[Any] = []
    try:
        with _interrupts_ignored():  # our processes inherit that: the interrupt is for us, we end them
            waiting = {pool.submit(_run_cell, cell) for cell in missing}
            workers = multiprocessing.active_children()
        for _ in _finished(waiting):
            done += 1
            show(done, len(cells))
    except BrokenProcessPool:
        raise RunError(
            "a process that trained a cell has died, perhaps for want of memory",
            received=f"{done} of {len(cells)} cells done",
            where=folder.root,
            fix="give the same command again, with fewer --processes if memory is short; nothing is lost",
        ) from None
    finally:
        if done < len(cells):
            for worker in workers:
                worker.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _finished(waiting: set[Future[None]]) -> Iterator[None]:
    while waiting:
        ready, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in ready:
            future.result()
            yield


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set it, and only there does an interrupt arrive
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_runner: Any = None


def _start_worker(plan: StudyPlan, out: str, cache_dir: str) -> None:
    """Prepares a process for cells: one thread, since several cells run side by side."""
    global _runner
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from kwsembed.comparison.cell import CellRunner

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _runner = CellRunner(plan, StudyFolder(out), cache_dir=cache_dir)


def _end_with_parent() -> None:
    """Ends this process when its parent is killed, lest it go on with cells that the next sitting begins."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run_cell(cell: Cell) -> None:
    _runner.run(cell)
