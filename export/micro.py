"""`python -m export.micro RUN --out DIR`; see `kwsembed/export_targets/micro.py`."""

from __future__ import annotations

import sys

from kwsembed.cli.export import main

if __name__ == "__main__":
    sys.exit(main("micro"))
