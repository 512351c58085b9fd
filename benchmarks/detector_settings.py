"""Would a setting chosen on some recordings serve on others? `python -m benchmarks.detector_settings RUN...`

The recordings of validation and test, which the network was not trained on, are halved at random again and
again. A rule chooses on one half, and what it chose is judged on the other.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from benchmarks.scored_run import ScoredRun
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import LabelReplay, ScoredStream
from kwsembed.detection.setting_choice import all_posts

RATES = (2.0, 5.0, 10.0, 20.0, 40.0)
MARGINS = (0.0, 0.03, 0.05, 0.07, 0.1)
IN_USE = ((2, 1, 1.0), (1, 1, 1.0), (4, 1, 1.0), (2, 3, 1.0), (4, 3, 5.0))
_LOGITS = np.arange(-2, 10.01, 0.25)
_HALVINGS = 120


@dataclass(frozen=True)
class Counts:
    """False alarms, misses `(settings, labels, parts, thresholds)`; hours, events `(labels, parts)`."""

    posts: list[PostProcessing]
    false_alarms: np.ndarray
    misses: np.ndarray
    hours: np.ndarray
    events: np.ndarray

    def miss_rates(self, parts: np.ndarray) -> np.ndarray:
        """`(settings,)`: the fewest misses within each of `RATES`, averaged over them and the labels."""
        rates = self.false_alarms[:, :, parts].sum(axis=2) / self.hours[:, parts].sum(axis=1)[:, None]
        rates = np.maximum.accumulate(rates[..., ::-1], axis=-1)[..., ::-1]
        shares = self.misses[:, :, parts].sum(axis=2)
        shares = shares / np.maximum(self.events[:, parts].sum(axis=1), 1)[:, None]
        return np.mean(
            [np.where(rates <= rate + 1e-9, shares, 1.0).min(axis=-1).mean(axis=1) for rate in RATES], axis=0
        )


def count(run: ScoredRun) -> Counts:
    """Replays every part of the run's streams at every setting and threshold."""
    posts, labels = all_posts(PostProcessing()), run.bundle.event_labels
    parts = sorted({(stream.split, stream.part) for stream in run.streams})
    thresholds = 1 / (1 + np.exp(-_LOGITS))
    shape = (len(posts), len(labels), len(parts), len(thresholds))
    alarms, misses = np.zeros(shape, int), np.zeros(shape, int)
    hours, events = np.zeros(shape[1:3]), np.zeros(shape[1:3])
    scored = [
        ScoredStream(run.probabilities(stream.embeddings), stream.duration_s, stream.events)
        for stream in run.streams
    ]
    for at, part in enumerate(parts):
        mine = [
            pair for pair in zip(run.streams, scored, strict=True) if (pair[0].split, pair[0].part) == part
        ]
        for number, label in enumerate(labels):
            for which, post in enumerate(posts):
                replay = LabelReplay(
                    label,
                    run.bundle.labels,
                    [scores for stream, scores in mine if stream.label != label],
                    [scores for stream, scores in mine if stream.label == label],
                    post=post,
                    window_s=run.bundle.window_s,
                )
                for column in range(len(thresholds) - 1, -1, -1):
                    alarms[which, number, at, column] = replay.false_alarms(float(thresholds[column]))
                    misses[which, number, at, column] = replay.misses(float(thresholds[column]))
            hours[number, at], events[number, at] = replay.hours, replay.events
    return Counts(posts, alarms, misses, hours, events)


def report(counts: Counts) -> None:
    """Prints the best settings, and what each rule gains and how often it does harm."""
    every = counts.miss_rates(np.arange(counts.hours.shape[1]))
    names = [(post.smoothing_windows, post.min_consecutive, post.refractory_s) for post in counts.posts]
    for at in np.argsort(every, kind="stable")[:6]:
        print(f"  windows, hits in a row, quiet s: {names[at]}: misses {every[at]:.3f}")
    print(f"  default {names[0]}: misses {every[0]:.3f}")
    random = np.random.default_rng(0)
    gains: dict[tuple[float, tuple[int, int, float]], list[tuple[float, bool]]] = {}
    for _ in range(_HALVINGS):
        order = random.permutation(counts.hours.shape[1])
        half = len(order) // 2
        choosing, judging = counts.miss_rates(order[:half]), counts.miss_rates(order[half:])
        for in_use in IN_USE:
            own = names.index(in_use)
            for margin in MARGINS:
                best = int(choosing.argmin())
                taken = best if choosing[own] - choosing[best] > margin + 1e-9 else own
                gains.setdefault((margin, in_use), []).append((judging[own] - judging[taken], taken != own))
    print("  misses spared on the other half, and how often the setting changes, by the setting in use")
    for margin in MARGINS:
        cells = []
        for in_use in IN_USE:
            spared, changed = np.array(gains[margin, in_use], float).T
            cells.append(f"{in_use}: {spared.mean():+.4f} ({100 * changed.mean():.0f} %)")
        print(f"  margin {margin:.2f}: {', '.join(cells)}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="finished runs")
    for path in parser.parse_args().runs:
        print(path, flush=True)
        report(count(ScoredRun.of(path)))


if __name__ == "__main__":
    main()
