"""Window and mel triangles: numbers worked by hand."""

import math

import numpy as np
import pytest

from kwsembed.frontend import FrontendConfig, hann_window, mel_matrix

# Eight samples a second, a window of eight: bins at 0, 1, 2, 3, 4 Hz. So far below 700 Hz the mel scale is
# straight to 0.3 %, so two triangles between 0 and 3 Hz have corners at 0, 1, 2, 3 Hz: each bin is a peak.
TINY = FrontendConfig(
    sample_rate_hz=8,
    window_ms=1000.0,
    hop_ms=500.0,
    fft_length=8,
    mel_count=2,
    mel_low_hz=0.0,
    mel_high_hz=3.0,
)


def test_the_periodic_hann_window_of_eight_samples():
    half = math.sqrt(0.5) / 2
    by_hand = [0.0, 0.5 - half, 0.5, 0.5 + half, 1.0, 0.5 + half, 0.5, 0.5 - half]
    np.testing.assert_allclose(hann_window(TINY), by_hand, atol=1e-15)


def test_overlapping_periodic_windows_sum_to_one():
    window = hann_window(FrontendConfig())
    np.testing.assert_allclose(window[:200] + window[200:], 1.0, atol=1e-15)


def test_the_triangles_of_a_tiny_config():
    by_hand = [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]]
    np.testing.assert_allclose(mel_matrix(TINY), by_hand, atol=3e-3)


def test_the_sides_are_straight_in_mel_not_in_hertz():
    # One triangle from 0 to 3800 Hz: mel(3800) = 1127 ln(45/7), so its peak is at 700 (sqrt(45/7) - 1) Hz.
    # 700 Hz is 1127 ln 2 mel and weighs ln 2 / (ln(45/7) / 2) = 0.745; a side straight in hertz gives 0.651.
    config = FrontendConfig(
        sample_rate_hz=11200, window_ms=10.0, fft_length=112, mel_count=1, mel_low_hz=0.0, mel_high_hz=3800.0
    )
    assert mel_matrix(config)[7, 0] == pytest.approx(2 * math.log(2) / math.log(45 / 7))


def test_neighbouring_triangles_sum_to_one_between_the_outer_peaks():
    weights = mel_matrix(FrontendConfig())
    inner = slice(10, 230)
    np.testing.assert_allclose(weights[inner].sum(axis=1), 1.0, atol=1e-12)


def test_the_matrix_is_that_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    theirs = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0, dtype=tf.float64).numpy()
    np.testing.assert_allclose(mel_matrix(FrontendConfig()), theirs, atol=1e-12)


def test_the_tables_are_shared_and_cannot_be_changed():
    assert mel_matrix(FrontendConfig()) is mel_matrix(FrontendConfig())
    for table in (mel_matrix(TINY), hann_window(TINY)):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1.0
