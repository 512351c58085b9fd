"""Refuses to go on with a run or a study under another teacher; needs no TensorFlow, as opening one does."""

from __future__ import annotations

import json
from pathlib import Path

from kwsembed import atomic
from kwsembed.errors import RunError
from kwsembed.training.run_directory import RunDirectory


def check_same_teacher(run: RunDirectory, record: dict[str, str] | None) -> None:
    """Refuses to go on with a run that another teacher's file began; notes the file in a new run.

    Raises:
        RunError: The file of that name is not the one that the run was started with.
    """
    if record is None:
        return
    if run.teacher.exists():
        refuse_another(json.loads(run.teacher.read_text(encoding="utf-8")), record, where=run.teacher)
    else:
        atomic.write_json(run.teacher, record)


def refuse_another(earlier: dict[str, str], record: dict[str, str], *, where: Path) -> None:
    """Takes the teacher that a run or a study was started with.

    Args:
        earlier: What was noted then, as `teacher_record` gives it.
        record: The teacher of now.
        where: File with the note.

    Raises:
        RunError: It is another one.
    """
    if earlier != record:
        raise RunError(
            "this was started with another teacher, so it cannot be gone on with",
            expected=f"{earlier['file']} of SHA-256 {earlier['sha256'][:12]}...",
            received=f"{record['file']} of SHA-256 {record['sha256'][:12]}...",
            where=where,
            fix="give the same file as before, or choose another --out",
        )
