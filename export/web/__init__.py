"""A page that runs a bundle in the browser: `python -m export.web RUN --out DIR`."""

from __future__ import annotations

import argparse

from export.web.folder import export_web, made

__all__ = ["export_web", "run"]


def run(args: argparse.Namespace) -> str:
    """The target of `kwsembed export RUN --out DIR --target web`; returns what to tell the user."""
    return made(export_web(args.run, args.out))
