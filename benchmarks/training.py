"""What metric losses, re-clustering and the input pipeline cost in training, as ratios taken in one process.

    python -m benchmarks.training [--part losses|clustering|pipeline] [--rounds N] [--clips N] [--batch N]

Synthetic audio, the default network. CPU time of all threads together; the methods take turns, round after
round; a ratio is the median over the rounds. A pipeline that works beside the step on another core costs less
on the clock than it costs here. TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 makes it one thread.
"""

# ruff: noqa: E402  (TensorFlow reads its settings when it is imported)

from __future__ import annotations

import os

from kwsembed.cpu_kernels import prefer_onednn

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
prefer_onednn()  # as training does

import argparse
import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.interleaved import interleaved, ratio
from kwsembed.config import AugmentConfig, TrainConfig
from kwsembed.data.log_mel import LogMel
from kwsembed.data.pipeline import batch_of_step
from kwsembed.data.sampling import WindowSchedule
from kwsembed.manifest import Clip
from kwsembed.methods import TEACHER
from kwsembed.models import build_embedder, forward
from kwsembed.models.fused_normalization import for_training
from kwsembed.pretraining.objective import Objective
from kwsembed.pretraining.objectives import OBJECTIVES, build_objective
from kwsembed.pretraining.pretrainer import EmbeddingPretrainer
from kwsembed.training.stage import StagePlan

CROSS_ENTROPY = "cross entropy"
CLASSES = 5
CLIP_S = 5
NO_AUGMENTATION = AugmentConfig(
    speed_change=0.0,
    gain_db=(0.0, 0.0),
    background_probability=0.0,
    reverberation_probability=0.0,
    span_probability=0.0,
    time_masks=0,
    mel_masks=0,
)


class CrossEntropy(Objective):
    """A linear head with softmax and plain cross entropy: what every other objective is measured against."""

    def __init__(self, class_count: int, embedding_size: int) -> None:
        super().__init__()
        self._kernel = self.add_weight(shape=(embedding_size, class_count), name="kernel")

    def call(self, embeddings: tf.Tensor, classes: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """One loss value per example."""
        logits = 16.0 * tf.matmul(embeddings, self._kernel.value)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)


@dataclasses.dataclass(frozen=True)
class NoiseStore:
    """Clips of noise in memory, read as `kwsembed.data.cache.ClipStore` is."""

    pcm: np.ndarray

    @property
    def samples(self) -> np.ndarray:
        """Length of each clip."""
        return np.full(len(self.pcm), self.pcm.shape[1], np.int64)

    @property
    def clips(self) -> list[Clip]:
        """Each a recording of its own."""
        names = [f"{number}.wav" for number in range(len(self.pcm))]
        return [Clip(path=Path(name), name=name, label="noise", group=name) for name in names]

    @property
    def segments(self) -> list[np.ndarray]:
        """The whole of each clip is active."""
        return [np.array([[0, self.pcm.shape[1]]], np.int64)] * len(self.pcm)

    def read(self, index: int, start: int, stop: int) -> np.ndarray:
        """Samples of a clip."""
        return self.pcm[index, start:stop]


class Bench:
    """Data and networks that all timings share.

    Args:
        clips: Training clips.
        batch: Windows per step.
        backbone: Kind of network.
    """

    def __init__(self, *, clips: int, batch: int, backbone: str = "ds_cnn") -> None:
        self.config = TrainConfig(backbone=backbone)
        random = np.random.default_rng(0)
        self.classes = random.choice(CLASSES, clips, p=[0.02, 0.02, 0.02, 0.02, 0.92]).astype(np.int32)
        self.items = random.integers(0, clips, batch).astype(np.int32)
        frontend = self.config.frontend
        self.frames = frontend.frame_count(self.config.window_samples)
        self.log_mel = random.normal(-5, 4, (batch, self.frames, frontend.mel_count)).astype(np.float32)
        self.anchors = random.normal(-5, 4, (clips, self.frames, frontend.mel_count)).astype(np.float32)
        pcm = random.integers(-3000, 3000, (64, CLIP_S * frontend.sample_rate_hz), np.int16)
        self.store = NoiseStore(pcm)

    def embedder(self) -> keras.Model:
        """The network, as it is trained."""
        config = self.config
        return for_training(
            build_embedder(
                config.backbone,
                frames=self.frames,
                mels=config.frontend.mel_count,
                width=config.width,
                embedding_size=config.embedding_size,
            )
        )

    def objective(self, name: str) -> Objective:
        """An objective by name, with clusters if it has any."""
        if name == CROSS_ENTROPY:
            return CrossEntropy(CLASSES, self.config.embedding_size)
        config = dataclasses.replace(self.config, pretrain=name)
        objective = build_objective(config, self.classes, CLASSES)
        if objective.refresh_epochs:
            random = np.random.default_rng(1)
            embeddings = random.normal(size=(len(self.classes), config.embedding_size))
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            objective.refresh(embeddings.astype(np.float32), seed=0)
        return objective

    def step(self, name: str) -> Callable[[Any], object]:
        """A training step on a batch of `(log_mel, labels)`."""
        model = EmbeddingPretrainer(self.embedder(), self.objective(name))
        plan = StagePlan("benchmark", epochs=1, epoch_steps=1000, learning_rate=1e-3, weight_decay=1e-3)
        model.compile(plan.optimizer(model.trainable_variables), jit_compile=False)
        compiled = tf.function(model.train_step)
        return lambda batch: compiled(batch)["loss"].numpy()

    def batch(self) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """A batch whose features are there already."""
        labels = {"class": tf.constant(self.classes[self.items]), "item": tf.constant(self.items)}
        return tf.constant(self.log_mel), labels

    def pipeline(self, augment: AugmentConfig) -> Callable[[], object]:
        """Makes batches of the training pipeline: windows cut, augmented, log-mel."""
        store: Any = self.store
        schedule = WindowSchedule(
            store,
            np.arange(len(self.store.pcm)),
            self.classes[: len(self.store.pcm)],
            np.array([True] * (CLASSES - 1) + [False]),
            window_samples=self.config.window_samples,
            batch_size=len(self.items),
        )
        batch = tf.function(batch_of_step(store, schedule, frontend=self.config.frontend, augment=augment))
        steps = itertools.count()
        return lambda: batch(tf.constant(next(steps), tf.int64))

    def log_mel_alone(self) -> Callable[[], object]:
        """Makes batches of waveforms that are there already, as int16, and whose log-mel is computed."""
        to_log_mel, batch = LogMel(self.config.frontend), len(self.items)
        pcm = tf.constant(np.resize(self.store.pcm.reshape(-1), (batch, self.config.window_samples)))
        return tf.function(lambda: to_log_mel(tf.cast(pcm, tf.float32) / 32768), autograph=False)


