"""The transform of the exported front end, by hand on a frame of eight samples and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.frontend import FrontendConfig, hann_window
from kwsembed.tflite.folded_spectrum import power_spectrum
from kwsembed.tflite.frames_around_middle import FramesAroundMiddle

# Frames of eight samples every four, at 1 kHz.
SMALL = FrontendConfig(
    sample_rate_hz=1000, window_ms=8, hop_ms=4, fft_length=16, mel_count=2, mel_low_hz=60, mel_high_hz=480
)


def test_sums_and_differences_of_one_frame_by_hand() -> None:
    waveform = np.arange(8, dtype=np.float32)[np.newaxis]  # the middle is sample 4
    total, difference = FramesAroundMiddle(waveform, SMALL).sum_and_difference(range(0, 4))
    window = np.array([1.0, 0.8535534, 0.5, 0.1464466])  # a Hann window, from its middle on
    np.testing.assert_allclose(total[0], window * [4 + 4, 5 + 3, 6 + 2, 7 + 1], rtol=1e-6)
    np.testing.assert_allclose(difference[0], window * [0, 5 - 3, 6 - 2, 7 - 1], rtol=1e-6)


def test_distances_go_both_ways_and_are_zero_from_half_a_frame_on() -> None:
    waveform = np.random.default_rng(0).normal(size=(1, 21)).astype(np.float32)
    around = FramesAroundMiddle(waveform, SMALL)
    up, _ = around.sum_and_difference(range(0, 6))
    down, _ = around.sum_and_difference(range(5, -1, -1))
    twice, _ = around.sum_and_difference(range(5, 1, -1), range(2, 6))
    assert around.frames == 4
    assert np.all(up[:, 4:] == 0)
    np.testing.assert_array_equal(down, up[:, ::-1])
    np.testing.assert_array_equal(twice, np.concatenate([up[:, :1:-1], up[:, 2:]], axis=1))


@pytest.mark.parametrize(
    ("fft_length", "part_sizes"),
    [
        (8, [2, 1, 2]),  # odd bins; those that halve to odd; the others
        (12, [3, 4]),  # a quarter is odd: folded once
        (10, [6]),  # no multiple of four: not folded
        (32, [17]),  # so long that no sample has a partner
    ],
)
def test_each_bin_is_in_one_part_with_the_power_that_numpy_gives(
    fft_length: int, part_sizes: list[int]
) -> None:
    config = FrontendConfig(
        sample_rate_hz=1000,
        window_ms=8,
        hop_ms=4,
        fft_length=fft_length,
        mel_count=1,
        mel_low_hz=60,
        mel_high_hz=480,
    )
    waveform = np.random.default_rng(1).normal(size=29).astype(np.float32)
    bins = np.arange(fft_length // 2 + 1)
    parts = power_spectrum(FramesAroundMiddle(waveform[np.newaxis], config), fft_length, bins)
    assert [len(part) for _, part in parts] == part_sizes
    framed = np.stack([waveform[start : start + 8] for start in range(0, 22, 4)]) * hann_window(config)
    expected = np.abs(np.fft.rfft(framed, fft_length)) ** 2
    for power, part in parts:
        np.testing.assert_allclose(power, expected[:, part], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fft_length", [8, 12])
def test_a_band_without_odd_bins_has_no_part_for_them(fft_length: int) -> None:
    around = FramesAroundMiddle(np.ones((1, 8), np.float32), SMALL)
    (part,) = power_spectrum(around, fft_length, np.array([4]))
    assert part[1].tolist() == [4]
