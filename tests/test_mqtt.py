"""MQTT: what is said to Home Assistant, how the broker is named, and a real broker that comes and goes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
from datetime import datetime

import numpy as np
import pytest

from kwsembed.cli.main import main
from kwsembed.detection.events import Detection
from kwsembed.errors import ConfigError
from kwsembed.serving import home_assistant
from kwsembed.serving.home_assistant import Topics, topic_part
from kwsembed.serving.mqtt_settings import MqttSettings

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
ENOUGH_S = 60  # for anything to arrive, on any machine
NOW = datetime.fromisoformat("2024-05-01T12:00:00.123456+02:00")

needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="the broker mosquitto is not installed")


def test_every_label_is_an_event_entity_of_one_device():
    topics = Topics("Nursery")
    messages = home_assistant.discovery(topics, ["baby_cry", "dog_bark"])
    assert [message.topic for message in messages] == [
        "homeassistant/event/kwsembed_Nursery/baby_cry/config",
        "homeassistant/event/kwsembed_Nursery/dog_bark/config",
    ]
    first, second = (json.loads(message.payload) for message in messages)
    assert all(message.retain for message in messages)
    assert first["name"] == "baby cry"
    assert first["state_topic"] == "kwsembed/Nursery/baby_cry"
    assert first["availability_topic"] == "kwsembed/Nursery/availability"
    assert first["event_types"] == ["started", "ended"]
    assert first["device"] == second["device"]
    assert first["unique_id"] != second["unique_id"]


def test_an_event_starts_and_ends_on_its_topic_and_is_not_retained():
    topics = Topics("Nursery")
    started = home_assistant.started(topics, "baby_cry", NOW)
    ended = home_assistant.ended(topics, Detection("baby_cry", 1.23456, 2.5, 0.98765), NOW)
    assert started.topic == ended.topic == "kwsembed/Nursery/baby_cry"
    assert not started.retain
    assert not ended.retain
    assert json.loads(started.payload) == {
        "event_type": "started",
        "label": "baby_cry",
        "time": "2024-05-01T12:00:00.123+02:00",
    }
    assert json.loads(ended.payload) == {
        "event_type": "ended",
        "label": "baby_cry",
        "onset": 1.235,
        "offset": 2.5,
        "score": 0.9877,
        "time": "2024-05-01T12:00:00.123+02:00",
    }


def test_topics_hold_only_what_home_assistant_allows_and_stay_different():
    names = ["dog_bark", "dog bark", "dog/bark", "#", "+", "türklingel", "犬"]
    parts = [topic_part(name) for name in names]
    assert parts[0] == "dog_bark"
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in parts)
    assert len(set(parts)) == len(names)


@pytest.mark.parametrize(
    "address, host, port",
    [
        ("broker", "broker", 1883),
        ("broker:1234", "broker", 1234),
        ("::1", "::1", 1883),
        ("[fe80::1]", "fe80::1", 1883),
        ("[fe80::1]:99", "fe80::1", 99),
    ],
)
def test_a_broker_is_named_by_host_and_port(address, host, port):
    settings = MqttSettings.from_environment(address, {})
    assert (settings.host, settings.port_used) == (host, port)


def test_everything_else_comes_from_the_environment_and_the_password_is_not_shown(tmp_path):
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    values = {
        "USERNAME": "pi",
        "PASSWORD": "s3cret",
        "TLS": "yes",
        "CA_FILE": str(authority),
        "DEVICE": "Attic",
    }
    environment = {f"KWSEMBED_MQTT_{name}": value for name, value in values.items()}
    settings = MqttSettings.from_environment("broker", {**environment, "KWSEMBED_MQTT_PREFIX": ""})
    assert (settings.username, settings.password, settings.tls) == ("pi", "s3cret", True)
    assert (settings.ca_file, settings.device, settings.prefix) == (str(authority), "Attic", "kwsembed")
    assert settings.port_used == 8883
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "address, values, why",
    [
        ("pi:s3cret@broker", {}, "does not belong on a command line"),
        ("broker:mqtt", {}, "the port is no number"),
        ("broker:0", {}, "out of range"),
        ("broker:70000", {}, "out of range"),
        ("", {}, "no MQTT broker can have this name"),
        ("a b", {}, "no MQTT broker can have this name"),
        ("mqtt://broker", {}, "port is no number"),
        ("broker", {"PASSWORD": "x"}, "password without a user"),
        ("broker", {"TLS": "perhaps"}, "neither on nor off"),
        ("broker", {"TLS": "1", "CA_FILE": "/nowhere/ca.pem"}, "a file for TLS is not there"),
        ("broker", {"TLS": "1", "CERT_FILE": __file__}, "without its key"),
        ("broker", {"CA_FILE": __file__}, "certificates without TLS"),
        ("broker", {"DEVICE": "a/#"}, "no MQTT topic can hold this"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(address, values, why):
    environment = {f"KWSEMBED_MQTT_{name}": value for name, value in values.items()}
    with pytest.raises(ConfigError, match=why) as caught:
        MqttSettings.from_environment(address, environment)
    assert "s3cret" not in str(caught.value)


def test_mqtt_is_for_live_streams(tone_bundle, capsys):
    assert main(["detect", str(tone_bundle), "x.wav", "--mqtt", "broker"]) == 2
    assert "Expected --mic or -" in capsys.readouterr().err


def test_a_missing_paho_is_named_with_its_pip_line(tone_bundle, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    monkeypatch.setitem(sys.modules, "paho", None)
    assert main(["detect", str(tone_bundle), "-", "--mqtt", "broker"]) == 2
    err = capsys.readouterr().err
    assert 'pip install "kwsembed[mqtt]"' in err
    assert err.count("\n") == 1


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Broker:
    """A mosquitto of our own."""

    def __init__(self, folder, *lines):
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        rules = lines or ("allow_anonymous true",)
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *rules, ""]))
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._listens)

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


def wait_until(condition):
    end = time.monotonic() + ENOUGH_S
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


class Subscriber:
    """Hears everything that the broker is told, as another program would."""

    def __init__(self, broker, **credentials):
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages = []  # (topic, payload, retained)
        self._heard = queue.Queue()
        subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        if credentials:
            self._client.username_pw_set(**credentials)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = lambda client, data, m: self._heard.put(
            (m.topic, m.payload.decode(), bool(m.retain))
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert subscribed.wait(ENOUGH_S)

    def until(self, topic, payload_part):
        """Waits for a message; returns its payload."""
        while True:
            self.messages.append(self._heard.get(timeout=ENOUGH_S))
            if self.messages[-1][0] == topic and payload_part in self.messages[-1][1]:
                return self.messages[-1][1]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def subscribed(broker, **credentials):
    subscriber = Subscriber(broker, **credentials)
    try:
        yield subscriber
    finally:
        subscriber.close()


def tones():
    """1 kHz at 1.0-2.5 s and 3 kHz at 4.0-4.5 s of 6 s, as 16-bit PCM."""
    waveform = np.random.default_rng(0).normal(scale=0.003, size=6 * 16000)
    for hz, onset_s, offset_s in ((1000, 1.0, 2.5), (3000, 4.0, 4.5)):
        time_s = np.arange(round((offset_s - onset_s) * 16000)) / 16000
        waveform[round(onset_s * 16000) :][: len(time_s)] += 0.6 * np.sin(2 * np.pi * hz * time_s)
    return np.round(waveform * 32767).astype("<i2").tobytes()


def publisher(broker, said, **settings):
    pytest.importorskip("paho.mqtt.enums", reason="paho-mqtt 2 is not installed")
    from kwsembed.serving.mqtt import MqttPublisher

    fresh_s = settings.pop("fresh_s", 60.0)
    settings = MqttSettings("127.0.0.1", broker.port, device="Attic", **settings)
    return MqttPublisher(settings, ["tone_1k", "tone_3k"], say=said.append, fresh_s=fresh_s)


@needs_broker
def test_detect_tells_a_broker_what_it_prints(tone_bundle, broker, monkeypatch, capsys):
    pytest.importorskip("paho.mqtt.enums", reason="paho-mqtt 2 is not installed")
    monkeypatch.setenv("KWSEMBED_MQTT_DEVICE", "Attic")
    with subscribed(broker) as subscriber:

        class Paced(io.BytesIO):
            """Ends only when the connection is there, as a microphone would."""

            def read(self, size=-1):
                if not self.tell():
                    subscriber.until("kwsembed/Attic/availability", "online")
                return super().read(size)

        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=Paced(tones())))
        arguments = [
            "detect",
            str(tone_bundle),
            "-",
            "--format",
            "jsonl",
            "--mqtt",
            f"127.0.0.1:{broker.port}",
        ]
        assert main(arguments) == 0
        subscriber.until("kwsembed/Attic/availability", "offline")
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [json.loads(p) for topic, p, _ in subscriber.messages if topic.startswith("kwsembed/Attic/tone")]
    assert [(event["label"], event["event_type"]) for event in told] == [
        ("tone_1k", "started"),
        ("tone_1k", "ended"),
        ("tone_3k", "started"),
        ("tone_3k", "ended"),
    ]
    ended = [{k: e[k] for k in ("onset", "offset", "score")} for e in told if e["event_type"] == "ended"]
    assert ended == [{k: row[k] for k in ("onset", "offset", "score")} for row in printed]
    assert len(printed) == 2


@needs_broker
def test_home_assistant_finds_the_entities_after_its_own_restart(broker):
    said = []
    with publisher(broker, said) as mqtt:
        mqtt.update([Detection("tone_1k", 1.0, 2.0, 0.9)], hearing=[])
        with subscribed(broker) as earlier:
            earlier.until("kwsembed/Attic/availability", "online")
        with subscribed(broker) as later:
            later.until("homeassistant/event/kwsembed_Attic/tone_1k/config", "tone 1k")
            later.until("kwsembed/Attic/availability", "online")
            mqtt.update([], hearing=["tone_3k"])
            later.until("kwsembed/Attic/tone_3k", "started")
    assert not [m for m in later.messages if m[0] == "kwsembed/Attic/tone_1k"]  # what is past stays past
    assert said == [f"MQTT 127.0.0.1:{broker.port}: connected"]


@needs_broker
def test_a_broker_that_restarts_is_found_again_and_told_what_is_fresh(broker):
    said = []
    with publisher(broker, said) as mqtt:
        wait_until(lambda: len(said) == 1)
        broker.stop()
        wait_until(lambda: "the connection was lost" in said[-1])
        mqtt.update([], hearing=["tone_1k"])  # while nobody listens
        broker.start()
        with subscribed(broker) as subscriber:
            subscriber.until("homeassistant/event/kwsembed_Attic/tone_1k/config", "tone 1k")
            subscriber.until("kwsembed/Attic/availability", "online")
            mqtt.update([Detection("tone_1k", 1.0, 2.0, 0.9)], hearing=[])
            subscriber.until("kwsembed/Attic/tone_1k", "ended")
        assert said[-1].endswith("connected")


@needs_broker
def test_what_is_old_by_the_time_a_broker_is_there_is_dropped_and_counted(broker):
    said = []
    broker.stop()
    with publisher(broker, said, fresh_s=0.5) as mqtt:
        mqtt.update([], hearing=["tone_1k"])
        wait_until(lambda: said)
        assert "no connection" in said[0]
        assert "refused" in said[0]
        time.sleep(0.6)
        broker.start()
        with subscribed(broker) as subscriber:
            subscriber.until("kwsembed/Attic/availability", "online")
            mqtt.update([], hearing=["tone_1k", "tone_3k"])
            subscriber.until("kwsembed/Attic/tone_3k", "started")
    assert not [m for m in subscriber.messages if m[0] == "kwsembed/Attic/tone_1k"]
    assert said[-1] == "MQTT: 1 messages were not sent, for want of a broker"


@needs_broker
def test_a_killed_process_is_said_to_be_offline(tone_bundle, broker):
    pytest.importorskip("paho.mqtt.enums", reason="paho-mqtt 2 is not installed")
    command = [sys.executable, "-m", "kwsembed", "detect", str(tone_bundle), "-", "--mqtt"]
    environment = {**os.environ, "KWSEMBED_MQTT_DEVICE": "Attic"}
    with subscribed(broker) as subscriber:
        process = subprocess.Popen(
            [*command, f"127.0.0.1:{broker.port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        try:
            subscriber.until("kwsembed/Attic/availability", "online")
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
        subscriber.until("kwsembed/Attic/availability", "offline")


@needs_broker
def test_a_wrong_password_is_said_once_and_detection_goes_on(tmp_path, tone_bundle, monkeypatch, capsys):
    pytest.importorskip("paho.mqtt.enums", reason="paho-mqtt 2 is not installed")
    broker = Broker(tmp_path, "allow_anonymous false")
    broker.start()
    monkeypatch.setenv("KWSEMBED_MQTT_USERNAME", "pi")
    monkeypatch.setenv("KWSEMBED_MQTT_PASSWORD", "s3cret")
    said = threading.Event()
    monkeypatch.setattr("kwsembed.cli.detect._say", lambda text: (print(text, file=sys.stderr), said.set()))

    class Paced(io.BytesIO):
        def read(self, size=-1):
            assert said.wait(ENOUGH_S)
            return super().read(size)

    try:
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=Paced(tones())))
        assert main(["detect", str(tone_bundle), "-", "--mqtt", f"127.0.0.1:{broker.port}"]) == 0
    finally:
        broker.stop()
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert "the broker refuses us: Not authorized" in err
    assert "4 messages were not sent" in err
    assert "s3cret" not in out + err
