"""The transform of the exported front end, by hand on a frame of eight samples and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.frontend import FrontendConfig, hann_window
from kwsembed.tflite.folded_spectrum import power_spectrum
from kwsembed.tflite.mirrored_frames import mirror_sums

# Frames of eight samples every four, at 1 kHz.
SMALL = FrontendConfig(
    sample_rate_hz=1000, window_ms=8, hop_ms=4, fft_length=16, mel_count=2, mel_low_hz=60, mel_high_hz=480
)


def test_sums_and_differences_of_one_frame_by_hand() -> None:
    waveform = np.arange(8, dtype=np.float32)[np.newaxis]  # the middle is sample 4
    sums, differences = mirror_sums(waveform, SMALL, reach=5)
    window = np.array([1.0, 0.8535534, 0.5, 0.1464466])  # a Hann window, from its middle on
    right = window * [4 + 4, 5 + 3, 6 + 2, 7 + 1]
    np.testing.assert_allclose(sums, [[0, 0, *right[:0:-1], *right, 0, 0]], rtol=1e-6)
    right = window * [0, 5 - 3, 6 - 2, 7 - 1]
    np.testing.assert_allclose(differences, [[0, 0, *-right[:0:-1], *right, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("reach", [4, 5, 8, 9, 13])
def test_every_frame_is_seen_from_its_own_middle_however_far(reach: int) -> None:
    waveform = np.random.default_rng(0).normal(size=22).astype(np.float32)
    sums, differences = mirror_sums(waveform[np.newaxis], SMALL, reach=reach)
    distances = np.arange(-reach, reach + 1)
    assert sums.shape == differences.shape == (4, len(distances))
    for frame, middle in enumerate((4, 8, 12, 16)):
        for column, distance in enumerate(distances):
            weight = hann_window(SMALL)[4 + distance] if -4 <= distance < 4 else 0.0
            after, before = (waveform[middle + side * distance] if weight else 0.0 for side in (1, -1))
            np.testing.assert_allclose(sums[frame, column], weight * (after + before), rtol=1e-5)
            np.testing.assert_allclose(
                differences[frame, column], weight * (after - before), rtol=1e-5, atol=1e-7
            )


@pytest.mark.parametrize(
    ("fft_length", "part_sizes"),
    [
        (8, [2, 1, 2]),  # odd bins; those that halve to odd; the others
        (12, [3, 4]),  # a quarter is odd: folded once
        (10, [6]),  # no multiple of four: not folded
        (32, [8, 4, 5]),  # four times a frame
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
    mirrored = mirror_sums(waveform[np.newaxis], config, reach=fft_length // 2)
    parts = power_spectrum(*mirrored, bins)
    assert [len(part) for _, part in parts] == part_sizes
    framed = np.stack([waveform[start : start + 8] for start in range(0, 22, 4)]) * hann_window(config)
    expected = np.abs(np.fft.rfft(framed, fft_length)) ** 2
    for power, part in parts:
        np.testing.assert_allclose(power, expected[:, part], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fft_length", [8, 12])
def test_a_band_without_odd_bins_has_no_part_for_them(fft_length: int) -> None:
    mirrored = mirror_sums(np.ones((1, 8), np.float32), SMALL, reach=fft_length // 2)
    (part,) = power_spectrum(*mirrored, np.array([4]))
    assert part[1].tolist() == [4]
