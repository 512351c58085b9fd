"""The command line of the Android export."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.android.project import export_android, made
from kwsembed.errors import KwsembedError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the export; 2 for what was asked or given wrongly."""
    parser = argparse.ArgumentParser(
        prog="python -m export.android",
        description="Makes the project of an Android app that listens with the bundle's model.",
        epilog="example: python -m export.android RUN --out listen, then open listen in Android Studio",
    )
    parser.add_argument("source", metavar="RUN", type=Path, help="run directory or bundle folder")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to make")
    args = parser.parse_args(argv)
    try:
        print(made(export_android(args.source, args.out)))
    except KwsembedError as error:
        print(f"export.android: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"export.android: {error.strerror or error}: {error.filename}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
