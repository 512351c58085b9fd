"""From a network that judges windows to one that judges a stream hop by hop, by editing its graph.

The weights and the ranges of the int8 values stay those of the windowed network; nothing is trained or
quantised again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import ConfigError
from kwsembed.tflite.clients import NAMES_OF_TYPES
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import pack, unpack

_TIME, _BANDS = 1, 2  # axes of `(1, frames, bands, channels)`
_ELEMENTWISE = ("QUANTIZE", "RELU", "RELU6")


@dataclass(frozen=True)
class State:
    """What a stream remembers at one place of the network, given back by each call and passed to the next.

    Attributes:
        input: Name of the input tensor.
        output: Name of the output tensor.
        shape: `(1, rows, ...)`.
        type: `FLOAT32` or `INT8`.
        start: The element that fills the state of a new stream: it stands for the number 0.
    """

    input: str
    output: str
    shape: tuple[int, ...]
    type: str
    start: int


@dataclass(frozen=True)
class Streamed:
    """A network that takes one hop at a time.

    Attributes:
        model: Flatbuffer: the next rows of the input and the states in; the output and the states out.
        rows: Rows of the input per call, the product of the strides in time.
        states: In the order of the tensors.
        window_start: The output of call `n` is that of the window that starts at row
            `n * rows + window_start` of the stream (below 0 at first).
        reach: Rows before and after that window that the output depends on; the windowed network has zeros
            there.
        positions: How many positions the mean over time is taken of.
    """

    model: bytes
    rows: int
    states: tuple[State, ...]
    window_start: int
    reach: tuple[int, int]
    positions: int

    @property
    def warm_up(self) -> int:
        """How many calls of a new stream depend on what was before it, and so are not to be used."""
        return -(-(self.reach[0] - self.window_start) // self.rows)


@dataclass(frozen=True)
class _Track:
    """Where in time the rows of a tensor lie.

    Attributes:
        rows: Rows per call.
        stride: Rows of the input from one row to the next.
        offset: Row of the input, counted from the first of a call, that the first row of the call stands at.
        before: Rows of the input that a row depends on, before where it stands.
        after: The same, behind it.
    """

    rows: int
    stride: int
    offset: int
    before: int
    after: int


def streamed(model: bytes) -> Streamed:
    """Makes a network that judges windows judge a stream.

    The result computes what the network computes on an endless input without borders: convolutions see true
    neighbours in place of zeros, the mean is taken over as many positions as in a window, the last ones.
    Each layer keeps the rows that its next call needs, so a call costs what its hop costs.

    Args:
        model: Flatbuffer, `(1, rows, bands, 1)` to anything, in which time is mixed only by convolutions and
            one mean over time, as in `ds_cnn`; float or int8, with QUANTIZE and DEQUANTIZE anywhere.

    Returns:
        The network and what its caller must know.

    Raises:
        ConfigError: Another operation mixes time.

    Example:
        >>> streamed(core).rows  # doctest: +SKIP
        16
    """
    return _Streaming(GraphEditor(unpack(model))).run()


class _Streaming:
    def __init__(self, editor: GraphEditor) -> None:
        self._editor = editor
        self._operators: list[Any] = []
        self._tracks: dict[int, _Track] = {}
        self._kept: dict[int, tuple[int, int]] = {}  # tensor: (its rows behind older ones, how many older)
        self._states: list[State] = []
        self._result: tuple[_Track, int] | None = None

    def run(self) -> Streamed:
        editor = self._editor
        graph, windowed = editor.graph, {at: editor.shape(at) for at in range(len(editor.graph.tensors))}
        rows = self._hop(windowed)
        self._place(int(graph.inputs[0]), _Track(rows, 1, 0, 0, 0))
        for operator in graph.operators:
            timed = [int(at) for at in operator.inputs if int(at) in self._tracks]
            if timed:
                self._convert(operator, timed, windowed)
            self._operators.append(operator)
        if self._result is None:
            raise _refusal("no mean over time")
        graph.operators = self._operators
        track, positions = self._result
        span = track.stride * (positions - 1)
        return Streamed(
            model=pack(editor.model),
            rows=rows,
            states=tuple(self._states),
            window_start=track.offset - span,
            reach=(track.before, track.after + span + 1 - windowed[int(graph.inputs[0])][_TIME]),
            positions=positions,
        )

    def _hop(self, windowed: dict[int, tuple[int, ...]]) -> int:
        """Rows of the input per row of the mean: the product of the strides on any one way there."""
        stride = {int(self._editor.graph.inputs[0]): 1}
        for operator in self._editor.graph.operators:
            known = [stride[int(at)] for at in operator.inputs if int(at) in stride]
            if self._editor.name(operator) == "MEAN" and known:
                return known[0]
            if known:
                own = getattr(operator.builtinOptions, "strideH", 1)
                stride |= {int(at): known[0] * own for at in operator.outputs}
        raise _refusal("no mean over time")

    def _convert(self, operator: Any, timed: list[int], windowed: dict[int, tuple[int, ...]]) -> None:
        name = self._editor.name(operator)
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolution(operator, windowed)
        elif name in ("ADD", "SUB", "MUL"):
            self._align(operator, timed)
        elif name == "MEAN":
            self._mean(operator, windowed)
        elif name in _ELEMENTWISE:
            self._place(int(operator.outputs[0]), self._tracks[timed[0]])
        else:
            raise _refusal(name)

    def _place(self, tensor: int, track: _Track) -> None:
        """Notes where a tensor lies in time, and gives it its new number of rows."""
        self._tracks[tensor] = track
        self._editor.graph.tensors[tensor].shape[_TIME] = track.rows
        self._editor.graph.tensors[tensor].shapeSignature = None

    def _convolution(self, operator: Any, windowed: dict[int, tuple[int, ...]]) -> None:
        source, weights, output = int(operator.inputs[0]), int(operator.inputs[1]), int(operator.outputs[0])
        options, track = operator.builtinOptions, self._tracks[source]
        kernel, stride = self._editor.shape(weights)[1], options.strideH
        if options.dilationHFactor != 1 or kernel < stride:
            raise _refusal(f"a convolution of {kernel} rows, stride {stride}, {options.dilationHFactor=}")
        same = options.padding == schema.Padding.SAME
        padding = _same_padding(windowed[source][_TIME], kernel, stride)[0] if same else 0
        older = kernel - stride
        operator.inputs[0] = self._with_older(source, older)
        if same:
            width = _same_padding(
                windowed[source][_BANDS], self._editor.shape(weights)[_BANDS], options.strideW
            )
            operator.inputs[0] = self._pad_bands(int(operator.inputs[0]), width)
            options.padding = schema.Padding.VALID
        self._place(
            output,
            _Track(
                rows=track.rows // stride,
                stride=track.stride * stride,
                offset=track.offset + track.stride * (padding - older),
                before=track.before + track.stride * padding,
                after=track.after + track.stride * (kernel - 1 - padding),
            ),
        )

    def _pad_bands(self, source: int, width: tuple[int, int]) -> int:
        if not any(width):
            return source
        editor, shape = self._editor, list(self._editor.shape(source))
        shape[_BANDS] += sum(width)
        padded = editor.add_tensor_like(source, shape)
        paddings = np.zeros((4, 2), np.int32)
        paddings[_BANDS] = width
        amounts = editor.add_constant(paddings, schema.TensorType.INT32)
        self._operators.append(editor.operation("PAD", [source, amounts], padded, schema.PadOptionsT()))
        return padded

    def _align(self, operator: Any, timed: list[int]) -> None:
        """Delays the inputs of a sum that are ahead of the others, such as a shortcut past a convolution."""
        tracks = [self._tracks[at] for at in timed]
        latest = min(tracks, key=lambda track: track.offset)
        if any((track.rows, track.stride) != (latest.rows, latest.stride) for track in tracks):
            raise _refusal("a sum of rows that lie apart")
        operator.inputs = [
            self._delayed(int(at), (self._tracks[int(at)].offset - latest.offset) // latest.stride)
            if int(at) in self._tracks
            else int(at)
            for at in operator.inputs
        ]
        reach = (max(track.before for track in tracks), max(track.after for track in tracks))
        self._place(
            int(operator.outputs[0]), _Track(latest.rows, latest.stride, latest.offset, reach[0], reach[1])
        )

    def _mean(self, operator: Any, windowed: dict[int, tuple[int, ...]]) -> None:
        source = int(operator.inputs[0])
        axes = self._editor.constant(int(operator.inputs[1]))
        if axes is None or _TIME not in axes % 4 or self._result is not None:
            raise _refusal("a mean that is not over time, or a second one")
        positions = windowed[source][_TIME]
        operator.inputs[0] = self._with_older(source, positions - 1)
        self._result = (self._tracks[source], positions)

    def _with_older(self, tensor: int, older: int) -> int:
        """The rows of a tensor behind `older` rows of earlier calls, which become a state."""
        if older == 0:
            return tensor
        if tensor not in self._kept:
            name = f"state_{len(self._states)}"
            joined, operators, state = with_history(self._editor, tensor, older, name=name)
            self._operators += operators
            self._states.append(state)
            self._kept[tensor] = (joined, older)
        joined, kept = self._kept[tensor]
        if kept != older:
            raise _refusal("one tensor in two convolutions of different length")
        return joined

    def _delayed(self, tensor: int, rows: int) -> int:
        if rows == 0:
            return tensor
        if tensor not in self._kept:
            self._with_older(tensor, rows)
        joined, older = self._kept[tensor]
        if older < rows:
            raise _refusal(f"a shortcut that is {rows} rows ahead")
        output = self._editor.add_tensor_like(tensor, self._editor.shape(tensor))
        self._operators.append(_slice(self._editor, joined, older - rows, output))
        return output


def with_history(editor: GraphEditor, tensor: int, older: int, *, name: str) -> tuple[int, list[Any], State]:
    """Puts rows of earlier calls before those of a tensor, by a state of the graph.

    Args:
        editor: The graph; gets an input `{name}_in` and an output `{name}_out`.
        tensor: Index of the tensor `(1, rows, ...)`.
        older: How many rows to remember.
        name: Of the state.

    Returns:
        Index of the tensor `(1, older + rows, ...)`; the operations that make it and the state's next
        value, to be put behind those that make `tensor`; the state.
    """
    shape = editor.shape(tensor)
    past = editor.add_tensor_like(tensor, (1, older, *shape[2:]), name=f"{name}_in")
    joined = editor.add_tensor_like(tensor, (1, older + shape[_TIME], *shape[2:]))
    future = editor.add_tensor_like(tensor, (1, older, *shape[2:]), name=f"{name}_out")
    options = schema.ConcatenationOptionsT()
    options.axis = _TIME
    operators = [
        editor.operation("CONCATENATION", [past, tensor], joined, options),
        _slice(editor, joined, shape[_TIME], future),
    ]
    editor.graph.inputs = [*editor.graph.inputs, past]
    editor.graph.outputs = [*editor.graph.outputs, future]
    kind = NAMES_OF_TYPES[editor.graph.tensors[tensor].type]
    start = int(editor.graph.tensors[tensor].quantization.zeroPoint[0]) if kind == "INT8" else 0
    return joined, operators, State(f"{name}_in", f"{name}_out", (1, older, *shape[2:]), kind, start)


def _slice(editor: GraphEditor, source: int, first_row: int, output: int) -> Any:
    shape = editor.shape(output)
    begin = np.zeros(len(shape), np.int32)
    begin[_TIME] = first_row
    limits = [
        editor.add_constant(values, schema.TensorType.INT32) for values in (begin, np.array(shape, np.int32))
    ]
    return editor.operation("SLICE", [source, *limits], output, schema.SliceOptionsT())


def _same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after that TensorFlow's padding "same" adds."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def _refusal(found: str) -> ConfigError:
    return ConfigError(
        "this network cannot be run as a stream",
        expected="time mixed by convolutions and one mean over time only, as in backbone=ds_cnn",
        received=found,
        fix="train with --backbone ds_cnn",
    )
