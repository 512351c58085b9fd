"""Band-limited resampling by a windowed sinc, the same for any chunking of the input, bit for bit.

Output sample k lies at the time of input sample k * M / L, where L / M is the ratio of the rates in lowest
terms: no delay, ceil(n * L / M) samples for n. The filter is a Kaiser-windowed sinc, flat to 0.45 and at
least 80 dB down from 0.5 of the lower rate (Oppenheim & Schafer, Discrete-Time Signal Processing, 7.6).

How it is fast: outputs come in blocks of P * L from P * M inputs, so a block is a matrix product with a
banded matrix. The band is cut into strips of some 32 outputs, each needing fewer inputs than a block has, so
that a strip of many blocks is one ordinary matrix product straight from the input. The products have a fixed
shape whatever the chunk, rows not yet heard being zero, which makes every bit of the result independent of
the chunking. Ratios that would need too large a matrix take one dot product per output instead.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np

from kwsembed.errors import AudioError

_HALF_WIDTH = 51  # of the filter, in samples of the lower rate
_CUTOFF = 0.475  # of the lower rate, the middle of the transition band
_KAISER_BETA = 7.95  # 80 dB
_STRIP = 32  # outputs
_BATCH = 2560  # outputs, about
_LARGEST_MATRIX = 1 << 21  # values in the strips of one block


def design_filter(up: int, down: int) -> np.ndarray:
    """Returns the symmetric low-pass taps at `up` times the input rate, float64 (taps,), summing to `up`.

    Example:
        >>> len(design_filter(160, 441))
        44983
    """
    longer = max(up, down)
    half = _HALF_WIDTH * longer
    time = np.arange(-half, half + 1) / longer
    taps = np.sinc(2 * _CUTOFF * time) * np.kaiser(2 * half + 1, _KAISER_BETA)
    return taps * (up / taps.sum())


class Resampler:
    """Resamples a stream.

    Args:
        rate_in_hz: Rate of the chunks, a positive whole number.
        rate_out_hz: Rate wanted.

    Example:
        >>> resampler = Resampler(48000, 16000)
        >>> parts = [resampler.process(np.ones(100, np.float32)), resampler.process(np.ones(20), final=True)]
        >>> sum(map(len, parts))
        40
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        for name, rate in (("rate_in_hz", rate_in_hz), ("rate_out_hz", rate_out_hz)):
            if not (rate == int(rate) and 1 <= rate <= 1_000_000):
                raise AudioError(
                    "the sample rate cannot be used",
                    expected="a whole number of Hz, 1 to 1,000,000",
                    received=f"{name}={rate}",
                )
        divisor = math.gcd(int(rate_in_hz), int(rate_out_hz))
        self._up, self._down = int(rate_out_hz) // divisor, int(rate_in_hz) // divisor
        self._half = 0 if self._up == self._down else math.ceil(_HALF_WIDTH * max(1, self._down / self._up))
        self._kernel = None if self._up == self._down else _kernel(self._up, self._down, self._half)
        self.reset()

    def reset(self) -> None:
        """Forgets the stream and begins a new one."""
        self._heard = 0  # inputs so far
        self._given = 0  # outputs so far
        self._kept_from = -self._half  # input index of the first kept sample; silence came before the stream
        self._kept = np.zeros(self._half, np.float32)

    def process(self, chunk: np.ndarray, *, final: bool = False) -> np.ndarray:
        """Takes the next samples (samples,) and returns those outputs that they complete, float32 (outputs,).

        Where both rates are the same that is the chunk itself, not a copy.
        With `final`, the rest of the stream is returned too, and a new stream begins with the next call.
        """
        chunk = np.asarray(chunk, np.float32)
        if chunk.ndim != 1:
            raise AudioError("a chunk has one axis", expected="(samples,)", received=f"shape={chunk.shape}")
        if self._kernel is None:
            return chunk
        self._heard += len(chunk)
        self._kept = np.concatenate([self._kept, chunk])
        # Output k needs inputs up to k * down / up + half; after the end those are zero.
        known = self._heard if final else max(0, self._heard - self._half)
        ready = -(-known * self._up // self._down)
        if ready > self._given:
            out, start = self._kernel.run(self._kept, self._kept_from, self._given, ready)
            self._kept, self._kept_from = self._kept[start - self._kept_from :].copy(), start
            self._given = ready
        else:
            out = np.zeros(0, np.float32)
        if final:
            self.reset()
        return out


def resample(waveform: np.ndarray, rate_in_hz: int, rate_out_hz: int) -> np.ndarray:
    """Resamples a whole waveform (samples,) to float32 (ceil(samples * rate_out_hz / rate_in_hz),).

    Example:
        >>> resample(np.zeros(441, np.float32), 44100, 16000).shape
        (160,)
    """
    return Resampler(rate_in_hz, rate_out_hz).process(waveform, final=True)


class _Banded:
    """Outputs by matrix products of fixed shape: (blocks of a batch, inputs) x (those, outputs)."""

    def __init__(self, up: int, down: int, half: int) -> None:
        width = math.ceil((_STRIP - 1) * down / up) + 1 + 2 * half
        # A block must be no shorter than a strip's inputs, or rows would overlap and be copied.
        periods = math.ceil(width / down)
        self._block_out, self._block_in = periods * up, periods * down
        self._rows = max(1, round(_BATCH / self._block_out))
        self._half = half
        taps = design_filter(up, down)
        centre = len(taps) // 2
        self._strips: list[tuple[int, slice, np.ndarray]] = []
        edges = np.linspace(0, self._block_out, math.ceil(self._block_out / _STRIP) + 1).astype(int)
        for first, last in itertools.pairwise(edges):
            outputs = np.arange(first, last)
            begin = int(first) * down // up  # the strip's first input, counted from `half` before the block
            inputs = begin - half + np.arange((int(last) - 1) * down // up - begin + 2 * half + 1)
            index = outputs[None, :] * down - inputs[:, None] * up + centre
            inside = (index >= 0) & (index < len(taps))
            matrix = np.where(inside, taps[np.clip(index, 0, len(taps) - 1)], 0.0).astype(np.float32)
            self._strips.append((begin, slice(int(first), int(last)), matrix))
        self._width = max(begin + len(matrix) for begin, _, matrix in self._strips)

    def run(self, kept: np.ndarray, kept_from: int, first: int, stop: int) -> tuple[np.ndarray, int]:
        """Returns outputs `first` to `stop` and the first input that later ones need."""
        batch_out, batch_in = self._rows * self._block_out, self._rows * self._block_in
        batches = range(first // batch_out, -(-stop // batch_out))
        begin = batches.start * batch_in - self._half - kept_from
        needed = begin + len(batches) * batch_in - self._block_in + self._width
        source = np.concatenate([kept, np.zeros(max(0, needed - len(kept)), np.float32)])
        out = np.empty((len(batches), self._rows, self._block_out), np.float32)
        step = source.itemsize
        for number in range(len(batches)):
            for offset, columns, matrix in self._strips:
                rows: np.ndarray = np.ndarray(
                    (self._rows, len(matrix)),
                    np.float32,
                    buffer=source,
                    offset=(begin + number * batch_in + offset) * step,
                    strides=(self._block_in * step, step),
                )
                np.matmul(rows, matrix, out=out[number, :, columns])
        skipped = first - batches.start * batch_out
        return out.reshape(-1)[skipped : skipped + stop - first], stop // batch_out * batch_in - self._half


class _Gathered:
    """Outputs by one dot product each, for ratios whose banded matrix would be too large."""

    _AT_ONCE = 4096

    def __init__(self, up: int, down: int, half: int) -> None:
        self._up, self._down, self._half = up, down, half
        taps = design_filter(up, down)
        # Row p holds the taps that outputs at p / up between two inputs need, for the earliest input first.
        padded = np.zeros((2 * half + 1) * up, np.float32)
        first = half * up - len(taps) // 2
        padded[first : first + len(taps)] = taps
        self._phases = np.ascontiguousarray(padded.reshape(-1, up)[::-1].T)

    def run(self, kept: np.ndarray, kept_from: int, first: int, stop: int) -> tuple[np.ndarray, int]:
        """Returns outputs `first` to `stop` and the first input that later ones need."""
        needed = (stop - 1) * self._down // self._up + self._half + 1 - kept_from
        source = np.concatenate([kept, np.zeros(max(0, needed - len(kept)), np.float32)])
        windows = np.lib.stride_tricks.sliding_window_view(source, 2 * self._half + 1)
        out = np.empty(stop - first, np.float32)
        for at in range(first, stop, self._AT_ONCE):
            k = np.arange(at, min(at + self._AT_ONCE, stop))
            base, phase = np.divmod(k * self._down, self._up)
            out[at - first : at - first + len(k)] = np.einsum(
                "kt,kt->k", windows[base - self._half - kept_from], self._phases[phase]
            )
        return out, stop * self._down // self._up - self._half


@lru_cache(maxsize=4)
def _kernel(up: int, down: int, half: int) -> _Banded | _Gathered:
    """The kernel of a ratio; it holds no state of a stream, so that all streams share it."""
    width = math.ceil(_STRIP * down / up) + 2 * half
    outputs = math.ceil(width / down) * up
    return _Banded(up, down, half) if outputs * width <= _LARGEST_MATRIX else _Gathered(up, down, half)
