"""`python -m export.streaming RUN --out DIR`; see `kwsembed/export_targets/streaming.py`."""

from __future__ import annotations

import sys

from kwsembed.cli.export import main

if __name__ == "__main__":
    sys.exit(main("streaming"))
