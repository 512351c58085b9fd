"""Power spectra by small matrix products: the first steps of an FFT by hand, the rest multiplied out."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kwsembed.tflite.frames_around_middle import FramesAroundMiddle


def power_spectrum(
    around: FramesAroundMiddle, fft_length: int, bins: np.ndarray
) -> list[tuple[tf.Tensor, np.ndarray]]:
    """The power of each frame in the given bins of its Fourier transform, in parts.

    Runtimes on microcontrollers and old phones have no FFT, but all of them multiply matrices fast. What can
    be told from symmetry is therefore added and subtracted, and only the rest is a product with cosines and
    sines. A delay changes only the phase, so a frame is seen from its middle. With `s(m)` and `d(m)` for sum
    and difference of the samples `m` after and before it, `M = fft_length / 2` and `t = pi k m / M`, bin `k`
    has the real part `sum s(m) cos(t)` and the imaginary part `sum d(m) sin(t)`, in which `m` runs from 0 to
    `M` and both ends count half. Twice over, with `H = M / 2`:

    - Of `m` and `M - m`, **odd** bins see opposite cosines and the same sine. The real part is that of
      `s(m) - s(M - m)`, `m` up to `H`. The imaginary part is, counted from `H` downwards, that of
      `d(H - n) + d(H + n)` under the same cosines, but for a sign that the power does not see. So one matrix
      serves both, and they go through it as twice the frames.
    - **Even** bins are those of a transform of half the length, of `s(m) + s(M - m)` and `d(m) - d(M - m)`.

    Source: decimation in frequency, as in Gentleman and Sande, "Fast Fourier Transforms: for fun and profit"
    (AFIPS Fall Joint Computer Conference, 1966); for the imaginary part `sin(pi k / 2 - t) = +-cos(t)`.

    Args:
        around: The frames.
        fft_length: Length of the transform, an even number of at least a frame.
        bins: Bins that are wanted, in any order.

    Returns:
        Pairs of powers `(frames, part of the bins)` and which bins these are; each bin is in one part.

    Example:
        >>> from kwsembed.frontend import FrontendConfig
        >>> around = FramesAroundMiddle(tf.zeros((1, 16000)), FrontendConfig())
        >>> [part[:3].tolist() for _, part in power_spectrum(around, 512, np.arange(257))]
        [[1, 3, 5], [2, 6, 10], [0, 4, 8]]
    """
    middle = fft_length // 4
    if fft_length % 4 or around.half <= middle:  # nothing can be folded
        # One distance further, where all is 0, since the ends count half.
        sums, differences = around.sum_and_difference(range(around.half + 1))
        return [_power(sums, differences, fft_length, bins)]
    near = around.sum_and_difference(range(0, middle + 1), range(middle, -1, -1))
    far = around.sum_and_difference(range(2 * middle, middle - 1, -1), range(middle, 2 * middle + 1))
    # Each both ways: columns from 0 to `middle`, then from `middle` to 0.
    sums, differences = near[0] + far[0], near[1] - far[1]
    odd_real, odd_imaginary = near[0] - far[0], near[1] + far[1]
    width = middle + 1
    odd, even = bins[bins % 2 == 1], bins[bins % 2 == 0]
    parts = [
        _shared_power(_columns(odd_real, 0, width), _columns(odd_imaginary, width, width), fft_length, odd)
    ]
    if middle % 2:
        parts += [_power(_columns(sums, 0, width), _columns(differences, 0, width), fft_length, even)]
    else:
        quarter = middle // 2
        narrow = quarter + 1
        sum_up, sum_down = _columns(sums, 0, narrow), _columns(sums, width, narrow)
        difference_up, difference_down = (
            _columns(differences, 0, narrow),
            _columns(differences, width, narrow),
        )
        beyond = _columns(differences, quarter, narrow) + _columns(differences, width + quarter, narrow)
        parts += [
            _shared_power(sum_up - sum_down, beyond, fft_length, even[even % 4 == 2]),
            _power(sum_up + sum_down, difference_up - difference_down, fft_length, even[even % 4 == 0]),
        ]
    return [part for part in parts if len(part[1])]  # a narrow band may leave a part without a bin


def _columns(values: tf.Tensor, begin: int, count: int) -> tf.Tensor:
    return tf.slice(values, [0, begin], [values.shape[0], count])


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
    both = tf.matmul(tf.concat([real, imaginary], axis=0), _cosines(distances, fft_length, bins))
    squares = both * both
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
