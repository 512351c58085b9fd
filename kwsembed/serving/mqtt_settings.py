"""How the MQTT broker is reached: from environment variables, so that no password is on a command line."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kwsembed.errors import ConfigError

PREFIX = "KWSEMBED_MQTT_"
_ON, _OFF = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class MqttSettings:
    """Where the broker is and who we are there.

    Args:
        host: Its name or address.
        port: If None, 8883 with TLS, else 1883.
        username: If None, none is given.
        password: Goes with the name.
        tls: Whether to encrypt. The broker's certificate is always verified.
        ca_file: Certificates to trust instead of the system's.
        cert_file: Our own certificate, if the broker asks for one.
        key_file: Its key.
        device: Name of this device in topics and in Home Assistant.
        prefix: First part of our topics.
        discovery_prefix: Where Home Assistant looks for devices.
    """

    host: str
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    device: str = field(default_factory=socket.gethostname)
    prefix: str = "kwsembed"
    discovery_prefix: str = "homeassistant"

    def __post_init__(self) -> None:
        if not self.host or any(c.isspace() or c == "/" for c in self.host):
            raise ConfigError("no MQTT broker can have this name", received=f"host={self.host!r}")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ConfigError("the port is out of range", expected="1 to 65535", received=f"port={self.port}")
        if self.password is not None and self.username is None:
            raise ConfigError("an MQTT password without a user", fix=f"set {PREFIX}USERNAME")
        if (self.cert_file is None) != (self.key_file is None):
            raise ConfigError(
                "a certificate without its key, or a key without its certificate",
                fix=f"set both {PREFIX}CERT_FILE and {PREFIX}KEY_FILE",
            )
        if not self.tls and (self.ca_file or self.cert_file):
            raise ConfigError("certificates without TLS", fix=f"set {PREFIX}TLS=1")
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise ConfigError("a file for TLS is not there", received=f"{name}={path}")
        for name in ("device", "prefix", "discovery_prefix"):
            value = getattr(self, name)
            if not value.strip("/") or any(c in value for c in "#+\0"):
                raise ConfigError("no MQTT topic can hold this", received=f"{name}={value!r}")

    @property
    def port_used(self) -> int:
        """The port, or the usual one."""
        return self.port or (8883 if self.tls else 1883)

    @classmethod
    def from_environment(cls, address: str, environment: Mapping[str, str] = os.environ) -> MqttSettings:
        """The settings of a broker, all but its address from the environment.

        Args:
            address: `HOST`, `HOST:PORT`, or `[IPV6]:PORT`.
            environment: KWSEMBED_MQTT_USERNAME, _PASSWORD, _TLS, _CA_FILE, _CERT_FILE, _KEY_FILE, _DEVICE,
                _PREFIX and _DISCOVERY_PREFIX; those that are empty or missing keep their defaults.

        Raises:
            ConfigError: Something cannot be used.

        Example:
            >>> MqttSettings.from_environment("broker.local", {"KWSEMBED_MQTT_TLS": "1"}).port_used
            8883
        """
        host, port = _split(address)
        values: dict[str, str] = {}
        for name in (
            "username", "password", "ca_file", "cert_file", "key_file", "device", "prefix", "discovery_prefix"
        ):  # fmt: skip
            value = environment.get(PREFIX + name.upper(), "")
            if value:
                values[name] = value
        tls = environment.get(f"{PREFIX}TLS", "").strip().lower()
        if tls not in (*_ON, *_OFF):
            raise ConfigError(
                "a switch is neither on nor off", expected="1 or 0", received=f"{PREFIX}TLS={tls}"
            )
        return cls(host, port, tls=tls in _ON, **values)


def _split(address: str) -> tuple[str, int | None]:
    if "@" in address:
        raise ConfigError(
            "a user's name or password does not belong on a command line",
            expected="--mqtt HOST or HOST:PORT",
            fix=f"set {PREFIX}USERNAME and {PREFIX}PASSWORD in the environment",
        )
    host, separator, port = address.rpartition(":")
    if not separator or address.endswith("]") or (":" in host and not host.startswith("[")):
        return address.strip("[]"), None  # no port: a name, or an IPv6 address
    if not port.isascii() or not port.isdigit():
        raise ConfigError("the port is no number", received=f"mqtt={address}")
    return host.strip("[]"), int(port)
