"""Classifies a WAV with MediaPipe's AudioClassifier, as an app would; needs a Python with `mediapipe`.

    python checks/mediapipe_audio_classifier.py CLIP.wav MODEL.tflite...

Prints JSON: the version of the client and, per model and window of the clip, the score of each label, and
the labels that are reported when no option is set, so that the model's metadata decide.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import wave
from pathlib import Path

import numpy as np
from mediapipe.tasks.python import BaseOptions
from mediapipe.tasks.python.audio import AudioClassifier, AudioClassifierOptions
from mediapipe.tasks.python.components.containers import AudioData

# Below any calibrated score. MediaPipe 1.2 takes 0 for "not set" and keeps the threshold of the metadata.
ALL_SCORES = 1e-37


def main(clip: str, *models: str) -> None:
    """Prints the scores of `clip` under each model."""
    with wave.open(clip) as file:
        rate_hz, samples = file.getframerate(), file.readframes(file.getnframes())
    waveform = np.frombuffer(samples, np.int16).astype(np.float32) / 32768
    audio = AudioData.create_from_array(waveform, rate_hz)
    answers = []
    for model in models:
        scores = _windows(model, audio, score_threshold=ALL_SCORES)
        reported = [sorted(window) for window in _windows(model, audio)]
        answers.append({"scores": scores, "reported": reported})
    print(json.dumps({"client": f"mediapipe {importlib.metadata.version('mediapipe')}", "models": answers}))


def _windows(model: str, audio: AudioData, **options: float) -> list[dict[str, float]]:
    base = BaseOptions(model_asset_buffer=Path(model).read_bytes())
    with AudioClassifier.create_from_options(AudioClassifierOptions(base, **options)) as classifier:
        results = classifier.classify(audio)
    return [{c.category_name: c.score for c in result.classifications[0].categories} for result in results]


if __name__ == "__main__":
    main(*sys.argv[1:])
