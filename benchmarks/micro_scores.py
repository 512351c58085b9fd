"""What the model of the target `micro` scores in TensorFlow Lite Micro's own interpreter."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from checks.clients import environment
from checks.micro import PACKAGES
from kwsembed.bundle import Bundle
from kwsembed.clip_scores import clip_windows
from kwsembed.detection.events import Detection, EventDetector
from kwsembed.errors import ConfigError
from kwsembed.export_targets.micro_golden import quantised
from kwsembed.frontend import log_mel
from kwsembed.tflite.micro import micro_model
from kwsembed.tflite.parts import parts_of

_SCRIPT = Path(__file__).parents[1] / "checks" / "tflite_micro_interpreter.py"


class MicroScorer:
    """Runs a bundle's model for microcontrollers on audio, features outside, int8 in and out.

    Args:
        bundle: The bundle that `kwsembed export --target micro` would read.
        work: Folder for the interpreter's virtual environment and what is handed to it.
    """

    def __init__(self, bundle: Bundle, work: Path) -> None:
        self._bundle, self._work = bundle, work
        self._parts = parts_of(bundle.model, mels=bundle.frontend.mel_count)
        self._model = micro_model(self._parts)
        self._python = environment(work / "tflite-micro", PACKAGES)
        self.client = ""

    def clips(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """`(windows, labels)` probabilities of each clip, cut into windows as `kwsembed classify` cuts."""
        bundle = self._bundle
        cut = [clip_windows(clip, bundle.window_samples, bundle.hop_samples) for clip in waveforms]
        rows = [quantised(log_mel(window, bundle.frontend), self._parts) for clip in cut for window in clip]
        scores = self._probabilities(np.stack(rows))
        return np.split(scores, np.cumsum([len(windows) for windows in cut])[:-1])

    def detect(self, waveform: np.ndarray) -> list[Detection]:
        """Detections in a recording, at the bundle's thresholds and post-processing."""
        bundle, hop = self._bundle, self._bundle.frontend.hop_samples
        if bundle.hop_samples % hop:
            raise ConfigError("windows do not start on frames", received=f"hop_samples={bundle.hop_samples}")
        step = bundle.hop_samples // hop
        features = quantised(log_mel(waveform, bundle.frontend), self._parts)
        rows = np.lib.stride_tricks.sliding_window_view(features, self._parts.frames, axis=0)[::step]
        scores = self._probabilities(np.ascontiguousarray(rows.transpose(0, 2, 1)))
        detector = EventDetector(bundle.event_labels, bundle.thresholds, bundle.post, bundle.window_s)
        found = detector.process(scores[:, ~bundle.background_mask])
        return found + detector.flush(end_s=len(waveform) / bundle.sample_rate_hz)

    def _probabilities(self, features: np.ndarray) -> np.ndarray:
        """`(windows, labels)` of `(windows, frames, mels)` int8."""
        model, rows = self._work / "micro.tflite", self._work / "features.npy"
        model.write_bytes(self._model.model)
        np.save(rows, features)
        command = [self._python, _SCRIPT, model, rows]
        finished = subprocess.run(command, capture_output=True, text=True, check=True)
        answer = json.loads(finished.stdout.splitlines()[-1])
        self.client = answer["client"]
        steps = np.array(answer["outputs"], np.float64)
        logits = (steps - self._model.logit_zero_point) * self._model.logit_scale
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
