"""The definition of the front end: derived lengths, round trip, and what it refuses."""

import json

import pytest

from kwsembed.errors import ConfigError
from kwsembed.frontend import FrontendConfig, mel_matrix


def test_the_default_has_frames_of_400_samples_every_160():
    config = FrontendConfig()
    assert (config.window_samples, config.hop_samples) == (400, 160)


@pytest.mark.parametrize(
    "samples, frames", [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98), (80000, 498)]
)
def test_only_whole_frames_are_counted(samples, frames):
    assert FrontendConfig().frame_count(samples) == frames


@pytest.mark.parametrize("frames", [0, 1, 2, 98])
def test_samples_for_is_the_fewest_samples_that_hold_the_frames(frames):
    config = FrontendConfig()
    samples = config.samples_for(frames)
    assert config.frame_count(samples) == frames
    assert samples == 0 or config.frame_count(samples - 1) == frames - 1


def test_the_used_bins_lie_strictly_between_the_mel_edges():
    # 31.25 Hz a bin: 125 Hz is bin 4 and 7500 Hz is bin 240, both of weight 0.
    assert FrontendConfig().bin_range == (5, 240)


@pytest.mark.parametrize(
    "config",
    [
        FrontendConfig(),
        FrontendConfig(mel_low_hz=0.0, mel_high_hz=8000.0),
        FrontendConfig(mel_low_hz=130.0, mel_high_hz=7490.0, mel_count=40),
        FrontendConfig(sample_rate_hz=8000, mel_high_hz=4000.0, mel_count=32, fft_length=256),
    ],
)
def test_no_triangle_weighs_a_bin_outside_the_range_and_every_bin_inside_is_weighed(config):
    first, stop = config.bin_range
    weighed = mel_matrix(config).sum(axis=1) > 0
    assert weighed[first:stop].all()
    assert not weighed[:first].any()
    assert not weighed[stop:].any()


def test_a_config_survives_json():
    config = FrontendConfig(mel_count=40, hop_ms=20.0)
    assert FrontendConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_settings_left_out_take_their_defaults():
    assert FrontendConfig.from_dict({"mel_count": 40}) == FrontendConfig(mel_count=40)


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"hop_s\. Expected one of .*hop_ms.* Received: hop_s=0\.01"):
        FrontendConfig.from_dict({"hop_s": 0.01})


@pytest.mark.parametrize(
    "settings",
    [
        {"sample_rate_hz": 0},
        {"sample_rate_hz": 16000.0},
        {"sample_rate_hz": True},
        {"window_ms": 0.0},
        {"window_ms": "25"},
        {"window_ms": float("nan")},
        {"window_ms": 25.03},  # 400.48 samples
        {"hop_ms": -10.0},
        {"hop_ms": 30.0},  # longer than the window
        {"hop_ms": 1e-9},
        {"fft_length": 256},  # shorter than the window
        {"fft_length": 513},
        {"mel_count": 0},
        {"mel_count": 200},  # bands narrower than a bin
        {"mel_low_hz": -1.0},
        {"mel_low_hz": 7500.0},
        {"mel_high_hz": 8001.0},
        {"log_offset": 0.0},
        {"log_offset": float("inf")},
    ],
)
def test_an_impossible_value_is_refused_by_name(settings):
    (name, value), *_ = settings.items()
    with pytest.raises(ConfigError, match=r"Expected .* Received: ") as refusal:
        FrontendConfig(**settings)
    culprit = "mel_high_hz" if name == "mel_low_hz" and value > 0 else name
    assert f"cannot use this {culprit}" in str(refusal.value)
