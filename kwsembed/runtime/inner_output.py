"""A model that gives one of its inner tensors: the same file, but for the number of its output."""

from __future__ import annotations

import struct

from kwsembed.errors import BundleError

# Fields of the tables Model and SubGraph in TensorFlow Lite's schema.
_SUBGRAPHS, _OUTPUTS = 2, 2


def with_output(model: bytes, tensor: int) -> bytes:
    """Returns the model with `tensor` as its output; everything else, and so what it computes, stays.

    Interpreters can also keep all inner tensors, but then compute with other kernels than a device does.

    Args:
        model: Flatbuffer with one subgraph and one output.
        tensor: Index of the tensor in the subgraph.

    Raises:
        BundleError: The model is not built so.
    """
    try:
        (root,) = struct.unpack_from("<I", model, 0)
        subgraphs = _vector(model, root, _SUBGRAPHS)
        (step,) = struct.unpack_from("<I", model, subgraphs + 4)
        outputs = _vector(model, subgraphs + 4 + step, _OUTPUTS)
        counts = [struct.unpack_from("<I", model, at)[0] for at in (subgraphs, outputs)]
        if counts != [1, 1]:
            raise BundleError(
                "the model has another interface",
                expected="one subgraph with one output",
                received=f"{counts[0]} subgraphs, {counts[1]} outputs in the first",
            )
        changed = bytearray(model)
        struct.pack_into("<i", changed, outputs + 4, tensor)
    except struct.error:
        raise BundleError("the model is no sound flatbuffer") from None
    return bytes(changed)


def _vector(model: bytes, table: int, field: int) -> int:
    """Where the vector in a field of a table begins, with its length."""
    (back,) = struct.unpack_from("<i", model, table)
    (offset,) = struct.unpack_from("<H", model, table - back + 4 + 2 * field)
    if offset == 0:
        raise BundleError("the model has no graph or no output")
    (forward,) = struct.unpack_from("<I", model, table + offset)
    return int(table + offset + forward)
