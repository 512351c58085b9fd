"""What `benchmarks.device` times: our models and those of other projects, each ready to be called."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.runtime.interpreter import open_interpreter
from kwsembed.tflite.clients import operation_names
from kwsembed.tflite.editing import GraphEditor, cut
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.parts import parts_of
from kwsembed.tflite.streaming_export import streaming_front_end

PACKAGES = ("pymicro-wakeword", "pymicro-features", "wyoming-openwakeword")
OPEN_WAKE_WORD, DS_CNN = "openWakeWord: mel, embedding, head", "MLPerf Tiny DS-CNN, int8"
OPEN_WAKE_WORD_MEL, MICRO_FEATURES = "openWakeWord's front end, 32 mels", "pymicro-features, 40 mels"
_OPEN_WAKE_WORD_MODELS = ("melspectrogram.tflite", "embedding_model.tflite", "alexa_v0.1.tflite")
_OPEN_WAKE_WORD_SAMPLES = 1760  # its mel model is given 80 ms and the 30 ms before


@dataclass(frozen=True)
class Timed:
    """One line of the table.

    Args:
        call: Does it once.
        audio_s: Audio that a call moves on by.
        size_bytes: Of the models that it runs; None where it is no model.
        multiply_adds: Of a call; None where it is not counted.
    """

    call: Callable[[], object]
    audio_s: float
    size_bytes: int | None = None
    multiply_adds: int | None = None


def timed_model(
    *models: bytes, audio_s: float, runtime: str | None, samples: int | None = None, count: bool = False
) -> Timed:
    """Models run one after the other, with noise in their inputs.

    Args:
        models: Flatbuffers.
        audio_s: Audio that running all of them once moves on by.
        runtime: Interpreter.
        samples: Length of the first model's input where the model leaves it open.
        count: Whether to count multiply-adds.
    """
    opened = [_ready(model, runtime, samples if number == 0 else None) for number, model in enumerate(models)]
    run = [interpreter.invoke for interpreter in opened]

    def call() -> None:
        for invoke in run:
            invoke()

    adds = sum(multiply_adds(model) for model in models) if count else None
    return Timed(call, audio_s, sum(map(len, models)), adds)


def _ready(model: bytes, runtime: str | None, samples: int | None) -> Any:
    interpreter, _ = open_interpreter(
        model, runtime=runtime, input_shape=None if samples is None else [1, samples]
    )
    random = np.random.default_rng(0)
    for tensor in interpreter.get_input_details():
        if tensor["dtype"] == np.float32:
            values = random.normal(0, 0.1, tensor["shape"])
        else:
            values = random.integers(-127, 127, tensor["shape"])
        interpreter.set_tensor(tensor["index"], values.astype(tensor["dtype"]))
    return interpreter


def multiply_adds(model: bytes) -> int:
    """Products that the convolutions and dense layers of a model sum up in a call."""
    unpacked = unpack(model)
    names, total = operation_names(unpacked), 0
    for graph in unpacked.subgraphs:
        for operator in graph.operators:
            name = names[operator.opcodeIndex]
            if name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
                weights = graph.tensors[operator.inputs[1]].shape
                output = graph.tensors[operator.outputs[0]].shape
                per_value = weights[1] * weights[2] if name[0] == "D" else np.prod(weights[1:])
                total += int(np.prod(output) * per_value)
    return total


def front_ends(bundle: Bundle, *, hops: Sequence[int]) -> dict[int | None, bytes]:
    """The front end alone: that of a window (None), and that of streams that take so many frames per call."""
    unpacked = unpack(bundle.model)
    editor = GraphEditor(unpacked)
    log = next(operator for operator in editor.graph.operators if editor.name(operator) == "LOG")
    whole = cut(unpacked, start=int(editor.graph.inputs[0]), stop=int(log.outputs[0]))
    parts = parts_of(bundle.model, mels=bundle.frontend.mel_count)
    streams = {rows: streaming_front_end(bundle.frontend, parts, rows=rows)[0] for rows in hops}
    return {None: pack(whole), **streams}


def core(bundle: Bundle, *, runtime: str | None = None) -> Timed:
    """The quantised part of a bundle's model as it ships, int8 in and out.

    Multiply-adds are those of the network, without the zeros that folding adds.
    """
    unpacked = unpack(bundle.model)
    editor = GraphEditor(unpacked)
    ends = [
        next(operator for operator in editor.graph.operators if editor.name(operator) == name)
        for name in ("QUANTIZE", "DEQUANTIZE")
    ]
    shipped = pack(cut(unpacked, start=int(ends[0].outputs[0]), stop=int(ends[1].inputs[0])))
    trained = parts_of(bundle.model, mels=bundle.frontend.mel_count).core
    line = timed_model(shipped, audio_s=bundle.window_s, runtime=runtime)
    return replace(line, multiply_adds=multiply_adds(trained))


class Peers:
    """Models of other projects, in folders, in wheels in these folders, or in installed packages.

    Args:
        folders: Where to look: `*.tflite` and `*.whl`.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def model(self, name: str) -> bytes | None:
        """The content of a `.tflite` file, or None where there is none."""
        for folder in self._folders:
            if (folder / name).is_file():
                return (folder / name).read_bytes()
        for wheel in self._wheels():
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    if member.endswith(f"/{name}"):
                        return archive.read(member)
        for package in ("pymicro_wakeword", "wyoming_openwakeword"):
            spec = importlib.util.find_spec(package)
            path = Path(spec.origin).parent / "models" / name if spec and spec.origin else None
            if path is not None and path.is_file():
                return path.read_bytes()
        return None

    def open_wake_word(self, runtime: str | None) -> Timed | None:
        """Mel spectrogram, embedding and one wake word, as often as its server runs them."""
        models = [self.model(name) for name in _OPEN_WAKE_WORD_MODELS]
        if None in models:
            return None
        return timed_model(*models, audio_s=0.08, runtime=runtime, samples=_OPEN_WAKE_WORD_SAMPLES)

    def micro_features(self) -> Timed | None:
        """The front end of TensorFlow Lite Micro as the package `pymicro-features` has it, 10 ms a call."""
        module = self._micro_features()
        if module is None:
            return None
        front_end = module.create_frontend()
        noise = np.random.default_rng(0).normal(0, 3000, 160).astype("<i2").tobytes()
        return Timed(lambda: module.process_samples(front_end, noise), 0.01)

    def _micro_features(self) -> Any:
        if importlib.util.find_spec("micro_features_cpp") is None:
            wheels = [wheel for wheel in self._wheels() if wheel.name.startswith("pymicro_features")]
            if not wheels:
                return None
            folder = tempfile.mkdtemp(prefix="pymicro-features-")
            with zipfile.ZipFile(wheels[0]) as archive:
                archive.extractall(folder)
            sys.path.append(folder)
        return importlib.import_module("micro_features_cpp")

    def _wheels(self) -> Iterator[Path]:
        for folder in self._folders:
            yield from sorted(folder.glob("*.whl"))


def theirs(peers: Peers) -> tuple[dict[str, Timed], list[str]]:
    """The peers that are there, and the names of those that are not."""
    models = {
        DS_CNN: ("mlperf_tiny_kws_int8.tflite", 1.0, None),
        "MLPerf Tiny streaming wake word, int8": ("mlperf_tiny_streaming_wakeword_int8.tflite", 0.3, None),
        "microWakeWord alexa, int8, without front end": ("alexa.tflite", 0.03, None),
        "YAMNet, float": ("yamnet.tflite", 0.48, None),
        OPEN_WAKE_WORD_MEL: ("melspectrogram.tflite", 1.0, 16000),
    }
    lines: dict[str, Timed | None] = {}
    for name, (file, audio_s, samples) in models.items():
        model = peers.model(file)
        lines[name] = (
            None
            if model is None
            else timed_model(model, audio_s=audio_s, runtime=None, samples=samples, count=name == DS_CNN)
        )
    lines[OPEN_WAKE_WORD] = peers.open_wake_word(None)
    lines[MICRO_FEATURES] = peers.micro_features()
    return {name: line for name, line in lines.items() if line}, [n for n, line in lines.items() if not line]
