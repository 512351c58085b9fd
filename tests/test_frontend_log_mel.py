"""Log-mel of a whole waveform: against sums written out in double precision and numbers from paper."""

import math

import numpy as np
import pytest

from kwsembed.errors import AudioError
from kwsembed.frontend import FrontendConfig, log_mel, mel_matrix

SMALL = FrontendConfig(
    sample_rate_hz=8000,
    window_ms=4.0,
    hop_ms=1.5,
    fft_length=64,
    mel_count=6,
    mel_low_hz=200.0,
    mel_high_hz=3800.0,
)


def log_mel_written_out(waveform, config):
    """The definition as sums: Fourier sum, triangle by triangle, in double precision."""

    def mel(frequency_hz):
        return 2595.0 * math.log10(1.0 + frequency_hz / 700.0)

    window = round(config.window_ms * config.sample_rate_hz / 1000)
    hop = round(config.hop_ms * config.sample_rate_hz / 1000)
    low, high = mel(config.mel_low_hz), mel(config.mel_high_hz)
    step = (high - low) / (config.mel_count + 1)
    rows = []
    start = 0
    while start + window <= len(waveform):
        n = np.arange(window)
        frame = waveform[start : start + window].astype(np.float64)
        frame = frame * (0.5 - 0.5 * np.cos(2 * np.pi * n / window))
        row = []
        powers = [
            abs(np.sum(frame * np.exp(-2j * np.pi * k * n / config.fft_length))) ** 2
            for k in range(config.fft_length // 2 + 1)
        ]
        for band in range(config.mel_count):
            total = 0.0
            for k, power in enumerate(powers):
                position = (mel(k * config.sample_rate_hz / config.fft_length) - low) / step - band
                total += power * max(0.0, min(position, 2.0 - position))
            row.append(math.log(total + config.log_offset))
        rows.append(row)
        start += hop
    return np.array(rows).reshape(-1, config.mel_count)


@pytest.mark.parametrize("config, samples", [(SMALL, 400), (FrontendConfig(), 1200)])
def test_log_mel_is_the_definition_written_out(config, samples):
    waveform = np.random.default_rng(1).normal(0, 0.1, samples).astype(np.float32)
    by_definition = log_mel_written_out(waveform, config)
    # The only rounding is that of the result to float32.
    np.testing.assert_allclose(log_mel(waveform, config), by_definition, rtol=1e-6, atol=1e-6)


def test_a_sine_lands_in_its_band_with_the_power_from_paper():
    # A sine of amplitude 0.5 at 1000 Hz, which is bin 32 at 31.25 Hz a bin, in a window of 512 without zeros.
    # A Hann window turns amplitude A at a bin's centre into A N / 4 = 64 there, half that on either side.
    config = FrontendConfig(window_ms=32.0)
    waveform = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(512) / 16000)
    features = log_mel(waveform.astype(np.float32), config)[0]
    weights = mel_matrix(config)[31:34]
    by_hand = np.log(32.0**2 * weights[0] + 64.0**2 * weights[1] + 32.0**2 * weights[2] + 1e-6)
    # mel(125) = 185.2, mel(1000) = 1000.0 and mel(7500) = 2773.3: the bands are 39.8 apart and the first
    # peaks at 225.0, so the sine lies 19.5 bands above it.
    assert np.argmax(features) in (19, 20)
    lit = by_hand > 0
    assert lit.sum() <= 4
    np.testing.assert_allclose(features[lit], by_hand[lit], atol=1e-3)
    assert features[~lit].max() < -10


def test_silence_is_the_logarithm_of_the_offset():
    config = FrontendConfig(log_offset=1e-4)
    features = log_mel(np.zeros(1600, np.float32), config)
    assert (features == np.float32(math.log(1e-4))).all()


def test_ten_times_the_amplitude_adds_the_logarithm_of_a_hundred_far_above_the_floor():
    waveform = np.random.default_rng(2).normal(0, 0.05, 4000).astype(np.float32)
    louder = log_mel(waveform * 10, FrontendConfig())
    np.testing.assert_allclose(louder - log_mel(waveform, FrontendConfig()), math.log(100), atol=1e-3)


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_less_than_a_window_gives_no_frame(samples):
    assert log_mel(np.zeros(samples, np.float32), FrontendConfig()).shape == (0, 64)


def test_a_frame_depends_on_its_own_samples_only():
    quiet = np.random.default_rng(3).normal(0, 1e-3, 16000).astype(np.float32)
    loud_end = quiet.copy()
    loud_end[8000:] = 1.0
    frames = FrontendConfig().frame_count(8000)
    config = FrontendConfig()
    np.testing.assert_array_equal(log_mel(quiet, config)[:frames], log_mel(loud_end, config)[:frames])


def test_any_memory_layout_is_read_alike():
    waveform = np.random.default_rng(4).normal(0, 0.1, 4000).astype(np.float32)
    interleaved = np.stack([waveform, -waveform], axis=1)[:, 0]
    np.testing.assert_array_equal(log_mel(interleaved, FrontendConfig()), log_mel(waveform, FrontendConfig()))


@pytest.mark.parametrize("waveform", [np.zeros((2, 800), np.float32), np.zeros(800, np.int16)])
def test_what_is_no_waveform_of_floats_is_refused(waveform):
    with pytest.raises(AudioError, match=r"Expected floats .* Received: shape="):
        log_mel(waveform, FrontendConfig())
