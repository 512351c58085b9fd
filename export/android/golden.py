"""What the app's Kotlin must compute: inputs and this package's results, as files for its tests.

The files do not depend on a bundle: an app project holds the same ones, whatever its model.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed import atomic
from kwsembed.audio.resample import resample
from kwsembed.bundle import write_bundle
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.frontend.config import FrontendConfig
from kwsembed.runtime.stream_scores import to_float
from kwsembed.runtime.windows import WindowBuffer

INDEX_FILE = "index.json"
MODEL_RATE_HZ = 16000
WINDOW_SAMPLES, HOP_SAMPLES = 4000, 500
RATES_HZ = (8000, 16000, 44100, 48000)
LEVELS_DB = {"quiet": -60.0, "loud": 6.0}  # the loud one is clipped
SECONDS = 0.4
CHUNKS = (1, 0, 7, 129, 1023, 4801)
EVENT_CASES = 40


def write_golden(folder: Path) -> None:
    """Writes inputs and expected results into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {"events": _events(folder), "streams": _streams(folder), "bundle": _bundle(folder / "bundle")}
    atomic.write_json(folder / INDEX_FILE, index)


def as_row(detection: Detection) -> list[Any]:
    """A detection as the files hold it."""
    return [detection.label, detection.onset_s, detection.offset_s, detection.score]


def _events(folder: Path) -> list[dict[str, Any]]:
    """Scores of many streams, under many settings, and the detections in them."""
    random = np.random.default_rng(0)
    cases, rows = [], []
    for _ in range(EVENT_CASES):
        post = PostProcessing(
            hop_s=float(random.choice([0.1, 0.125, 0.25])),
            smoothing_windows=int(random.integers(1, 5)),
            min_consecutive=int(random.integers(1, 4)),
            refractory_s=float(random.choice([0.0, 0.3, 1.0, 2.2])),
            onset_shift_s=float(random.choice([0.0, 0.2, -0.1])),
        )
        hops = int(random.integers(1, 100))
        # Runs of some length, so that all the rules have something to do.
        scores = np.repeat(random.uniform(size=(hops, 3)), random.integers(1, 5, hops), axis=0)
        scores = scores.astype(np.float32)
        # The last one is reached exactly, by an unsmoothed score.
        thresholds = {"a": 0.5, "b": float(random.uniform(0.2, 0.9)), "c": float(scores[0, 2])}
        end_s = len(scores) * post.hop_s + 1.0 if random.uniform() < 0.5 else len(scores) * post.hop_s / 2
        detector = EventDetector(list(thresholds), thresholds, post, window_s=1.0)
        found = detector.process(scores) + detector.flush(end_s=end_s)
        rows.append(scores)
        cases.append(
            {
                "post": post.to_dict(),
                "thresholds": thresholds,
                "window_s": 1.0,
                "hops": len(scores),
                "end_s": end_s,
                "detections": [as_row(detection) for detection in found],
            }
        )
    np.concatenate(rows).astype("<f4").tofile(folder / "scores.f32")
    return cases


def _streams(folder: Path) -> list[dict[str, Any]]:
    """Waveforms of several rates and levels, and what of them the windows must hold."""
    streams = []
    for (level, level_db), rate_hz in itertools.product(LEVELS_DB.items(), RATES_HZ):
        pcm = _sound(rate_hz, level_db)
        heard = resample(to_float(pcm), rate_hz, MODEL_RATE_HZ)
        windows = WindowBuffer(WINDOW_SAMPLES, HOP_SAMPLES)
        count = len(windows.process(heard)) + len(windows.flush())
        name = f"{level}-{rate_hz}"
        pcm.astype("<i2").tofile(folder / f"{name}.pcm")
        heard.astype("<f4").tofile(folder / f"{name}.f32")
        streams.append({"name": name, "rate_hz": rate_hz, "chunks": CHUNKS, "windows": count})
    return streams


def _sound(rate_hz: int, level_db: float) -> np.ndarray:
    """Noise and a rising tone, (samples,) int16."""
    random = np.random.default_rng(1)
    time_s = np.arange(round(SECONDS * rate_hz)) / rate_hz
    tone = np.sin(2 * np.pi * (300 + 4000 * time_s) * time_s)
    sound = 10 ** (level_db / 20) * (tone + random.normal(0, 0.3, len(time_s)))
    return np.round(32767 * np.clip(sound, -1, 1)).astype(np.int16)


def _bundle(folder: Path) -> dict[str, Any]:
    """A bundle with names and numbers that are hard to read, and what is in it; its model is none."""
    labels = ["dog_bark", "Türklingel", "\N{DOG FACE}", "\uff21", "background", 'a "quoted" \\ one']
    thresholds = dict(zip(labels[:4] + labels[5:], (0.5, 1e-07, 0.1 + 0.2, 1.5, 1.0), strict=True))
    bundle = write_bundle(
        folder,
        model=b"\0\0\0\0TFL3, but no model",
        labels=labels,
        background_labels=["background"],
        frontend=FrontendConfig(),
        window_samples=16000,
        post=PostProcessing(hop_s=0.125, smoothing_windows=3, refractory_s=0.75, onset_shift_s=0.0625),
        operating_points={label: _point(label, value) for label, value in thresholds.items()},
        extra={"e": 1e22, "nothing": None, "list": [True, -0.0, 12345678901234567890]},
    )
    return {
        "labels": bundle.labels,
        "background_labels": bundle.background_labels,
        "event_labels": bundle.event_labels,
        "thresholds": bundle.thresholds,
        "sample_rate_hz": bundle.sample_rate_hz,
        "window_samples": bundle.window_samples,
        "hop_samples": bundle.hop_samples,
        "post": bundle.post.to_dict(),
    }


def _point(label: str, threshold: float) -> OperatingPoint:
    """A threshold about which nothing else is known."""
    return OperatingPoint(label, threshold, 0.5, 0, 0.0, None, None, False, 0, 0, None)
