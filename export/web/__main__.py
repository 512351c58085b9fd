"""The command line of the web export."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.web.folder import export_web, made
from kwsembed.errors import KwsembedError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the export; 2 for what was asked or given wrongly."""
    parser = argparse.ArgumentParser(
        prog="python -m export.web",
        description="Makes a folder of static files: a page that runs the bundle's model in the browser.",
        epilog="example: python -m export.web RUN --out page && python -m http.server -d page 8000",
    )
    parser.add_argument("source", metavar="RUN", type=Path, help="run directory or bundle folder")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to make or renew")
    parser.add_argument(
        "--packages",
        metavar="DIR",
        type=Path,
        help="node_modules with @mediapipe/tasks-audio (default: export/web/node_modules)",
    )
    args = parser.parse_args(argv)
    try:
        print(made(export_web(args.source, args.out, packages=args.packages)))
    except KwsembedError as error:
        print(f"export.web: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"export.web: {error.strerror or error}: {error.filename}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
