"""The same model file with its embedding as the output: nothing is stored or shipped twice.

A bundle's model ends in the embedding's normalisation, the head and the softmax. Which tensor is the output
is one number in the file. Here that number is replaced in memory, by walking the flatbuffer with the standard
library alone; weights, front end and quantisation stay those that were judged.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from kwsembed.errors import BundleError
from kwsembed.runtime.inner_output import with_output

# Of the TensorFlow Lite schema: field numbers of the tables, and operators.
_CODES, _SUBGRAPHS = 1, 2
_GRAPH_OPERATORS = 3
_OPERATOR_CODE, _OPERATOR_OUTPUTS = 0, 2
_OLD_CODE, _CODE = 0, 3
_FULLY_CONNECTED, _L2_NORMALIZATION, _SOFTMAX = 9, 11, 25
_TAIL = (_L2_NORMALIZATION, _FULLY_CONNECTED, _SOFTMAX)


def with_embedding_output(model: bytes) -> bytes:
    """The model with the embedding as its output instead of the probabilities.

    Args:
        model: Flatbuffer of a bundle's model, waveform in and probabilities out.

    Returns:
        Flatbuffer of the same length, waveform `[1, window_samples]` in, embedding `[1, dim]` of norm 1 out.

    Raises:
        BundleError: The model does not end as `export_model` makes it.
    """
    try:
        return _redirected(model)
    except (struct.error, IndexError):
        raise BundleError("the model cannot be read as a flatbuffer", fix="copy the bundle again") from None


def _redirected(model: bytes) -> bytes:
    root = _int("I", model, 0)
    graph = _tables(model, _field(model, root, _SUBGRAPHS))[0]
    operators = _tables(model, _field(model, graph, _GRAPH_OPERATORS))[-len(_TAIL) :]
    codes = _tables(model, _field(model, root, _CODES))
    found = tuple(_builtin(model, codes[_number(model, at, _OPERATOR_CODE, "I")]) for at in operators)
    if found != _TAIL:
        raise BundleError(
            "the model gives no embedding",
            expected=f"the last operators {_TAIL}: L2_NORMALIZATION, FULLY_CONNECTED, SOFTMAX",
            received=found,
        )
    outputs = _vector(model, _field(model, operators[0], _OPERATOR_OUTPUTS))
    return with_output(model, _int("i", model, outputs + 4))


def _int(kind: str, model: bytes, at: int) -> int:
    return int(struct.unpack_from(f"<{kind}", model, at)[0])


def _field(model: bytes, table: int, number: int) -> int:
    """Where a field of a table lies; 0 if it has its default."""
    fields = table - _int("i", model, table)
    if 4 + 2 * number >= _int("H", model, fields):
        return 0
    offset = _int("H", model, fields + 4 + 2 * number)
    return table + offset if offset else 0


def _number(model: bytes, table: int, number: int, kind: str) -> int:
    at = _field(model, table, number)
    return _int(kind, model, at) if at else 0


def _vector(model: bytes, field: int) -> int:
    """Where the vector lies that a field refers to: its length, then its items."""
    return field + _int("I", model, field)


def _tables(model: bytes, field: int) -> Sequence[int]:
    at = _vector(model, field)
    items = [at + 4 + 4 * item for item in range(_int("I", model, at))]
    return [item + _int("I", model, item) for item in items]


def _builtin(model: bytes, code: int) -> int:
    """Files of before 2020 have the first field only, others the second, and both below 127."""
    return max(_number(model, code, _OLD_CODE, "b"), _number(model, code, _CODE, "i"))
