"""Finding the worst false alarms in hours of audio and keeping them as clips, ready to be trained on."""

from __future__ import annotations

from kwsembed.mining.false_alarms import Mined, mine

__all__ = ["Mined", "mine"]
