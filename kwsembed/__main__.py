"""Runs the command line as `python -m kwsembed`."""

from __future__ import annotations

import sys

from kwsembed.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
