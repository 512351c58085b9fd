"""Target `esphome`: a model and a manifest for ESPHome's `micro_wake_word`, for one event of a run."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed import atomic
from kwsembed.bundle_files import sha256_of
from kwsembed.data.cache import build_cache
from kwsembed.detection.operating import OperatingPoint
from kwsembed.errors import ConfigError
from kwsembed.export_targets.esphome_centring import centre
from kwsembed.export_targets.esphome_choice import best_of
from kwsembed.export_targets.esphome_examples import Examples, make_examples, network_teacher
from kwsembed.export_targets.esphome_features import (
    CHANNELS,
    INPUT_RANGE,
    SAMPLE_RATE_HZ,
    STEP_S,
    front_end,
    micro_features,
)
from kwsembed.export_targets.esphome_judgement import Cutoff, EsphomeJudgement, SplitFeatures
from kwsembed.export_targets.esphome_training import SAMPLING, as_numbers
from kwsembed.export_targets.micro_arena import Arena, arena
from kwsembed.export_targets.output import check_output, writing
from kwsembed.progress import ProgressLine
from kwsembed.tflite.clients import describe
from kwsembed.tflite.esphome import EsphomeModel, esphome_model
from kwsembed.training.data import TrainingData
from kwsembed.training.prior_run import PriorRun

MINIMUM_ESPHOME_VERSION = "2024.7.0"
_EXAMPLES, _STEPS = 12_000, 1500
_REPRESENTATIVE_EXAMPLES = 300


@dataclass(frozen=True)
class Made:
    """What an export made.

    Attributes:
        manifest: Content of the JSON manifest.
        model: The model.
        cutoff: How it decides, and what that costs on validation.
        test: The same on the test split; None without one.
        needed: Memory of the interpreter.
    """

    manifest: dict[str, Any]
    model: EsphomeModel
    cutoff: Cutoff
    test: OperatingPoint | None
    needed: Arena


def run(args: argparse.Namespace) -> str:
    """Makes the target from parsed options; returns what to tell the user."""
    made = export(Path(args.run), Path(args.out), event=args.event, data=args.data)
    lines = [
        f"{args.out}: {made.manifest['model']} of {len(made.model.model)} bytes, arena of "
        f"{made.needed.bytes} bytes, {made.needed.source}",
        f"probability_cutoff {made.cutoff.probability_cutoff:g}, sliding_window_size "
        f"{made.cutoff.sliding_window_size}",
        f"validation: {sentence(made.cutoff.point)}",
    ]
    return "\n".join(lines + ([f"test: {sentence(made.test)}"] if made.test else []))


def export(
    run: Path,
    out: Path,
    *,
    event: str | None,
    data: str | None = None,
    examples: int = _EXAMPLES,
    steps: int = _STEPS,
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
) -> Made:
    """Trains a network for one event on the device's features, and writes model, manifest and README.

    The run's own network cannot run there: ESPHome computes features of its own. It is the teacher of the
    new one.

    Args:
        run: A finished run, with its audio.
        out: Folder to make.
        event: The event label; may be left out where the run has only one.
        data: The run's clips, if they have moved.
        examples: Augmented windows to train on.
        steps: Batches to train.
        say: Receives lines for the user.

    Raises:
        ConfigError: No such event, or the run's audio is not at 16 kHz.
        MissingDependencyError: `pymicro-features` is not installed.
    """
    prior = PriorRun.read(run, root=_folder_of(data))
    event = _event(event, prior)
    # Before any work: the output may be in use, and the front end not installed.
    check_output(out, target="esphome")
    front_end()
    clips = build_cache(
        prior.manifest, cache_dir=prior.cache_dir, progress=ProgressLine("decoding", unit="clips")
    )
    audio = TrainingData.of(clips, prior.manifest, prior.config)
    bank = make_examples(
        audio,
        network_teacher(prior.classifier(), prior.config.frontend),
        count=examples,
        sampling=SAMPLING,
        progress=ProgressLine("making examples", unit="windows"),
    )
    heard = SplitFeatures.of(audio.audio("validation"), event)
    network = best_of(bank, heard, event, audio=audio, steps=steps, say=say)
    say("quantising, and choosing the cutoff on validation with the int8 model")
    target = prior.bundle.operating_points[event].target_false_alarms_per_hour
    centre(network, heard, event, target_false_alarms_per_hour=target)
    model = esphome_model(network, representative=_representative(bank), input_range=INPUT_RANGE)
    judged = EsphomeJudgement(model, heard, event)
    cutoff = judged.choose(target)
    tested = None
    if len(audio.clips_of("test")):
        tested = EsphomeJudgement(model, SplitFeatures.of(audio.audio("test"), event), event)
    made = Made(
        manifest={},
        model=model,
        cutoff=cutoff,
        test=tested.measured(cutoff.level, cutoff.sliding_window_size, target).point if tested else None,
        needed=arena(model.model, _golden(model)),
    )
    made.manifest.update(_manifest(event, made))
    with writing(out, target="esphome", bundle=prior.bundle) as folder:
        (folder / made.manifest["model"]).write_bytes(model.model)
        atomic.write_json(folder / f"{_stem(event)}.json", made.manifest)
        atomic.write_json(folder / "measured.json", _measured(event, judged, tested, made))
        (folder / "README.md").write_text(_readme(event, judged, made), encoding="utf-8")
    return made


def _folder_of(data: str | None) -> Path | None:
    """Where the paths of `--data` begin: a folder, or that of a manifest."""
    if data is None:
        return None
    return Path(data).parent if Path(data).suffix.lower() == ".csv" else Path(data)


def _event(event: str | None, prior: PriorRun) -> str:
    labels = prior.bundle.event_labels
    event = labels[0] if event is None and len(labels) == 1 else event
    if event not in labels:
        raise ConfigError(
            "ESPHome's models detect one event each",
            expected=f"--event with one of {', '.join(labels)}",
            received=f"event={event}",
        )
    if prior.config.frontend.sample_rate_hz != SAMPLE_RATE_HZ:
        raise ConfigError(
            "ESPHome listens at 16 kHz",
            expected=f"a run with sample_rate_hz={SAMPLE_RATE_HZ}",
            received=f"sample_rate_hz={prior.config.frontend.sample_rate_hz}",
        )
    return event


def _representative(bank: Examples) -> np.ndarray:
    """Examples of every class as they were drawn, `(examples, frames, 40)` numbers."""
    return as_numbers(bank.features[:_REPRESENTATIVE_EXAMPLES])


def _golden(model: EsphomeModel) -> np.ndarray:
    """Input of one call, from noise."""
    noise = np.random.default_rng(0).normal(0, 0.05, SAMPLE_RATE_HZ)
    return micro_features(noise)[: model.stride]


def _manifest(event: str, made: Made) -> dict[str, Any]:
    """ESPHome's manifest, version 2."""
    return {
        "type": "micro",
        "wake_word": event.replace("_", " ").capitalize(),
        "author": "made with kwsembed",
        "model": f"{_stem(event)}.tflite",
        "trained_languages": [],
        "version": 2,
        "micro": {
            "probability_cutoff": made.cutoff.probability_cutoff,
            "feature_step_size": round(1000 * STEP_S),
            "sliding_window_size": made.cutoff.sliding_window_size,
            "tensor_arena_size": made.needed.bytes,
            "minimum_esphome_version": MINIMUM_ESPHOME_VERSION,
        },
    }


