"""Versions of everything that a run depends on."""

from __future__ import annotations

import platform
from importlib import metadata

_PACKAGES = (
    "kwsembed",
    "tensorflow",
    "keras",
    "numpy",
    "scikit-learn",
    "soundfile",
    "tflite-runtime",
    "ai-edge-litert",
)


def versions() -> dict[str, str]:
    """Version by package, for those installed, and Python's own."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
