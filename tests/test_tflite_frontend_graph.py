"""The exported front end is the same function as the NumPy one, in operations that old runtimes have."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.errors import ConfigError
from kwsembed.frontend import FrontendConfig, log_mel
from kwsembed.runtime.interpreter import load_interpreter
from kwsembed.tflite import describe
from kwsembed.tflite.convert import convert_float
from kwsembed.tflite.frontend_graph import log_mel_graph

SAMPLES = 16000
LEVELS_DBFS = (0, -20, -40, -60, -80)


def converted(config: FrontendConfig, samples: int) -> bytes:
    return convert_float(log_mel_graph(config, samples), (1, samples))


@pytest.fixture(scope="module")
def front_end() -> bytes:
    return converted(FrontendConfig(), SAMPLES)


def noise(level_dbfs: float, samples: int = SAMPLES) -> np.ndarray:
    """Noise between 300 Hz and the top, with a peak of `level_dbfs`."""
    waveform = np.diff(np.random.default_rng(3).normal(size=samples + 1))
    return (waveform / np.abs(waveform).max() * 10 ** (level_dbfs / 20)).astype(np.float32)


@pytest.mark.parametrize("level_dbfs", LEVELS_DBFS)
def test_equals_the_numpy_front_end_at_any_level(front_end: bytes, level_dbfs: float) -> None:
    waveform = noise(level_dbfs)
    produced = load_interpreter(front_end).run(waveform)
    assert np.abs(produced - log_mel(waveform, FrontendConfig())).max() < 1e-4


def test_silence_gives_the_floor(front_end: bytes) -> None:
    produced = load_interpreter(front_end).run(np.zeros(SAMPLES, np.float32))
    np.testing.assert_allclose(produced, np.full((98, 64), np.log(1e-6)), atol=1e-5)


def test_a_full_scale_tone_keeps_within_a_hundredth_of_a_decibel(front_end: bytes) -> None:
    # Bands far from the tone are 120 dB below it, at the end of float32: the worst case for a matrix product.
    tone = np.sin(2 * np.pi * 1000.3 * np.arange(SAMPLES) / 16000).astype(np.float32)
    difference_db = 4.343 * (load_interpreter(front_end).run(tone) - log_mel(tone, FrontendConfig()))
    assert np.abs(difference_db).max() < 0.01


@pytest.mark.parametrize(
    ("config", "samples"),
    [
        (FrontendConfig(), 400),  # a single frame
        (FrontendConfig(), 15600),  # no whole number of hops
        (FrontendConfig(), 16159),  # samples after the last frame
        (FrontendConfig(window_ms=30, hop_ms=20, mel_count=40), 16000),
        (FrontendConfig(window_ms=20, hop_ms=20), 8000),  # frames that do not overlap
        (FrontendConfig(window_ms=32, hop_ms=10), 16000),  # hop that does not divide the window
        (FrontendConfig(fft_length=1024), 16000),  # so long that nothing is left to fold
        (FrontendConfig(fft_length=450, mel_count=40), 16000),  # no multiple of four
        (FrontendConfig(fft_length=452, mel_count=40), 16000),  # of four, but not of eight: folded once
        (FrontendConfig(fft_length=400, mel_count=40), 16000),  # no zeros behind the frame
        (FrontendConfig(mel_low_hz=300, mel_high_hz=320, mel_count=1), 16000),  # no bin in some of the parts
        (FrontendConfig(sample_rate_hz=8000, fft_length=256, mel_count=32, mel_high_hz=3800), 8000),
    ],
)
def test_any_framing_equals_the_numpy_front_end(config: FrontendConfig, samples: int) -> None:
    waveform = noise(-20, samples)
    produced = log_mel_graph(config, samples)(waveform[np.newaxis])[0]
    np.testing.assert_allclose(produced, log_mel(waveform, config), atol=1e-4)


def test_needs_neither_a_fourier_operation_nor_a_new_runtime(front_end: bytes) -> None:
    facts = describe(front_end)
    names = {operation.name for operation in facts.operations}
    assert names <= {
        "PAD", "SLICE", "RESHAPE", "CONCATENATION", "REVERSE_V2", "ADD", "SUB", "MUL", "FULLY_CONNECTED",
        "LOG"
    }  # fmt: skip
    assert {operation.version for operation in facts.operations} == {1}
    assert facts.min_runtime_version <= "1.14.0"


def test_folding_leaves_a_sixth_of_the_transform(front_end: bytes) -> None:
    unfolded_bytes = 2 * 400 * 237 * 4
    mel_bytes = 237 * 64 * 4
    assert len(front_end) - mel_bytes < 0.17 * unfolded_bytes


def test_an_odd_window_and_a_short_waveform_are_refused() -> None:
    with pytest.raises(ConfigError, match="even number of samples"):
        log_mel_graph(FrontendConfig(window_ms=399 / 16), SAMPLES)
    with pytest.raises(ConfigError, match=r"at least 400 samples.*window_samples=399"):
        log_mel_graph(FrontendConfig(), 399)
