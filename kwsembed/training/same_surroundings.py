"""Refuses to go on with a run under other noise or other rooms than those that it began with."""

from __future__ import annotations

import json

from kwsembed import atomic
from kwsembed.data.surroundings import Surroundings
from kwsembed.errors import RunError
from kwsembed.training.run_directory import RunDirectory


def check_same_surroundings(run: RunDirectory, surroundings: Surroundings) -> None:
    """Refuses to go on with a run that other recordings began; notes them in a new run.

    Raises:
        RunError: The folders of that name do not hold what they held when the run was started.
    """
    if not surroundings.digest:
        return
    if not run.surroundings.exists():
        atomic.write_json(run.surroundings, surroundings.record())
        return
    earlier, now = json.loads(run.surroundings.read_text(encoding="utf-8")), surroundings.record() or {}
    if earlier["sha256"] != now["sha256"]:
        raise RunError(
            "this was started with other noise or impulse responses, so it cannot be gone on with",
            expected=_counts(earlier),
            received=_counts(now),
            where=run.surroundings,
            fix="give the same recordings as before, or choose another --out",
        )


def _counts(record: dict[str, object]) -> str:
    found = [
        f"{record[name]} {what}"
        for name, what in (("noise_files", "recordings of noise"), ("impulse_responses", "impulse responses"))
        if name in record
    ]
    return f"{' and '.join(found)} of SHA-256 {str(record['sha256'])[:12]}..."
