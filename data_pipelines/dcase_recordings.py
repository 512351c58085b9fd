"""A folder of long recordings with DCASE annotations: annotated spans are events, the rest background."""

from __future__ import annotations

import itertools
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_pipelines.annotations import read_recordings
from data_pipelines.batches import split_datasets
from data_pipelines.command import Recipe, run
from data_pipelines.corpus import Corpus, IndexedFile, ValidationReport
from data_pipelines.manifests import choose, save_manifest
from kwsembed.audio.decode import AudioFileError, find_audio, probe
from kwsembed.config import TrainConfig
from kwsembed.errors import DataError, UserError
from kwsembed.manifest import Clip, Manifest
from kwsembed.manifest.annotations import COLUMNS
from kwsembed.progress import Progress, silent

if TYPE_CHECKING:
    import tensorflow as tf

CORPUS = Corpus(
    name="recordings with DCASE annotations",
    homepage="https://dcase.community/challenge2017/task-rare-sound-event-detection",
    citation="""\
@inproceedings{mesaros2017dcase,
  title = {{DCASE} 2017 challenge setup: Tasks, datasets and baseline system},
  author = {Mesaros, Annamaria and Heittola, Toni and Diment, Aleksandr and Elizalde, Benjamin and Shah, Ankit
            and Vincent, Emmanuel and Raj, Bhiksha and Virtanen, Tuomas},
  booktitle = {DCASE 2017 - Workshop on Detection and Classification of Acoustic Scenes and Events},
  year = {2017},
}""",
    licence="that of the recordings; TUT Rare Sound Events 2017 (DCASE 2017 task 2) brings its own",
)

DEFAULT_ANNOTATIONS = "annotations.tsv"
# Annotators place onsets and offsets to within about this much; the DCASE scores allow it too.
_MARGIN_S = 0.5
_SHORTEST_BACKGROUND_S = 1.0


def index(
    root: str | Path, *, annotations: Sequence[str] = (DEFAULT_ANNOTATIONS,)
) -> tuple[IndexedFile, ...]:
    """The annotated recordings with their sizes; nobody publishes checksums of a folder of one's own."""
    root = Path(root).resolve()
    return tuple(
        IndexedFile(_name(path, root), size_bytes=path.stat().st_size)
        for path in read_recordings(root, annotations)
    )


def validate(
    root: str | Path, *, annotations: Sequence[str] = (DEFAULT_ANNOTATIONS,), progress: Progress = silent
) -> ValidationReport:
    """Opens every annotated recording; one that cannot be opened, or ends before an event, is `changed`."""
    root = Path(root).resolve()
    recordings = read_recordings(root, annotations)
    changed = []
    for done, (path, events) in enumerate(recordings.items(), start=1):
        try:
            duration_s = probe(path).duration_s
            late = [event.where for event in events if event.offset_s > duration_s + _MARGIN_S]
            if late:
                changed.append(
                    f"{_name(path, root)} ends at {duration_s:.3f} s, before the event of {late[0]}"
                )
        except AudioFileError as error:
            changed.append(f"{_name(path, root)} ({error.reason})")
        progress(done, len(recordings))
    return ValidationReport(root, len(recordings), 0, (), tuple(changed))


