"""What a teacher's own answers are worth on your sounds: `python -m benchmarks.teacher_probe DATA TEACHER`

A logistic regression with class weights on the teacher's answers, averaged over each clip, judged like the
networks of a study. It says how much there is to learn from this teacher before anything is trained, and with
`--ratios` how much of that is left where events are rare. With `--augmented` it is the head that teaches an
end-to-end network (docs/teacher.md): it hears training windows shifted, mixed and played faster or slower.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kwsembed.clip_scores import clip_windows
from kwsembed.comparison.clips import split_for
from kwsembed.comparison.fold_data import fold_data
from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore, build_cache, default_cache_dir
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.evaluation.judge import Judgement
from kwsembed.manifest import read_manifest
from kwsembed.teaching import Teacher, load_teacher
from kwsembed.teaching.head import MOST_FITTED
from kwsembed.training.data import TrainingData
from kwsembed.training.lessons import head_on

_PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the penalty, of which validation chooses."""

_LEAST = 1e-4  # a probability below this says no less


def answers_of(store: ClipStore, teacher: Teacher) -> list[np.ndarray]:
    """For each clip `(windows, features)`: the teacher's answers to half-overlapping windows."""
    found = []
    for clip in range(len(store.clips)):
        waveform = store.read(clip, 0, int(store.samples[clip])).astype(np.float32) / 32768
        windows = clip_windows(waveform, teacher.window_samples, teacher.window_samples // 2)
        found.append(teacher.features(windows))
    return found


def mean_answers(answers: Sequence[np.ndarray]) -> np.ndarray:
    """`(clips, features)`: a teacher's answers averaged over each clip.

    Of answers that all lie in [0, 1], the logarithm.
    """
    rows = np.array([of_clip.mean(axis=0) for of_clip in answers], np.float64)
    scores = np.all((rows >= 0) & (rows <= 1))
    return np.log(np.maximum(rows, _LEAST)) if scores else rows


def probe(answers: np.ndarray, data: TrainingData) -> tuple[float, float]:
    """Macro average precision and balanced error on test clips; penalty and bias are chosen on validation."""
    train = data.clips_of("train")
    found = []
    for penalty in _PENALTIES:
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=penalty, class_weight="balanced", max_iter=2000)
        ).fit(answers[train], data.classes[train])
        judged = {
            split: Judgement(
                model.predict_log_proba(answers[data.clips_of(split)]),
                [],
                {},
                data.audio(split),
                PostProcessing(),
            )
            for split in ("validation", "test")
        }
        bias = judged["validation"].fit_bias()
        metrics = {split: judgement.metrics(None, bias) for split, judgement in judged.items()}
        found.append((metrics["validation"]["macro_average_precision"], metrics["test"]))
    best = max(found, key=lambda pair: pair[0])[1]
    return best["macro_average_precision"], best["balanced_error"]


def probe_augmented(
    windows: Sequence[np.ndarray], teacher: Teacher, data: TrainingData
) -> tuple[float, float]:
    """The same of a head that learned from augmented training windows; only the bias is fitted on validation.

    Args:
        windows: For each clip of the store the teacher's answers to its half-overlapping windows.
        teacher: Who is asked.
        data: The fold.
    """
    config = data.config
    schedule = data.schedule(sampling="power:0.5", stage="probe", even_groups=config.even_groups)
    steps = MOST_FITTED // schedule.batch_size
    head, _ = head_on(data, schedule, teacher, steps=steps)
    judged = {}
    for split in ("validation", "test"):
        evidence = [
            np.log(np.maximum(head.probabilities(windows[clip]), 1e-12)).mean(axis=0)
            for clip in data.clips_of(split)
        ]
        judged[split] = Judgement(np.array(evidence), [], {}, data.audio(split), PostProcessing())
    metrics = judged["test"].metrics(None, judged["validation"].fit_bias())
    return metrics["macro_average_precision"], metrics["balanced_error"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a row for each ratio, fold by fold and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", metavar="DATA", type=Path, help="as for kwsembed train")
    parser.add_argument("teacher", metavar="TEACHER", type=Path, help="a .tflite or .keras file")
    parser.add_argument("--folds", type=int, nargs="+", help="default: all but 0")
    parser.add_argument("--ratios", type=float, nargs="*", default=[], help="besides the whole data")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of clips that a ratio leaves")
    parser.add_argument("--augmented", action="store_true", help="the head that teaches a network")
    parser.add_argument("--cache", type=Path, help="where decoded audio is kept")
    args = parser.parse_args(arguments)

    manifest = read_manifest(args.data)
    rate_hz = TrainConfig().frontend.sample_rate_hz
    store = build_cache(
        manifest, cache_dir=args.cache or default_cache_dir(args.data), sample_rate_hz=rate_hz
    )
    teacher = load_teacher(args.teacher, sample_rate_hz=rate_hz)
    answers = answers_of(store, teacher)
    means = mean_answers(answers)
    folds = args.folds or sorted({clip.fold for clip in manifest.clips if clip.fold})
    if not folds:
        parser.error("the data have no folds: name the seeds of splits with --folds")
    print("macro average precision / balanced error on test clips")
    print("| ratio |" + "".join(f" fold {fold} |" for fold in folds) + " mean |")
    print("|---|" + "---|" * (len(folds) + 1))
    for ratio in (None, *args.ratios):
        cells = []
        for fold in folds:
            config = TrainConfig(seed=args.seed)
            data = fold_data(store, split_for(manifest, fold), config, ratio=ratio, seed=args.seed)
            cells.append(probe_augmented(answers, teacher, data) if args.augmented else probe(means, data))
        cells.append(tuple(np.mean(cells, axis=0)))
        name = "whole" if ratio is None else f"{ratio:g}:1"
        print(f"| {name} |" + "".join(f" {ap:.3f} / {error:.3f} |" for ap, error in cells))


if __name__ == "__main__":
    main()
