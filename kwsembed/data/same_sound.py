"""Keeping the data's own clips out of folders of recordings: also under another name, or encoded anew.

A recording of noise or without a label that holds a clip of the data might be an event, or belong to the
validation or test split, and then a figure would be told of audio that training has heard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from kwsembed import atomic
from kwsembed.data.cache import PASSING, SkippedFile
from kwsembed.data.decoding import fingerprint as file_state
from kwsembed.data.recordings import apart_from, as_manifest
from kwsembed.manifest import Clip
from kwsembed.manifest.examine import examine
from kwsembed.manifest.near_duplicates import find_near_duplicates
from kwsembed.progress import Progress, silent

_FORMAT = 1  # of what is kept; changes with what counts as the same sound


def apart_from_clips(
    clips: Sequence[Clip],
    files: Sequence[Path],
    *,
    folder: Path,
    cache_dir: Path,
    kind: str,
    progress: Progress = silent,
) -> tuple[list[Path], list[SkippedFile]]:
    """Those files that are none of the clips of the data, and why others are not used.

    First the same files go, by path or content, then those that sound the same as a clip by the fingerprints
    of `kwsembed check`: at another gain or rate, a little trimmed, or encoded anew. What the fingerprints
    said is kept beside the decoded audio, and asked for again only of other files.

    Args:
        clips: Those of the data.
        files: Recordings.
        folder: Where the recordings lie, for their names.
        cache_dir: Where the answer is kept.
        kind: What the recordings are for, for the reason.
        progress: Called with files listened to, of both kinds, and how many there are.

    Example:
        >>> options = {"folder": Path("street"), "cache_dir": Path("cache"), "kind": "noise"}
        >>> apart_from_clips(store.clips, [Path("street/1.wav")], **options)  # doctest: +SKIP
        ([PosixPath('street/1.wav')], [])
    """
    kept, skipped = apart_from(clips, files, kind=kind)
    recordings = as_manifest(kept, folder, label=kind).clips if kept else ()
    same = _same_sounds(clips, recordings, cache_dir, progress)
    apart = [path for index, path in enumerate(kept) if index not in same]
    skipped += [
        SkippedFile(str(kept[index]), f"sounds the same as {name}, a clip of the data, so it is no {kind}")
        for index, name in sorted(same.items())
    ]
    return apart, skipped


def _same_sounds(
    clips: Sequence[Clip], recordings: Sequence[Clip], cache_dir: Path, progress: Progress
) -> dict[int, str]:
    """The number of each recording that sounds as a clip does, and that clip's name."""
    states = [file_state(clip, 0, context_s=0.0) for clip in (*clips, *recordings)]
    named = [_FORMAT, [clip.name for clip in clips], states]
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    path = cache_dir / f"same-sound-{digest[:24]}.json"
    try:
        return {int(index): str(name) for index, name in json.loads(path.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError):
        pass  # not asked before, or damaged
    # Files that cannot be decoded have no fingerprint; decoding them for training tells why.
    heard = examine([*clips, *recordings], progress=progress)
    matches = find_near_duplicates([one.fingerprint for one in heard], first_with_rest=len(clips))
    same = {match.second - len(clips): clips[match.first].name for match in matches}
    if not any(finding.reason in PASSING for one in heard for finding in one.findings):
        cache_dir.mkdir(parents=True, exist_ok=True)
        atomic.write_json(path, sorted(same.items()))
    return same
