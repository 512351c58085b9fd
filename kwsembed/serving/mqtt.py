"""Telling an MQTT broker what is detected, through paho-mqtt; a broker that goes away is waited for."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

from kwsembed.detection.events import Detection
from kwsembed.detection.starts import Starts
from kwsembed.errors import ConfigError, MissingDependencyError
from kwsembed.serving import home_assistant
from kwsembed.serving.home_assistant import Message, Topics, topic_part
from kwsembed.serving.mqtt_settings import MqttSettings

_INSTALL = 'python -m pip install "kwsembed[mqtt]"'
_KEEPALIVE_S = 30
_RETRY_S = (1, 60)  # first and longest wait
_GOODBYE_S = 2.0
_MOST_WAITING = 200


class MqttPublisher:
    """Publishes the events of a live stream.

    The connection is kept by a thread of its own; nothing here waits for it. Events that come while there is
    none are kept for `fresh_s` and sent after it; older ones are dropped and counted, since an alarm that
    comes an hour late is a false one. When the process dies, the broker itself says `offline`.

    Args:
        settings: The broker.
        labels: Event labels, each an entity in Home Assistant.
        say: Called with a line when the connection comes or goes; from the connection's thread.
        fresh_s: Age up to which an event is still sent.

    Raises:
        MissingDependencyError: paho-mqtt is not installed.
        ConfigError: A certificate cannot be used.

    Example:
        >>> with MqttPublisher(MqttSettings("broker.local"), bundle.event_labels) as mqtt:  # doctest: +SKIP
        ...     mqtt.update(detector.process(chunk), hearing=detector.hearing)
    """

    def __init__(
        self,
        settings: MqttSettings,
        labels: Sequence[str],
        *,
        say: Callable[[str], None] = lambda text: None,
        fresh_s: float = 60.0,
    ) -> None:
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
        except ModuleNotFoundError as error:
            found = "paho-mqtt older than 2.0" if error.name == "paho.mqtt.enums" else None
            raise MissingDependencyError("MQTT needs paho-mqtt 2", received=found, fix=_INSTALL) from None
        self._settings, self._labels, self._say, self._fresh_s = settings, tuple(labels), say, fresh_s
        self._topics = Topics(settings.device, settings.prefix, settings.discovery_prefix)
        self._starts = Starts()
        self._lock = threading.Lock()
        self._connected = False
        self._waiting: deque[tuple[float, Message]] = deque()
        self._dropped = 0
        self._last_said = ""
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"kwsembed-{topic_part(settings.device)}"
        )
        will = home_assistant.available(self._topics, online=False)
        self._client.will_set(will.topic, will.payload, qos=1, retain=True)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password)
        if settings.tls:
            try:
                self._client.tls_set(settings.ca_file, settings.cert_file, settings.key_file)
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                raise ConfigError("a certificate cannot be used", received=str(error)) from None
        self._client.reconnect_delay_set(*_RETRY_S)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect

    def __enter__(self) -> MqttPublisher:
        self._client.connect_async(self._settings.host, self._settings.port_used, keepalive=_KEEPALIVE_S)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Says `offline`, waits a moment until the broker has it all, and disconnects."""
        if self._connected:
            goodbye = self._publish(home_assistant.available(self._topics, online=False))
            with contextlib.suppress(ValueError, RuntimeError):  # the broker has gone this very moment
                goodbye.wait_for_publish(_GOODBYE_S)
        self._client.disconnect()
        self._client.loop_stop()
        lost = self._dropped + len(self._waiting)
        if lost:
            self._say(f"MQTT: {lost} messages were not sent, for want of a broker")

    def update(self, ended: Sequence[Detection], *, hearing: Sequence[str]) -> None:
        """Tells what a chunk brought: the events that begin and those that have ended.

        Args:
            ended: What `Detector.process` or `flush` returned.
            hearing: The detector's `hearing` after it.
        """
        now = datetime.now().astimezone()
        begun = self._starts.update(ended, hearing=hearing)
        messages = [home_assistant.started(self._topics, label, now) for label in begun]
        messages += [home_assistant.ended(self._topics, detection, now) for detection in ended]
        with self._lock:
            for message in messages:
                self._waiting.append((time.monotonic(), message))
            self._send_waiting()

    def _send_waiting(self) -> None:
        """Sends what waits, if there is a connection, and forgets what is too old; holds the lock."""
        oldest = time.monotonic() - self._fresh_s
        while self._waiting and (self._waiting[0][0] < oldest or len(self._waiting) > _MOST_WAITING):
            self._waiting.popleft()
            self._dropped += 1
        while self._connected and self._waiting:
            self._publish(self._waiting.popleft()[1])

    def _publish(self, message: Message) -> Any:
        return self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._tell(f"the broker refuses us: {code}")
            return
        self._tell("connected")
        for message in home_assistant.discovery(self._topics, self._labels):
            self._publish(message)
        self._publish(home_assistant.available(self._topics, online=True))
        with self._lock:
            self._connected = True
            self._send_waiting()

    def _on_connect_fail(self, client: Any, userdata: Any) -> None:
        error = sys.exception()  # paho calls this while it handles the reason
        self._tell(f"no connection: {error or 'unknown reason'}; trying again")

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        with self._lock:
            was_connected, self._connected = self._connected, False
        if was_connected and code.is_failure:
            self._tell(f"the connection was lost: {code}; trying again")

    def _tell(self, text: str) -> None:
        """Says it once, not with every attempt."""
        line = f"MQTT {self._settings.host}:{self._settings.port_used}: {text}"
        if line != self._last_said:
            self._last_said = line
            self._say(line)
