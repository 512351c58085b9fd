"""The cache of decoded audio: each file decoded once, into TFRecord shards that may be deleted."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed import atomic
from kwsembed.audio.decode import AudioFileError
from kwsembed.audio.wav import to_float
from kwsembed.data.decoding import CONTEXT_S, DecodedClip, decode_clip, fingerprint
from kwsembed.data.shards import file_sha256, write_shard
from kwsembed.errors import AudioError, DataError
from kwsembed.manifest import Clip, Manifest
from kwsembed.progress import Progress, silent

_CLIPS_PER_SHARD = 64
_THREADS = 2
PASSING = ("missing", "unreadable", "unsupported")
"""Why a file is left out, where that may pass while it stays the same: a permission, a decoder that comes."""


@dataclass(frozen=True)
class SkippedFile:
    """A file of the manifest that was not used, or not in full, and why."""

    name: str
    reason: str


class ClipStore:
    """Decoded clips, read from the cache by memory map: memory holds what is being read, not the store.

    Attributes:
        clips: The usable clips, in the manifest's order.
        samples: `(clips,)` int64 length of each, at the model's rate.
        segments: For each clip `(regions, 2)` its active regions, in samples.
        skipped: Files that could not be used.
        cut: Files of which only the first hour is used.
        clipped: Files that reach full scale in runs of samples; used all the same.
    """

    def __init__(
        self, entries: Sequence[tuple[Clip, Path, dict[str, Any]]], skipped: Sequence[SkippedFile]
    ) -> None:
        self.clips = tuple(clip for clip, _, _ in entries)
        self.samples = np.array([record["samples"] for _, _, record in entries], np.int64)
        self.segments = [np.array(record["segments"], np.int64).reshape(-1, 2) for _, _, record in entries]
        self.skipped = tuple(skipped)
        self.cut = _with_finding(entries, "cut", "only the first hour is used")
        self.clipped = _with_finding(entries, "clipped", "reaches full scale in runs of samples")
        self._paths = [path for _, path, _ in entries]
        self._positions = [record["position"] for _, _, record in entries]
        self._maps: dict[Path, np.memmap] = {}

    def with_splits(self, splits: Sequence[str | None]) -> ClipStore:
        """The same audio with another split for each clip; None for one that is left out of all."""
        other = copy.copy(self)
        other.clips = tuple(
            replace(clip, split=split) for clip, split in zip(self.clips, splits, strict=True)
        )
        return other

    @property
    def folder(self) -> Path:
        """Where the decoded audio of a store that is not empty lies."""
        return self._paths[0].parent

    def identity(self, index: int) -> str:
        """Where a clip's audio is kept; a shard of the same name never holds other audio."""
        return f"{self._paths[index].name}:{self._positions[index]}"

    def read(self, index: int, start: int, stop: int) -> np.ndarray:
        """Samples [start, stop) of a clip, int16."""
        path = self._paths[index]
        if path not in self._maps:
            self._maps[path] = np.memmap(path, np.uint8, mode="r")
        first = self._positions[index] + 2 * start
        return np.frombuffer(self._maps[path][first : first + 2 * (stop - start)].tobytes(), "<i2")

    def waveform(self, index: int) -> np.ndarray:
        """A whole clip, float32 in [-1, 1)."""
        return to_float(self.read(index, 0, int(self.samples[index])))


def default_cache_dir(data: str | os.PathLike[str]) -> Path:
    """Where the audio of a data set is kept: below KWSEMBED_CACHE, or ~/.cache/kwsembed."""
    root = Path(os.environ.get("KWSEMBED_CACHE") or Path.home() / ".cache" / "kwsembed")
    return root / hashlib.sha256(str(Path(data).resolve()).encode()).hexdigest()[:16]


