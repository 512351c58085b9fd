"""From the chosen network to the bundle: quantise, set the thresholds, compare with float, measure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from kwsembed.bundle import Bundle, write_bundle
from kwsembed.calibration import known_curves
from kwsembed.detection import centroids
from kwsembed.detection.operating import OperatingPoint, operating_curve
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.evaluation.judge import Judgement, judge
from kwsembed.evaluation.scoring import bundle_scorer, network_scorer
from kwsembed.evaluation.setting import choose_post
from kwsembed.parity.certificate import summary
from kwsembed.progress import Progress, silent
from kwsembed.runtime import Classifier
from kwsembed.runtime.interpreter import RUNTIMES, runtime_status
from kwsembed.tflite import export_model
from kwsembed.tflite.metadata import with_thresholds
from kwsembed.training.centroids import fit_centroids
from kwsembed.training.certifying import certify
from kwsembed.training.data import TrainingData
from kwsembed.training.int8_loss import int8_loss
from kwsembed.training.record import versions
from kwsembed.training.run_directory import RunDirectory

_REPRESENTATIVE_WINDOWS = 300
_LATENCY_CALLS = 50
_CURVE_POINTS = 24  # of the curves in the bundle: enough to choose from, small enough for many labels


@dataclass(frozen=True)
class Shipped:
    """The shipped model.

    Attributes:
        record: What metrics.json says of it.
        judgements: Of the int8 bundle, by split.
        points: Its operating points by event label.
        bias: `(labels,)` of its clip probabilities.
    """

    record: dict[str, Any]
    judgements: dict[str, Judgement]
    points: dict[str, OperatingPoint]
    bias: np.ndarray


def ship(
    classifier: keras.Model,
    data: TrainingData,
    run: RunDirectory,
    *,
    post: PostProcessing,
    float_judgements: Mapping[str, Judgement],
    trying: Progress = silent,
    embedding: Progress = silent,
) -> Shipped:
    """Exports the classifier, chooses setting and thresholds with the very model that ships, writes a bundle.

    Float and int8 are then compared at this same setting and these thresholds.

    Args:
        classifier: The chosen network.
        data: The run's data.
        run: Where the bundle goes.
        post: Smoothing, hits in a row and refractory time, unless others miss clearly fewer events.
        float_judgements: Of the same network in float, by split.
        trying: Called with settings tried and settings in all.
        embedding: Called with clips embedded for the centroids and clips in all.
    """
    config = data.config
    exported = export_model(
        classifier,
        frontend=config.frontend,
        window_samples=config.window_samples,
        labels=data.labels,
        representative_log_mel=_representative(data),
        description=f"Detects {', '.join(data.labels[: data.event_count])}",
    )
    parts: dict[str, Any] = {
        "model": exported.int8,
        "labels": data.labels,
        "background_labels": data.labels[data.event_count :],
        "frontend": config.frontend,
        "window_samples": config.window_samples,
        "post": post,
        "versions": versions(),
    }
    # Kept in memory: a bundle on disk always has thresholds that were chosen.
    unset = {
        label: _unset(label, config.target_false_alarms_per_hour) for label in data.labels[: data.event_count]
    }
    unfinished = Bundle(**parts, operating_points=unset)
    scorer = bundle_scorer(unfinished)
    judgements = {split: judge(scorer, data.audio(split), post=post) for split in float_judgements}
    setting = choose_post(
        judgements["validation"],
        target_false_alarms_per_hour=config.target_false_alarms_per_hour,
        progress=trying,
    )
    parts["post"] = setting.post
    judgements = _with_post(judgements, setting.post)
    float_judgements = _with_post(float_judgements, setting.post)
    points = judgements["validation"].choose_thresholds(config.target_false_alarms_per_hour)
    # For clients that know nothing of bundles; in the metadata only: scores stay what they were judged as.
    parts["model"] = with_thresholds(
        exported.int8, {label: point.threshold for label, point in points.items()}
    )

    bias = judgements["validation"].fit_bias()
    by_precision = {
        "float": metrics_by_split(float_judgements, points, bias),
        "int8": metrics_by_split(judgements, points, bias),
    }
    loss = int8_loss(float_judgements, judgements, bias=bias, bound=config.int8_loss_bound)
    golden = "test" if "test" in judgements else "validation"
    certificate = certify(
        Bundle(**parts, operating_points=points),
        network_scorer(classifier, config.frontend),
        data.audio(golden),
        judgements[golden].evidence,
        split=golden,
    )
    bundle = write_bundle(
        run.bundle,
        **parts,
        operating_points=points,
        clip_calibration={"bias": dict(zip(data.labels, bias.tolist(), strict=True))},
        parity={"float_against_int8": loss, "certificate": certificate},
        extra={
            "setting": setting.to_dict(),
            known_curves.RECORD: _curves(judgements["validation"], points),
            centroids.RECORD: fit_centroids(unfinished, data, progress=embedding).to_dict(),
        },
    )
    record = {
        **by_precision["int8"],
        **by_precision,
        "int8_loss": loss,
        "parity": summary(certificate),
        "setting": setting.to_dict(),
        "size_bytes": {
            "model": len(parts["model"]),
            "core_int8": len(exported.core_int8),
            "front_end": len(parts["model"]) - len(exported.core_int8),
        },
        "parameters": classifier.count_params(),
        "min_runtime_version": exported.min_runtime_version,
        "latency_us": {runtime: _latency_us(bundle, runtime) for runtime in _device_runtimes()},
    }
    return Shipped(record=record, judgements=judgements, points=points, bias=bias)


def _with_post(judgements: Mapping[str, Judgement], post: PostProcessing) -> dict[str, Judgement]:
    """The same scores with another setting: nothing is scored again."""
    return {split: replace(judgement, post=post) for split, judgement in judgements.items()}


def _curves(validation: Judgement, points: Mapping[str, OperatingPoint]) -> dict[str, Any]:
    """What the bundle carries so that other points may be taken from it without any audio."""
    curves = {}
    for label, point in points.items():
        replay = validation.replay(label)
        if replay.hours > 0:
            curves[label] = operating_curve(replay, points=_CURVE_POINTS, thresholds=[point.threshold])
    return {"source": known_curves.VALIDATION, **known_curves.curve_record(curves)}


def metrics_by_split(
    judgements: Mapping[str, Judgement], points: Mapping[str, OperatingPoint], bias: np.ndarray
) -> dict[str, dict[str, Any] | None]:
    """Metrics of validation and test at given thresholds and bias; None for a split without clips."""
    return {
        split: judgements[split].metrics(points, bias) if split in judgements else None
        for split in ("validation", "test")
    }


def _representative(data: TrainingData) -> np.ndarray:
    """Training windows, every class in turn, so that rare events shape the ranges as much as background."""
    windows, classes = data.anchors("train"), data.classes_of("train")
    rank = np.empty(len(classes), int)
    for index in range(len(data.labels)):
        members = np.flatnonzero(classes == index)
        rank[members] = np.arange(len(members))
    return windows[np.argsort(rank, kind="stable")[:_REPRESENTATIVE_WINDOWS]]


def _unset(label: str, target: float) -> OperatingPoint:
    """Stands for the threshold that is about to be chosen: 1 is hardly ever reached."""
    return OperatingPoint(
        label=label,
        threshold=1.0,
        target_false_alarms_per_hour=target,
        false_alarms=0,
        hours=0.0,
        false_alarms_per_hour=None,
        false_alarms_per_hour_upper=None,
        certified=False,
        events=0,
        misses=0,
        miss_rate=None,
    )


def _device_runtimes() -> list[str]:
    """The interpreters here that a device would use too."""
    return [name for name in RUNTIMES if name != "tensorflow" and runtime_status(name).problem is None]


def _latency_us(bundle: Bundle, runtime: str) -> float:
    """Median CPU time of one window, one thread, in microseconds."""
    classifier = Classifier(bundle, runtime=runtime)
    window = np.zeros((1, bundle.window_samples), np.float32)
    times = []
    for _ in range(_LATENCY_CALLS):
        since = time.process_time()
        classifier.score_windows(window)
        times.append(time.process_time() - since)
    return round(1e6 * statistics.median(times), 1)
