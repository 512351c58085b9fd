"""The `kwsembed` command: finds the subcommand, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from kwsembed import __version__
from kwsembed.atomic import reason
from kwsembed.cli.audio_files import accept_any_name
from kwsembed.cpu_kernels import prefer_onednn
from kwsembed.errors import KwsembedError

COMMANDS = (
    "demo",
    "check",
    "train",
    "compare",
    "tune",
    "evaluate",
    "export",
    "classify",
    "detect",
    "wyoming",
    "calibrate",
    "mine",
    "refit",
    "add",
    "doctor",
)
"""Each names a module of this package with `add_parser(subparsers)` and `run(args)`."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line, as commands do with everything else."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; importing them loads neither TensorFlow nor an interpreter."""
    parser = _Parser(
        prog="kwsembed", description="Train, judge and run detectors for rare sounds and keywords."
    )
    parser.add_argument("--version", action="version", version=f"kwsembed {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"kwsembed.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 done, 1 a fault of ours, 2 a fault in what was asked or given, 130 interrupted.
    """
    # TensorFlow's start-up notes would bury what we say; an explicit setting of the user's wins.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    prefer_onednn()
    accept_any_name(sys.stdout)
    args = build_parser().parse_args(argv)
    module = importlib.import_module(f"kwsembed.cli.{args.command}")
    try:
        with _telling_warnings(args.command):
            return module.run(args)
    except KwsembedError as error:
        return _failed(args.command, str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`: nothing is wrong, but Python would still flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a folder that may not be written: the file system refused what was asked.
        where = f": {error.filename}" if error.filename else ""
        return _failed(args.command, f"{reason(error)}{where}", 2)
    except KeyboardInterrupt:
        return _failed(args.command, "interrupted", 130)


class _Lines(logging.Handler):
    """Writes each warning of the package once, as a line like the command's own."""

    def __init__(self, command: str) -> None:
        super().__init__(logging.WARNING)
        self._command = command
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._told:  # a folder may be searched more than once
            self._told.add(text)
            print(f"kwsembed {self._command}: {text}", file=sys.stderr)


@contextlib.contextmanager
def _telling_warnings(command: str) -> Iterator[None]:
    logger = logging.getLogger("kwsembed")
    lines, propagates = _Lines(command), logger.propagate
    logger.addHandler(lines)
    logger.propagate = False  # else whoever logs for TensorFlow would write them again
    try:
        yield
    finally:
        logger.propagate = propagates
        logger.removeHandler(lines)


def _failed(command: str, text: str, exit_code: int) -> int:
    print(f"kwsembed {command}: {text}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
