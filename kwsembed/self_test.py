"""A quick check that this machine computes what it should: front end, resampler, detection, model, parity."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kwsembed.audio.resample import resample
from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection, EventDetector, PostProcessing
from kwsembed.frontend import FrontendConfig, log_mel
from kwsembed.parity.recompute import recompute
from kwsembed.runtime import Classifier

# For an impulse in the middle of a frame, the window and the power of every bin are 1. The default front end
# must then give ln(the band's weights, summed over the bins, + the offset), here for bands 0, 20, 40 and 63.
_IMPULSE_LOG_MEL = {0: -0.05372629, 20: 0.6802146, 40: 1.3813805, 63: 2.1910035}
_TIMED_WINDOWS = 50


@dataclass(frozen=True)
class Check:
    """One check: what, whether it passed, and the figures."""

    name: str
    passed: bool
    detail: str


def self_test(bundle: Bundle | None = None, *, runtime: str | None = None) -> list[Check]:
    """Runs all checks, in about a second; with a bundle, in some seconds.

    Args:
        bundle: If given, its model is run too, and its parity certificate recomputed, where it has one.
        runtime: Interpreter for it, see `load_interpreter`.

    Example:
        >>> all(check.passed for check in self_test())
        True
    """
    checks: dict[str, Callable[[], Iterator[tuple[bool, str]]]] = {
        "front end": _front_end,
        "resampler": _resampler,
        "event detection": _event_detection,
    }
    if bundle is not None:
        checks["model"] = lambda: _model(bundle, runtime)
        checks["parity"] = lambda: recompute(bundle, runtime=runtime)
    results = []
    for name, check in checks.items():
        try:
            outcomes = list(check())
        except Exception as error:  # whatever fails here is the finding, not a crash of the doctor
            outcomes = [(False, f"{type(error).__name__}: {error}")]
        results += [Check(name, passed, detail) for passed, detail in outcomes]
    return results


def _front_end() -> Iterator[tuple[bool, str]]:
    config = FrontendConfig()
    silence = log_mel(np.zeros(config.window_samples, np.float32), config)
    yield _close("silence gives ln(1e-6)", silence, np.log(1e-6), 1e-5)
    impulse = np.zeros(config.window_samples, np.float32)
    impulse[config.window_samples // 2] = 1.0
    bands, expected = zip(*_IMPULSE_LOG_MEL.items(), strict=True)
    yield _close("an impulse gives the mel weights", log_mel(impulse, config)[0, list(bands)], expected, 1e-4)


def _resampler() -> Iterator[tuple[bool, str]]:
    tone = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100).astype(np.float32)
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    inside = slice(1000, -1000)  # away from the ends, where the tone begins and stops
    yield _close(
        "1 kHz at 44.1 kHz is 1 kHz at 16 kHz", resample(tone, 44100, 16000)[inside], expected[inside], 1e-3
    )


def _event_detection() -> Iterator[tuple[bool, str]]:
    post = PostProcessing(hop_s=0.5, smoothing_windows=2, refractory_s=1.0)
    detector = EventDetector(["event"], {"event": 0.5}, post, 1.0)
    found = detector.process(np.array([[0.0], [0.25], [0.75], [1.0], [0.0], [0.0], [1.0]])) + detector.flush()
    # Smoothed: 0, .125, .5, .875, .5, 0, .5; closed at hop 5, so hop 6 falls into the refractory time.
    yield found == [Detection("event", 1.25, 2.25, 0.875)], "a sequence worked by hand"


def _model(bundle: Bundle, runtime: str | None) -> Iterator[tuple[bool, str]]:
    classifier = Classifier(bundle, runtime=runtime)
    noise = (
        np.random.default_rng(0)
        .uniform(-0.1, 0.1, (_TIMED_WINDOWS, bundle.window_samples))
        .astype(np.float32)
    )
    took_s = []
    rows = []
    for window in noise:
        began_s = time.perf_counter()
        rows.append(classifier.score_windows(window[None])[0])
        took_s.append(time.perf_counter() - began_s)
    scores = np.concatenate(
        [rows, classifier.score_windows(np.zeros((1, bundle.window_samples), np.float32))]
    )
    usable = bool(
        np.isfinite(scores).all() and (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-2)
    )
    yield usable, f"{classifier.runtime}: noise and silence give probabilities"
    median_s = float(np.median(took_s))
    busy = 100 * median_s / bundle.post.hop_s
    yield (
        median_s < bundle.post.hop_s,
        f"{1000 * median_s:.2f} ms a window, {busy:.2g} % of the time on one core",
    )


def _close(what: str, received: np.ndarray, expected: object, tolerance: float) -> tuple[bool, str]:
    difference = float(np.abs(np.asarray(received) - np.asarray(expected)).max())
    return difference <= tolerance, f"{what}, to {difference:.1e} (allowed {tolerance:.0e})"