def build_manifest(
    root: str | Path,
    *,
    annotations: Sequence[str] = (DEFAULT_ANNOTATIONS,),
    events: Sequence[str] = (),
    background_s: float = 10.0,
) -> Manifest:
    """Writes ROOT/manifest.csv: a row per event with its onset and offset, and background rows in between.

    Args:
        root: The folder with the recordings.
        annotations: Tables, relative to `root`.
        events: Event labels to detect; all if empty. Others are background where no chosen event is near.
        background_s: Longest background row; a longer stretch is cut into equal pieces. Stretches keep 0.5 s
            away from events, and those shorter than 1 s are left out.

    Returns:
        The manifest; its group is the recording. Recordings under `root` that no table names are left out,
        for nobody said what is in them, and counted in `warnings`.

    Example:
        >>> build_manifest("RECORDINGS", annotations=["events.tsv"])  # doctest: +SKIP
    """
    if not _SHORTEST_BACKGROUND_S <= background_s < math.inf:
        raise UserError(
            "the background rows would be of no use",
            expected=f"{_SHORTEST_BACKGROUND_S:g} s or more",
            received=f"background_s={background_s}",
        )
    root = Path(root).resolve()
    recordings = read_recordings(root, annotations)
    labels = {event.label for of_recording in recordings.values() for event in of_recording}
    if not labels:
        raise DataError(
            "the annotations hold no event", where=", ".join(str(root / name) for name in annotations)
        )
    chosen = choose(events, labels, option="--events") if events else tuple(labels)
    clips = []
    for path, of_recording in recordings.items():
        name = _name(path, root)
        duration_s = probe(path).duration_s
        spans = []
        for event in of_recording:
            if event.label not in chosen:
                continue
            offset_s = min(event.offset_s, duration_s)
            if offset_s <= event.onset_s:
                raise DataError(
                    "the event lies beyond the end of its recording",
                    expected=f"an onset before {duration_s:.3f} s",
                    received=f"onset={event.onset_s}",
                    where=event.where,
                )
            clips.append(Clip(path, name, event.label, name, onset_s=event.onset_s, offset_s=offset_s))
            spans.append((event.onset_s - _MARGIN_S, offset_s + _MARGIN_S))
        for onset_s, offset_s in _background(spans, duration_s=duration_s, longest_s=background_s):
            clips.append(Clip(path, name, "background", name, onset_s=onset_s, offset_s=offset_s))
    unnamed = [path for path in find_audio([root]) if path.resolve() not in recordings]
    notes = []
    if unnamed:
        notes.append(
            f"{len(unnamed)} recordings are in no table and left out, such as {unnamed[0].name}; "
            "a row with a filename alone declares one without events"
        )
    return save_manifest(root, clips, notes=notes)


def datasets(
    root: str | Path,
    *,
    annotations: Sequence[str] = (DEFAULT_ANNOTATIONS,),
    events: Sequence[str] = (),
    background_s: float = 10.0,
    config: TrainConfig | None = None,
    cache_dir: str | Path | None = None,
) -> dict[str, tf.data.Dataset]:
    """Builds the manifest and returns its batches per split, recordings being split by `config.seed`.

    Example:
        >>> train = datasets("RECORDINGS", annotations=["events.tsv"])["train"]  # doctest: +SKIP
    """
    manifest = build_manifest(root, annotations=annotations, events=events, background_s=background_s)
    return split_datasets(manifest, config=config, cache_dir=cache_dir)


def _background(
    spans: Sequence[tuple[float, float]], *, duration_s: float, longest_s: float
) -> Iterator[tuple[float, float]]:
    """Yields the stretches of [0, duration_s] outside `spans`, in equal pieces of at most `longest_s`."""
    position_s = 0.0
    for onset_s, offset_s in [*sorted(spans), (duration_s, duration_s)]:
        length_s = onset_s - position_s
        if length_s >= _SHORTEST_BACKGROUND_S:
            pieces = math.ceil(length_s / longest_s)
            edges = [position_s + length_s * piece / pieces for piece in range(pieces + 1)]
            # Whole milliseconds, rounded down: the last one must not lie beyond the file.
            edges = [math.floor(edge * 1000) / 1000 for edge in edges]
            yield from itertools.pairwise(edges)
        position_s = max(position_s, offset_s)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--annotations",
        nargs="+",
        metavar="TSV",
        default=(DEFAULT_ANNOTATIONS,),
        help=f"tables with {', '.join(COLUMNS)}, relative to ROOT (default: {DEFAULT_ANNOTATIONS})",
    )
    parser.add_argument(
        "--events", nargs="+", metavar="LABEL", default=(), help="labels to detect (default: all)"
    )
    parser.add_argument(
        "--background-s", type=float, default=10.0, metavar="S", help="longest background row (default: 10)"
    )


def _build(root: Path, arguments: Namespace) -> Manifest:
    return build_manifest(
        root, annotations=arguments.annotations, events=arguments.events, background_s=arguments.background_s
    )


RECIPE = Recipe(
    corpus=CORPUS,
    module="data_pipelines.dcase_recordings",
    example="RECORDINGS --annotations meta/event_list.csv --events babycry",
    add_options=_add_options,
    validate=lambda root, arguments, progress: validate(
        root, annotations=arguments.annotations, progress=progress
    ),
    build=_build,
)

if __name__ == "__main__":
    sys.exit(run(RECIPE))
