"""From a network that judges windows to one that judges a stream hop by hop, by editing its graph.

The weights and the ranges of the int8 values stay those of the windowed network; nothing is trained or
quantised again.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kwsembed.errors import ConfigError
from kwsembed.tflite.editing import GraphEditor
from kwsembed.tflite.flatbuffer import pack, unpack
from kwsembed.tflite.history import State, every_row, rows_from, with_history
from kwsembed.tflite.time_track import Track, same_padding

_TIME, _BANDS = 1, 2  # axes of `(1, frames, bands, channels)`
_DILATED_KERNEL = 2  # the first version of DEPTHWISE_CONV_2D that knows dilation; of CONV_2D all do
_ELEMENTWISE = ("QUANTIZE", "RELU", "RELU6")


@dataclass(frozen=True)
class Streamed:
    """A network that takes one hop at a time.

    Attributes:
        model: Flatbuffer: the next rows of the input and the states in; the output and the states out.
        rows: Rows of the input per call.
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


def streamed(model: bytes, *, rows: int | None = None) -> Streamed:
    """Makes a network that judges windows judge a stream.

    The result computes what the network computes on an endless input without borders: convolutions see true
    neighbours in place of zeros, the mean is taken over as many positions as in a window, the last ones.
    Each layer keeps the rows that its next call needs, so a call costs what its hop costs.

    At a hop of the product of the strides each layer computes as many rows as in a window. Shorter hops get
    the same numbers for windows that start in between too: a layer then goes by the greatest common divisor
    of hop and stride in place of its stride, and the layers behind it reach over the rows in between (their
    kernels are dilated).

    Args:
        model: Flatbuffer, `(1, rows, bands, 1)` to anything, in which time is mixed only by convolutions and
            one mean over time, as in `ds_cnn`; float or int8, with QUANTIZE and DEQUANTIZE anywhere.
        rows: Rows of the input per call; if None, the product of the strides in time.

    Returns:
        The network and what its caller must know.

    Raises:
        ConfigError: Another operation mixes time.

    Example:
        >>> streamed(core).rows  # doctest: +SKIP
        16
    """
    return _Streaming(GraphEditor(unpack(model)), rows).run()


