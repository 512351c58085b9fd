"""Running a streaming model: hop after hop, the states passed from call to call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kwsembed.audio.resample import Resampler
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.errors import BundleError
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.runtime.stream_scores import to_float
from kwsembed.stream_bundle import StreamBundle

_TYPES = {"FLOAT32": np.float32, "INT8": np.int8}


class StreamingClassifier:
    """Scores a stream at the model's rate, in chunks of any size; the chunking never changes the scores.

    Args:
        bundle: What the streaming target made.
        runtime: Interpreter to use, see `load_interpreter`.
        threads: Threads of the interpreter.

    Raises:
        BundleError: The model does not fit its description.

    Example:
        >>> stream = StreamingClassifier(StreamBundle.load("STREAM"))  # doctest: +SKIP
        >>> stream.process(np.zeros(16000, np.float32)).shape  # doctest: +SKIP
        (6, 5)
    """

    def __init__(self, bundle: StreamBundle, *, runtime: str | None = None, threads: int = 1) -> None:
        self._bundle = bundle
        self._interpreter, self.runtime = open_interpreter(bundle.model, runtime=runtime, threads=threads)
        inputs, outputs = (
            {tensor["name"]: tensor for tensor in tensors}
            for tensors in (self._interpreter.get_input_details(), self._interpreter.get_output_details())
        )
        expected_in = {state.input: (state.shape, _TYPES[state.type]) for state in bundle.states}
        expected_out = {state.output: (state.shape, _TYPES[state.type]) for state in bundle.states}
        expected_in["waveform"] = ((1, bundle.timing.hop_samples), np.float32)
        expected_out["scores"] = ((1, len(bundle.labels)), np.float32)
        for found, expected in ((inputs, expected_in), (outputs, expected_out)):
            received = {name: (tuple(map(int, t["shape"])), t["dtype"]) for name, t in found.items()}
            if received != expected:
                raise BundleError(
                    "the streaming model does not fit its description", expected=expected, received=received
                )
        self._waveform, self._scores = inputs["waveform"]["index"], outputs["scores"]["index"]
        # Of each state, the tensor that a call takes it from and the one that it leaves the next in.
        self._state_tensors = [
            (inputs[state.input]["index"], outputs[state.output]["index"]) for state in bundle.states
        ]
        self._begin()

    def reset(self) -> None:
        """Forgets the stream; the next sample is sample 0."""
        if self._bundle.state_form == "variables":
            self._interpreter.get_signature_runner("reset")()
        self._begin()

    def _begin(self) -> None:
        self._states = [
            (into, np.full(state.shape, state.start, _TYPES[state.type]))
            for (into, _), state in zip(self._state_tensors, self._bundle.states, strict=True)
        ]
        self._hop = np.zeros((1, self._bundle.timing.hop_samples), np.float32)  # what the next call takes
        self._filled = 0  # samples of it that are there

    def process(self, chunk: np.ndarray) -> np.ndarray:
        """Takes the next samples; returns the scores of the hops that they complete, warm-up included.

        Args:
            chunk: `(samples,)` float in [-1, 1] at the model's rate.

        Returns:
            `(hops, labels)` float32.
        """
        hop_samples = self._hop.shape[1]
        if len(chunk) == hop_samples and not self._filled:  # from a source of whole hops, each time
            self._hop[0] = chunk
            return self._call()
        scores = np.empty(((self._filled + len(chunk)) // hop_samples, len(self._bundle.labels)), np.float32)
        taken = 0
        for row in range(len(scores)):
            missing = hop_samples - self._filled
            self._hop[0, self._filled :] = chunk[taken : taken + missing]
            taken, self._filled = taken + missing, 0
            scores[row] = self._call()
        if taken < len(chunk):
            stop = self._filled + len(chunk) - taken
            self._hop[0, self._filled : stop] = chunk[taken:]
            self._filled = stop
        return scores

    def _call(self) -> np.ndarray:
        """Scores `(1, labels)` of the hop that is full; the states move on."""
        interpreter = self._interpreter
        interpreter.set_tensor(self._waveform, self._hop)
        for into, state in self._states:
            interpreter.set_tensor(into, state)
        interpreter.invoke()
        self._states = [(into, interpreter.get_tensor(out)) for into, out in self._state_tensors]
        return interpreter.get_tensor(self._scores)


class StreamingDetector:
    """Detects events in a stream of any rate with a streaming model; used like `Detector`.

    Nothing is judged before the model has warmed up, some seconds into the stream.

    Args:
        bundle: What the streaming target made.
        sample_rate_hz: Rate of the chunks; any.
        thresholds: Replace those of the bundle for the labels given.
        runtime: Interpreter to use, see `load_interpreter`.

    Example:
        >>> detector = StreamingDetector(StreamBundle.load("STREAM"), 44100)  # doctest: +SKIP
        >>> detector.process(chunk), detector.flush()  # doctest: +SKIP
    """

    def __init__(
        self,
        bundle: StreamBundle,
        sample_rate_hz: int = 16000,
        *,
        thresholds: Mapping[str, float] | None = None,
        runtime: str | None = None,
    ) -> None:
        self._timing = bundle.timing
        self._sample_rate_hz = sample_rate_hz
        self._events = np.array([bundle.labels.index(label) for label in bundle.event_labels])
        self._classifier = StreamingClassifier(bundle, runtime=runtime)
        self._resampler = Resampler(sample_rate_hz, bundle.timing.sample_rate_hz)
        window_s = bundle.timing.window_samples / bundle.timing.sample_rate_hz
        self._detector = EventDetector(
            bundle.event_labels, {**bundle.thresholds, **(thresholds or {})}, bundle.post, window_s
        )
        self._hops = 0
        self._samples = 0

    @property
    def hearing(self) -> tuple[str, ...]:
        """Labels of the events under way: each will be reported once it ends, whatever comes."""
        return self._detector.hearing

    def process(self, chunk: np.ndarray) -> list[Detection]:
        """Takes the next `(samples,)`, floats or int16; returns the detections that closed."""
        waveform = to_float(chunk)
        self._samples += len(waveform)
        return self._judge(self._resampler.process(waveform))

    def flush(self) -> list[Detection]:
        """Ends the stream: silence follows until its last sample is judged; ready for a new stream then."""
        rest = self._resampler.process(np.zeros(0, np.float32), final=True)
        tail = np.zeros(self._timing.lag_samples + self._timing.hop_samples, np.float32)
        found = self._judge(np.concatenate([rest, tail]))
        end_s = self._samples / self._sample_rate_hz
        found += self._shifted(self._detector.flush(end_s=max(end_s - self._timing.first_start_s, 0.0)))
        self._classifier.reset()
        self._hops = self._samples = 0
        return found

    def _judge(self, waveform: np.ndarray) -> list[Detection]:
        scores = self._classifier.process(waveform)
        cold = self._timing.warm_up_hops - self._hops
        self._hops += len(scores)
        warm = scores[cold:] if cold > 0 else scores
        return self._shifted(self._detector.process(warm.take(self._events, axis=1))) if len(warm) else []

    def _shifted(self, found: list[Detection]) -> list[Detection]:
        """The event detector counts from the first score it saw; the stream began earlier."""
        if not found:  # nearly always
            return found
        shift_s = self._timing.first_start_s
        return [replace(d, onset_s=d.onset_s + shift_s, offset_s=d.offset_s + shift_s) for d in found]
