"""What a search needs of its data, checked before its folder is claimed: a mistake leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterable

from kwsembed.config import TrainConfig
from kwsembed.data.cache import ClipStore
from kwsembed.data.surroundings import Surroundings
from kwsembed.errors import DataError
from kwsembed.evaluation.streams import Stream
from kwsembed.manifest import Manifest
from kwsembed.training.data import TrainingData


def check_validation(manifest: Manifest) -> None:
    """Refuses a split that no trial could be judged on; nothing is decoded, so a chief can tell too.

    Raises:
        DataError: Validation has no event, or no background.
    """
    found = {clip.label for clip in manifest.of_split("validation")}
    for kind, labels in (("event", manifest.event_labels), ("background", manifest.background_labels)):
        if found.isdisjoint(labels):
            raise DataError(
                f"the validation split has no {kind} clip, so no trial can be judged",
                where=manifest.source,
                fix="give --validation-folds, or add groups (recordings or speakers) to the data",
            )


def check_decoded(
    store: ClipStore, manifest: Manifest, config: TrainConfig, surroundings: Surroundings
) -> TrainingData:
    """The data of the first trial; refuses what could not be trained on, or not be judged on once trained.

    Args:
        store: Decoded clips of training and validation.
        manifest: The same clips, with their splits.
        config: Of trial 0; what is searched changes nothing here.
        surroundings: Noise and rooms.

    Raises:
        DataError: A label has no training clip, or validation has no event or no background, or too little.
    """
    data = TrainingData.of(store, manifest, config, surroundings=surroundings)
    audio = data.audio("validation")

    def is_heard(streams: Iterable[Stream]) -> bool:
        return any(len(stream.waveform) >= audio.window_samples for stream in streams)

    events = sum(is_heard(audio.positive_streams(label)) for label in audio.labels[: audio.event_count])
    # Where background is too short, the threshold of a label is chosen on the events of others.
    if not events or (events == 1 and not is_heard(audio.negative_streams())):
        raise DataError(
            f"the validation split has too little {'background' if events else 'audio of events'}, so no "
            "trial can be judged",
            expected=f"at least a window of {config.window_s:g} s",
            where=manifest.source,
            fix="add clips to the validation split, or make window_s smaller",
        )
    return data
