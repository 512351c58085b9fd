"""What the runtimes on devices accept, and whether a model keeps to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import KwsembedError
from kwsembed.tflite.flatbuffer import metadata, unpack

RUNTIME_VERSION = "min_runtime_version"
# tflite-runtime 2.14 and the Task Library 0.4.4 are the oldest runtimes served; the latter holds the kernels
# of 2.13.
NEWEST_RUNTIME_NEEDED = (2, 13, 0)

Version = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One operation: its name in the schema, the version of its kernel, the type of its output (if any)."""

    name: str
    version: int
    output_type: str


@dataclass(frozen=True)
class TensorFacts:
    """Name, shape and element type of an input or output."""

    name: str
    shape: tuple[int, ...]
    type: str


@dataclass(frozen=True)
class ModelFacts:
    """What a client sees of a model before it runs it."""

    size_bytes: int
    min_runtime_version: str
    subgraphs: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    operations: tuple[Operation, ...]


def describe(model: bytes) -> ModelFacts:
    """Reads size, interface and operations of a TensorFlow Lite model."""
    unpacked = unpack(model)
    main, names = unpacked.subgraphs[0], operation_names(unpacked)
    return ModelFacts(
        size_bytes=len(model),
        min_runtime_version=version_text(runtime_version(unpacked)),
        subgraphs=len(unpacked.subgraphs),
        inputs=tuple(_tensor_facts(main.tensors[at]) for at in main.inputs),
        outputs=tuple(_tensor_facts(main.tensors[at]) for at in main.outputs),
        operations=tuple(
            _operation(unpacked, names, graph, operator)
            for graph in unpacked.subgraphs
            for operator in graph.operators
        ),
    )


def check_clients(model: bytes) -> ModelFacts:
    """Refuses a model that MediaPipe, the Task Library, tflite-runtime 2.14 or LiteRT would not take.

    Args:
        model: Flatbuffer of the whole model, waveform to probabilities.

    Returns:
        The facts that were checked.

    Raises:
        KwsembedError: The model needs a newer runtime, has custom operations, more than one graph, or not
            one float32 input `(1, samples)` and one float32 output `(1, labels)`. A fault of the export, not
            of the user.
    """
    facts = describe(model)
    needed = tuple(int(part) for part in facts.min_runtime_version.split("."))
    interface = [
        (tensor.type, len(tensor.shape), tensor.shape[:1]) for tensor in facts.inputs + facts.outputs
    ]
    custom = sorted({operation.name for operation in facts.operations if operation.name.startswith("CUSTOM")})
    checks = [
        (
            needed <= NEWEST_RUNTIME_NEEDED,
            f"{RUNTIME_VERSION} of at most {version_text(NEWEST_RUNTIME_NEEDED)}",
            facts.min_runtime_version,
        ),
        (facts.subgraphs == 1, "one subgraph", facts.subgraphs),
        (
            len(facts.inputs) == len(facts.outputs) == 1 and interface == [("FLOAT32", 2, (1,))] * 2,
            "a float32 input (1, samples) and a float32 output (1, labels)",
            facts.inputs + facts.outputs,
        ),
        (not custom, "builtin operations only", ", ".join(custom)),
    ]
    for holds, expected, received in checks:
        if not holds:
            raise KwsembedError(
                "The exported model would be refused by runtimes on devices",
                expected=expected,
                received=received,
            )
    return facts


def runtime_version(unpacked: Any) -> Version:
    """The oldest runtime that a `schema.ModelT` says it needs; `(0, 0, 0)` if it says nothing."""
    # TensorFlow 2.16 writes the entry twice, once empty.
    texts = [content.rstrip(b"\0").decode() for content in metadata(unpacked, RUNTIME_VERSION)]
    return max((tuple(int(part) for part in text.split(".")) for text in texts if text), default=(0, 0, 0))


def operation_names(unpacked: Any) -> list[str]:
    """Name of each operation code of a `schema.ModelT`."""
    # Codes below 127 are stored in the older field, all of them in the newer one by newer converters.
    return [
        _NAMES_OF_OPERATIONS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        for code in unpacked.operatorCodes
    ]


def version_text(version: Version) -> str:
    """`(2, 5, 0)` as `2.5.0`."""
    return ".".join(str(part) for part in version)


def _operation(unpacked: Any, names: list[str], graph: Any, operator: Any) -> Operation:
    version = unpacked.operatorCodes[operator.opcodeIndex].version
    outputs = [NAMES_OF_TYPES[graph.tensors[at].type] for at in operator.outputs]
    return Operation(names[operator.opcodeIndex], version, outputs[0] if outputs else "")


def _tensor_facts(tensor: Any) -> TensorFacts:
    return TensorFacts(
        bytes(tensor.name).decode(), tuple(int(n) for n in tensor.shape), NAMES_OF_TYPES[tensor.type]
    )


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_NAMES_OF_OPERATIONS = _names(schema.BuiltinOperator)
NAMES_OF_TYPES = _names(schema.TensorType)