def build_cache(
    manifest: Manifest,
    *,
    cache_dir: str | os.PathLike[str],
    sample_rate_hz: int = 16000,
    progress: Progress = silent,
) -> ClipStore:
    """Decodes what the cache does not hold yet, and opens it.

    Clips are decoded in shards of 64 in the manifest's order; a shard is named for what its clips depend on
    (path, size and time of change of the files, part, rate), so a changed file is decoded anew with its
    neighbours. So is a damaged or missing shard, and one with a file that could not be opened. A build that
    is killed leaves finished shards; what it had begun is removed by a later build.

    Args:
        manifest: The clips.
        cache_dir: Folder of the shards; made if missing.
        sample_rate_hz: The model's rate.
        progress: Called with clips done and clips in all.

    Returns:
        The store; `skipped` names the files that could not be used.

    Raises:
        DataError: Not one clip can be used.
        OSError: The cache cannot be written.

    Example:
        >>> store = build_cache(read_manifest("sounds"), cache_dir="cache")  # doctest: +SKIP
        >>> store.waveform(0)  # doctest: +SKIP
    """
    folder = Path(cache_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for names in ("*.tfrecord", "*.json"):
        atomic.remove_leftovers(folder, names)
    entries: list[tuple[Clip, Path, dict[str, Any]]] = []
    skipped: list[SkippedFile] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(0, len(manifest.clips), _CLIPS_PER_SHARD):
            clips = manifest.clips[first : first + _CLIPS_PER_SHARD]
            contexts_s = [0.0 if clip.label in manifest.background_labels else CONTEXT_S for clip in clips]
            path, records = _shard(clips, contexts_s, folder, sample_rate_hz, pool)
            for clip, record in zip(clips, records, strict=True):
                if "reason" in record:
                    skipped.append(SkippedFile(clip.name, record["reason"]))
                else:
                    entries.append((clip, path, record))
            progress(first + len(clips), len(manifest.clips))
    if not entries:
        raise DataError(
            "not one audio file of the data can be used",
            received=f"{len(skipped)} skipped, the first: {skipped[0].name}: {skipped[0].reason}",
            where=manifest.source,
        )
    return ClipStore(entries, skipped)


def _shard(
    clips: Sequence[Clip],
    contexts_s: Sequence[float],
    folder: Path,
    sample_rate_hz: int,
    pool: ThreadPoolExecutor,
) -> tuple[Path, list[dict[str, Any]]]:
    """Path and records of a shard: as it lies in the cache if it is sound, else decoded anew."""
    prints = [
        fingerprint(clip, sample_rate_hz, context_s=context_s)
        for clip, context_s in zip(clips, contexts_s, strict=True)
    ]
    stem = hashlib.sha256("\n".join(prints).encode()).hexdigest()[:24]
    path, index_path = folder / f"{stem}.tfrecord", folder / f"{stem}.json"
    try:
        index = json.loads(index_path.read_text(encoding="utf-8"))
        passing = any(record.get("passing") for record in index["records"])
        if not passing and path.exists() and file_sha256(path) == index["sha256"]:
            return path, index["records"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        pass  # absent or damaged: decoded anew
    records: list[dict[str, Any]] = []

    def usable() -> Iterator[bytes]:
        """PCM of clip after clip, none of which is kept: they may be hours long."""
        for item in _in_turn(pool, partial(_decoded_or_error, sample_rate_hz), clips, contexts_s):
            if isinstance(item, AudioError):
                records.append(_record_of(item))
            else:
                records.append(
                    {
                        "samples": len(item.pcm),
                        "segments": item.segments.tolist(),
                        "findings": list(item.findings),
                    }
                )
                yield item.pcm.tobytes()

    positions, digest = write_shard(path, usable())
    written = (record for record in records if "samples" in record)
    for record, position in zip(written, positions, strict=True):
        record["position"] = position
    # The index comes last: without it a shard does not exist.
    atomic.write_json(index_path, {"sha256": digest, "records": records})
    return path, records


def _in_turn(
    pool: ThreadPoolExecutor,
    decoder: Callable[[Clip, float], DecodedClip | AudioError],
    clips: Sequence[Clip],
    contexts_s: Sequence[float],
) -> Iterator[DecodedClip | AudioError]:
    """As `pool.map`, but no more clips are decoded ahead than there are threads."""
    waiting: deque[Future[DecodedClip | AudioError]] = deque()
    for arguments in zip(clips, contexts_s, strict=True):
        waiting.append(pool.submit(decoder, *arguments))
        if len(waiting) > _THREADS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decoded_or_error(sample_rate_hz: int, clip: Clip, context_s: float) -> DecodedClip | AudioError:
    try:
        return decode_clip(clip, sample_rate_hz, context_s=context_s)
    except AudioError as error:
        return error


def _record_of(error: AudioError) -> dict[str, Any]:
    """Why a clip is skipped, and whether that may pass while its file stays the same."""
    if not isinstance(error, AudioFileError):
        return {"reason": str(error)}
    record: dict[str, Any] = {"reason": error.detail}
    return record | {"passing": True} if error.reason in PASSING else record


def _with_finding(
    entries: Sequence[tuple[Clip, Path, dict[str, Any]]], finding: str, reason: str
) -> tuple[SkippedFile, ...]:
    return tuple(
        SkippedFile(clip.name, reason) for clip, _, record in entries if finding in record["findings"]
    )
