"""The data of one fold of a study, its events thinned if the study asks for that."""

from __future__ import annotations

from kwsembed.comparison.thinning import thinned
from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore
from kwsembed.manifest import Manifest
from kwsembed.training.data import TrainingData


def fold_data(
    store: ClipStore, manifest: Manifest, config: TrainConfig, *, ratio: float | None, seed: int
) -> TrainingData:
    """Training clips thinned to a ratio; validation and test whole.

    Args:
        store: All decoded clips.
        manifest: With the splits of the fold, see `kwsembed.comparison.clips.split_for`.
        config: Settings of the run.
        ratio: See `thinned`; None leaves all clips.
        seed: Of the order in which groups are kept.
    """
    split_of = {clip.name: clip.split for clip in manifest.clips}
    splits: list[str | None] = [split_of[clip.name] for clip in store.clips]
    data = TrainingData.of(store.with_splits(splits), manifest, config)
    if ratio is None:
        return data
    clips = data.clips_of("train")
    groups = [store.clips[index].group or store.clips[index].name for index in clips]
    kept = thinned(data.classes[clips], groups, data.event, ratio=ratio, seed=seed)
    for index in clips[~kept]:
        splits[index] = None
    return TrainingData.of(
        store.with_splits(splits),
        manifest,
        config,
        surroundings=data.surroundings,
        unlabelled=data.unlabelled,
    )
