"""The demonstration: synthesised sounds, and the whole path run on them."""

from __future__ import annotations
