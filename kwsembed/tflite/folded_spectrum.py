"""Power spectra by small matrix products: the first steps of an FFT by hand, the rest multiplied out."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_FAST_COLUMNS = 16  # a product of 118 columns takes half as long again as one of 128 in LiteRT on AVX2


def power_spectrum(
    sums: tf.Tensor, differences: tf.Tensor, bins: np.ndarray
) -> list[tuple[tf.Tensor, np.ndarray]]:
    """The power of each frame in the given bins of its Fourier transform, in parts.

    Runtimes on microcontrollers and old phones have no FFT, but all of them multiply matrices fast. What can
    be told from symmetry is therefore added and subtracted, and only the rest is a product with cosines and
    sines. A delay changes only the phase, so a frame is seen from its middle. With `s(m)` and `d(m)` for sum
    and difference of the samples `m` after and before it, `M` for half the length of the transform and
    `t = pi k m / M`, bin `k` has the real part `sum s(m) cos(t)` and the imaginary part `sum d(m) sin(t)`, in
    which `m` runs from 0 to `M` and both ends count half. Twice over, with `H = M / 2`:

    - Of `m` and `M - m`, **odd** bins see opposite cosines and the same sine. The real part is that of
      `s(m) - s(M - m)`, `m` up to `H`. The imaginary part is, counted from `H`, that of `d(H - n) + d(H + n)`
      under the same cosines, but for a sign that the power does not see. So one matrix serves both, and they
      go through it as twice the frames.
    - **Even** bins are those of a transform of half the length, of `s(m) + s(M - m)` and `d(m) - d(M - m)`.

    Nothing has to be turned around for that: `s(-m) = s(m)` and `d(-m) = -d(m)`, so what lies at `M - m` is
    found, in rising order, at `m - M`; and the sums of one step are even or odd again around `H`.

    Source: decimation in frequency, as in Gentleman and Sande, "Fast Fourier Transforms: for fun and profit"
    (AFIPS Fall Joint Computer Conference, 1966); for the imaginary part `sin(pi k / 2 - t) = +-cos(t)`.

    Args:
        sums: `(frames, 2 * M + 1)`, `s(m)` for `m` from `-M` to `M`, as `mirror_sums` gives it.
        differences: The same of `d(m)`.
        bins: Bins that are wanted, in any order.

    Returns:
        Pairs of powers `(frames, part of the bins)` and which bins these are; each bin is in one part.

    Example:
        >>> parts = power_spectrum(tf.zeros((98, 513)), tf.zeros((98, 513)), np.arange(257))
        >>> [bins[:3].tolist() for _, bins in parts]
        [[1, 3, 5], [2, 6, 10], [0, 4, 8]]
    """
    length = sums.shape[1] - 1  # of the transform
    half, quarter, eighth = length // 2, length // 4, length // 8
    if length % 4:  # nothing can be folded
        return [_power(_from(sums, half, half), _from(differences, half, half), length, bins)]
    odd, even = bins[bins % 2 == 1], bins[bins % 2 == 0]
    # As far as they are needed: `s` from 0 and from -M on, `d` the same.
    sums_right, sums_left = (_from(sums, first, quarter + eighth) for first in (half, 0))
    differences_right, differences_left = (_from(differences, first, half) for first in (half, 0))
    parts = [
        _shared_power(
            _from(sums_right - sums_left, 0, quarter),
            _from(differences_right - differences_left, quarter, quarter),
            length,
            odd,
        )
    ]
    folded_sums, folded_differences = sums_right + sums_left, differences_right + differences_left
    if length % 8 == 0:
        near, far = _from(folded_sums, 0, eighth), _from(folded_sums, quarter, eighth)
        beside = _from(folded_differences, eighth, eighth) - _from(
            folded_differences, quarter + eighth, eighth
        )
        both = _from(folded_differences, 0, eighth) + _from(folded_differences, quarter, eighth)
        parts += [
            _shared_power(near - far, beside, length, even[even % 4 == 2]),
            _power(near + far, both, length, even[even % 4 == 0]),
        ]
    else:
        parts += [_power(_from(folded_sums, 0, quarter), _from(folded_differences, 0, quarter), length, even)]
    return [part for part in parts if len(part[1])]  # a narrow band may leave a part without a bin


def _from(values: tf.Tensor, first: int, distance: int) -> tf.Tensor:
    """Columns from `first` to `first + distance`, both of them included."""
    return tf.slice(values, [0, first], [values.shape[0], distance + 1])


def _angles(distances: int, fft_length: int, bins: np.ndarray) -> np.ndarray:
    # Whole turns are taken out first, so that no angle loses digits.
    return 2 * np.pi / fft_length * (np.outer(np.arange(distances), bins) % fft_length)


def _cosines(distances: int, fft_length: int, bins: np.ndarray) -> np.ndarray:
    """`(distances, bins)`, both ends halved: what lies there was counted twice."""
    cosines = np.cos(_angles(distances, fft_length, bins))
    cosines[[0, -1]] /= 2
    return cosines.astype(np.float32)


def _shared_power(
    real: tf.Tensor, imaginary: tf.Tensor, fft_length: int, bins: np.ndarray
) -> tuple[tf.Tensor, np.ndarray]:
    frames, distances = real.shape
    cosines = np.pad(_cosines(distances, fft_length, bins), [(0, 0), (0, -len(bins) % _FAST_COLUMNS)])
    both = tf.matmul(tf.concat([real, imaginary], axis=0), cosines)
    squares = both * both
    # What was filled up is left behind by the slices that are needed anyway.
    return (
        tf.slice(squares, [0, 0], [frames, len(bins)]) + tf.slice(squares, [frames, 0], [frames, len(bins)]),
        bins,
    )


def _power(
    sums: tf.Tensor, differences: tf.Tensor, fft_length: int, bins: np.ndarray
) -> tuple[tf.Tensor, np.ndarray]:
    distances = sums.shape[1]
    sines = np.sin(_angles(distances, fft_length, bins)).astype(np.float32)
    real, imaginary = tf.matmul(sums, _cosines(distances, fft_length, bins)), tf.matmul(differences, sines)
    return real * real + imaginary * imaginary, bins