def time_losses(bench: Bench, *, rounds: int) -> None:
    """The step of every objective beside that of cross entropy."""
    batch = bench.batch()
    alone = [name for name in OBJECTIVES if name != TEACHER]  # that one's cost is the teaching model's
    steps = {name: bench.step(name) for name in (CROSS_ENTROPY, *alone)}
    seconds = interleaved({name: _on(step, lambda: batch) for name, step in steps.items()}, rounds=rounds)
    print(f"step of {len(bench.items)} windows: CPU time over that with cross entropy (aim: at most 1.05)\n")
    print("| objective | ratio | ms |\n|---|---|---|")
    for name in steps:
        milliseconds = 1000 * float(np.median(seconds[name]))
        print(f"| {name} | {ratio(seconds, name, CROSS_ENTROPY):.3f} | {milliseconds:.0f} |")


def time_clustering(bench: Bench, *, rounds: int) -> None:
    """Renewing the clusters of all clips beside an epoch of steps at the default batch."""
    step, epoch = bench.step("clustering"), bench.config.schedule
    objective, embedder = bench.objective("clustering"), bench.embedder()

    embeddings = forward(embedder, bench.anchors)
    log_mel, labels = bench.batch()
    few = (log_mel[: epoch.batch_size], {key: value[: epoch.batch_size] for key, value in labels.items()})
    calls = {
        "embedding": lambda: forward(embedder, bench.anchors),
        "clustering": lambda: objective.refresh(embeddings, seed=0),
        "step": _on(step, lambda: few),
    }
    seconds = interleaved(calls, rounds=rounds)
    shares = {
        name: 100 * float(np.median(seconds[name] / (epoch.epoch_steps * seconds["step"])))
        for name in ("embedding", "clustering")
    }
    print(
        f"\nof an epoch of {epoch.epoch_steps} steps of {epoch.batch_size}, with {len(bench.classes)} clips: "
        f"embedding them {shares['embedding']:.1f} %, once for what is measured after an epoch and for the "
        f"clusters of the next; clustering {shares['clustering']:.1f} % (aim: at most 10 % in all)"
    )


def time_pipeline(bench: Bench, *, rounds: int) -> None:
    """The step with features computed on the fly beside the step with features that are there."""
    step, batch = bench.step("clustering"), bench.batch()
    sources = {
        "log-mel of waveforms": bench.log_mel_alone(),
        "windows cut, log-mel": bench.pipeline(NO_AUGMENTATION),
        "and augmented": bench.pipeline(bench.config.augment),
    }
    cached = "features from memory"
    # Called here, not by tf.data: what threads do in the background cannot be told apart by its time.
    seconds = interleaved({cached: _on(step, lambda: batch), **sources}, rounds=rounds)
    print(f"\nstep of {len(bench.items)} windows: CPU time over that with features from memory (aim: 1.25)\n")
    print("| features | ratio | ms |\n|---|---|---|")
    print(f"| {cached} | 1 | {1000 * float(np.median(seconds[cached])):.0f} |")
    for name in sources:
        milliseconds = 1000 * float(np.median(seconds[name] + seconds[cached]))
        print(f"| {name} | {1 + ratio(seconds, name, cached):.3f} | {milliseconds:.0f} |")


def _on(step: Callable[[Any], object], source: Callable[[], Any]) -> Callable[[], object]:
    return lambda: step(source())


def main() -> None:
    """Prints the three comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="turns of each (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=2000, help="training clips (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=256, help="windows per step (default: %(default)s)")
    parser.add_argument("--part", choices=PARTS, help="one of the comparisons (default: all)")
    arguments = parser.parse_args()
    bench = Bench(clips=arguments.clips, batch=arguments.batch)
    print(f"TensorFlow {tf.__version__}, {os.cpu_count()} cores; {arguments.rounds} rounds\n", flush=True)
    for part, compare in PARTS.items():
        if arguments.part in (None, part):
            compare(bench, rounds=arguments.rounds)


PARTS = {"losses": time_losses, "clustering": time_clustering, "pipeline": time_pipeline}

if __name__ == "__main__":
    main()
