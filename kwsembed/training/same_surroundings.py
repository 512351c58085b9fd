"""Refuses to go on with a run, study or search under other further recordings than those it began with."""

from __future__ import annotations

import json
from pathlib import Path

from kwsembed import atomic
from kwsembed.data.surroundings import Surroundings
from kwsembed.data.unlabelled import Unlabelled
from kwsembed.errors import RunError

_KINDS = (
    ("noise_files", "recordings of noise"),
    ("impulse_responses", "impulse responses"),
    ("unlabelled_files", "recordings without labels"),
)


def check_same_surroundings(note: Path, surroundings: Surroundings | Unlabelled | None) -> None:
    """Refuses to go on with what other recordings began; notes them where nothing was begun yet.

    Args:
        note: File in the folder of the run, study or search.
        surroundings: Noise and rooms, or recordings without labels, of now; None for none.

    Raises:
        RunError: The folders of that name do not hold what they held at the start.
    """
    if surroundings is None or not surroundings.digest:
        return
    if not note.exists():
        atomic.write_json(note, surroundings.record())
        return
    now = surroundings.record() or {}
    try:
        earlier = json.loads(note.read_text(encoding="utf-8"))
        digest = earlier["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            "the note of the further recordings is damaged",
            received=f"{type(error).__name__}: {error}",
            where=note,
            fix="choose another --out; or, sure that they are the same, delete this file",
        ) from None
    if digest != now["sha256"]:
        raise RunError(
            f"this was started with other {_named(now)}, so it cannot be gone on with",
            expected=_counts(earlier),
            received=_counts(now),
            where=note,
            fix="give the same recordings as before, or choose another --out",
        )


def _named(record: dict[str, object]) -> str:
    return "recordings without labels" if "unlabelled_files" in record else "noise or impulse responses"


def _counts(record: dict[str, object]) -> str:
    found = [f"{record[name]} {what}" for name, what in _KINDS if name in record]
    return f"{' and '.join(found)} of SHA-256 {str(record['sha256'])[:12]}..."
