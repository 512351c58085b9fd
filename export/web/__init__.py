"""A page that runs a bundle in the browser: `python -m export.web RUN --out DIR`."""

from __future__ import annotations

from export.web.folder import export_web

__all__ = ["export_web"]
