"""Augmentation: decided by the seed, per example, and in the quantities that were asked for."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed.config import AugmentConfig
from kwsembed.data.augment import (
    augment_waveforms,
    keep_span,
    mask_spectrogram,
    mix_background,
    reverberate,
    synthetic_rooms,
    transfer_functions,
)

SAMPLES = 1600
SEED = tf.constant([3, 5], tf.int64)
OTHER_SEED = tf.constant([3, 6], tf.int64)
STRONG = AugmentConfig(background_probability=0.7, reverberation_probability=0.7, span_probability=0.7)


@pytest.fixture(scope="module")
def rooms():
    rooms = synthetic_rooms(rooms=4, sample_rate_hz=16000, seed=0)
    return tf.constant(transfer_functions(rooms, window_samples=SAMPLES))


def noise(*shape, seed=0, amplitude=0.1):
    return (amplitude * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def power(waveform):
    """Mean square over what is not padding."""
    return np.mean(waveform[waveform != 0] ** 2)


# ---- the whole chain


def test_the_seed_decides(rooms):
    waveforms, backgrounds = noise(8, SAMPLES), noise(8, SAMPLES, seed=1)
    first, again, other = (
        augment_waveforms(waveforms, backgrounds, rooms, seed, config=STRONG).numpy()
        for seed in (SEED, SEED, OTHER_SEED)
    )
    np.testing.assert_array_equal(first, again)
    assert np.all(np.any(first != other, axis=1))


def test_an_example_does_not_depend_on_its_neighbours(rooms):
    waveforms, backgrounds = noise(8, SAMPLES), noise(8, SAMPLES, seed=1)
    before = augment_waveforms(waveforms, backgrounds, rooms, SEED, config=STRONG).numpy()
    waveforms[1:], backgrounds[1:] = noise(7, SAMPLES, seed=2, amplitude=0.9), 0.0
    after = augment_waveforms(waveforms, backgrounds, rooms, SEED, config=STRONG).numpy()
    np.testing.assert_array_equal(after[0], before[0])
    assert np.all(np.any(after[1:] != before[1:], axis=1))


def test_digital_silence_stays_silence(rooms):
    config = AugmentConfig(background_probability=1.0, reverberation_probability=1.0, span_probability=1.0)
    silence, backgrounds = np.zeros((4, SAMPLES), np.float32), noise(4, SAMPLES)
    np.testing.assert_array_equal(
        augment_waveforms(silence, backgrounds, rooms, SEED, config=config), silence
    )
    loud = augment_waveforms(backgrounds, silence, rooms, SEED, config=config).numpy()
    assert np.isfinite(loud).all()


def test_whatever_is_loud_is_clipped(rooms):
    config = AugmentConfig(gain_db=(40.0, 40.0))
    found = augment_waveforms(noise(4, SAMPLES), noise(4, SAMPLES), rooms, SEED, config=config).numpy()
    assert (found.min(), found.max()) == (-1.0, 1.0)


def test_the_gain_lies_in_its_range(rooms):
    config = AugmentConfig(
        gain_db=(-20.0, 6.0), background_probability=0.0, reverberation_probability=0.0, span_probability=0.0
    )
    waveforms = noise(400, 50, amplitude=0.01)
    found = augment_waveforms(waveforms, waveforms, rooms, SEED, config=config).numpy()
    gain_db = 20 * np.log10(np.linalg.norm(found, axis=1) / np.linalg.norm(waveforms, axis=1))
    assert -20.001 <= gain_db.min() < -18
    assert 4 < gain_db.max() <= 6.001
    np.testing.assert_allclose(found, waveforms * 10 ** (gain_db[:, None] / 20), rtol=1e-3, atol=1e-6)


# ---- background


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 20.0])
def test_background_is_mixed_in_at_the_ratio_asked_for(snr_db):
    waveforms, backgrounds = noise(6, SAMPLES, amplitude=0.3), noise(6, SAMPLES, seed=1, amplitude=0.02)
    waveforms[0, :800] = 0  # padding must not count as quiet signal
    backgrounds[1, 500:] = 0
    mixed = mix_background(waveforms, backgrounds, SEED, probability=1.0, snr_db=(snr_db, snr_db)).numpy()
    measured_db = [
        10 * np.log10(power(waveforms[i]) / power((mixed[i] - waveforms[i])[backgrounds[i] != 0]))
        for i in range(6)
    ]
    assert measured_db == pytest.approx([snr_db] * 6, abs=0.05)


def test_ratios_fill_their_range_and_some_examples_stay_clean():
    waveforms, backgrounds = noise(500, 200), noise(500, 200, seed=1)
    added = (
        mix_background(waveforms, backgrounds, SEED, probability=0.4, snr_db=(0.0, 30.0)).numpy() - waveforms
    )
    mixed = np.any(added != 0, axis=1)
    assert np.mean(mixed) == pytest.approx(0.4, abs=0.07)
    snr_db = 10 * np.log10(np.mean(waveforms[mixed] ** 2, axis=1) / np.mean(added[mixed] ** 2, axis=1))
    assert -0.1 <= snr_db.min() < 3
    assert 27 < snr_db.max() <= 30.1


# ---- speed


def tone(hz, samples, *, centre=0.0):
    return np.sin(2 * np.pi * hz * (np.arange(samples) - (samples - 1) / 2 - centre) / 16000).astype(
        np.float32
    )


# ---- a span of the window


def test_one_stretch_is_kept_and_the_rest_is_zero():
    waveforms = np.ones((300, 500), np.float32)
    kept = keep_span(waveforms, SEED, probability=1.0).numpy()
    assert set(np.unique(kept)) == {0.0, 1.0}
    shares = kept.mean(axis=1)
    assert 0.2 - 0.005 <= shares.min() < 0.25
    assert 0.95 < shares.max() <= 1
    edges = np.abs(np.diff(kept, axis=1, prepend=0, append=0)).sum(axis=1)
    assert np.all(edges == 2)  # one beginning, one end
    assert kept[:, 5:-5].any(axis=0).all()  # no place is always lost


def test_a_span_is_kept_as_often_as_asked():
    waveforms = noise(500, 100) + 2
    kept = keep_span(waveforms, SEED, probability=0.3).numpy()
    assert np.mean(np.any(kept == 0, axis=1)) == pytest.approx(0.3, abs=0.07)
    np.testing.assert_array_equal(kept[kept != 0], waveforms[kept != 0])


# ---- reverberation


def test_a_room_is_a_direct_sound_and_a_quieter_tail():
    responses = synthetic_rooms(rooms=20, sample_rate_hz=16000, seed=1)
    assert responses[:, 0] == pytest.approx(np.ones(20), abs=1e-4)
    tail_db = 10 * np.log10(np.sum(responses[:, 1:] ** 2, axis=1))
    assert np.all((tail_db > -15.1) & (tail_db < -2.9))
    early, late = responses[:, 1:800], responses[:, 4000:4800]
    assert np.all(np.sum(early**2, axis=1) > 10 * np.sum(late**2, axis=1))


def test_rooms_are_decided_by_their_seed():
    first, again, other = (
        transfer_functions(synthetic_rooms(rooms=2, sample_rate_hz=8000, seed=s), window_samples=50)
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_reverberation_keeps_length_energy_and_the_first_sound(rooms):
    waveforms = noise(5, SAMPLES)
    waveforms[:, :300] = 0
    wet = reverberate(waveforms, rooms, SEED, probability=1.0).numpy()
    assert wet.shape == waveforms.shape
    np.testing.assert_allclose(np.sum(wet**2, axis=1), np.sum(waveforms**2, axis=1), rtol=1e-4)
    assert np.abs(wet[:, :300]).max() < 1e-5  # nothing is heard before it sounds
    assert np.all(np.abs(wet[:, 300]) > 0.3 * np.abs(waveforms[:, 300]))
    assert np.all(np.any(np.abs(wet - waveforms) > 1e-2, axis=1))


def test_reverberation_is_a_linear_convolution(rooms):
    waveforms = noise(6, SAMPLES)
    wet = reverberate(waveforms, rooms, SEED, probability=1.0).numpy()
    responses = np.fft.irfft(rooms.numpy())[:, :4800]
    for dry, heard in zip(waveforms, wet, strict=True):
        candidates = [np.convolve(dry, response)[:SAMPLES] for response in responses]
        candidates = [c * np.linalg.norm(dry) / np.linalg.norm(c) for c in candidates]
        assert min(np.abs(heard - candidate).max() for candidate in candidates) < 1e-4


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_dry_examples_are_untouched(rooms, probability):
    waveforms = noise(200, SAMPLES)
    wet = reverberate(waveforms, rooms, SEED, probability=probability).numpy()
    assert np.mean(np.any(wet != waveforms, axis=1)) == pytest.approx(probability, abs=0.12)


# ---- masks


def stripes(masked):
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], masked, [0]])))
    return edges[1::2] - edges[::2]


def test_masks_are_at_most_as_wide_as_asked_and_take_the_mean():
    features = noise(200, 40, 24, amplitude=3.0)
    config = AugmentConfig(time_masks=1, time_mask_frames=7, mel_masks=1, mel_mask_bands=5)
    found = mask_spectrogram(features, SEED, config=config).numpy()
    masked = found != features
    np.testing.assert_allclose(
        found[masked],
        np.broadcast_to(features.mean(axis=(1, 2), keepdims=True), found.shape)[masked],
        atol=1e-5,
    )
    in_time, in_mel = masked.all(axis=2), masked.all(axis=1)
    np.testing.assert_array_equal(masked, in_time[:, :, None] | in_mel[:, None, :])
    for mask, widest in ((in_time, 7), (in_mel, 5)):
        widths = [stripes(row) for row in mask]
        assert max(map(len, widths)) == 1
        assert max(np.concatenate(widths)) == widest
        assert min(map(len, widths)) == 0


def test_no_masks_change_nothing():
    features = noise(3, 20, 8)
    config = AugmentConfig(time_masks=0, mel_mask_bands=0)
    np.testing.assert_array_equal(mask_spectrogram(features, SEED, config=config), features)


def test_masks_are_decided_by_the_seed_and_alike_for_any_content():
    features = noise(6, 20, 8)
    first, again, other = (
        mask_spectrogram(features, s, config=AugmentConfig()) for s in (SEED, SEED, OTHER_SEED)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first.numpy() != other.numpy())
    features[1:] += 5
    np.testing.assert_array_equal(mask_spectrogram(features, SEED, config=AugmentConfig())[0], first[0])
