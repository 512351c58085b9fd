"""Finding the same recording again: louder, trimmed, encoded anew; and not what merely sounds alike."""

from __future__ import annotations

import io
import itertools
import time

import numpy as np
import pytest

from kwsembed.audio.resample import resample
from kwsembed.manifest.fingerprint import BANDS, Fingerprinter
from kwsembed.manifest.near_duplicates import find_near_duplicates

RATE_HZ = 16000


def fingerprint(waveform: np.ndarray, *, rate_hz: int = RATE_HZ) -> np.ndarray:
    fingerprinter = Fingerprinter(rate_hz)
    for block in np.array_split(np.asarray(waveform, np.float32), 3):
        fingerprinter.add(block)
    return fingerprinter.finish()


def sound(seed: int, *, duration_s: float = 3.0) -> np.ndarray:
    """Bursts of coloured noise and gliding tones over faint noise: no two seeds alike."""
    random = np.random.default_rng(seed)
    samples = round(duration_s * RATE_HZ)
    waveform = 0.003 * random.standard_normal(samples)
    for _ in range(round(3 * duration_s)):
        length = int(random.integers(1600, 6400))
        first = int(random.integers(0, samples - length))
        time_s = np.arange(length) / RATE_HZ
        glide = np.sin(2 * np.pi * (random.uniform(300, 2500) + random.uniform(-800, 800) * time_s) * time_s)
        hiss = np.convolve(random.standard_normal(length), random.standard_normal(12), mode="same")
        waveform[first : first + length] += np.hanning(length) * (0.2 * glide + 0.05 * hiss)
    return (0.5 * waveform / np.abs(waveform).max()).astype(np.float32)


def pairs(*waveforms: np.ndarray) -> list[tuple[int, int]]:
    return [
        (match.first, match.second) for match in find_near_duplicates([fingerprint(w) for w in waveforms])
    ]


OTHERS = [fingerprint(sound(seed)) for seed in range(100, 130)]


def match_among_others(one: np.ndarray, other: np.ndarray):
    """The only match of two fingerprints that lie among thirty others."""
    (match,) = find_near_duplicates([one, *OTHERS, other])
    assert (match.first, match.second) == (0, len(OTHERS) + 1)
    return match


@pytest.mark.parametrize("seed", range(5))
def test_the_very_same_audio_is_found(seed):
    match = match_among_others(fingerprint(sound(seed)), fingerprint(sound(seed)))
    assert (match.offset_s, match.similarity) == (0.0, 1.0)


@pytest.mark.parametrize("gain", [0.02, 0.3, 1.9])
def test_gain_changes_nothing(gain):
    assert match_among_others(fingerprint(sound(1)), fingerprint(gain * sound(1))).similarity > 0.99


@pytest.mark.parametrize("trim_s", [0.003, 0.1, 0.617, 1.2])
def test_a_trimmed_copy_is_found_where_it_begins(trim_s):
    whole, trimmed = sound(2), sound(2)[round(trim_s * RATE_HZ) :]
    assert match_among_others(fingerprint(whole), fingerprint(trimmed)).offset_s == pytest.approx(
        trim_s, abs=0.009
    )
    assert match_among_others(fingerprint(trimmed), fingerprint(whole)).offset_s == pytest.approx(
        -trim_s, abs=0.009
    )


