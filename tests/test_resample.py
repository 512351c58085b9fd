"""The resampler: against SciPy and soxr, any chunking to the bit, lengths, levels, delay, bad input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from kwsembed.audio.resample import Resampler, design_filter, resample
from kwsembed.errors import AudioError

RATES_HZ = (8000, 11025, 22050, 44100, 48000, 15999)  # the last has no small ratio to 16 kHz


def noise(samples: int, *, seed: int = 0) -> np.ndarray:
    return (0.3 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def band_limited(samples: int, *, rate_hz: int, below_hz: float) -> np.ndarray:
    """Noise without any component above `below_hz`, fading in and out so that no edge adds one."""
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(samples))
    spectrum[np.fft.rfftfreq(samples, 1 / rate_hz) > 0.9 * below_hz] = 0
    return (0.2 * np.fft.irfft(spectrum, samples) * np.hanning(samples)).astype(np.float32)


def snr_db(wanted: np.ndarray, got: np.ndarray) -> float:
    error = wanted.astype(np.float64) - got
    return 10 * math.log10(np.sum(wanted.astype(np.float64) ** 2) / np.sum(error**2))


@pytest.mark.parametrize(
    "rate_in_hz, rate_out_hz", [(rate, 16000) for rate in RATES_HZ] + [(16000, 44100), (16000, 8000)]
)
def test_it_equals_scipy_with_the_same_filter(rate_in_hz, rate_out_hz):
    signal = pytest.importorskip("scipy.signal", reason="SciPy is the oracle")
    waveform = noise(rate_in_hz // 2 + 17)
    divisor = math.gcd(rate_in_hz, rate_out_hz)
    up, down = rate_out_hz // divisor, rate_in_hz // divisor
    # SciPy multiplies the filter it is given by `up`.
    oracle = signal.resample_poly(waveform.astype(np.float64), up, down, window=design_filter(up, down) / up)
    np.testing.assert_allclose(resample(waveform, rate_in_hz, rate_out_hz), oracle, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_it_agrees_with_soxr_on_band_limited_noise(rate_hz):
    soxr = pytest.importorskip("soxr", reason="soxr is the oracle")
    waveform = band_limited(2 * rate_hz, rate_hz=rate_hz, below_hz=0.45 * min(rate_hz, 16000))
    oracle = soxr.resample(waveform, rate_hz, 16000, quality="HQ")
    got = resample(waveform, rate_hz, 16000)
    length = min(len(oracle), len(got))
    assert snr_db(oracle[:length], got[:length]) > 75


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_any_chunking_gives_the_same_bits(rate_hz):
    waveform = noise(rate_hz + 123)
    whole = resample(waveform, rate_hz, 16000)
    random = np.random.default_rng(rate_hz)
    some = np.sort(random.integers(0, len(waveform), 40))
    for cuts in (some, np.arange(0, len(waveform), 160), [0, 0, 1, 2, 3, len(waveform)]):
        resampler = Resampler(rate_hz, 16000)
        edges = [0, *cuts, len(waveform)]
        parts = [resampler.process(waveform[first:last]) for first, last in itertools.pairwise(edges)]
        parts.append(resampler.process(np.zeros(0, np.float32), final=True))
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_outputs_come_as_soon_as_their_inputs_are_there():
    resampler = Resampler(48000, 16000)
    assert len(resampler.process(noise(48000))) == 16000 - 51  # half the filter, in samples of 16 kHz


@pytest.mark.parametrize("rate_in_hz", [*RATES_HZ, 16000])
@pytest.mark.parametrize("samples", [0, 1, 2, 3, 440, 441, 442, 1000])
def test_the_length_is_that_of_the_same_time_rounded_up(rate_in_hz, samples):
    got = resample(noise(samples), rate_in_hz, 16000)
    assert got.dtype == np.float32
    assert len(got) == -(-samples * 16000 // rate_in_hz)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_constant_stays_and_a_click_stays_in_its_place(rate_hz):
    flat = resample(np.full(rate_hz, 0.5, np.float32), rate_hz, 16000)
    np.testing.assert_allclose(flat[200:-200], 0.5, atol=1e-4)
    click = np.zeros(rate_hz, np.float32)
    click[rate_hz // 2] = 1.0
    assert abs(np.abs(resample(click, rate_hz, 16000)).argmax() - 16000 * (rate_hz // 2) / rate_hz) <= 0.5


def test_tones_pass_below_the_band_edge_and_vanish_above_it():
    def gain(hz: float) -> float:
        waveform = np.sin(2 * np.pi * hz * np.arange(48000) / 48000).astype(np.float32)
        return float(resample(waveform, 48000, 16000)[500:-500].std() / math.sqrt(0.5))

    assert abs(gain(1000) - 1) < 1e-4
    assert abs(gain(7200) - 1) < 1e-3  # 0.45 of 16 kHz
    assert gain(8000) < 1.5e-4
    assert gain(12000) < 1e-4


def test_equal_rates_pass_the_samples_through():
    waveform = noise(100)
    np.testing.assert_array_equal(resample(waveform, 16000, 16000), waveform)


def test_a_stream_begins_anew_after_its_end_or_a_reset():
    waveform = noise(3000)
    resampler = Resampler(44100, 16000)
    first = resampler.process(waveform, final=True)
    np.testing.assert_array_equal(resampler.process(waveform, final=True), first)
    resampler.process(waveform)
    resampler.reset()
    np.testing.assert_array_equal(resampler.process(waveform, final=True), first)


def test_two_streams_of_one_ratio_do_not_mix():
    one, other = Resampler(44100, 16000), Resampler(44100, 16000)
    parts = [[], []]
    streams = noise(20000, seed=1), noise(20000, seed=2)
    for first in range(0, 20000, 1000):
        for resampler, stream, part in zip((one, other), streams, parts, strict=True):
            part.append(resampler.process(stream[first : first + 1000], final=first == 19000))
    for stream, part in zip(streams, parts, strict=True):
        np.testing.assert_array_equal(np.concatenate(part), resample(stream, 44100, 16000))


@pytest.mark.parametrize(
    "rates", [(0, 16000), (-8000, 16000), (16000, 0), (44100.5, 16000), (2_000_000, 16000)]
)
def test_rates_that_cannot_be_are_named(rates):
    with pytest.raises(AudioError, match=r"sample rate cannot be used.*Received: rate_(in|out)_hz="):
        Resampler(*rates)


def test_a_chunk_has_one_axis():
    with pytest.raises(AudioError, match=r"shape=\(2, 100\)"):
        resample(np.zeros((2, 100), np.float32), 44100, 16000)
