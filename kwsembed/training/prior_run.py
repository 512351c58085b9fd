"""A finished run as the ground for another: its data, its network, its bundle."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kwsembed.bundle import Bundle
from kwsembed.config import TrainConfig
from kwsembed.data.cache import default_cache_dir
from kwsembed.errors import RunError
from kwsembed.manifest import Manifest
from kwsembed.manifest.read import read_clips
from kwsembed.models import build_classifier
from kwsembed.training.networks import new_embedder
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.variables_file import load_variables

_FIX = "give the folder that `kwsembed train --out` wrote, whole"


@dataclass(frozen=True)
class PriorRun:
    """A finished run.

    Attributes:
        run: Its directory.
        config: Its settings.
        manifest: Its clips with their splits.
        variant: The variant that was kept.
        bundle: What it shipped.
    """

    run: RunDirectory
    config: TrainConfig
    manifest: Manifest
    variant: str
    bundle: Bundle

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> PriorRun:
        """Reads a run directory; its data must still be where it was, or in `root`.

        Args:
            path: The run directory.
            root: Folder that the paths of its clips are relative to; the recorded one if None.

        Raises:
            RunError: It is no finished run, or a part of it is missing.
            DataError: A file of its data is gone.
        """
        run = RunDirectory(path)
        try:
            metrics = json.loads(run.metrics.read_text(encoding="utf-8"))
            data, variant = metrics["data"], str(metrics["chosen"]["variant"])
            root, source = Path(root or data["root"]), Path(data["source"])
            labels, backgrounds = tuple(data["labels"]), tuple(data["background_labels"])
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError("this is no finished run", where=run.root, fix=_FIX) from None
        for part in (run.config, run.data, run.weights(variant), run.bundle):
            if not part.exists():
                raise RunError("a part of the run is missing", where=part, fix=_FIX)
        further = tuple(Path(folder) for folder in data.get("further_roots", ()))
        clips = tuple(
            replace(clip, row=None) for clip in read_clips(run.data, root=root, further_roots=further)
        )
        return cls(
            run=run,
            config=TrainConfig.read(run.config, recorded=True),
            manifest=Manifest(
                root=root.resolve(),
                source=root / source.name if source.suffix.lower() == ".csv" else root,
                clips=clips,
                labels=labels,
                background_labels=backgrounds,
                further_roots=further,
            ),
            variant=variant,
            bundle=Bundle.load(run.bundle),
        )

    @property
    def cache_dir(self) -> Path:
        """Where its decoded audio lies, unless the run was given another place."""
        return default_cache_dir(self.manifest.source)

    def classifier(self) -> keras.Model:
        """Its network, from weights alone: no code of the run's is executed."""
        embedder = new_embedder(self.config)
        classifier = build_classifier(embedder, len(self.manifest.labels), seed=self.config.seed)
        load_variables(self.run.weights(self.variant), classifier.variables)
        return classifier


def continue_head(old: keras.Model, old_labels: tuple[str, ...], labels: tuple[str, ...]) -> Any:
    """What `Stages.train_head` needs to begin at an earlier head: labels that both know keep their weights.

    A new label begins with small random weights and the smallest bias of all, as one that is hardly heard.
    """
    kernel, bias = (np.asarray(value) for value in old.get_layer("logits").get_weights())

    def begin_at(classifier: keras.Model) -> None:
        head = classifier.get_layer("logits")
        begin_kernel, begin_bias = (np.array(value) for value in head.get_weights())
        begin_bias[:] = bias.min()
        for position, label in enumerate(labels):
            if label in old_labels:
                begin_kernel[:, position] = kernel[:, old_labels.index(label)]
                begin_bias[position] = bias[old_labels.index(label)]
        head.set_weights([begin_kernel, begin_bias])

    return begin_at