class _Streaming:
    def __init__(self, editor: GraphEditor, rows: int | None) -> None:
        self._editor = editor
        self._rows = self._product_of_strides() if rows is None else rows
        self._operators: list[Any] = []
        self._tracks: dict[int, Track] = {}
        self._kept: dict[int, tuple[int, int]] = {}  # tensor: (its rows behind older ones, how many older)
        self._states: list[State] = []
        self._result: tuple[Track, int] | None = None

    def run(self) -> Streamed:
        editor = self._editor
        graph, windowed = editor.graph, {at: editor.shape(at) for at in range(len(editor.graph.tensors))}
        self._place(int(graph.inputs[0]), Track(self._rows, 1, 1, 0, 0, 0))
        for operator in graph.operators:
            timed = [int(at) for at in operator.inputs if int(at) in self._tracks]
            if timed:
                self._convert(operator, timed, windowed)
            self._operators.append(operator)
        if self._result is None:
            raise _refusal("no mean over time")
        graph.operators = self._operators
        track, positions = self._result
        span = track.windowed_stride * (positions - 1)
        return Streamed(
            model=pack(editor.model),
            rows=self._rows,
            states=tuple(self._states),
            window_start=track.offset + track.stride * (track.rows - 1) - span,
            reach=(track.before, track.after + span + 1 - windowed[int(graph.inputs[0])][_TIME]),
            positions=positions,
        )

    def _product_of_strides(self) -> int:
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
        elif name == "RESHAPE":
            self._reshape(operator, windowed)
        else:
            raise _refusal(name)

    def _place(self, tensor: int, track: Track) -> None:
        """Notes where a tensor lies in time, and gives it its new number of rows."""
        self._tracks[tensor] = track
        self._editor.graph.tensors[tensor].shape[_TIME] = track.rows
        self._editor.graph.tensors[tensor].shapeSignature = None

    def _convolution(self, operator: Any, windowed: dict[int, tuple[int, ...]]) -> None:
        source, weights, output = int(operator.inputs[0]), int(operator.inputs[1]), int(operator.outputs[0])
        options, track = operator.builtinOptions, self._tracks[source]
        kernel, windowed_stride = self._editor.shape(weights)[1], track.windowed_stride * options.strideH
        if options.dilationHFactor != 1:
            raise _refusal(f"a convolution with {options.dilationHFactor=}")
        same = options.padding == schema.Padding.SAME
        padding = same_padding(windowed[source][_TIME], kernel, options.strideH)[0] if same else 0
        stride = math.gcd(windowed_stride, self._rows) // track.stride
        older = (kernel - 1) * track.apart + 1 - stride
        if older < 0:
            raise _refusal(f"a convolution of {kernel} rows, stride {stride}")
        operator.inputs[0] = self._with_older(source, older)
        if same:
            width = same_padding(
                windowed[source][_BANDS], self._editor.shape(weights)[_BANDS], options.strideW
            )
            operator.inputs[0] = self._pad_bands(int(operator.inputs[0]), width)
            options.padding = schema.Padding.VALID
        options.strideH, options.dilationHFactor = stride, track.apart
        if track.apart > 1:
            self._editor.require_version(operator, _DILATED_KERNEL)
        self._place(
            output,
            Track(
                rows=track.rows // stride,
                stride=track.stride * stride,
                windowed_stride=windowed_stride,
                offset=track.offset + track.windowed_stride * padding - track.stride * older,
                before=track.before + track.windowed_stride * padding,
                after=track.after + track.windowed_stride * (kernel - 1 - padding),
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

    def _reshape(self, operator: Any, windowed: dict[int, tuple[int, ...]]) -> None:
        source, output = int(operator.inputs[0]), int(operator.outputs[0])
        if windowed[source][: _TIME + 1] != windowed[output][: _TIME + 1]:
            raise _refusal("a reshape that moves rows")
        self._place(output, self._tracks[source])
        shape = np.array(self._editor.shape(output), np.int32)
        operator.inputs = [source, self._editor.add_constant(shape, schema.TensorType.INT32)]
        operator.builtinOptions.newShape = shape

    def _align(self, operator: Any, timed: list[int]) -> None:
        """Delays the inputs of a sum that are ahead of the others, such as a shortcut past a convolution."""
        tracks = [self._tracks[at] for at in timed]
        latest = min(tracks, key=lambda track: track.offset)
        if len({(track.rows, track.stride, track.windowed_stride) for track in tracks}) > 1:
            raise _refusal("a sum of rows that lie apart")
        operator.inputs = [
            self._delayed(int(at), (self._tracks[int(at)].offset - latest.offset) // latest.stride)
            if int(at) in self._tracks
            else int(at)
            for at in operator.inputs
        ]
        reach = (max(track.before for track in tracks), max(track.after for track in tracks))
        self._place(int(operator.outputs[0]), dataclasses.replace(latest, before=reach[0], after=reach[1]))

    def _mean(self, operator: Any, windowed: dict[int, tuple[int, ...]]) -> None:
        source = int(operator.inputs[0])
        axes = self._editor.constant(int(operator.inputs[1]))
        if axes is None or _TIME not in axes % 4 or self._result is not None:
            raise _refusal("a mean that is not over time, or a second one")
        positions, track = windowed[source][_TIME], self._tracks[source]
        joined = self._with_older(source, max(positions * track.apart - track.rows, 0))
        operator.inputs[0], operators = every_row(self._editor, joined, step=track.apart, count=positions)
        self._operators += operators
        self._result = (track, positions)

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
        self._operators.append(rows_from(self._editor, joined, older - rows, output))
        return output


def _refusal(found: str) -> ConfigError:
    return ConfigError(
        "this network cannot be run as a stream",
        expected="time mixed by convolutions and one mean over time only, as in backbone=ds_cnn",
        received=found,
        fix="train with --backbone ds_cnn",
    )
