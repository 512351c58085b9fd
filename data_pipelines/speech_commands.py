"""Speech Commands v0.02: 105,829 one-second words by 2,618 speakers, and six long recordings of noise."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_pipelines.batches import split_datasets
from data_pipelines.command import Recipe, run
from data_pipelines.corpus import Corpus, IndexedFile, Remote, ValidationReport, check_files
from data_pipelines.manifests import choose, save_manifest
from kwsembed.audio.decode import probe
from kwsembed.config import TrainConfig
from kwsembed.errors import DataError
from kwsembed.manifest import Clip, Manifest
from kwsembed.progress import Progress, silent

if TYPE_CHECKING:
    import tensorflow as tf

CORPUS = Corpus(
    name="Speech Commands v0.02",
    homepage="https://arxiv.org/abs/1804.03209",
    citation="""\
@article{speechcommandsv2,
  author = {{Warden}, P.},
  title = "{Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition}",
  journal = {ArXiv e-prints},
  archivePrefix = "arXiv",
  eprint = {1804.03209},
  primaryClass = "cs.CL",
  keywords = {Computer Science - Computation and Language, Computer Science - Human-Computer Interaction},
  year = 2018,
  month = apr,
  url = {https://arxiv.org/abs/1804.03209},
}""",
    licence="CC BY 4.0",
    remote=Remote(
        url="https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        filename="speech_commands_v0.02.tar.gz",
        size_bytes=2_428_923_189,
        # As TensorFlow Datasets and torchaudio publish it.
        sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
    ),
    folder="speech_commands_v0.02",
    marker="testing_list.txt",
)

DEFAULT_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
NOISE_FOLDER = "_background_noise_"
# A recording is a group, so each of the six serves one split; any other noise trains.
_NOISE_SPLITS = {"running_tap": "validation", "exercise_bike": "test"}
_NOISE_PIECE_S = 1.0
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
_FILE_NAME = re.compile(r"(?P<speaker>[0-9a-f]{8})_nohash_\d+\.wav")


def index(root: str | Path) -> tuple[IndexedFile, ...]:
    """Every file with the MD5 recorded while the verified archive was unpacked.

    A copy unpacked by hand has no such record: then the files of the two official lists, without checksums.
    """
    recorded = CORPUS.index(Path(root))
    return recorded or tuple(IndexedFile(name) for name in _official_splits(CORPUS.require(Path(root))))


def validate(root: str | Path, *, progress: Progress = silent) -> ValidationReport:
    """Compares every file of Speech Commands under `root` with `index`."""
    return check_files(CORPUS.require(Path(root)), index(root), progress=progress)


def build_manifest(root: str | Path, *, words: Sequence[str] = DEFAULT_WORDS) -> Manifest:
    """Writes ROOT/manifest.csv: the official split, the speaker as the group, unknown words as sublabels.

    Args:
        root: The folder that holds the corpus, or the corpus itself.
        words: Words to detect; every other word becomes `_unknown_`. The noise recordings become
            `_silence_`, cut into pieces of one second: four recordings train, running_tap validates,
            exercise_bike tests.

    Example:
        >>> build_manifest("SPEECH", words=["yes", "no"])  # doctest: +SKIP
    """
    root = Path(root).resolve()
    folder = CORPUS.require(root)
    spoken = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))
    )
    chosen = choose(words, spoken, option="--words")
    splits = _official_splits(folder)
    clips = []
    for word in spoken:
        label = word if word in chosen else "_unknown_"
        for path in sorted((folder / word).glob("*.wav")):
            named = _FILE_NAME.fullmatch(path.name)
            if named is None:
                raise DataError(
                    "the file name does not say who speaks", expected="speaker_nohash_take.wav", where=path
                )
            split = splits.get(f"{word}/{path.name}", "train")
            name = path.relative_to(root).as_posix()
            clips.append(
                Clip(
                    path=path,
                    name=name,
                    label=label,
                    group=named["speaker"],
                    split=split,
                    sublabel=None if label == word else word,
                )
            )
    clips.extend(_noise_clips(root, folder / NOISE_FOLDER))
    return save_manifest(root, clips)


def datasets(
    root: str | Path,
    *,
    words: Sequence[str] = DEFAULT_WORDS,
    config: TrainConfig | None = None,
    cache_dir: str | Path | None = None,
) -> dict[str, tf.data.Dataset]:
    """Builds the manifest and returns its batches per split; see `build_manifest` and `split_datasets`.

    Example:
        >>> train = datasets("SPEECH", words=["yes", "no"])["train"]  # doctest: +SKIP
    """
    return split_datasets(build_manifest(root, words=words), config=config, cache_dir=cache_dir)


def _official_splits(folder: Path) -> dict[str, str]:
    """Maps `word/file.wav` to validation or test; what neither list names trains."""
    return {
        line: split
        for split, name in _LISTS.items()
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
        if line
    }


def _noise_clips(root: Path, folder: Path) -> Iterator[Clip]:
    for path in sorted(folder.glob("*.wav")):
        for piece in range(int(probe(path).duration_s // _NOISE_PIECE_S)):
            yield Clip(
                path=path,
                name=path.relative_to(root).as_posix(),
                label="_silence_",
                group=path.stem,
                split=_NOISE_SPLITS.get(path.stem, "train"),
                onset_s=piece * _NOISE_PIECE_S,
                offset_s=(piece + 1) * _NOISE_PIECE_S,
            )


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--words",
        nargs="+",
        metavar="WORD",
        default=DEFAULT_WORDS,
        help=f"words to detect; all others become _unknown_ (default: {' '.join(DEFAULT_WORDS)})",
    )


RECIPE = Recipe(
    corpus=CORPUS,
    module="data_pipelines.speech_commands",
    example="SPEECH --download --words yes no stop go",
    add_options=_add_options,
    validate=lambda root, arguments, progress: validate(root, progress=progress),
    build=lambda root, arguments: build_manifest(root, words=arguments.words),
)

if __name__ == "__main__":
    sys.exit(run(RECIPE))
