"""An Android app around a bundle: `python -m export.android RUN --out DIR` makes its whole project."""

from __future__ import annotations

from export.android.project import export_android, made, write_project

__all__ = ["export_android", "made", "write_project"]
