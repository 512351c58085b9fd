"""How a class of a few clips would fare on clips that it was not trained on: each is left out once.

The embedding is frozen, so training windows, validation streams and the clips themselves are embedded once;
what is trained again for each clip left out is the head alone, which takes a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from scipy.stats import binomtest

from kwsembed.data.pipeline import training_dataset
from kwsembed.detection.operating import choose_threshold
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import LabelReplay, ScoredStream
from kwsembed.evaluation.scoring import embedding_scorer
from kwsembed.evaluation.streams import Stream
from kwsembed.models import build_classifier
from kwsembed.progress import Progress
from kwsembed.training.data import TrainingData
from kwsembed.training.divergence import told_as_divergence
from kwsembed.training.rebalancing import MeanOf, Phase, epochs_of, rebalancing
from kwsembed.training.stage import StagePlan

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class LeftOut:
    """What became of the clips of a class, each judged by a head that was trained without it.

    Attributes:
        label: The class.
        found: By clip, whether it was detected.
    """

    label: str
    found: dict[str, bool]

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % bounds (Clopper, Pearson 1934) of the share of such clips that are found."""
        share = binomtest(sum(self.found.values()), len(self.found)).proportion_ci(_CONFIDENCE, "exact")
        return float(share.low), float(share.high)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        low, high = self.interval
        return {
            "clips": len(self.found),
            "found": sum(self.found.values()),
            "share_low": low,
            "share_high": high,
            "missed": [name for name, found in self.found.items() if not found],
        }


def leave_out(
    data: TrainingData,
    label: str,
    embedder: keras.Model,
    begin_at: Callable[[keras.Model], None],
    *,
    post: PostProcessing,
    progress: Progress,
) -> LeftOut:
    """Leaves out each group of clips of a class in turn.

    The head is trained as `Stages.train_head` trains it, but for the windows of the group. The threshold is
    the lowest that keeps the run's target on the validation split. A clip is found if the detector fires on
    it between background of the validation split.

    Args:
        data: Clips with their splits; those of the class are in the training split.
        label: The class; at least two groups.
        embedder: The frozen embedding, log-mel in.
        begin_at: Sets a head to where training begins.
        post: Smoothing, consecutive hits, refractory time.
        progress: Called with groups done and groups in all.
    """
    column = data.labels.index(label)
    train = data.clips_of("train")
    batches = [_embedded(data, embedder, phase, count) for phase, count in _phases(data)]
    heard = _heard(data, embedder)
    negatives = heard(data.audio("validation").negative_streams())
    for other in data.labels[: data.event_count]:
        negatives += heard(data.audio("validation").positive_streams(other))
    # Clips of the class in validation would be events, not negatives; a new class has none there.
    negatives = [one for one in negatives if all(event.label != label for event in one.events)]
    members = [int(clip) for clip in train if data.classes[clip] == column]
    groups = list(dict.fromkeys(data.store.clips[clip].group for clip in members))
    found: dict[str, bool] = {}
    for done, group in enumerate(groups, start=1):
        out = [clip for clip in members if data.store.clips[clip].group == group]
        head = _train_head(data, batches, begin_at, without=np.isin(train, out))
        quiet = [replace(one, scores=_probabilities(head, one.scores)) for one in negatives]
        chosen = choose_threshold(
            LabelReplay(label, data.labels, quiet, [], post=post, window_s=data.config.window_s),
            target_false_alarms_per_hour=data.config.target_false_alarms_per_hour,
        )
        for clip in out:
            held_out = replace(data.audio("validation"), clips=np.append(data.clips_of("validation"), clip))
            held_out = replace(held_out, classes=data.classes[held_out.clips])
            events = [
                replace(one, scores=_probabilities(head, one.scores))
                for one in heard(held_out.positive_streams(label))
            ]
            replay = LabelReplay(label, data.labels, [], events, post=post, window_s=data.config.window_s)
            found[data.store.clips[clip].name] = replay.misses(chosen.threshold) == 0
        progress(done, len(groups))
    return LeftOut(label, found)


def _phases(data: TrainingData) -> list[tuple[Phase, int]]:
    """The phases of the run's remedy for imbalance, with their epochs."""
    phases = rebalancing(data.config.rebalance).phases
    return list(zip(phases, epochs_of(phases, data.config.schedule.head_epochs), strict=True))


