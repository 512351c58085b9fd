"""An ESPHome pair in `pymicro-wakeword` beside the run's own detector, on streams of the run's test split.

    python -m benchmarks.esphome RUN PAIR --work DIR

RUN is a run directory, PAIR what `kwsembed export RUN --out PAIR --target esphome --event LABEL` made. Both
hear the same streams and are counted by the same matching code, each at its own threshold, which was chosen
on validation; and, to compare without it, at the best thresholds for given false alarms on these streams.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

from checks.esphome_pair import client, manifest_of
from kwsembed.audio import wav
from kwsembed.data.cache import build_cache
from kwsembed.detection.operating import OperatingPoint, choose_threshold, measure
from kwsembed.detection.replay import LabelReplay
from kwsembed.evaluation.judge import judge
from kwsembed.evaluation.scoring import bundle_scorer
from kwsembed.export_targets.esphome import sentence
from kwsembed.export_targets.esphome_judgement import EsphomeJudgement, FeatureStream, SplitFeatures
from kwsembed.tflite.esphome import EsphomeModel
from kwsembed.training.data import TrainingData
from kwsembed.training.prior_run import PriorRun

FALSE_ALARMS = (0, 1, 2, 4, 8)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("pair", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for the client's environment")
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    arguments = parser.parse_args()
    prior, (manifest, content) = PriorRun.read(arguments.run), manifest_of(arguments.pair)
    measured = json.loads((arguments.pair / "measured.json").read_text(encoding="utf-8"))
    event, settings = measured["event"], content["micro"]
    data = TrainingData.of(
        build_cache(prior.manifest, cache_dir=prior.cache_dir), prior.manifest, prior.config
    )
    audio = data.audio(arguments.split)
    target = prior.bundle.operating_points[event].target_false_alarms_per_hour

    model = EsphomeModel(
        (arguments.pair / content["model"]).read_bytes(),
        b"",
        frames=measured["frames"],
        stride=measured["stride"],
        variables=measured["variables"],
        warm_up=measured["warm_up_calls"],
    )
    clip = arguments.work / "stream.wav"

    def play(heard: FeatureStream) -> np.ndarray:
        wav.write(clip, heard.stream.waveform, audio.sample_rate_hz)
        answer, _ = client(arguments.work, "pymicro-wakeword", "pymicro_wakeword_client.py", manifest, clip)
        return np.array(answer["streams"][0]["bytes"])

    pair = EsphomeJudgement(model, SplitFeatures.of(audio, event), event, play=play).replay(
        settings["sliding_window_size"]
    )
    ours = judge(bundle_scorer(prior.bundle), audio, post=prior.bundle.post).replay(event)
    # The client fires above its cutoff, our detector from its threshold on.
    above = math.nextafter(settings["probability_cutoff"], 1)
    print(f"{event}, {arguments.split} split of {arguments.run}")
    for name, replay, threshold in (
        ("ESPHome pair", pair, above),
        ("own detector", ours, prior.bundle.thresholds[event]),
    ):
        print(f"{name}: {sentence(measure(replay, threshold, target_false_alarms_per_hour=target))}")
        fewest = [_fewest(replay, count, target).misses for count in FALSE_ALARMS]
        print(f"    fewest misses with at most {FALSE_ALARMS} false alarms: {fewest} of {replay.events}")


def _fewest(replay: LabelReplay, count: int, target: float) -> OperatingPoint:
    return choose_threshold(replay, target_false_alarms_per_hour=target, most_false_alarms=count)


if __name__ == "__main__":
    main()
