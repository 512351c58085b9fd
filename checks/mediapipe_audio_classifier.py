"""Classifies a WAV with MediaPipe's AudioClassifier, as an app would; needs a Python with `mediapipe`.

    python checks/mediapipe_audio_classifier.py BUNDLE CLIP.wav

Prints JSON: the version of the client and, per window of the clip, the score of each label.
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


def main(bundle: str, clip: str) -> None:
    """Prints the scores of `clip` under the model of `bundle`."""
    with wave.open(clip) as file:
        rate_hz, samples = file.getframerate(), file.readframes(file.getnframes())
    waveform = np.frombuffer(samples, np.int16).astype(np.float32) / 32768
    model = (Path(bundle) / "model.tflite").read_bytes()
    options = AudioClassifierOptions(base_options=BaseOptions(model_asset_buffer=model))
    with AudioClassifier.create_from_options(options) as classifier:
        results = classifier.classify(AudioData.create_from_array(waveform, rate_hz))
    windows = [{c.category_name: c.score for c in result.classifications[0].categories} for result in results]
    print(json.dumps({"client": f"mediapipe {importlib.metadata.version('mediapipe')}", "windows": windows}))


if __name__ == "__main__":
    main(*sys.argv[1:])
