"""What `classify`, `detect` and `wyoming` share: options, unusable files, progress beside the output."""

from __future__ import annotations

import argparse
import codecs
import io
import sys
from pathlib import Path
from typing import TextIO

from kwsembed.cli.options import label_threshold
from kwsembed.errors import AudioError, UserError
from kwsembed.progress import Progress, ProgressLine, silent
from kwsembed.runtime.interpreter import ENVIRONMENT_VARIABLE, RUNTIMES


def add_runtime_options(parser: argparse.ArgumentParser) -> None:
    """Adds BUNDLE, --runtime and --seed."""
    parser.add_argument("bundle", metavar="BUNDLE", help="bundle folder, such as RUN/bundle")
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help=f"interpreter (default: ${ENVIRONMENT_VARIABLE}, or the first that is installed)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="as every command has it; nothing is random here"
    )


def add_threshold_option(parser: argparse.ArgumentParser) -> None:
    """Adds --threshold."""
    parser.add_argument(
        "--threshold",
        type=label_threshold,
        action="append",
        default=[],
        metavar="LABEL=X",
        help="replace a label's threshold (repeatable); above 1 it silences the label",
    )


class FileTally:
    """Counts the files that were used and reports those that were not.

    Args:
        command: Name of the command, for its messages.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._used = 0
        self._skipped = 0

    def used(self) -> None:
        """Counts a file that was used."""
        self._used += 1

    def skipped(self, error: AudioError) -> None:
        """Counts a file that was not used and says why; the error names the file."""
        self._skipped += 1
        self._say(f"skipped: {error}")

    def finish(self, *, used: int = 0) -> int:
        """Says how many files were skipped, if any; returns the exit code: 2 if none could be used.

        Args:
            used: Files that were used and not counted one by one.
        """
        self._used += used
        if self._skipped:
            self._say(f"{self._skipped} of {self._used + self._skipped} files were skipped")
        return 0 if self._used else 2

    def _say(self, text: str) -> None:
        print(f"kwsembed {self._command}: {text}", file=sys.stderr)


def table_output() -> TextIO:
    """Standard output, able to write any file name there is, also one that is no valid UTF-8.

    Raises:
        UserError: Standard output is closed.
    """
    if sys.stdout is None:  # as after `>&-`
        raise UserError("standard output is closed")
    accept_any_name(sys.stdout)
    return sys.stdout


def accept_any_name(stream: TextIO | None) -> None:
    """Lets a stream write what its encoding lacks: a traceback half way would be worse than an escape."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_ANY_NAME)


def _as_bytes_or_escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Writes a byte of a file name that is no text as that byte, what the encoding lacks as `\\xfc`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    error.end = error.start + 1  # one at a time: either kind may follow the other
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.backslashreplace_errors(error)


_ANY_NAME = "kwsembed.any_name"
codecs.register_error(_ANY_NAME, _as_bytes_or_escaped)


def progress_beside_output(title: str, *, unit: str) -> Progress:
    """Progress on standard error, unless the rows themselves appear on the same terminal and show it."""
    return silent if sys.stdout.isatty() else ProgressLine(title, unit=unit)


def named(error: AudioError, path: Path) -> AudioError:
    """The error, with the file's name in it."""
    return error if str(path) in str(error) else AudioError(f"{path}: {error}")
