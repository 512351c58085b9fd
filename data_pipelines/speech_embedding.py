"""Google's speech embedding as a teacher of words: openWakeWord's two models joined to one of waveforms.

    python -m data_pipelines.speech_embedding speech_embedding.tflite

takes `melspectrogram.tflite` and `embedding_model.tflite` of the package pyopen-wakeword (Apache 2.0) and
writes a model that takes a second of audio and gives the embedding of its beginning, middle and end.

Source: Lin et al., "Training Keyword Spotters with Limited and Synthesized Speech Data" (arXiv:2002.01322),
whose embedding openWakeWord ships.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_pipelines.command import OneLineParser, reported
from kwsembed import atomic
from kwsembed.errors import ConfigError

if TYPE_CHECKING:
    import tensorflow as tf

WINDOW_SAMPLES = 16_000
MELS, FRAMES = 32, 76
"""What the embedding takes: 76 frames, 775 ms, of 32 bands."""

_PCM_SCALE = 32_768.0  # the spectrogram is of samples as 16-bit integers have them


def joined(melspectrogram: bytes, embedding: bytes) -> bytes:
    """The teacher.

    Args:
        melspectrogram: `[1, samples]` -> `[1, 1, frames, 32]`.
        embedding: `[1, 76, 32, 1]` -> `[1, 1, 1, 96]`.

    Returns:
        `[1, 16000]` float32 in [-1, 1] -> `[1, 288]` float32.
    """
    import tensorflow as tf

    from kwsembed.tflite.join import join

    mels, frames = _of_fixed_shape(melspectrogram, [1, WINDOW_SAMPLES])
    starts = [0, (frames[2] - FRAMES) // 2, frames[2] - FRAMES]
    embedder, found = _of_fixed_shape(embedding, [len(starts), FRAMES, MELS, 1])

    def windows(spectrogram: tf.Tensor) -> tf.Tensor:
        bands = tf.reshape(spectrogram, (frames[2], MELS, 1))
        # As openWakeWord does it, to come near the spectrogram that the embedding was trained on.
        return tf.stack([bands[start : start + FRAMES] for start in starts]) / 10.0 + 2.0

    return join(
        [
            _converted(lambda waveform: waveform * _PCM_SCALE, [1, WINDOW_SAMPLES]),
            mels,
            _converted(windows, frames),
            embedder,
            _converted(lambda embeddings: tf.reshape(embeddings, (1, -1)), found),
        ],
        input_name="waveform",
        output_name="embedding",
    )


def _converted(function: Callable[[tf.Tensor], tf.Tensor], shape: Sequence[int]) -> bytes:
    import tensorflow as tf

    traced = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()], traced)
    model: bytes = converter.convert()
    return model


def _of_fixed_shape(model: bytes, shape: Sequence[int]) -> tuple[bytes, list[int]]:
    """A model for inputs of one shape only, and the shape of its output."""
    import tensorflow as tf

    from kwsembed.tflite.flatbuffer import pack, unpack

    interpreter = tf.lite.Interpreter(
        model_content=model,
        # XNNPACK cannot prepare the spectrogram's reshapes of inputs whose length is not known.
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], shape)
    interpreter.allocate_tensors()
    interpreter.invoke()
    shapes = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_tensor_details()}
    unpacked = unpack(model)
    for index, tensor in enumerate(unpacked.subgraphs[0].tensors):
        if index in shapes:
            tensor.shape, tensor.shapeSignature = np.asarray(shapes[index], np.int32), None
    return pack(unpacked), [int(size) for size in interpreter.get_output_details()[0]["shape"]]


def models_folder() -> Path:
    """Where the installed pyopen-wakeword keeps its models.

    Raises:
        ConfigError: It is not installed.
    """
    found = find_spec("pyopen_wakeword")
    if found is None or found.origin is None:
        raise ConfigError("pyopen-wakeword is not installed", fix="pip install 'kwsembed[speech-teacher]'")
    return Path(found.origin).parent / "models"


def main(argv: Sequence[str] | None = None) -> int:
    """The command; see `reported` for what it returns."""
    return reported("data_pipelines.speech_embedding", lambda: _join(argv))


def _join(argv: Sequence[str] | None) -> None:
    parser = OneLineParser(prog="python -m data_pipelines.speech_embedding", description=__doc__)
    parser.add_argument("out", metavar="FILE.tflite", type=Path, help="the teacher")
    parser.add_argument(
        "--models",
        metavar="DIR",
        type=Path,
        help="folder with melspectrogram.tflite and embedding_model.tflite (default: pyopen-wakeword's)",
    )
    arguments = parser.parse_args(argv)
    folder = arguments.models or models_folder()
    parts = [(folder / f"{name}.tflite").read_bytes() for name in ("melspectrogram", "embedding_model")]
    atomic.write_bytes(arguments.out, joined(*parts))
    print(f"next:\nkwsembed train DATA --out RUN --teacher {arguments.out} --unlabelled SPEECH")


if __name__ == "__main__":
    sys.exit(main())
