"""One cell of a study: thin the training positives, train one contender, judge it on validation and test."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kwsembed import atomic
from kwsembed.clip_scores import clip_evidence
from kwsembed.comparison.clips import split_for
from kwsembed.comparison.contender import YARDSTICK
from kwsembed.comparison.fold_data import fold_data
from kwsembed.comparison.spread import embedding_spread
from kwsembed.comparison.stream_misses import hit_clips, miss_rates
from kwsembed.comparison.study import WHOLE, Cell, StudyPlan
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.comparison.trained_options import options_of
from kwsembed.data.cache import build_cache, default_cache_dir
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import DivergenceError
from kwsembed.evaluation.judge import Judgement, judge
from kwsembed.evaluation.scoring import network_scorer, score_clips
from kwsembed.manifest import Manifest, read_manifest
from kwsembed.models import embedder_of, forward
from kwsembed.progress import silent
from kwsembed.training.data import TrainingData
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.stages import Stages


class CellRunner:
    """Runs the cells of one study; holds what they share.

    Args:
        plan: The study.
        folder: Where results go.
        cache_dir: Where decoded audio is kept; the data's usual place if None.
    """

    def __init__(self, plan: StudyPlan, folder: StudyFolder, *, cache_dir: str | None = None) -> None:
        self._plan = plan
        self._folder = folder
        self._manifest = read_manifest(plan.data, background=plan.background)
        self._store = build_cache(
            self._manifest,
            cache_dir=cache_dir or default_cache_dir(plan.data),
            sample_rate_hz=plan.config.frontend.sample_rate_hz,
        )

    def run(self, cell: Cell) -> dict[str, Any]:
        """Trains and judges a cell, unless that was done before; returns its record."""
        done = self._folder.result(cell)
        if done is not None:
            return done
        started_s, started_cpu_s = time.monotonic(), time.process_time()
        tf.config.experimental.enable_op_determinism()
        keras.utils.clear_session()
        keras.utils.set_random_seed(cell.seed)
        config = cell.contender.config(self._plan.config, steps=self._plan.steps, seed=cell.seed)
        manifest = split_for(self._manifest, cell.fold)
        ratio = None if cell.ratio == WHOLE else cell.ratio
        data = fold_data(self._store, manifest, config, ratio=ratio, seed=cell.seed)
        record: dict[str, Any] = {
            "contender": dataclasses.asdict(cell.contender),
            "options": options_of(cell.contender),
            "ratio": cell.ratio,
            "fold": cell.fold,
            "seed": cell.seed,
            "trial": cell.trial,
            "steps": self._plan.steps,
            "labels": list(data.labels),
            "event_count": data.event_count,
            "counts": data.counts(),
        }
        try:
            classifier = self._train(cell, data, manifest)
            record["validation"], record["test"] = self._judge(cell, classifier, data)
            record["spread"] = self._spread(classifier, data)
        except DivergenceError as error:
            # A contender that diverges has lost this cell; the study goes on. All else is a mistake to tell.
            record["failure"] = str(error)
        record["wall_s"] = round(time.monotonic() - started_s, 1)
        record["cpu_s"] = round(time.process_time() - started_cpu_s, 1)
        atomic.write_json(self._folder.cells / f"{cell.name}.json", record)
        self._folder.remove_work([cell])
        return record

    def _train(self, cell: Cell, data: TrainingData, manifest: Manifest) -> keras.Model:
        run = RunDirectory(self._folder.work_of(cell))
        run.start(data.config, manifest, resume=True)
        stages = Stages(data, run, progress=lambda stage: silent, say=lambda line: None)
        variant = cell.contender.variant
        if variant == "from_scratch":
            stages.train_from_scratch(
                rebalance=cell.contender.rebalance,
                class_weights={} if cell.contender.name == YARDSTICK else data.config.class_weights,
                sublabel_weight=data.config.sublabel_weight,
                even_groups=data.config.even_groups,
                backwards_share=data.config.backwards_share,
                taught=data.config.taught.weight > 0,
            )
            return stages.networks.classifier("class_weighted")
        stages.train(variant)
        return stages.networks.classifier(variant)

    def _judge(
        self, cell: Cell, classifier: keras.Model, data: TrainingData
    ) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """Metrics on validation, and on test unless the cell only tunes; saves what the clips were given."""
        scorer = network_scorer(classifier, data.config.frontend)
        post = PostProcessing()
        splits = ["validation"] if cell.trial else ["validation", "test"]
        judgements = {}
        for split in splits:
            audio = data.audio(split)
            if self._plan.streams and not cell.trial:
                judgements[split] = judge(scorer, audio, post=post)
                continue
            rows = score_clips(
                audio.store,
                audio.clips,
                scorer,
                window_samples=audio.window_samples,
                hop_samples=round(post.hop_s * audio.sample_rate_hz),
            )
            background = np.arange(len(audio.labels)) >= audio.event_count
            evidence = np.array([clip_evidence(scores, background) for scores in rows])
            judgements[split] = Judgement(evidence, [], {}, audio, post)
        bias = judgements["validation"].fit_bias()
        points = None
        if self._plan.streams and not cell.trial:
            points = judgements["validation"].choose_thresholds(data.config.target_false_alarms_per_hour)
        metrics = {split: judgement.metrics(points, bias) for split, judgement in judgements.items()}
        for split, judgement in judgements.items():
            # Without the bias that was fitted on validation, which also mends what a method does to priors.
            plain = judgement.metrics(None, np.zeros_like(bias))
            metrics[split]["balanced_error_without_bias"] = plain["balanced_error"]
        hits = hit_clips(judgements["test"]) if points is not None else {}
        for index, label in enumerate(data.labels[: data.event_count]) if hits else ():
            found = miss_rates(hits, judgements["test"].audio.classes == index)
            metrics["test"]["per_class"][label]["miss_rate_at_false_alarms_per_hour"] = found
        content = io.BytesIO()  # the zip writer breaks with an error of its own on a full disk
        evidence_of = {f"{split}_evidence": j.evidence.astype(np.float32) for split, j in judgements.items()}
        np.savez_compressed(content, bias=bias, **evidence_of, **hits)
        atomic.write_bytes(self._folder.cells / f"{cell.name}.npz", content.getvalue())
        return metrics["validation"], metrics.get("test")

    def _spread(self, classifier: keras.Model, data: TrainingData) -> dict[str, Any]:
        """How wide the embedding of clips that were not trained on lies, by class."""
        embeddings = forward(embedder_of(classifier), data.anchors("validation"))
        return embedding_spread(embeddings, data.classes_of("validation"), labels=data.labels)
