"""Synthetic speech to ask a teacher of words about: random words by the synthesisers that are installed.

    python -m data_pipelines.synthetic_speech SPEECH --count 8000 --say yes no stop

writes recordings of one or two words each for `kwsembed train --unlabelled`. Nobody says what they are; the
teacher hears it. eSpeak NG is needed (`apt-get install espeak-ng`); Flite and Festival are used if they are
there, and sound more like people.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_pipelines.command import OneLineParser, reported
from kwsembed.cli.options import whole
from kwsembed.errors import DataError, UserError
from kwsembed.progress import Progress, ProgressLine, silent

WORD_LIST = Path("/usr/share/dict/words")  # of the package wamerican

_ACCENTS = ("en-us", "en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
_OTHER_LANGUAGES = ("de", "fr", "es", "it", "nl", "pl", "sv", "pt", "hi", "cmn", "ru", "tr")
_FLITE_VOICES = ("kal16", "awb", "rms", "slt")
_WORD = re.compile("[a-z]{2,10}")
_SHORTEST_BYTES = 1000  # a file below this holds no word


@dataclass(frozen=True)
class Speaker:
    """A synthesiser.

    Attributes:
        program: Its command.
        share: How much of the recordings it makes, relative to the others.
        arguments: From a random number generator, a text and a file to its command line.
        reads: Whether it takes the text from standard input.
    """

    program: str
    share: float
    arguments: Callable[[np.random.Generator, str, str], list[str]]
    reads: bool = False


def _espeak(random: np.random.Generator, text: str, file: str) -> list[str]:
    languages = _ACCENTS if random.random() < 0.85 else _OTHER_LANGUAGES
    voice = f"{random.choice(languages)}+{random.choice(espeak_variants())}"
    pitch, words_per_minute = str(random.integers(15, 86)), str(random.integers(110, 211))
    return ["espeak-ng", "-v", voice, "-p", pitch, "-s", words_per_minute, "-w", file, text]


def _flite(random: np.random.Generator, text: str, file: str) -> list[str]:
    stretch, pitch_hz = f"{random.uniform(0.7, 1.3):.2f}", f"{random.uniform(80, 240):.0f}"
    return [
        *("flite", "-voice", str(random.choice(_FLITE_VOICES))),
        *("--setf", f"duration_stretch={stretch}", "--setf", f"int_f0_target_mean={pitch_hz}"),
        *("-t", text, "-o", file),
    ]


def _festival(random: np.random.Generator, text: str, file: str) -> list[str]:
    return ["text2wave", "-eval", f"(voice_{random.choice(festival_voices())})", "-F", "16000", "-o", file]


SPEAKERS = (
    Speaker("espeak-ng", 0.55, _espeak),
    Speaker("flite", 0.30, _flite),
    Speaker("text2wave", 0.15, _festival, reads=True),
)


def espeak_variants() -> tuple[str, ...]:
    """The voice variants of eSpeak NG that are installed."""
    if "variants" not in _FOUND:
        told = subprocess.run(
            ["espeak-ng", "--voices=variant"], capture_output=True, text=True, check=False
        ).stdout
        _FOUND["variants"] = tuple(re.findall(r"!v/(\S+)", told)) or ("f1", "m1")
    return _FOUND["variants"]


def festival_voices() -> tuple[str, ...]:
    """The English voices of Festival that are installed."""
    if "voices" not in _FOUND:
        told = subprocess.run(
            ["festival", "-b", "(print (voice.list))"], capture_output=True, text=True, check=False
        ).stdout
        english = [name for name in re.findall(r"[\w-]+", told) if name.startswith(("kal", "ked", "cmu_us"))]
        _FOUND["voices"] = tuple(english) or ("kal_diphone",)
    return _FOUND["voices"]


_FOUND: dict[str, tuple[str, ...]] = {}


def synthesise(
    folder: str | os.PathLike[str],
    words: Sequence[str],
    *,
    say: Sequence[str] = (),
    say_share: float = 0.2,
    count: int = 8000,
    seed: int = 0,
    processes: int = 2,
    progress: Progress = silent,
) -> int:
    """Writes recordings of random words; those that are there already stay.

    Args:
        folder: Where to; made if it is not there.
        words: Of which one or two are said, at random.
        say: Words that are said by themselves besides, such as the keywords.
        say_share: How many of the recordings say one of these, 0 to 1; none if there are none.
        count: Recordings in all.
        seed: Of everything random: a recording's name says what is in it.
        processes: Synthesisers at a time.
        progress: Called with recordings done and in all.

    Returns:
        How many could not be made.

    Raises:
        UserError: eSpeak NG is not installed, or there is nothing to say.
        DataError: Not one could be made.

    Example:
        >>> synthesise("speech", ["river", "seven"], say=["yes"], count=1000)  # doctest: +SKIP
        0
    """
    speakers = [speaker for speaker in SPEAKERS if shutil.which(speaker.program)]
    if not any(speaker.program == "espeak-ng" for speaker in speakers):
        raise UserError(
            "eSpeak NG is not installed", fix="apt-get install espeak-ng, or brew install espeak-ng"
        )
    if not words:
        raise UserError("there is no word to say", expected=f"words of 2 to 10 letters a-z in {WORD_LIST}")
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    shares = np.array([speaker.share for speaker in speakers])

    def one(number: int) -> bool:
        random = np.random.default_rng((seed, number))
        keyword = bool(say) and random.random() < say_share
        said = [random.choice(say)] if keyword else random.choice(words, random.choice([1, 1, 2]))
        speaker = speakers[random.choice(len(speakers), p=shares / shares.sum())]
        return _said(root / f"{seed}-{number:06d}.wav", " ".join(map(str, said)), speaker, random)

    made = 0
    with ThreadPoolExecutor(processes) as pool:
        for done, well in enumerate(pool.map(one, range(count)), 1):
            made += well
            progress(done, count)
    if not made:
        raise DataError("no synthesiser could say a word", where=root, fix="try espeak-ng by hand")
    return count - made


def _said(file: Path, text: str, speaker: Speaker, random: np.random.Generator) -> bool:
    """Has a text said into a file, under another name until it is whole; whether that went well."""
    if file.exists():
        return True
    partial = file.with_name(f".{file.name}.part")
    subprocess.run(
        speaker.arguments(random, text, str(partial)),
        input=text if speaker.reads else None,
        capture_output=True,
        text=True,
        check=False,
    )
    well = partial.exists() and partial.stat().st_size > _SHORTEST_BYTES
    if well:
        partial.replace(file)
    else:
        partial.unlink(missing_ok=True)
    return well


def words_in(path: Path, *, apart_from: Sequence[str] = ()) -> list[str]:
    """The words of 2 to 10 small letters in a list of one word a line.

    Raises:
        UserError: The list cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split()
    except OSError as error:
        raise UserError(
            f"the list of words cannot be read: {error.strerror}",
            where=path,
            fix="apt-get install wamerican, or name a list with --words",
        ) from None
    return [word for word in lines if _WORD.fullmatch(word) and word not in set(apart_from)]


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see `reported` for what it returns."""
    return reported("data_pipelines.synthetic_speech", lambda: _speak(argv))


def _speak(argv: Sequence[str] | None) -> None:
    parser = OneLineParser(prog="python -m data_pipelines.synthetic_speech", description=__doc__)
    parser.add_argument("folder", metavar="SPEECH", type=Path, help="where the recordings go")
    parser.add_argument("--count", type=whole, default=8000, help="recordings in all (default: 8000)")
    parser.add_argument("--say", nargs="+", default=[], metavar="WORD", help="keywords to be said besides")
    parser.add_argument(
        "--words", type=Path, default=WORD_LIST, metavar="FILE", help=f"a word a line (default: {WORD_LIST})"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=whole, default=2, metavar="N", help="at a time (default: 2)")
    arguments = parser.parse_args(argv)
    failed = synthesise(
        arguments.folder,
        words_in(arguments.words, apart_from=arguments.say),
        say=arguments.say,
        count=arguments.count,
        seed=arguments.seed,
        processes=arguments.processes,
        progress=ProgressLine("speaking", unit="recordings"),
    )
    if failed:
        print(f"{failed} of {arguments.count} could not be made")
    print(f"next:\nkwsembed train DATA --out RUN --teacher MODEL.tflite --unlabelled {arguments.folder}")


if __name__ == "__main__":
    sys.exit(main())