def _embedded(data: TrainingData, embedder: keras.Model, phase: Phase, epochs: int) -> dict[str, Any]:
    """All windows that a phase draws, augmented and embedded, with class, clip and weight of each."""
    config = data.config
    schedule = data.schedule(sampling=phase.sampling, stage="left_out", even_groups=config.even_groups)
    embeddings, classes, items = [], [], []
    for log_mel, target in training_dataset(
        data.store,
        schedule,
        frontend=config.frontend,
        augment=config.augment,
        first_step=0,
        last_step=epochs * config.schedule.epoch_steps,
        seed=config.seed,
        surroundings=data.surroundings,
    ):
        embeddings.append(keras.ops.convert_to_numpy(embedder(log_mel, training=False)))
        classes.append(target["class"].numpy())
        items.append(target["item"].numpy())
    classes_drawn = np.concatenate(classes)
    weights = phase.weigh(schedule.probabilities, schedule.windows_per_class)
    return {
        "phase": phase,
        "epochs": epochs,
        "embeddings": np.concatenate(embeddings),
        "classes": classes_drawn,
        "items": np.concatenate(items),
        "weights": weights[classes_drawn],
        "class_counts": schedule.windows_per_class,
    }


def _train_head(
    data: TrainingData,
    batches: list[dict[str, Any]],
    begin_at: Callable[[keras.Model], None],
    *,
    without: np.ndarray,
) -> keras.Model:
    """A head on embeddings, trained without the training clips that are marked in `(clips,)` bool."""
    config, remedy = data.config, rebalancing(data.config.rebalance)
    head = _new_head(data)
    begin_at(head)
    for drawn in batches:
        if drawn["phase"].head_only:
            head = _new_head(data)
        kept = ~without[drawn["items"]]
        weights = np.where(kept, drawn["weights"], 0.0)
        # The rest of the class makes up for what is left out.
        for index in np.unique(drawn["classes"][~kept]):
            of_class = drawn["classes"] == index
            weights[of_class] *= of_class.sum() / max((of_class & kept).sum(), 1)
        plan = StagePlan(
            name="left_out",
            epochs=drawn["epochs"],
            epoch_steps=config.schedule.epoch_steps,
            learning_rate=config.schedule.head_learning_rate,
            weight_decay=config.schedule.weight_decay,
        )
        head.compile(
            plan.optimizer(head.trainable_variables),
            MeanOf(remedy.loss(drawn["class_counts"], data.event)),
            jit_compile=False,
        )
        with told_as_divergence():
            head.fit(
                drawn["embeddings"],
                drawn["classes"],
                sample_weight=weights.astype(np.float32),
                batch_size=config.schedule.batch_size,
                shuffle=False,
                verbose=0,
            )
    if remedy.logit_offset is not None:
        offset = remedy.logit_offset(batches[0]["class_counts"])
        head.get_layer("logits").bias.assign_add(offset.astype(np.float32))
    return head


def _new_head(data: TrainingData) -> keras.Model:
    embedding = keras.Input((data.config.embedding_size,), name="embedding")
    return build_classifier(keras.Model(embedding, embedding), len(data.labels), seed=data.config.seed)


def _heard(data: TrainingData, embedder: keras.Model) -> Callable[[Any], list[ScoredStream]]:
    """Turns streams into streams of embeddings, one row a hop, where scores usually stand."""
    scorer = embedding_scorer(embedder, data.config.frontend)
    rate, window = data.config.frontend.sample_rate_hz, data.config.window_samples
    hop = round(PostProcessing().hop_s * rate)

    def heard(streams: Any) -> list[ScoredStream]:
        long_enough: list[Stream] = [one for one in streams if len(one.waveform) >= window]
        return [
            one.scored(scorer, window_samples=window, hop_samples=hop, sample_rate_hz=rate)
            for one in long_enough
        ]

    return heard


def _probabilities(head: keras.Model, embeddings: np.ndarray) -> np.ndarray:
    """`(hops, dim)` -> `(hops, labels)`; without a graph, which would cost more than a head is worth."""
    logits = keras.ops.convert_to_numpy(head(embeddings, training=False))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
