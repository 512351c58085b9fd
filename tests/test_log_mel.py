"""The TensorFlow front end: the NumPy one's numbers, whatever the shapes and whoever the neighbours."""

import math

import numpy as np
import pytest

from kwsembed.frontend import FrontendConfig, log_mel

tf = pytest.importorskip("tensorflow")

from kwsembed.data.log_mel import LogMel

CONFIG = FrontendConfig()


def noise(samples, *, seed=0, scale=0.1):
    return np.random.default_rng(seed).normal(0, scale, samples).astype(np.float32)


def mapped(clip, config=CONFIG):
    """Features of a clip as a tf.data map computes them."""
    (features,) = tf.data.Dataset.from_tensors(clip).map(LogMel(config))
    return features.numpy()


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        FrontendConfig(hop_ms=25.0),
        FrontendConfig(window_ms=32.0, hop_ms=8.0, mel_count=40),
        FrontendConfig(window_ms=25.0625, hop_ms=10.0),  # window and hop have no common divisor
        FrontendConfig(sample_rate_hz=8000, fft_length=256, mel_count=32, mel_high_hz=4000.0),
    ],
)
@pytest.mark.parametrize("scale", [1e-5, 0.1])
def test_tensorflow_agrees_with_numpy(config, scale):
    clip = noise(8001, scale=scale)
    np.testing.assert_allclose(mapped(clip, config), log_mel(clip, config), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("samples", [400, 401, 559, 560, 16000])
def test_every_length_of_a_window_or_more_works(samples):
    clip = noise(samples)
    np.testing.assert_allclose(mapped(clip), log_mel(clip, CONFIG), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("samples", [0, 399])
def test_less_than_a_window_gives_no_frame(samples):
    assert LogMel(CONFIG)(noise(samples)).shape == (0, 64)


def test_known_shapes_stay_known():
    traced = tf.function(LogMel(CONFIG), input_signature=[tf.TensorSpec((16, 16000))]).get_concrete_function()
    assert traced.output_shapes == (16, 98, 64)


@pytest.mark.parametrize("spec", [(None,), (None, None), (3, None), (None, 4000), (2, None, 4000), None])
def test_unknown_lengths_and_batches_are_found_when_run(spec):
    shape = {(None,): (4000,), (2, None, 4000): (2, 3, 4000)}.get(spec, (3, 4000))
    clips = noise(math.prod(shape)).reshape(shape)
    traced = tf.function(LogMel(CONFIG), input_signature=[tf.TensorSpec(spec)])
    features = traced(clips).numpy()
    rows = features.reshape(-1, *features.shape[-2:])
    for row, clip in zip(rows, clips.reshape(-1, 4000), strict=True):
        np.testing.assert_allclose(row, log_mel(clip, CONFIG), rtol=1e-5, atol=1e-5)
    assert features.shape == (*shape[:-1], CONFIG.frame_count(4000), 64)


def test_a_clip_of_unknown_length_may_have_no_frame():
    traced = tf.function(LogMel(CONFIG), input_signature=[tf.TensorSpec((None,))])
    assert traced(noise(399)).shape == (0, 64)
    assert traced(noise(0)).shape == (0, 64)


def test_a_loud_neighbour_changes_nothing():
    quiet = noise(16000, scale=1e-4)
    features = [
        LogMel(CONFIG)(np.stack([neighbour, quiet, neighbour]))[1].numpy()
        for neighbour in (np.zeros(16000, np.float32), noise(16000, seed=1, scale=1.0).clip(-1, 1))
    ]
    np.testing.assert_array_equal(features[0], features[1])


@pytest.mark.parametrize(("count", "samples"), [(4, 4000), (19, 16000), (3, 150_000), (0, 4000)])
def test_a_clip_in_a_batch_is_the_clip_alone(count, samples):
    clips = noise(count * samples).reshape(count, samples)
    batched = LogMel(CONFIG)(clips)  # in pieces where it is long
    assert batched.shape == (count, CONFIG.frame_count(samples), 64)
    for clip, features in zip(clips, batched, strict=True):
        np.testing.assert_allclose(features, LogMel(CONFIG)(clip), rtol=1e-6, atol=1e-6)


def test_beside_a_loud_tone_the_error_stays_under_a_millionth_of_its_amplitude():
    # Single precision cannot do better: bands 90 dB under the loudest of their frame lose digits.
    tone = 0.9 * np.sin(2 * np.pi * 300 / 16000 * np.arange(16000))
    clip = (tone + noise(16000, scale=1e-5)).astype(np.float32)
    ours, exact = (np.exp(features / 2) for features in (mapped(clip), log_mel(clip, CONFIG)))
    assert (np.abs(ours - exact) <= 1e-6 * exact.max(axis=1, keepdims=True)).all()


def test_silence_is_the_logarithm_of_the_offset():
    np.testing.assert_allclose(mapped(np.zeros(1600, np.float32)), math.log(1e-6), rtol=1e-6)
