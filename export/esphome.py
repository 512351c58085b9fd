"""`python -m export.esphome RUN --out DIR`; see `kwsembed/export_targets/esphome.py`."""

from __future__ import annotations

import sys

from kwsembed.cli.export import main

if __name__ == "__main__":
    sys.exit(main("esphome"))
