"""`python -m export.raspberry_pi RUN --out DIR`; see `kwsembed/export_targets/raspberry_pi.py`."""

from __future__ import annotations

import sys

from kwsembed.cli.export import main

if __name__ == "__main__":
    sys.exit(main("raspberry_pi"))
