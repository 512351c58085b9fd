"""ESC-50: 2,000 five-second clips of 50 everyday sounds; some are events to detect, all others background."""

from __future__ import annotations

import csv
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_pipelines.batches import split_datasets
from data_pipelines.command import Recipe, run
from data_pipelines.corpus import Corpus, IndexedFile, Remote, ValidationReport, check_files
from data_pipelines.manifests import choose, save_manifest
from kwsembed.config import TrainConfig
from kwsembed.errors import DataError
from kwsembed.manifest import Clip, Manifest
from kwsembed.progress import Progress, silent

if TYPE_CHECKING:
    import tensorflow as tf

# The last commit at the time of writing: a moving branch could not be checked against an index.
_COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"

CORPUS = Corpus(
    name="ESC-50",
    homepage="https://github.com/karolpiczak/ESC-50",
    citation="""\
@inproceedings{piczak2015dataset,
  title = {{ESC}: {Dataset} for {Environmental Sound Classification}},
  author = {Piczak, Karol J.},
  booktitle = {Proceedings of the 23rd {Annual ACM Conference} on {Multimedia}},
  date = {2015-10-13},
  url = {http://dl.acm.org/citation.cfm?doid=2733373.2806390},
  doi = {10.1145/2733373.2806390},
  location = {{Brisbane, Australia}},
  isbn = {978-1-4503-3459-4},
  publisher = {{ACM Press}},
  pages = {1015--1018}
}""",
    licence="CC BY-NC 3.0 (no commercial use), its ESC-10 subset CC BY 3.0; its LICENSE names every author",
    remote=Remote(
        url=f"https://github.com/karolpiczak/ESC-50/archive/{_COMMIT}.zip",
        filename="ESC-50.zip",
        size_bytes=645_832_161,
        # GitHub packs archives on demand and promises no checksum: every file inside is checked instead.
        sha256=None,
    ),
    folder="ESC-50",
    marker="meta/esc50.csv",
    published_index=Path(__file__).parent / "indexes" / "esc50.md5",
)

DEFAULT_EVENTS = ("crying_baby", "dog")  # both are in ESC-10 too
_FILE_NAME = re.compile(r"(?P<fold>[1-5])-(?P<src_file>\d+)-(?P<take>[A-Z])-(?P<target>\d+)\.wav")


@dataclass(frozen=True)
class _Take:
    filename: str
    fold: int
    category: str
    esc10: bool
    source: str


def index(root: str | Path) -> tuple[IndexedFile, ...]:
    """The 2,000 clips and the table of ESC-50, each with its published MD5."""
    return CORPUS.index(Path(root))


def validate(root: str | Path, *, progress: Progress = silent) -> ValidationReport:
    """Compares every file of ESC-50 under `root` with its published MD5."""
    return check_files(CORPUS.require(Path(root)), index(root), progress=progress)


def build_manifest(
    root: str | Path, *, events: Sequence[str] = DEFAULT_EVENTS, esc10: bool = False
) -> Manifest:
    """Writes ROOT/manifest.csv: official folds, the Freesound recording as the group, the rest background.

    What a background clip is stays known as its sublabel.

    Args:
        root: The folder that holds ESC-50, or ESC-50 itself.
        events: Categories to detect, as `meta/esc50.csv` spells them; every other clip becomes `background`.
        esc10: Whether to keep only the ten classes of ESC-10.

    Returns:
        The manifest; its `warnings` name the clips whose fold had to be changed: where the official folds
        put clips of one recording into two folds (four recordings, heard as hen and rooster or as clock
        tick and clock alarm), all of them go into the lower one, since a group must not be in two splits.

    Example:
        >>> build_manifest("ESC50", events=["dog", "crying_baby"])  # doctest: +SKIP
    """
    root = Path(root).resolve()
    folder = CORPUS.require(root)
    takes = [take for take in _read_table(folder / CORPUS.marker) if take.esc10 or not esc10]
    chosen = choose(events, {take.category for take in takes}, option="--events")
    home_folds: dict[str, int] = {}
    for take in takes:
        home_folds[take.source] = min(take.fold, home_folds.get(take.source, take.fold))

    clips, moved = [], []
    for take in takes:
        path = folder / "audio" / take.filename
        clips.append(
            Clip(
                path=path,
                name=path.relative_to(root).as_posix(),
                label=take.category if take.category in chosen else "background",
                group=f"fs{take.source}",
                fold=home_folds[take.source],
                sublabel=None if take.category in chosen else take.category,
            )
        )
        if take.fold != home_folds[take.source]:
            moved.append(f"{take.filename} to fold {home_folds[take.source]}")
    notes = [f"moved beside other clips of the same recording: {', '.join(moved)}"] if moved else []
    return save_manifest(root, clips, notes=notes)


def datasets(
    root: str | Path,
    *,
    events: Sequence[str] = DEFAULT_EVENTS,
    esc10: bool = False,
    test_folds: Sequence[int] | None = None,
    validation_folds: Sequence[int] | None = None,
    config: TrainConfig | None = None,
    cache_dir: str | Path | None = None,
) -> dict[str, tf.data.Dataset]:
    """Builds the manifest and returns its batches per split; see `build_manifest` and `split_datasets`.

    Example:
        >>> train = datasets("ESC50", events=["dog"], test_folds=[5])["train"]  # doctest: +SKIP
    """
    return split_datasets(
        build_manifest(root, events=events, esc10=esc10),
        test_folds=test_folds,
        validation_folds=validation_folds,
        config=config,
        cache_dir=cache_dir,
    )


def _read_table(path: Path) -> list[_Take]:
    """Reads `meta/esc50.csv`; every row must agree with its own file name, which says the same things."""
    takes = []
    with path.open(encoding="utf-8", newline="") as file:
        for row, cells in enumerate(csv.DictReader(file), start=2):
            named = _FILE_NAME.fullmatch(cells.get("filename") or "")
            if named is None or any(cells.get(column) != text for column, text in named.groupdict().items()):
                raise DataError(
                    "a row does not agree with its file name",
                    expected="fold-src_file-take-target.wav",
                    received=", ".join(f"{column}={text}" for column, text in cells.items()),
                    where=f"{path} row {row}",
                    fix="restore the published table",
                )
            takes.append(
                _Take(
                    filename=cells["filename"],
                    fold=int(cells["fold"]),
                    category=cells["category"],
                    esc10=cells["esc10"] == "True",
                    source=cells["src_file"],
                )
            )
    return takes


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--events",
        nargs="+",
        metavar="CATEGORY",
        default=DEFAULT_EVENTS,
        help=f"categories to detect; all others become background (default: {' '.join(DEFAULT_EVENTS)})",
    )
    parser.add_argument("--esc10", action="store_true", help="only the ten classes of ESC-10, which is CC BY")


def _build(root: Path, arguments: Namespace) -> Manifest:
    return build_manifest(root, events=arguments.events, esc10=arguments.esc10)


RECIPE = Recipe(
    corpus=CORPUS,
    module="data_pipelines.esc50",
    example="ESC50 --download --events crying_baby dog glass_breaking",
    add_options=_add_options,
    validate=lambda root, arguments, progress: validate(root, progress=progress),
    build=_build,
)

if __name__ == "__main__":
    sys.exit(run(RECIPE))
