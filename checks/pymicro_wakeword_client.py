"""Plays recordings to the model of an ESPHome manifest in `pymicro-wakeword`; needs that package alone.

    python checks/pymicro_wakeword_client.py MANIFEST.json CLIP.wav ...

Clips are 16-bit mono at 16 kHz. Prints JSON: the version of the client; for each clip, of each call of the
model, its probability as a byte and whether the client reports the word.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import wave

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures


def main(manifest: str, *clips: str) -> None:
    """Prints what the client makes of each clip, as a stream of its own."""
    word, front_end = MicroWakeWord.from_config(manifest), MicroWakeWordFeatures()
    streams = []
    for clip in clips:
        word.reset()
        front_end.reset()
        with wave.open(clip, "rb") as file:
            content = file.readframes(file.getnframes())
        probabilities, reported = [], []
        for frame, features in enumerate(front_end.process_streaming(content), start=1):
            mean = word.process_streaming_prob(features)
            if frame % word.stride == 0:
                probabilities.append(round(word._probabilities[-1] / word.output_scale))
                reported.append(mean > word.probability_cutoff)
        streams.append({"bytes": probabilities, "reported": reported})
    client = f"pymicro-wakeword {importlib.metadata.version('pymicro-wakeword')}"
    print(json.dumps({"client": client, "streams": streams}))


if __name__ == "__main__":
    main(*sys.argv[1:])
