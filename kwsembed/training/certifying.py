"""Making a bundle's parity certificate: the model that ships against the network that was trained."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.detection.events import Detection
from kwsembed.evaluation.golden_clips import golden_clips
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.evaluation.scoring import Scorer
from kwsembed.frontend import log_mel
from kwsembed.parity.agreement import (
    EVENTS_BOUNDS,
    GRAPH_BOUNDS,
    INT8_BOUNDS,
    NUMPY_BOUNDS,
    Agreement,
    differences,
    events_apart,
    failures,
    interpreter_bounds,
)
from kwsembed.parity.certificate import (
    SEED,
    VERSION,
    Certificate,
    Expected,
    synthetic_audio,
    synthetic_duration_s,
)
from kwsembed.parity.computing import (
    GoldenAudio,
    events_offline,
    events_streamed,
    graph_log_mels,
    thresholds_amid,
)
from kwsembed.parity.golden import checksum
from kwsembed.parity.reference import reference_log_mel
from kwsembed.runtime import Classifier
from kwsembed.runtime.interpreter import RUNTIMES, runtime_status
from kwsembed.tflite.parts import log_mel_tensor
from kwsembed.training.record import versions

FLOAT = "the float network"


def certify(
    bundle: Bundle, network: Scorer, audio: SplitAudio, evidence: np.ndarray, *, split: str
) -> dict[str, Any]:
    """Compares on golden audio, synthetic and real, quiet and loud; see `kwsembed.parity.certificate`.

    Args:
        bundle: What ships.
        network: The network that was trained, in float.
        audio: A split of the run's clips.
        evidence: `(clips, labels)` of the bundle on that split.
        split: Its name.

    Returns:
        The certificate, as bundle.json holds it. A comparison that fails is in it; nothing is raised.
    """
    runtimes = [name for name in RUNTIMES if runtime_status(name).problem is None]
    tensor = log_mel_tensor(bundle.model)
    synthetic = _Compared(bundle, network, synthetic_audio(bundle), runtimes, tensor)
    real = _Compared(
        bundle, network, GoldenAudio.of("real", golden_clips(audio, evidence), bundle), runtimes, tensor
    )
    amid = thresholds_amid(next(iter(synthetic.scores.values())), bundle)
    agreements = [*synthetic.agreements(amid), *real.agreements(bundle.thresholds)]
    failed = failures(agreements)
    shipped = Certificate(
        seed=SEED,
        duration_s=synthetic_duration_s(bundle),
        sha256=checksum([synthetic.audio.stream]),
        log_mel_tensor=tensor,
        thresholds=amid,
        post=bundle.post,
        expected=tuple(
            Expected(name, scores, tuple(events_offline(scores, bundle, synthetic.audio, amid)))
            for name, scores in synthetic.scores.items()
        ),
        machine=platform.machine(),
    )
    return {
        "version": VERSION,
        "passed": not failed,
        "failures": failed,
        "computed_with": {**versions(), "system": platform.system(), "machine": shipped.machine},
        "synthetic": shipped.to_dict(),
        "real": {
            "split": split,
            "labels": [
                label
                for at, label in enumerate(audio.labels[: audio.event_count])
                if np.any(audio.classes == at)
            ],
            "duration_s": len(real.audio.stream) / len(real.audio.levels) / bundle.sample_rate_hz,
            "sha256": checksum([real.audio.stream]),
        },
        "agreements": [agreement.to_dict() for agreement in agreements],
    }


class _Compared:
    """One golden audio under the network and under every interpreter that is installed."""

    def __init__(
        self, bundle: Bundle, network: Scorer, audio: GoldenAudio, runtimes: Sequence[str], tensor: int
    ) -> None:
        self.audio = audio
        self._bundle, self._runtimes, self._tensor = bundle, runtimes, tensor
        windows = audio.windows()
        self._float = network(windows)
        self.scores: dict[str, np.ndarray] = {}
        for runtime in runtimes:
            classifier = Classifier(bundle, runtime=runtime)
            self.scores[classifier.runtime] = classifier.score_windows(windows)

    def agreements(self, thresholds: Mapping[str, float]) -> Iterator[Agreement]:
        """All comparisons; the first interpreter is the one that the package would use here."""
        for level in self.audio.levels:
            yield from self._log_mel(level)
        for level in self.audio.levels:
            yield from self._scores(level)
        yield from self._events(thresholds)

    def _log_mel(self, level: float) -> Iterator[Agreement]:
        frontend, windows = self._bundle.frontend, self.audio.separate_windows(level)
        ours = np.stack([log_mel(window, frontend) for window in windows])
        exact = np.stack([reference_log_mel(window, frontend) for window in windows])
        yield self._of("log_mel", level, "NumPy", "float64", differences(ours, exact), NUMPY_BOUNDS)
        for name, runtime in zip(self.scores, self._runtimes, strict=True):
            inside = graph_log_mels(self._bundle, self._tensor, windows, runtime=runtime)
            yield self._of("log_mel", level, name, "NumPy", differences(inside, ours), GRAPH_BOUNDS)

    def _scores(self, level: float) -> Iterator[Agreement]:
        within = self.audio.windows_of(level)
        first, *others = self.scores.items()
        for name, scores in (first, *others):
            apart = differences(scores[within], self._float[within])
            yield self._of("score", level, name, FLOAT, apart, INT8_BOUNDS)
        for name, scores in others:
            apart = differences(scores[within], first[1][within])
            bounds = interpreter_bounds(name, first[0], same_machine=True)
            yield self._of("score", level, name, first[0], apart, bounds)

    def _events(self, thresholds: Mapping[str, float]) -> Iterator[Agreement]:
        def offline(scores: np.ndarray) -> list[Detection]:
            return events_offline(scores, self._bundle, self.audio, thresholds)

        (name, scores), *others = self.scores.items()
        streamed = events_streamed(self._bundle, self.audio, thresholds, runtime=self._runtimes[0])
        yield self._of(
            "events", None, f"{name}, in chunks", f"{name}, at once",
            events_apart(streamed, offline(scores)), EVENTS_BOUNDS,
        )  # fmt: skip
        for against, other in ((FLOAT, self._float), *others):
            yield self._of("events", None, name, against, events_apart(streamed, offline(other)), {})

    def _of(
        self,
        what: str,
        level: float | None,
        computed: str,
        against: str,
        figures: Mapping[str, float],
        bounds: Mapping[str, float],
    ) -> Agreement:
        return Agreement(what, self.audio.name, level, computed, against, figures, bounds)
