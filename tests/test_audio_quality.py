"""What is wrong with a waveform: by hand, at the limits, and the same in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.audio.decode import AudioFileError
from kwsembed.audio.quality import QualityMeter, inspect, refuse_silence

RATE_HZ = 16000


def noise(samples: int = RATE_HZ, *, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.random.default_rng(0).uniform(-1, 1, samples)).astype(np.float32)


def test_ordinary_sound_has_no_findings():
    assert inspect(noise(), RATE_HZ) == []


def test_nothing_at_all_is_empty():
    assert inspect(np.zeros(0, np.float32), RATE_HZ) == ["empty"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_is_enough(bad):
    waveform = noise()
    waveform[123] = bad
    assert inspect(waveform, RATE_HZ) == ["nan"]


@pytest.mark.parametrize("peak, found", [(0.0, ["silent"]), (3.1e-5, ["silent"]), (3.2e-5, [])])
def test_silence_is_a_peak_below_minus_90_db(peak, found):
    waveform = np.zeros(RATE_HZ, np.float32)
    waveform[5] = peak
    assert inspect(waveform, RATE_HZ) == found


@pytest.mark.parametrize(
    "runs, found",
    [
        ((8,), ["clipped"]),
        ((4, 4), ["clipped"]),
        ((7,), []),  # fewer than 8 samples in all
        ((3, 3, 3, 3), []),  # crests, each shorter than 4
    ],
)
def test_clipping_is_runs_at_full_scale(runs, found):
    waveform, position = noise(), 100
    for sign, length in zip((1, -1, 1, -1), runs, strict=False):
        waveform[position : position + length] = sign
        position += length + 10
    assert inspect(waveform, RATE_HZ) == found


@pytest.mark.parametrize("samples, found", [(799, ["short"]), (800, [])])
def test_short_is_less_than_50_ms(samples, found):
    assert inspect(noise(samples), RATE_HZ) == found


def test_findings_add_up_over_blocks():
    waveform = noise(RATE_HZ // 2)
    waveform[1000:1005] = 1.0
    waveform[7000:7005] = -1.0
    meter = QualityMeter(RATE_HZ)
    for block in np.split(waveform, [0, 900, 2000, 6000]):
        meter.add(block)
    assert meter.findings() == inspect(waveform, RATE_HZ) == ["clipped"]


def test_silence_is_refused_by_name():
    refuse_silence("a.wav", ["clipped"])
    with pytest.raises(AudioFileError, match=r"silent.*\(a\.wav\)") as caught:
        refuse_silence("a.wav", ["silent", "short"])
    assert caught.value.reason == "silent"
