"""Recomputing a bundle's certificate on the device that runs it: does it compute what training computed?"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.frontend import log_mel
from kwsembed.parity.agreement import (
    EVENTS_BOUNDS,
    GRAPH_BOUNDS,
    NUMPY_BOUNDS,
    Agreement,
    Bounds,
    differences,
    events_apart,
    interpreter_bounds,
)
from kwsembed.parity.certificate import Certificate, nearest, read_certificate, synthetic_audio
from kwsembed.parity.computing import GoldenAudio, events_offline, events_streamed, graph_log_mels, margin
from kwsembed.parity.golden import checksum
from kwsembed.parity.reference import reference_log_mel
from kwsembed.runtime import Classifier


def recompute(bundle: Bundle, *, runtime: str | None = None) -> Iterator[tuple[bool, str]]:
    """Computes the synthetic part of the certificate once more, here, and compares.

    Args:
        bundle: The bundle.
        runtime: Interpreter; see `load_interpreter`.

    Yields:
        Whether a comparison holds, and its figures in a line; nothing for a bundle without a certificate.

    Raises:
        BundleError: The certificate is damaged, or of another version.

    Example:
        >>> all(holds for holds, _ in recompute(Bundle.load("RUN/bundle")))  # doctest: +SKIP
        True
    """
    certificate = read_certificate(bundle)
    if certificate is None:
        return
    audio = synthetic_audio(bundle, seed=certificate.seed, duration_s=certificate.duration_s)
    same = checksum([audio.stream]) == certificate.sha256
    seconds = len(audio.stream) / bundle.sample_rate_hz
    yield (
        same,
        f"{seconds:g} s of golden audio, {'as it was' if same else 'another signal than'} when the "
        "bundle was made",
    )
    if same:
        for agreement in _agreements(replace(bundle, post=certificate.post), certificate, audio, runtime):
            yield agreement.passed, agreement.sentence


def _agreements(
    bundle: Bundle, certificate: Certificate, audio: GoldenAudio, runtime: str | None
) -> Iterator[Agreement]:
    classifier = Classifier(bundle, runtime=runtime)
    here = classifier.runtime

    def agreement(
        what: str, computed: str, against: str, figures: Mapping[str, float], bounds: Bounds
    ) -> Agreement:
        return Agreement(what, audio.name, None, computed, against, figures, bounds)

    windows = np.concatenate([audio.separate_windows(level) for level in audio.levels])
    ours = np.stack([log_mel(window, bundle.frontend) for window in windows])
    exact = np.stack([reference_log_mel(window, bundle.frontend) for window in windows])
    graph = graph_log_mels(bundle, certificate.log_mel_tensor, windows, runtime=runtime)
    yield agreement("log_mel", "NumPy", "float64", differences(ours, exact), NUMPY_BOUNDS)
    yield agreement("log_mel", here, "NumPy", differences(graph, ours), GRAPH_BOUNDS)

    scores = classifier.score_windows(audio.windows())
    expected = nearest(scores, certificate.expected)
    apart = differences(scores, expected.scores)
    then = f"{expected.computed} when it was made"
    same_machine = platform.machine() == certificate.machine
    bounds = interpreter_bounds(here, expected.computed, same_machine=same_machine)
    yield agreement("score", here, then, apart, bounds)

    streamed = events_streamed(bundle, audio, certificate.thresholds, runtime=runtime)
    offline = events_offline(scores, bundle, audio, certificate.thresholds)
    yield agreement(
        "events",
        "the stream in chunks",
        "its windows at once",
        events_apart(streamed, offline),
        EVENTS_BOUNDS,
    )
    # Only where scores differ by more than that may a detection come or go.
    clear = apart["largest"] < margin(expected.scores, bundle, certificate.thresholds)
    found = events_apart(streamed, expected.events)
    yield agreement("events", here, then, found, EVENTS_BOUNDS if clear else {})
