"""Golden audio, the reference front end, a model's inner log-mel, and what counts as agreement."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection
from kwsembed.errors import BundleError
from kwsembed.frontend import FrontendConfig, log_mel
from kwsembed.parity.agreement import Agreement, differences, events_apart, failures, interpreter_bounds
from kwsembed.parity.certificate import read_certificate
from kwsembed.parity.computing import GoldenAudio, margin, thresholds_amid
from kwsembed.parity.golden import LEVELS_DBFS, at_level, checksum, golden_signal, uniforms
from kwsembed.parity.recompute import recompute
from kwsembed.parity.reference import reference_log_mel
from kwsembed.runtime.inner_output import with_output


@pytest.fixture
def bundle(tone_bundle):
    return Bundle.load(tone_bundle)


def agreement(*, figures=None, bounds=None):
    return Agreement(
        "score",
        "real",
        -20,
        "one 1.0",
        "another 2.0",
        figures or {"largest": 0.5, "mean": 0.01},
        {"mean": 0.02} if bounds is None else bounds,
    )


# ---- golden audio


def test_random_numbers_are_those_of_splitmix64():
    published = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    assert uniforms(0, 3).tolist() == [(number >> 11) / 2**53 for number in published]


def test_the_golden_signal_is_the_same_everywhere():
    signal = golden_signal(0, duration_s=8.0, sample_rate_hz=16000)
    assert (signal.shape, np.abs(signal).max()) == ((128000,), 1.0)
    levels = [at_level(signal, level) for level in LEVELS_DBFS]
    assert checksum(levels) == "fcde1486f5898f4183a6a44ac0b74d5eb44eaa4c0a8f79bbd50b2087898488a9"
    assert checksum([at_level(golden_signal(1, duration_s=8.0, sample_rate_hz=16000), 0)]) != checksum(
        levels[:1]
    )


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_the_golden_signal_has_loud_and_quiet_parts_at_any_rate(rate_hz):
    signal = golden_signal(3, duration_s=6.0, sample_rate_hz=rate_hz)
    powers = [float(np.mean(np.square(piece))) for piece in np.array_split(signal, 12)]
    assert np.isfinite(signal).all()
    assert 10 * math.log10(max(powers) / min(powers)) > 20


@pytest.mark.parametrize("level_dbfs", [0, -20, -60])
def test_a_level_is_that_of_the_peak_in_16_bits(level_dbfs):
    waveform = at_level(np.array([0.0, 0.1, -0.2]), level_dbfs)
    assert abs(waveform).max() == pytest.approx(10 ** (level_dbfs / 20), abs=1 / 32768)
    assert (waveform * 32768).tolist() == np.rint(waveform * 32768).tolist()
    assert at_level(np.zeros(3), level_dbfs).tolist() == [0, 0, 0]


def test_windows_of_a_level_lie_within_it():
    audio = GoldenAudio(
        "real", {0: np.ones(10, np.float32), -20: np.full(10, 2, np.float32)}, window_samples=4, hop_samples=3
    )
    windows = audio.windows()  # starts 0, 3, 6, 9, 12, 15 and the rest of the stream
    assert windows[audio.windows_of(0)].tolist() == [[1] * 4] * 3
    assert windows[audio.windows_of(-20)].tolist() == [[2] * 4] * 2
    assert audio.separate_windows(-20).tolist() == [[2] * 4] * 2


def test_audio_shorter_than_windows_is_repeated_until_it_fills_two(bundle):
    audio = GoldenAudio.of("real", np.array([0.5, -1.0, 0.0]), bundle)
    assert {len(waveform) for waveform in audio.levels.values()} == {2 * bundle.window_samples}
    assert len(audio.windows_of(-60)) == 5
    assert len(audio.separate_windows(-60)) == 2


# ---- log-mel


@pytest.mark.parametrize(
    "config",
    [
        FrontendConfig(),
        FrontendConfig(window_ms=30, hop_ms=20, mel_count=40),
        FrontendConfig(sample_rate_hz=8000, fft_length=256, mel_count=32, mel_high_hz=3800),
    ],
)
@pytest.mark.parametrize("level_dbfs", LEVELS_DBFS)
def test_the_front_end_equals_its_definition_written_out(config, level_dbfs):
    waveform = at_level(golden_signal(0, duration_s=3.0, sample_rate_hz=config.sample_rate_hz), level_dbfs)
    reference = reference_log_mel(waveform, config)
    assert reference.shape == (config.frame_count(len(waveform)), config.mel_count)
    assert np.abs(log_mel(waveform, config) - reference).max() < 1e-5


@pytest.mark.parametrize("model", [b"", b"\x1c\x00\x00\x00TFL3", bytes(200)])
def test_what_is_no_model_has_no_inner_output(model):
    with pytest.raises(BundleError):
        with_output(model, 1)


# ---- agreement


def test_differences_by_hand():
    figures = differences(np.arange(100.0), np.arange(100.0) - np.r_[np.zeros(98), 3.0, -5.0])
    assert figures == {"values": 100, "largest": 5.0, "p99": 5.0, "mean": 0.08}
    assert differences(np.zeros(0), np.zeros(0))["largest"] == 0.0


def test_what_is_no_number_keeps_no_bound():
    figures = differences(np.array([0.0, np.nan]), np.zeros(2))
    assert not agreement(figures=figures, bounds={"largest": 1e9}).passed


def test_a_bound_is_kept_by_what_reaches_it_and_broken_by_what_exceeds_it():
    assert agreement(bounds={"mean": 0.01}).passed
    assert not agreement(bounds={"mean": 0.0099, "largest": 1.0}).passed
    assert agreement(bounds={}).passed
    (said,) = failures([agreement(), agreement(bounds={"largest": 0.25})])
    assert (
        said == "score of one 1.0 against another 2.0, real audio at -20 dBFS: largest 0.5 (allowed 0.25), "
        "mean 0.01"
    )


def test_detections_are_the_same_if_label_and_times_are():
    bark, later, cry = (
        Detection("bark", 1.0, 2.0, 0.9),
        Detection("bark", 1.0, 2.25, 0.9),
        Detection("cry", 1.0, 2.0, 0.7),
    )
    assert events_apart([bark, cry], [cry, bark])["unmatched"] == 0
    assert events_apart([bark], [later]) == {"computed": 1, "against": 1, "matched": 0, "unmatched": 2}
    assert events_apart([bark], [later], within_s=0.25)["matched"] == 1
    assert events_apart([bark, bark], [bark]) == {
        "computed": 2,
        "against": 1,
        "matched": 1,
        "unmatched": 1,
    }


def test_other_kernels_and_other_machines_may_differ_more():
    strict = interpreter_bounds("tensorflow 2.16.2", "ai_edge_litert 2.3.0", same_machine=True)
    for one, other, same_machine in (
        ("tflite_runtime 2.14.0", "tensorflow 2.16.2", True),
        ("tensorflow 2.16.2", "tensorflow 2.16.2", False),
    ):
        assert interpreter_bounds(one, other, same_machine=same_machine)["p99"] > strict["p99"]


def test_thresholds_amid_scores_are_reached_by_some_and_near_to_none(bundle):
    scores = np.random.default_rng(0).uniform(size=(60, 4)) ** 3
    thresholds = thresholds_amid(scores, bundle)
    assert set(thresholds) == {"tone_1k", "tone_3k"}
    smoothed = (scores[1:] + scores[:-1])[:, :2] / 2
    for column, threshold in zip(smoothed.T, thresholds.values(), strict=True):
        assert column.min() < threshold < max(column.max(), scores[0].max())
    assert margin(scores, bundle, thresholds) > 0


# ---- bundles without a certificate


def test_a_bundle_of_an_older_version_has_nothing_to_recompute(bundle):
    assert read_certificate(bundle) is None
    assert list(recompute(bundle)) == []
