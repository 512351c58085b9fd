"""Which clips there are, what they hold, and which split each belongs to."""

from kwsembed.manifest.clip import (
    BACKGROUND_NAMES,
    LONGEST_S,
    SPLITS,
    Clip,
    Manifest,
    manifest_text,
    write_manifest,
)
from kwsembed.manifest.read import read_manifest
from kwsembed.manifest.split import assign_splits

__all__ = [
    "BACKGROUND_NAMES",
    "LONGEST_S",
    "SPLITS",
    "Clip",
    "Manifest",
    "assign_splits",
    "manifest_text",
    "read_manifest",
    "write_manifest",
]