@pytest.mark.parametrize("format, subtype", [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
@pytest.mark.parametrize("seed", range(3))
def test_a_copy_that_was_encoded_anew_is_found(format, subtype, seed):
    soundfile = pytest.importorskip("soundfile", reason="soundfile encodes the copies")
    file = io.BytesIO()
    soundfile.write(file, 0.6 * sound(seed)[2000:], RATE_HZ, format=format, subtype=subtype)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    assert match_among_others(fingerprint(sound(seed)), fingerprint(decoded)).similarity > 0.85


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_a_copy_at_another_rate_is_found(rate_hz):
    copy = resample(sound(3), RATE_HZ, rate_hz)
    assert match_among_others(fingerprint(sound(3)), fingerprint(copy, rate_hz=rate_hz)).similarity > 0.95


def test_two_cuts_of_one_recording_match_if_they_share_half_of_the_shorter_one():
    recording = sound(4, duration_s=10.0)
    cut = recording[: 6 * RATE_HZ]
    assert pairs(cut, recording[2 * RATE_HZ : 8 * RATE_HZ]) == [(0, 1)]
    assert pairs(cut, recording[4 * RATE_HZ :]) == []
    assert pairs(cut, recording[4 * RATE_HZ : 7 * RATE_HZ]) == [(0, 1)]


def test_silence_noise_and_steady_tones_match_nothing():
    random = np.random.default_rng(0)
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    silences = [np.zeros(3 * RATE_HZ)] * 5 + [np.full(3 * RATE_HZ, 0.1)] * 2
    noises = [0.1 * random.standard_normal(3 * RATE_HZ) for _ in range(20)]
    hums = [np.sin(2 * np.pi * 100 * time_s + phase) for phase in (0, 1, 2)]
    assert pairs(*silences, *noises, *hums) == []


def test_events_of_one_kind_in_other_noise_are_no_copies():
    random = np.random.default_rng(1)

    def beep(onset_s: float) -> np.ndarray:
        waveform = 0.01 * random.standard_normal(3 * RATE_HZ)
        first = round(onset_s * RATE_HZ)
        waveform[first : first + 4000] += 0.3 * np.sin(2 * np.pi * 1000 * np.arange(4000) / RATE_HZ)
        return waveform

    assert pairs(*(beep(onset_s) for onset_s in (0.5, 0.5, 1.0, 1.3, 2.0))) == []


def test_clips_too_short_for_a_fingerprint_are_put_up_with():
    assert find_near_duplicates([]) == []
    assert find_near_duplicates([Fingerprinter.NONE, Fingerprinter.NONE]) == []
    assert pairs(np.zeros(10), sound(1)[:100], sound(1)[:1100], sound(1)) == []


def test_of_many_copies_each_is_matched_with_the_next_few_only():
    found = find_near_duplicates([fingerprint(sound(1))] * 40 + [fingerprint(sound(2))])
    matched = {(match.first, match.second) for match in found}
    assert {(n, n + 1) for n in range(39)} <= matched
    assert len(matched) < 40 * 10
    assert not any(40 in pair for pair in matched)


def test_the_first_few_can_be_held_against_the_others_only():
    prints = [fingerprint(sound(seed)) for seed in (1, 2, 1, 3, 2, 3, 1)]
    matches = find_near_duplicates(prints, first_with_rest=3)
    assert [(match.first, match.second) for match in matches] == [(0, 6), (1, 4), (2, 6)]


def test_the_effort_grows_with_the_number_of_clips_not_of_pairs():
    random = np.random.default_rng(0)

    def seconds(clips: int) -> float:
        # Fingerprints of slowly changing spectra, as made by nature but cheaper.
        made = [
            np.clip(60 + np.cumsum(random.integers(-6, 7, (150, BANDS)), axis=0), 0, 120).astype(np.uint8)
            for _ in range(clips)
        ]
        began_s = time.process_time()
        assert find_near_duplicates(made) == []
        return time.process_time() - began_s

    seconds(10)
    few, many = min(seconds(200) for _ in range(2)), seconds(1600)
    assert many < 24 * few  # 8 times the clips, 64 times the pairs


def test_the_fingerprint_does_not_depend_on_blocks():
    waveform = sound(1)
    whole = Fingerprinter(RATE_HZ)
    whole.add(waveform)
    chunked = Fingerprinter(RATE_HZ)
    for first, last in itertools.pairwise(range(0, len(waveform) + 1, 1000)):
        chunked.add(waveform[first:last])
    fingerprints = whole.finish(), chunked.finish()
    assert fingerprints[0].dtype == np.uint8
    assert fingerprints[0].shape[1] == BANDS
    np.testing.assert_array_equal(*fingerprints)