def _stem(event: str) -> str:
    """Name of the files: what ESPHome takes as an identifier too."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in event).lower()


def sentence(point: OperatingPoint) -> str:
    """What a cutoff costs, and how sure that is."""
    missed = f"misses {point.misses} of {point.events}"
    if point.false_alarms_per_hour_upper is None:
        return f"{missed}; there is no audio without the event to count false alarms in"
    certified = "certified" if point.certified else "not certified"
    return (
        f"{missed}, {point.false_alarms} false alarms in {point.hours:.2f} h, with 95 % confidence at most "
        f"{point.false_alarms_per_hour_upper:.1f} per hour ({certified} for "
        f"{point.target_false_alarms_per_hour:g})"
    )


def _measured(
    event: str, judged: EsphomeJudgement, tested: EsphomeJudgement | None, made: Made
) -> dict[str, Any]:
    return {
        "event": event,
        "model_sha256": sha256_of(made.model.model),
        "model_bytes": len(made.model.model),
        "operations": _operations(made.model),
        "variables": made.model.variables,
        "frames": made.model.frames,
        "stride": made.model.stride,
        "warm_up_calls": made.model.warm_up,
        "arena": {"used": made.needed.measured, "given": made.needed.bytes, "source": made.needed.source},
        "validation": made.cutoff.point.to_dict(),
        "test": made.test.to_dict() if made.test else None,
        "other_cutoffs": {
            split: judgement.table(made.cutoff)
            for split, judgement in (("validation", judged), ("test", tested))
            if judgement is not None
        },
    }


def _operations(model: EsphomeModel) -> dict[str, int]:
    return dict(sorted(Counter(operation.name for operation in describe(model.model).operations).items()))


def _readme(event: str, judged: EsphomeJudgement, made: Made) -> str:
    text = resources.files("kwsembed.export_targets").joinpath("esphome.md").read_text(encoding="utf-8")
    rows = [
        f"| {row['probability_cutoff']:g} | {row['misses']} of {row['events']} | {row['false_alarms']} |"
        for row in judged.table(made.cutoff)
    ]
    test = f"On the test split, which chose nothing, it {sentence(made.test)}." if made.test else ""
    return text.format(
        event=event,
        stem=_stem(event),
        wake_word=made.manifest["wake_word"],
        cutoff=f"{made.cutoff.probability_cutoff:g}",
        sliding=made.cutoff.sliding_window_size,
        validation=sentence(made.cutoff.point),
        test=test,
        hours=f"{made.cutoff.point.hours:.2f}",
        table="\n".join(rows),
        stride=made.model.stride,
        channels=CHANNELS,
        step_ms=round(1000 * STEP_S),
        call_ms=round(1000 * STEP_S * made.model.stride),
        warm_up_s=f"{made.model.warm_up * made.model.stride * STEP_S:.2f}",
        variables=made.model.variables,
        operations=", ".join(f"{name} {count}" for name, count in _operations(made.model).items()),
        model_bytes=len(made.model.model),
        sha256=sha256_of(made.model.model),
        arena=made.needed.bytes,
        arena_used="not measured" if made.needed.measured is None else f"{made.needed.measured} bytes",
        arena_source=made.needed.source,
        version=MINIMUM_ESPHOME_VERSION,
    )
