"""Classifies a WAV with the TensorFlow Lite Task Library, as older apps do; needs `tflite-support` alone.

    python checks/task_library_audio_classifier.py CLIP.wav MODEL.tflite...

Prints JSON: the client and, per model and window of the clip, the score of each label, and the labels that
are reported at a score threshold of 0.5: in Python this client ignores the threshold of the metadata, so an
app must set it. Needs CPython 3.11, protobuf 3.20 and the system's libusb-1.0.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import wave

import numpy as np
from tflite_support.task import audio, core, processor

THRESHOLD = 0.5


def main(clip: str, *models: str) -> None:
    """Prints the scores of `clip` under each model."""
    with wave.open(clip) as file:
        samples = file.readframes(file.getnframes())
    waveform = np.frombuffer(samples, np.int16).astype(np.float32) / 32768
    answers = []
    for model in models:
        scores = _windows(model, waveform)
        reported = [sorted(window) for window in _windows(model, waveform, score_threshold=THRESHOLD)]
        answers.append({"scores": scores, "reported": reported})
    version = importlib.metadata.version("tflite-support")
    print(json.dumps({"client": f"tflite-support {version}", "models": answers}))


def _windows(model: str, waveform: np.ndarray, **options: float) -> list[dict[str, float]]:
    classifier = audio.AudioClassifier.create_from_options(
        audio.AudioClassifierOptions(
            base_options=core.BaseOptions(file_name=model),
            classification_options=processor.ClassificationOptions(**options),
        )
    )
    tensor = classifier.create_input_tensor_audio()
    windows = []
    for start in range(0, len(waveform), tensor.buffer_size):
        window = np.zeros(tensor.buffer_size, np.float32)
        part = waveform[start : start + tensor.buffer_size]
        window[: len(part)] = part
        tensor.load_from_array(window[:, np.newaxis])
        (classifications,) = classifier.classify(tensor).classifications
        windows.append({category.category_name: category.score for category in classifications.categories})
    return windows


if __name__ == "__main__":
    main(*sys.argv[1:])
