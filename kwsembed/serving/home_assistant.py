"""MQTT messages that Home Assistant understands: topics, discovery, events.

Every event label becomes an event entity of one device (https://www.home-assistant.io/integrations/event.mqtt),
with the event types `started` and `ended`. Other programs read the same messages as plain JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kwsembed import __version__
from kwsembed.detection.events import Detection

ONLINE, OFFLINE = "online", "offline"
STARTED, ENDED = "started", "ended"


@dataclass(frozen=True)
class Message:
    """One MQTT message.

    Args:
        topic: Where it goes.
        payload: Its text.
        retain: Whether the broker keeps it for those who subscribe later.
    """

    topic: str
    payload: str
    retain: bool = False


@dataclass(frozen=True)
class Topics:
    """The topics of one device.

    Args:
        device: Name of the device, free text.
        prefix: First part of the device's own topics.
        discovery_prefix: Where Home Assistant looks for devices.

    Example:
        >>> Topics("Nursery").event("baby_cry")
        'kwsembed/Nursery/baby_cry'
    """

    device: str
    prefix: str = "kwsembed"
    discovery_prefix: str = "homeassistant"

    @property
    def availability(self) -> str:
        """Says `online` or `offline`."""
        return f"{self.prefix}/{topic_part(self.device)}/availability"

    def event(self, label: str) -> str:
        """Where the events of a label are told."""
        return f"{self.prefix}/{topic_part(self.device)}/{topic_part(label)}"

    def discovery(self, label: str) -> str:
        """Where the label's entity is described."""
        return f"{self.discovery_prefix}/event/kwsembed_{topic_part(self.device)}/{topic_part(label)}/config"


def topic_part(text: str) -> str:
    """The text itself if Home Assistant allows it in a topic, else what is allowed of it, made unique.

    Example:
        >>> topic_part("dog_bark"), topic_part("türklingel")
        ('dog_bark', 't_rklingel_319dda')
    """
    allowed = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    return allowed if allowed == text else f"{allowed}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def discovery(topics: Topics, labels: Sequence[str]) -> list[Message]:
    """Describes an event entity for each label; retained, so that a restarted Home Assistant finds them."""
    node = f"kwsembed_{topic_part(topics.device)}"
    shared = {
        "availability_topic": topics.availability,
        "event_types": [STARTED, ENDED],
        "icon": "mdi:ear-hearing",
        "qos": 1,
        "device": {
            "identifiers": [node],
            "name": topics.device,
            "manufacturer": "kwsembed",
            "model": "sound detector",
            "sw_version": __version__,
        },
        "origin": {"name": "kwsembed", "sw_version": __version__},
    }
    return [
        Message(
            topics.discovery(label),
            _json(
                {
                    "name": label.replace("_", " "),
                    "unique_id": f"{node}_{topic_part(label)}",
                    "state_topic": topics.event(label),
                    **shared,
                }
            ),
            retain=True,
        )
        for label in labels
    ]


def started(topics: Topics, label: str, now: datetime) -> Message:
    """Tells that an event has begun; it is certain, but not over."""
    values = {"event_type": STARTED, "label": label, "time": now.isoformat(timespec="milliseconds")}
    return Message(topics.event(label), _json(values))


def ended(topics: Topics, detection: Detection, now: datetime) -> Message:
    """Tells what an event was: seconds from the stream's start, and its score."""
    values = {
        "event_type": ENDED,
        "label": detection.label,
        "onset": round(detection.onset_s, 3),
        "offset": round(detection.offset_s, 3),
        "score": round(detection.score, 4),
        "time": now.isoformat(timespec="milliseconds"),
    }
    return Message(topics.event(detection.label), _json(values))


def available(topics: Topics, *, online: bool) -> Message:
    """Tells whether the detector listens."""
    return Message(topics.availability, ONLINE if online else OFFLINE, retain=True)


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
