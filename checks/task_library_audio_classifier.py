"""Classifies a WAV with the TensorFlow Lite Task Library, as older apps do; needs `tflite-support` alone.

    python checks/task_library_audio_classifier.py BUNDLE CLIP.wav

Prints JSON: the client and, per window of the clip, the score of each label. Needs CPython 3.11, protobuf
3.20 and the system's libusb-1.0.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import wave
from pathlib import Path

import numpy as np
from tflite_support.task import audio


def main(bundle: str, clip: str) -> None:
    """Prints the scores of `clip` under the model of `bundle`."""
    with wave.open(clip) as file:
        samples = file.readframes(file.getnframes())
    waveform = np.frombuffer(samples, np.int16).astype(np.float32) / 32768
    classifier = audio.AudioClassifier.create_from_file(str(Path(bundle) / "model.tflite"))
    tensor = classifier.create_input_tensor_audio()
    windows = []
    for start in range(0, len(waveform), tensor.buffer_size):
        window = np.zeros(tensor.buffer_size, np.float32)
        part = waveform[start : start + tensor.buffer_size]
        window[: len(part)] = part
        tensor.load_from_array(window[:, np.newaxis])
        (classifications,) = classifier.classify(tensor).classifications
        windows.append({category.category_name: category.score for category in classifications.categories})
    print(
        json.dumps(
            {"client": f"tflite-support {importlib.metadata.version('tflite-support')}", "windows": windows}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
