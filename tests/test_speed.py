"""Speed perturbation: pitch and time move together, within the stated range."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.data.speed import SpeedChange

SAMPLES = 4000


def tone(hz: float, samples: int) -> np.ndarray:
    time_s = (np.arange(samples) - (samples - 1) / 2) / 16000
    return np.cos(2 * np.pi * hz * time_s).astype(np.float32)


def test_no_change_of_speed_cuts_out_the_middle():
    change = SpeedChange(6, largest_change=0.0)
    windows = np.arange(2 * (6 + 2 * change.lead)).reshape(2, -1)
    found = change(windows, np.array([0.0, 0.99]))
    np.testing.assert_array_equal(found, windows[:, change.lead : -change.lead])


def test_a_sample_between_samples_lies_on_the_line_between_them():
    change = SpeedChange(3, largest_change=0.5)
    ramp = np.arange(3 + 2 * change.lead)[np.newaxis] * 10.0
    middle = (ramp.shape[1] - 1) / 2 * 10
    slowest, fastest = change(ramp, np.array([0.0]))[0], change(ramp, np.array([0.999]))[0]
    np.testing.assert_allclose(slowest, middle + np.array([-10, 0, 10]) / 1.5, rtol=1e-5)
    np.testing.assert_allclose(fastest, middle + np.array([-10, 0, 10]) * 1.5, rtol=1e-5)


def test_the_pitch_moves_with_the_speed_within_its_range():
    change = SpeedChange(SAMPLES, largest_change=0.15)
    draws = np.random.default_rng(0).random(200)
    given = np.tile(tone(400, SAMPLES + 2 * change.lead), (200, 1))
    found = change(given, draws)
    spectrum = np.abs(np.fft.rfft(found * np.hanning(SAMPLES), 2**16, axis=1))
    pitch_hz = spectrum.argmax(axis=1) * 16000 / 2**16
    assert pitch_hz.min() == pytest.approx(400 / 1.15, abs=2)
    assert pitch_hz.max() == pytest.approx(400 * 1.15, abs=2)
    assert len(np.unique(pitch_hz.round())) == 31
    # The middle stays where it is, and each example is the tone at its own speed.
    for example, hz in zip(found[:20], pitch_hz, strict=False):
        np.testing.assert_allclose(example, tone(hz, SAMPLES), atol=0.08)


def test_pcm_keeps_its_unit():
    change = SpeedChange(50, largest_change=0.1)
    constant = np.full((1, 50 + 2 * change.lead), -12345, np.int16)
    np.testing.assert_array_equal(change(constant, np.array([0.3])), np.full((1, 50), -12345, np.float32))


def test_samples_are_scaled_as_they_are_played():
    change = SpeedChange(50, largest_change=0.1)
    pcm = np.random.default_rng(0).integers(-32768, 32768, (9, 50 + 2 * change.lead)).astype(np.int16)
    draws = np.linspace(0, 0.99, 9)
    expected = change(pcm, draws) * np.float32(1 / 32768)
    np.testing.assert_array_equal(change(pcm, draws, scale=1 / 32768), expected)
