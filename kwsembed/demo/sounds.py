"""Sounds synthesised in code: three rare events, and backgrounds that are meant to be mistaken for them.

Every function takes a random generator and a sample rate and returns a mono waveform `(samples,)` float32,
peak at most 1; no two calls sound alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Sound = Callable[[np.random.Generator, int], np.ndarray]


def smoke_alarm(random: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Two to four piercing beeps of a piezo buzzer."""
    pitch_hz = random.uniform(2600, 3400)
    beep_s, pause_s = random.uniform(0.1, 0.25), random.uniform(0.08, 0.2)
    time_s = _time_s(beep_s, sample_rate_hz)
    beep = sum(
        np.sin(2 * np.pi * pitch_hz * k * time_s) / k**2 for k in (1, 2) if pitch_hz * k < sample_rate_hz / 2
    )
    beep = beep * _fade(len(time_s), round(0.005 * sample_rate_hz))
    pause = np.zeros(round(pause_s * sample_rate_hz))
    return _peak(np.concatenate([beep, pause] * int(random.integers(2, 5))), random)


def door_knock(random: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Two to five dull knocks on wood."""
    resonance_hz = random.uniform(140, 320)
    time_s = _time_s(0.18, sample_rate_hz)
    spacing = round(random.uniform(0.16, 0.32) * sample_rate_hz)
    count = int(random.integers(2, 6))
    waveform = np.zeros(spacing * (count - 1) + len(time_s))
    for knock in range(count):
        ring = np.sin(2 * np.pi * resonance_hz * random.uniform(0.95, 1.05) * time_s) * np.exp(-time_s * 35)
        click = coloured_noise(random, len(time_s), slope_db=-3) * np.exp(-time_s * 120)
        start = knock * spacing
        waveform[start : start + len(time_s)] += random.uniform(0.7, 1.0) * (ring + 1.5 * click)
    return _peak(waveform, random)


def whistle(random: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """A human whistle that glides up and down again."""
    time_s = _time_s(random.uniform(0.4, 0.9), sample_rate_hz)
    low_hz, span = random.uniform(900, 1300), random.uniform(1.4, 1.9)
    # Rounding may put the end of the arc a hair below zero, which has no real power.
    glide = np.abs(np.sin(np.pi * time_s / time_s[-1])) ** random.uniform(0.7, 1.5)
    pitch_hz = low_hz * span**glide * (1 + 0.01 * np.sin(2 * np.pi * random.uniform(5, 7) * time_s))
    tone = np.sin(2 * np.pi * np.cumsum(pitch_hz) / sample_rate_hz)
    breath = 0.05 * coloured_noise(random, len(time_s), slope_db=0)
    return _peak((tone + breath) * _fade(len(time_s), round(0.06 * sample_rate_hz)), random)


EVENTS: dict[str, Sound] = {"door_knock": door_knock, "smoke_alarm": smoke_alarm, "whistle": whistle}
"""Events of the demonstration by label."""


def background(random: np.random.Generator, sample_rate_hz: int, *, duration_s: float) -> np.ndarray:
    """Noise of random colour, and over it one of: nothing, hum, rain, a tune, speech-like babble, thuds."""
    samples = round(duration_s * sample_rate_hz)
    bed = coloured_noise(random, samples, slope_db=random.uniform(-6, 0)) * 10 ** random.uniform(-2.3, -1.0)
    over = (_nothing, _hum, _rain, _tune, _babble, _thuds)[random.integers(6)](
        random, samples, sample_rate_hz
    )
    mixed = bed + over * 10 ** random.uniform(-1.5, -0.3)
    return np.clip(mixed, -1.0, 1.0).astype(np.float32)


def coloured_noise(random: np.random.Generator, samples: int, *, slope_db: float) -> np.ndarray:
    """Noise whose spectrum falls by `slope_db` per octave (0 white, -3 pink, -6 brown), of unit power."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** (slope_db / 6.02)
    waveform = np.fft.irfft(spectrum, samples)
    return waveform / (np.sqrt(np.mean(waveform**2)) + 1e-12)


def _nothing(random: np.random.Generator, samples: int, sample_rate_hz: int) -> np.ndarray:
    return np.zeros(samples)


def _hum(random: np.random.Generator, samples: int, sample_rate_hz: int) -> np.ndarray:
    time_s = np.arange(samples) / sample_rate_hz
    mains_hz = random.choice([50.0, 60.0])
    return (
        sum(np.sin(2 * np.pi * mains_hz * k * time_s + random.uniform(0, 6)) / k for k in (1, 2, 3, 5, 7)) / 2
    )


def _rain(random: np.random.Generator, samples: int, sample_rate_hz: int) -> np.ndarray:
    drops = (random.random(samples) < random.uniform(20, 120) / sample_rate_hz) * random.standard_normal(
        samples
    )
    decay = np.exp(-np.arange(round(0.02 * sample_rate_hz)) / (0.003 * sample_rate_hz))
    return np.convolve(drops, decay * coloured_noise(random, len(decay), slope_db=0))[:samples] / 2


def _tune(random: np.random.Generator, samples: int, sample_rate_hz: int) -> np.ndarray:
    """Plucked notes below and among the pitches of the alarm and the whistle, but steady ones."""
    waveform = np.zeros(samples)
    note = round(random.uniform(0.2, 0.5) * sample_rate_hz)
    time_s = np.arange(note) / sample_rate_hz
    for start in range(0, samples - note + 1, note):
        pitch_hz = 220 * 2 ** (random.integers(0, 36) / 12)
        waveform[start : start + note] = np.sin(2 * np.pi * pitch_hz * time_s) * np.exp(-4 * time_s)
    return waveform


def _babble(random: np.random.Generator, samples: int, sample_rate_hz: int) -> np.ndarray:
    """Harmonics of a wandering voice, switched on and off at the pace of syllables."""
    knots = max(2, samples // (sample_rate_hz // 5) + 2)
    place = np.linspace(0, knots - 1, samples)
    pitch_hz = np.interp(place, np.arange(knots), random.uniform(90, 240, knots))
    loudness = np.interp(place, np.arange(knots), random.random(knots) * (random.random(knots) < 0.7))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate_hz
    return loudness * sum(np.sin(k * phase) / k for k in range(1, 12)) / 2


def _thuds(random: np.random.Generator, samples: int, sample_rate_hz: int) -> np.ndarray:
    """Single low thuds and steps: one at a time, where a knock comes in a row."""
    waveform = np.zeros(samples)
    time_s = _time_s(0.3, sample_rate_hz)
    for start in range(0, max(samples - len(time_s), 1), round(random.uniform(0.9, 1.6) * sample_rate_hz)):
        thud = np.sin(2 * np.pi * random.uniform(50, 110) * time_s) * np.exp(-time_s * 18)
        part = waveform[start : start + len(time_s)]
        part += thud[: len(part)]
    return waveform


def _time_s(duration_s: float, sample_rate_hz: int) -> np.ndarray:
    return np.arange(max(2, round(duration_s * sample_rate_hz))) / sample_rate_hz


def _fade(samples: int, edge: int) -> np.ndarray:
    ramp = np.minimum(np.arange(samples), np.arange(samples)[::-1]) / max(edge, 1)
    return np.minimum(ramp, 1.0)


def _peak(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Scales to a random peak between -18 and -1 dB of full scale."""
    target = 10 ** (random.uniform(-18, -1) / 20)
    return (waveform * target / np.max(np.abs(waveform))).astype(np.float32)
