"""Does a distance to centroids tell unknown sounds and spare false alarms? `python -m benchmarks.unknown RUN`

With `--manifest CSV --labels NAME,NAME` the clips of those labels, which the run must not know, are the
unknown ones: how well does each measure rank them behind the clips of validation and test?
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.scored_run import EmbeddedClip, ScoredRun, embed_clips
from kwsembed.detection.operating import operating_curve
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import LabelReplay, ScoredStream
from kwsembed.pretraining.clustering import cluster_by_class

RATES = (1, 2, 5, 10, 20, 50)
CLUSTERS = (1, 2, 4, 8)
_SHARE = 0.9

Measure = Callable[[np.ndarray], np.ndarray]
"""`(windows, dim)` to `(windows,)`, high for what is unknown."""


def strongest(run: ScoredRun, embeddings: np.ndarray, most: int = 5) -> np.ndarray:
    """The windows least like background."""
    background = run.probabilities(embeddings)[:, len(run.bundle.event_labels) :].sum(axis=1)
    return embeddings[np.argsort(background, kind="stable")[:most]]


def likeliest(run: ScoredRun, embeddings: np.ndarray, column: int, most: int = 3) -> np.ndarray:
    """The windows that score highest for a label."""
    scores = run.probabilities(embeddings)[:, column]
    return embeddings[np.argsort(-scores, kind="stable")[:most]]


def centroids(rows: np.ndarray, count: int) -> np.ndarray:
    """`(count or fewer, dim)` of unit norm."""
    size = max(1, len(rows) // count)
    one = np.zeros(len(rows), np.int32)
    return cluster_by_class(rows, one, class_count=1, cluster_size=size, cluster_limit=count).centroids


def measures(run: ScoredRun) -> dict[str, Measure]:
    """Of the outputs alone, and by distances to the centroids of training clips."""
    rows = {
        label: np.concatenate([_shown(run, clip) for clip in run.clips if _is(clip, label, "train")])
        for label in run.bundle.labels
    }

    def energy(e: np.ndarray) -> np.ndarray:
        logits = run.logits(e)
        return -np.log(np.exp(logits - logits.max()).sum(axis=1)) - logits.max()

    found: dict[str, Measure] = {
        "1 - highest probability": lambda e: 1 - run.probabilities(e).max(axis=1),
        "- highest logit": lambda e: -run.logits(e).max(axis=1),
        "- energy": energy,
    }
    for count in CLUSTERS:
        by_label = [centroids(rows[label], count) for label in run.bundle.labels]
        limits = [
            np.quantile(1 - (rows[label] @ own.T).max(axis=1), _SHARE)
            for label, own in zip(run.bundle.labels, by_label, strict=True)
        ]

        def nearest(e: np.ndarray, by_label: list[np.ndarray] = by_label) -> np.ndarray:
            return 1 - (e @ np.concatenate(by_label).T).max(axis=1)

        def of_likeliest(
            e: np.ndarray, by_label: list[np.ndarray] = by_label, limits: list[float] = limits
        ) -> np.ndarray:
            ratios = [(1 - (e @ c.T).max(axis=1)) / s for c, s in zip(by_label, limits, strict=True)]
            return np.array(ratios)[run.probabilities(e).argmax(axis=1), np.arange(len(e))]

        found[f"nearest of {count} per label"] = nearest
        found[f"likeliest label's {count}, in its limit"] = of_likeliest
    return found


def _is(clip: EmbeddedClip, label: str, *splits: str) -> bool:
    return clip.label == label and clip.split in splits


def _shown(run: ScoredRun, clip: EmbeddedClip) -> np.ndarray:
    return strongest(run, clip.embeddings, 3) if clip.label in run.bundle.event_labels else clip.embeddings


def rank(run: ScoredRun, unknown: list[np.ndarray]) -> None:
    """Prints the area under the curve of known against unknown clips, by measure."""
    judged = [clip for clip in run.clips if clip.split != "train"]
    events = run.bundle.event_labels
    sets = {
        "events": [clip for clip in judged if clip.label in events],
        "background": [clip for clip in judged if clip.label not in events],
    }
    shown = {name: [strongest(run, clip.embeddings) for clip in clips] for name, clips in sets.items()}
    strange = [strongest(run, rows) for rows in unknown]
    taken = [e for e in strange if run.probabilities(e)[:, : len(events)].sum(axis=1).mean() > 0.5]
    print(f"{len(unknown)} unknown clips, {len(taken)} of them taken for an event")
    print("known against unknown: all, events, background; events against unknown taken for events")
    for name, measure in measures(run).items():

        def of(parts: list[np.ndarray], measure: Measure = measure) -> list[float]:
            return [float(np.mean(measure(e))) for e in parts]

        pairs = (
            (shown["events"] + shown["background"], strange),
            (shown["events"], strange),
            (shown["background"], strange),
            (shown["events"], taken),
        )
        areas = [
            roc_auc_score([0] * len(known) + [1] * len(others), of(known) + of(others)) if others else np.nan
            for known, others in pairs
        ]
        print(f"{name:34s}", " ".join(f"{area:.3f}" for area in areas), flush=True)


def veto(run: ScoredRun) -> None:
    """Prints the misses of the test streams within some false alarms per hour, without and with a veto."""
    events = run.bundle.event_labels
    print(f"misses on test within {RATES} false alarms per hour, mean over the events")
    _print_misses(run, "no veto", None)
    for count in CLUSTERS:
        by_label, distances = {}, {}
        for column, label in enumerate(events):
            rows = np.concatenate(
                [likeliest(run, clip.embeddings, column) for clip in run.clips if _is(clip, label, "train")]
            )
            by_label[label] = centroids(rows, count)
            distances[label] = [
                float((1 - (likeliest(run, clip.embeddings, column) @ by_label[label].T).max(axis=1)).min())
                for clip in run.clips
                if _is(clip, label, "validation")
            ]
        for share in (_SHARE, 1.0):
            limits = {label: float(np.quantile(found, share)) for label, found in distances.items()}
            _print_misses(run, f"{count} centroids, {100 * share:.0f} % kept", (by_label, limits))


def _print_misses(
    run: ScoredRun, name: str, vetoed: tuple[Mapping[str, np.ndarray], Mapping[str, float]] | None
) -> None:
    rows = []
    for column, label in enumerate(run.bundle.event_labels):
        negatives, positives = [], []
        for stream in run.streams:
            if stream.split != "test":
                continue
            scores = run.probabilities(stream.embeddings)[:, column]
            if vetoed is not None:
                near = 1 - (stream.embeddings @ vetoed[0][label].T).max(axis=1) <= vetoed[1][label]
                scores = scores * near
            scored = ScoredStream(scores[:, None], stream.duration_s, stream.events)
            (positives if stream.label == label else negatives).append(scored)
        replay = LabelReplay(
            label, [label], negatives, positives, post=PostProcessing(), window_s=run.bundle.window_s
        )
        if not replay.events:
            continue
        curve = operating_curve(replay, points=200)
        assert curve.miss_rate is not None, "there are events"
        rows.append(
            [min([1.0, *curve.miss_rate[curve.false_alarms_per_hour <= rate + 1e-9]]) for rate in RATES]
        )
    means = np.mean(rows, axis=0)
    print(f"{name:26s}", " ".join(f"{value:.3f}" for value in means), f"mean {means.mean():.3f}", flush=True)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", metavar="RUN", help="finished run")
    parser.add_argument("--manifest", type=Path, metavar="CSV", help="of clips that the run does not know")
    parser.add_argument("--labels", default="", metavar="NAME,NAME", help="which of them")
    parser.add_argument("--folds", default="", metavar="N,N", help="only of these folds")
    args = parser.parse_args()
    run = ScoredRun.of(args.run)
    if args.manifest:
        folds = [fold for fold in args.folds.split(",") if fold]
        rank(run, embed_clips(run.bundle, args.manifest, args.labels.split(","), folds))
    veto(run)


if __name__ == "__main__":
    main()
