"""`kwsembed export`: a run's network as the files that one kind of device needs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kwsembed
from kwsembed.errors import ConfigError, KwsembedError, MissingDependencyError

TARGETS = ("mobile", "web", "streaming", "micro", "esphome", "raspberry_pi")
"""All names of targets; `available` says which of them this installation makes."""

# Options that belong to some targets only, and their values where they are not given.
_OWN_OPTIONS = {
    "data": ("streaming", "esphome"),
    "keep_thresholds": ("streaming",),
    "hop_ms": ("streaming",),
    "state": ("streaming",),
    "int8_head": ("micro",),
    "app": ("mobile",),
    "event": ("esphome",),
}


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "export",
        help="make the files that a kind of device needs",
        description="Makes a folder for one kind of device from a finished run. Targets here: "
        f"{', '.join(available())}.",
        epilog="example: kwsembed export RUN --out STREAM --target streaming",
    )
    _add_options(parser)
    parser.add_argument("--target", required=True, metavar="NAME", help=", ".join(available()))


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    for option, targets in _OWN_OPTIONS.items():
        given = getattr(args, option)
        if given is not None and given is not False and args.target not in targets:
            raise ConfigError(
                "the target has no such option",
                expected=f"--{option.replace('_', '-')} with --target {' or '.join(targets)}",
                received=f"target={args.target}",
            )
    print(_module(args.target).run(args))
    return 0


def main(target: str, argv: Sequence[str] | None = None) -> int:
    """The command of one target, for `python -m export.<target>` in a clone; exit codes as of `kwsembed`."""
    name = f"export.{target}"
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=f"Makes a folder for {target} from a finished run.",
        epilog=f"example: python -m {name} RUN --out DIR",
    )
    _add_options(parser)
    args = parser.parse_args(argv)
    args.target = target
    try:
        return run(args)
    except KwsembedError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{name}: {error.strerror or error}: {error.filename}", file=sys.stderr)
        return 2


def available() -> tuple[str, ...]:
    """The targets whose module is there: in the package, or in the clone that it was installed from."""
    return tuple(target for target in TARGETS if _module_name(target) is not None)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run directory that `kwsembed train` made")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to make")
    parser.add_argument(
        "--data", metavar="DATA", help="streaming, esphome: the run's clips, if they are not where they were"
    )
    parser.add_argument(
        "--event",
        metavar="LABEL",
        help="esphome: the event that the model detects; needed where there are several",
    )
    parser.add_argument(
        "--keep-thresholds",
        action="store_true",
        help="streaming: do without the clips; keep the bundle's thresholds, not chosen for streams",
    )
    parser.add_argument(
        "--hop-ms",
        type=float,
        metavar="MS",
        help="streaming: audio per call, a multiple of the front end's hop; short hops cost more per second "
        "(default: the network's own, 160)",
    )
    parser.add_argument(
        "--state",
        choices=("passed", "variables"),
        help="streaming: states as inputs and outputs (default), or kept in the model as resource variables",
    )
    parser.add_argument(
        "--int8-head",
        action="store_true",
        help="micro: the head in int8 too, for cores without floating point; a little less exact",
    )
    parser.add_argument(
        "--app",
        action="store_true",
        help="mobile: the project of an Android app too, with the model in it; from a clone",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="accepted everywhere; here the seed of the run counts",
    )


def _module(target: str) -> Any:
    name = _module_name(target) if target in TARGETS else None
    if name is None:
        raise ConfigError(
            "there is no such target", expected=", ".join(available()), received=f"target={target}"
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"the target {target} needs {error.name}, which is not installed",
            fix="python -m pip install 'kwsembed[train]'",
        ) from error


def _module_name(target: str) -> str | None:
    package = Path(kwsembed.__file__).parent
    if (package / "export_targets" / f"{target}.py").exists():
        return f"kwsembed.export_targets.{target}"
    clone = package.parent / "export"
    if (clone / f"{target}.py").exists() or (clone / target / "__init__.py").exists():
        return f"export.{target}"
    return None
