"""Finding an interpreter for `.tflite` models and running a model in it.

LiteRT is looked for first, then the older tflite-runtime, then TensorFlow, which brings an interpreter along
but takes seconds to import. The environment variable KWSEMBED_RUNTIME, or the argument `runtime`, names one.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from kwsembed.errors import BundleError, ConfigError, MissingDependencyError
from kwsembed.native_log import native_log_held_back

RUNTIMES = ("ai_edge_litert", "tflite_runtime", "tensorflow")
ENVIRONMENT_VARIABLE = "KWSEMBED_RUNTIME"

_INSTALL = 'python -m pip install "kwsembed[edge]" (or ai-edge-litert)'
_NUMPY_2 = (
    'tflite-runtime works with NumPy 1 only: python -m pip install "numpy<2", or install ai-edge-litert'
)


@dataclass(frozen=True)
class RuntimeStatus:
    """Whether an interpreter can be used: its version, or the problem."""

    name: str
    version: str | None
    problem: str | None


class LoadedModel:
    """A model of one float32 input [1, samples] and one float32 output [1, labels], ready to run.

    Attributes:
        runtime: Name of the interpreter's package.
        input_shape: Shape of the input.
        output_shape: Shape of the output.
    """

    def __init__(self, interpreter: Any, *, runtime: str) -> None:
        self.runtime = runtime
        self._interpreter = interpreter
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        tensors = [*inputs, *outputs]
        if (len(inputs), len(outputs)) != (1, 1) or any(t["dtype"] is not np.float32 for t in tensors):
            raise BundleError(
                "the model has another interface",
                expected="one float32 input, one float32 output",
                received=", ".join(f"{t['name']} {t['dtype'].__name__}" for t in tensors),
            )
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self.input_shape = tuple(int(n) for n in inputs[0]["shape"])
        self.output_shape = tuple(int(n) for n in outputs[0]["shape"])

    @property
    def version(self) -> str:
        """Version of the interpreter's package."""
        return _version(self.runtime) or "unknown"

    def run(self, waveform: np.ndarray) -> np.ndarray:
        """Runs the model on one window: (samples,) -> (labels,) float32."""
        self._interpreter.set_tensor(self._input, np.asarray(waveform, np.float32)[None])
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise BundleError(f"{self.runtime} {self.version} cannot run the model: {error}") from None
        return self._interpreter.get_tensor(self._output)[0]


def load_interpreter(model: bytes, *, runtime: str | None = None, threads: int = 1) -> LoadedModel:
    """Loads a model into the first interpreter that is installed, or into the one named.

    Args:
        model: The flatbuffer.
        runtime: One of `RUNTIMES`; if None, what KWSEMBED_RUNTIME names, else the first that works.
        threads: Threads of the interpreter; small models gain nothing from more than one.

    Raises:
        MissingDependencyError: If there is no interpreter, or not the one named; says what to install.
        BundleError: If the interpreter refuses the model.

    Example:
        >>> model = load_interpreter(Path("model.tflite").read_bytes())  # doctest: +SKIP
        >>> model.run(np.zeros(16000))  # doctest: +SKIP
    """
    interpreter, name = open_interpreter(model, runtime=runtime, threads=threads)
    return LoadedModel(interpreter, runtime=name)


def open_interpreter(
    model: bytes,
    *,
    runtime: str | None = None,
    threads: int = 1,
    input_shape: Sequence[int] | None = None,
) -> tuple[Any, str]:
    """As `load_interpreter`, for models of any interface: the `Interpreter` itself and its package's name.

    `input_shape` is that of the first input, for models that leave it open.
    """
    name, interpreter_class = _find(runtime or os.environ.get(ENVIRONMENT_VARIABLE) or None)
    try:
        with native_log_held_back():
            interpreter = interpreter_class(model_content=model, num_threads=threads)
            if input_shape is not None:
                interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], input_shape)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{name} {_version(name)} refuses the model: {error}") from None
    return interpreter, name


def runtime_status(name: str) -> RuntimeStatus:
    """Whether the interpreter `name` can be used; TensorFlow is only looked for, not imported."""
    found = _version(name)
    try:
        if name != "tensorflow":
            _import(name)
        elif find_spec(name) is None:
            raise ImportError("not installed")
    except ImportError as error:
        return RuntimeStatus(name, found, str(error))
    return RuntimeStatus(name, found, None)


def _find(wanted: str | None) -> tuple[str, Callable[..., Any]]:
    if wanted is not None and wanted not in RUNTIMES:
        raise ConfigError(
            "no such runtime", expected=f"one of {', '.join(RUNTIMES)}", received=f"runtime={wanted!r}"
        )
    problems = []
    for name in RUNTIMES if wanted is None else (wanted,):
        try:
            return name, _import(name)
        except ImportError as error:
            problems.append(f"{name}: {error}")
    raise MissingDependencyError(
        "no interpreter for .tflite models can be used", received="; ".join(problems), fix=_INSTALL
    )


def _import(name: str) -> Callable[..., Any]:
    """The class Interpreter of a package; ImportError with the reason in a line."""
    numpy_2 = int(np.__version__.split(".")[0]) >= 2
    if name == "tflite_runtime" and numpy_2 and _version(name) is not None:
        # Its extension would print a page and then fail at the first model.
        raise ImportError(_NUMPY_2)
    try:
        if name == "tensorflow":
            return importlib.import_module("tensorflow").lite.Interpreter
        return importlib.import_module(f"{name}.interpreter").Interpreter
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != name:
            raise ImportError(f"it needs {error.name}") from None
        raise ImportError("not installed") from None
    except Exception as error:  # a package that is there but broken fails in many ways
        raise ImportError(f"cannot be imported, {type(error).__name__}: {error}") from None


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and seldom needed

    try:
        return version(name.replace("_", "-"))
    except PackageNotFoundError:
        return None
