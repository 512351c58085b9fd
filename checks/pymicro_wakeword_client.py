"""Plays a recording to the model of an ESPHome manifest in `pymicro-wakeword`; needs that package alone.

    python checks/pymicro_wakeword_client.py MANIFEST.json CLIP.wav

The clip is 16-bit mono at 16 kHz. Prints JSON: the version of the client; of each call of the model its
probability as a byte, the mean over the sliding window, and whether the client reports the word.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import wave

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures


def main(manifest: str, clip: str) -> None:
    """Prints what the client makes of `clip`."""
    word, front_end = MicroWakeWord.from_config(manifest), MicroWakeWordFeatures()
    with wave.open(clip, "rb") as file:
        content = file.readframes(file.getnframes())
    bytes_, means, reported = [], [], []
    for frame, features in enumerate(front_end.process_streaming(content), start=1):
        mean = word.process_streaming_prob(features)
        if frame % word.stride == 0:
            bytes_.append(round(word._probabilities[-1] / word.output_scale))
            means.append(mean)
            reported.append(mean > word.probability_cutoff)
    client = f"pymicro-wakeword {importlib.metadata.version('pymicro-wakeword')}"
    print(json.dumps({"client": client, "bytes": bytes_, "means": means, "reported": reported}))


if __name__ == "__main__":
    main(*sys.argv[1:])
