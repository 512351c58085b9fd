"""What a Wyoming client is told about the detector when it asks: one wake model per event."""

from __future__ import annotations

from typing import Any

from kwsembed import __version__
from kwsembed.bundle import Bundle
from kwsembed.bundle_files import sha256_of
from kwsembed.stream_bundle import StreamBundle


def info(bundle: Bundle | StreamBundle) -> dict[str, Any]:
    """The answer to `describe`: one wake model per event label."""
    attribution = {"name": "kwsembed", "url": ""}
    version = sha256_of(bundle.model)[:12]
    models = [
        {
            "name": label,
            "description": label.replace("_", " "),
            "phrase": label.replace("_", " "),
            "attribution": attribution,
            "installed": True,
            "version": version,
            "languages": [],
        }
        for label in bundle.event_labels
    ]
    program = {
        "name": "kwsembed",
        "description": "Rare sounds and keywords",
        "attribution": attribution,
        "installed": True,
        "version": __version__,
        "models": models,
    }
    others: dict[str, Any] = {name: [] for name in ("asr", "tts", "handle", "intent", "mic", "snd")}
    return {**others, "wake": [program]}
