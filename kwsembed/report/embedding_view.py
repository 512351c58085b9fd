"""A 2-D view of the test embeddings of several networks, and figures on how far the classes are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import pairwise_distances, silhouette_samples
from threadpoolctl import threadpool_limits

from kwsembed.report import svg, wording
from kwsembed.report.plots import Panel
from kwsembed.report.run_record import RunRecord

NETWORKS = {
    "before": "Untrained network",
    "pretrained": "After pretraining",
    "chosen": "The network that was kept",
}
FEWEST_CLIPS = 10
MOST_CLIPS = 400  # takes t-SNE two seconds a network


@dataclass(frozen=True)
class Separation:
    """How far the event classes are apart in the full embedding space, by cosine distance.

    Both are means over the event classes, so that a large background does not decide them.
    """

    silhouette: float  # from -1 to 1; 0 where classes overlap
    neighbour_agreement: float  # share of clips whose nearest other clip has the same label


@dataclass(frozen=True)
class EmbeddingView:
    """The panels, one a network; `legend` has the label with its colour and shape."""

    panels: tuple[Panel, ...]
    separations: tuple[tuple[str, Separation], ...]  # network in words
    legend: tuple[tuple[str, str, int], ...]  # label, shape, colour number (-1 for background)
    clips: int


def separation(
    embeddings: np.ndarray, label_index: np.ndarray, *, events: Sequence[int]
) -> Separation | None:
    """Separation of the classes `events` from one another and from all else.

    Args:
        embeddings: (clips, dim).
        label_index: (clips,) int.
        events: The label indices that count; each needs at least two clips to do so.

    Returns:
        None where no event class has two clips or all clips have one label.

    Example:
        >>> apart = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0], [0.01, 1.0]])
        >>> separation(apart, np.array([0, 0, 1, 1]), events=[0, 1]).neighbour_agreement
        1.0
    """
    present, counts = np.unique(label_index, return_counts=True)
    usable = [label for label in events if np.any((present == label) & (counts > 1))]
    if not usable or len(present) < 2 or len(present) == len(label_index):
        return None
    distances = pairwise_distances(embeddings, metric="cosine")
    np.fill_diagonal(distances, 0.0)
    silhouettes = silhouette_samples(np.maximum(distances, 0.0), label_index, metric="precomputed")
    np.fill_diagonal(distances, np.inf)
    agrees = label_index[distances.argmin(axis=1)] == label_index

    def mean_over_events(values: np.ndarray) -> float:
        return float(np.mean([values[label_index == label].mean() for label in usable]))

    return Separation(mean_over_events(silhouettes), mean_over_events(agrees))


def embedding_view(run: RunRecord, *, seed: int = 0) -> EmbeddingView | None:
    """Projects the embeddings of each network with t-SNE; None where there are none or too few."""
    label_index = run.embeddings.get("label_index", np.zeros(0, np.int64))
    if len(label_index) < FEWEST_CLIPS:
        return None
    chosen = _spread(label_index, np.random.default_rng(seed))
    label_index = label_index[chosen]
    events = [run.labels.index(label) for label in run.event_labels]
    order = [
        *(i for i in range(len(run.labels)) if i not in events),
        *events,
    ]  # events are drawn last, on top
    styles = {label: (svg.marker(n), n % svg.SERIES_COUNT) for n, label in enumerate(events)}
    largest = 8.0 if len(chosen) < 150 else 5.5  # of a point, in CSS pixels
    panels, separations = [], []
    for key, heading in NETWORKS.items():
        embeddings = run.embeddings.get(key)
        if embeddings is None or not np.all(np.isfinite(embeddings)):
            continue
        embeddings = embeddings[chosen].astype(np.float64)
        with svg.drawing(f"embedding-{key}", f"2-D view of the embeddings: {heading}", height_px=320) as plot:
            points = _project(embeddings, seed)
            for label in order:
                shape, number = styles.get(label, ("o", -1))
                here = points[label_index == label]
                color = svg.MUTED if number < 0 else svg.series(number)
                alpha, size = (0.45, 0.7 * largest) if number < 0 else (0.9, largest)
                plot.axes.plot(*here.T, shape, color=color, alpha=alpha, markersize=size, markeredgewidth=0)
            plot.axes.set_position((0.02, 0.02, 0.96, 0.96))
            plot.axes.set_xticks([])
            plot.axes.set_yticks([])
            plot.axes.spines[:].set_visible(False)
            apart = separation(embeddings, label_index, events=events)
            note = "Too few clips per class to measure separation."
            if apart is not None:
                separations.append((heading, apart))
                note = (
                    f"Silhouette {wording.signed(apart.silhouette, 2)}; the nearest other clip has the same "
                    f"label for {wording.percent(apart.neighbour_agreement)} of event clips."
                )
            panels.append(Panel(heading, plot.inline(), note))
    background = [(run.labels[label], "o", -1) for label in order if label not in events]
    legend = [(run.labels[label], *styles[label]) for label in events] + background
    return EmbeddingView(tuple(panels), tuple(separations), tuple(legend), len(chosen)) if panels else None


def _spread(label_index: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Indices of at most MOST_CLIPS clips: as many of each label, so that a rare one stays whole."""
    rank = np.empty(len(label_index), int)
    for label in np.unique(label_index):
        members = random.permutation(np.flatnonzero(label_index == label))
        rank[members] = np.arange(len(members))
    return np.sort(np.argsort(rank, kind="stable")[:MOST_CLIPS])


def _project(embeddings: np.ndarray, seed: int) -> np.ndarray:
    if (
        np.ptp(embeddings, axis=0).max() < 1e-9
    ):  # a collapsed embedding is one point, which t-SNE cannot place
        return np.zeros((len(embeddings), 2))
    tsne = TSNE(
        metric="cosine", init="pca", perplexity=min(30.0, (len(embeddings) - 1) / 3), random_state=seed
    )
    with threadpool_limits(1):  # so that sums have one order, and cores that others use are not waited for
        return tsne.fit_transform(embeddings)
