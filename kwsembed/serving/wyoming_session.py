"""What one Wyoming client is told: its audio, of any format, becomes `detection` events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsembed.audio import pcm
from kwsembed.bundle import Bundle
from kwsembed.detection.starts import Starts
from kwsembed.errors import AudioError
from kwsembed.runtime.either import new_detector
from kwsembed.stream_bundle import StreamBundle

_RATES_HZ = (1000, 384_000)
# The resampler's filter has 102 taps for each; what is not reached by any rate up to 48 kHz.
_MOST_PHASES = 48_000
_MOST_CHANNELS = 64


@dataclass(frozen=True)
class AudioFormat:
    """How the bytes of a chunk are to be read.

    Args:
        rate: Samples per second and channel.
        width: Bytes per sample.
        channels: Number of channels.
    """

    rate: int
    width: int
    channels: int

    @classmethod
    def of(cls, data: Mapping[str, Any], *, model_rate_hz: int) -> AudioFormat:
        """The format that an event states.

        Raises:
            AudioError: Something is missing, or out of range.
        """
        values = [data.get(name) for name in ("rate", "width", "channels")]
        rate, width, channels = (value if type(value) is int else 0 for value in values)
        usable = (
            _RATES_HZ[0] <= rate <= _RATES_HZ[1]
            and max(rate, model_rate_hz) // math.gcd(rate, model_rate_hz) <= _MOST_PHASES
            and width in pcm.WIDTHS
            and 1 <= channels <= _MOST_CHANNELS
        )
        if not usable:
            raise AudioError(
                "the audio format cannot be used",
                expected=f"rate {_RATES_HZ[0]} to {_RATES_HZ[1]} (above 48000 those that divide well), "
                f"width 1 to 4, channels 1 to {_MOST_CHANNELS}",
                received="rate={!r:.20}, width={!r:.20}, channels={!r:.20}".format(*values),
            )
        return cls(rate, width, channels)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.width * self.channels


@dataclass(frozen=True)
class Fired:
    """An event that has begun: its label, and the time of the chunk that made it certain, in milliseconds."""

    name: str
    timestamp: int


class Session:
    """The streams of one client, one after the other, each with a detector of its own.

    An event is told as soon as it is certain, not when it ends, and once: over a stream there is a `Fired`
    for each detection that `kwsembed detect` would report. How the stream is cut, even inside a sample,
    changes nothing but the timestamps.

    Args:
        bundle: A bundle or a streaming export.
        thresholds: Replace those of the bundle for the labels given.
        runtime: Interpreter to use, see `load_interpreter`.

    Example:
        >>> session = Session(load_bundle("RUN/bundle"))  # doctest: +SKIP
        >>> session.hear(content, AudioFormat(16000, 2, 1), timestamp=0)  # doctest: +SKIP
        [Fired(name='dog_bark', timestamp=0)]
    """

    def __init__(
        self,
        bundle: Bundle | StreamBundle,
        *,
        thresholds: Mapping[str, float] | None = None,
        runtime: str | None = None,
    ) -> None:
        self._bundle, self._thresholds, self._runtime = bundle, thresholds, runtime
        self._wanted = frozenset(bundle.event_labels)
        self._stream: _Stream | None = None
        self._start_ms = 0
        self.detected = False  # since the last start

    def want(self, names: Iterable[str] | None) -> list[str]:
        """Limits what is told to these labels, or to none if there are no names; returns those unknown."""
        given = list(names or self._bundle.event_labels)
        self._wanted = frozenset(given)
        return [name for name in given if name not in self._bundle.event_labels]

    def start(self, timestamp: int | None) -> None:
        """Begins a new stream; one that was not stopped is forgotten."""
        self._stream = None
        self._start_ms = timestamp or 0
        self.detected = False

    def hear(self, content: bytes, form: AudioFormat, *, timestamp: int | None) -> list[Fired]:
        """Takes the next bytes of the stream, which begins with them if it was not started.

        Args:
            content: Interleaved samples; the rest of an unfinished one is kept for the next call.
            form: Their format; it may change within a stream.
            timestamp: When they were recorded, in milliseconds; if None, they follow what came before.
        """
        fired: list[Fired] = []
        if self._stream is not None and self._stream.rate != form.rate:
            fired = self._end(self._stream)  # a detector hears one rate
        if self._stream is None:
            detector = new_detector(
                self._bundle, form.rate, thresholds=self._thresholds, runtime=self._runtime
            )
            self._stream = _Stream(detector, form.rate, self._start_ms)
        stream = self._stream
        at_ms = stream.now_ms if timestamp is None else timestamp
        return fired + self._told(stream.hear(content, form), at_ms)

    def stop(self) -> list[Fired]:
        """Ends the stream; tells what only its end made certain."""
        return [] if self._stream is None else self._end(self._stream)

    def _end(self, stream: _Stream) -> list[Fired]:
        fired = self._told(stream.flush(), stream.now_ms)
        self._start_ms, self._stream = stream.now_ms, None
        return fired

    def _told(self, labels: list[str], at_ms: int) -> list[Fired]:
        fired = [Fired(label, at_ms) for label in labels if label in self._wanted]
        self.detected = self.detected or bool(fired)
        return fired


class _Stream:
    """A stream of one rate and its detector."""

    def __init__(self, detector: Any, rate: int, start_ms: int) -> None:
        self.rate = rate
        self._detector, self._start_ms = detector, start_ms
        self._starts = Starts()
        self._form: AudioFormat | None = None
        self._rest = b""  # of an unfinished sample
        self._samples = 0

    @property
    def now_ms(self) -> int:
        """Time of the next sample, by the samples so far."""
        return self._start_ms + round(1000 * self._samples / self.rate)

    def hear(self, content: bytes, form: AudioFormat) -> list[str]:
        if form != self._form:
            self._form, self._rest = form, b""
        content = self._rest + content
        whole = len(content) - len(content) % form.frame_bytes
        self._rest = content[whole:]
        samples: np.ndarray = pcm.to_mono(content[:whole], width=form.width, channels=form.channels)
        self._samples += len(samples)
        return self._starts.update(self._detector.process(samples), hearing=self._detector.hearing)

    def flush(self) -> list[str]:
        return self._starts.update(self._detector.flush(), hearing=())
