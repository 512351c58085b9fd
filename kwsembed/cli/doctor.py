"""`kwsembed doctor`: versions, interpreters, decoders, and a self-test."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kwsembed import __version__
from kwsembed.bundle import Bundle
from kwsembed.runtime.interpreter import RUNTIMES, runtime_status
from kwsembed.self_test import self_test

# What a search of a folder takes, by the names of libsndfile.
_FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "RF64", "W64")
_TRAINING_PACKAGES = (
    "tensorflow",
    "tensorflow-io",
    "keras",
    "keras-tuner",
    "scikit-learn",
    "matplotlib",
    "flatbuffers",
)


def add_parser(subparsers: Any) -> None:
    """Declares the command and its options."""
    parser = subparsers.add_parser(
        "doctor",
        help="what is installed, and does it work?",
        description="Lists versions, interpreters and decoders and runs a self-test; with a bundle, also "
        "computes its parity certificate anew and says whether this device agrees with the machine that made "
        "it. Exit code 1 if a part of detection does not work here.",
        epilog="example: kwsembed doctor --bundle RUN/bundle",
    )
    parser.add_argument(
        "--bundle", metavar="BUNDLE", help="also run this bundle's model and recompute its parity"
    )
    parser.add_argument(
        "--runtime", choices=RUNTIMES, help="interpreter to run it in (default: the first there)"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="as every command has it; nothing is random here"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command; 1 if something does not work."""
    bundle = Bundle.load(args.bundle) if args.bundle else None
    print(f"kwsembed {__version__}, Python {platform.python_version()}, NumPy {version('numpy')}")
    print(f"{platform.system()} {platform.release()} {platform.machine()}\n")

    print("interpreters")
    statuses = [runtime_status(name) for name in RUNTIMES]
    for status in statuses:
        _line(status.problem is None, status.name, status.problem or str(status.version), optional=True)
    interpretable = any(status.problem is None for status in statuses)
    if not interpretable:
        _line(False, "none", 'python -m pip install "kwsembed[edge]"')

    print("decoders")
    formats, detail = _decoders()
    _line(True, ", ".join(formats), detail)
    print("microphone")
    _line(*_microphone(), optional=True)
    print("training")
    for name in _TRAINING_PACKAGES:
        found = _version(name)
        _line(found is not None, name, found or "not installed", optional=True)

    print("self-test")
    checks = self_test(bundle, runtime=args.runtime)
    for check in checks:
        _line(check.passed, check.name, check.detail)
    if bundle is not None and "certificate" not in (bundle.parity or {}):
        _line(
            False,
            "parity",
            "not known: an older kwsembed made the bundle, without a certificate",
            optional=True,
        )
    return 0 if interpretable and all(check.passed for check in checks) else 1


def _line(good: bool, name: str, detail: str, *, optional: bool = False) -> None:
    mark = "ok" if good else "-" if optional else "FAILED"
    print(f"  {mark:<6} {name}: {detail}")


def _decoders() -> tuple[list[str], str]:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package without its library
        return ["WAV"], 'all others need soundfile: python -m pip install "soundfile>=0.12.1"'
    formats = [name for name in _FORMATS if name in soundfile.available_formats()]
    if "OPUS" in soundfile.available_subtypes("OGG"):
        formats.append("Opus")
    return formats, f"soundfile {soundfile.__version__}, {soundfile.__libsndfile_version__}"


def _microphone() -> tuple[bool, str, str]:
    try:
        import sounddevice
    except ModuleNotFoundError:
        return False, "sounddevice", 'not installed; python -m pip install "kwsembed[mic]"'
    except OSError as error:
        return False, "sounddevice", str(error)
    return True, "sounddevice", sounddevice.__version__


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
