"""The streaming model: the next samples of a waveform and the states in, probabilities and the states out."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from kwsembed.bundle import Bundle
from kwsembed.errors import ConfigError
from kwsembed.frontend import FrontendConfig
from kwsembed.native_log import native_log_held_back
from kwsembed.tflite.convert import convert_float
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.folded_bands import fold_bands
from kwsembed.tflite.frontend_graph import log_mel_graph
from kwsembed.tflite.history import State, with_history
from kwsembed.tflite.join import join
from kwsembed.tflite.parts import ModelParts, parts_of
from kwsembed.tflite.streaming import streamed

WAVEFORM, SCORES = "waveform", "scores"


@dataclass(frozen=True)
class StreamingModel:
    """A model that takes one hop of audio per call.

    Attributes:
        model: Flatbuffer: `waveform` `(1, hop_samples)` float32 and the states in, `scores` `(1, labels)`
            float32 and the states out. What `with_variables` makes of it keeps the states itself.
        hop_samples: Samples per call.
        states: What to pass from call to call.
        first_window_start: Scores of call `n` are those of the window that starts at sample
            `n * hop_samples + first_window_start` of the stream.
        lag_samples: From the end of that window to the end of the call's hop: audio behind the window that
            the scores depend on.
        lead_samples: Audio before that window that the scores depend on.
        warm_up_hops: Calls of a new stream whose scores depend on what was before it.
    """

    model: bytes
    hop_samples: int
    states: tuple[State, ...]
    first_window_start: int
    lag_samples: int
    lead_samples: int
    warm_up_hops: int


def export_streaming(bundle: Bundle, *, hop_ms: float | None = None) -> StreamingModel:
    """Makes the streaming model of a bundle, with its weights and its int8 ranges.

    The front end and the head are float, as in the bundle; the states inside the core are int8.

    Args:
        bundle: The bundle.
        hop_ms: Audio per call, a multiple of the front end's hop; if None, the product of the network's
            strides, at which a second of audio costs least. See `streamed`.

    Raises:
        ConfigError: The bundle's backbone mixes time otherwise than by convolutions and a mean; or `hop_ms`
            is no whole number of frames.
        BundleError: The model was not made by kwsembed's export.
    """
    frontend = bundle.frontend
    parts = parts_of(bundle.model, mels=frontend.mel_count)
    core = unpack(parts.core_and_head)
    fold_bands(core)
    network = streamed(pack(core), rows=None if hop_ms is None else _frames(hop_ms, frontend))
    hop_samples = network.rows * frontend.hop_samples
    with native_log_held_back():
        front, overlap = streaming_front_end(frontend, parts, rows=network.rows)
    model = join([front, network.model], input_name=WAVEFORM, output_name=SCORES)
    older = frontend.window_samples - frontend.hop_samples
    first_window_start = network.window_start * frontend.hop_samples - older
    return StreamingModel(
        model=model,
        hop_samples=hop_samples,
        states=(*overlap, *network.states),
        first_window_start=first_window_start,
        lag_samples=hop_samples - first_window_start - bundle.window_samples,
        lead_samples=network.reach[0] * frontend.hop_samples,
        # The samples before the stream reach one call further if its first frame holds some of them.
        warm_up_hops=-(-(network.reach[0] * frontend.hop_samples - first_window_start) // hop_samples),
    )


def _frames(hop_ms: float, frontend: FrontendConfig) -> int:
    frames = round(hop_ms / frontend.hop_ms)
    if frames < 1 or abs(frames * frontend.hop_ms - hop_ms) > 1e-6:
        raise ConfigError(
            "the hop of a streaming model is a whole number of frames",
            expected=f"a multiple of {frontend.hop_ms:g} ms",
            received=f"{hop_ms=:g}",
        )
    return frames


def streaming_front_end(
    frontend: FrontendConfig, parts: ModelParts, *, rows: int
) -> tuple[bytes, tuple[State, ...]]:
    """Waveform of a hop to scaled features `(1, rows, mels, 1)`, the end of the hop before as state."""
    older = frontend.window_samples - frontend.hop_samples
    samples = older + rows * frontend.hop_samples
    log_mel = log_mel_graph(frontend, samples)

    def front(waveform: tf.Tensor) -> tf.Tensor:
        scaled = log_mel(waveform) * parts.slope + parts.offset
        return tf.reshape(scaled, (1, rows, frontend.mel_count, 1))

    unpacked = unpack(convert_float(front, (1, samples)))
    if older == 0:
        return pack(unpacked), ()
    editor = GraphEditor(unpacked)
    whole = int(editor.graph.inputs[0])
    hop = editor.add_tensor_like(whole, (1, samples - older), name=WAVEFORM)
    editor.graph.inputs = [hop]
    joined, operators, state = with_history(editor, hop, older, name="state_waveform")
    for operator in editor.graph.operators:
        operator.inputs = [joined if at == whole else at for at in operator.inputs]
    editor.graph.operators = [*operators, *editor.graph.operators]
    return pack(unpacked), (state,)
