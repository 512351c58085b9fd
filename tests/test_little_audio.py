"""How much audio of events there is, and what the settings make of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from kwsembed.config import LittleAudioConfig, TrainConfig
from kwsembed.errors import ConfigError
from kwsembed.training.little_audio import EndToEndTraining, end_to_end_training, median_event_windows

SUBLABELS = ("noise/rain", "noise/wind")


def how(windows, *, sublabels=None, sublabel_weight=0.0, pretrain="clustering", teacher="", **settings):
    """What two events with so many windows, and a background with many, come to."""
    data = SimpleNamespace(
        windows_per_class=np.array([windows, windows, 5000.0]),
        event=np.array([True, True, False]),
        sublabels=sublabels,
        config=TrainConfig(
            sublabel_weight=sublabel_weight,
            pretrain=pretrain,
            teacher=teacher,
            little_audio=LittleAudioConfig(**settings),
        ),
    )
    return end_to_end_training(data)


def test_hours_of_background_are_no_audio_of_events():
    few, many = np.array([3.0, 900.0, 800.0]), np.array([True, False, False])
    assert median_event_windows(few, many) == 3
    assert median_event_windows(few, ~many) == 850  # the other way round: plenty


@pytest.mark.parametrize(("windows", "little"), [(1, True), (21.5, True), (22, False), (500, False)])
def test_fewer_than_22_windows_of_the_median_event_are_little(windows, little):
    found = how(windows, sublabels=SUBLABELS)
    assert found == EndToEndTraining(windows, little, not little, 0.5 if little else 0.0)


def test_data_without_sublabels_have_no_second_task():
    assert how(3).sublabel_weight == 0
    assert how(3, sublabel_weight=0.7).sublabel_weight == 0


@pytest.mark.parametrize("windows", [3, 300])
def test_a_weight_that_is_asked_for_counts_however_much_audio_there_is(windows):
    assert how(windows, sublabels=SUBLABELS, sublabel_weight=0.7).sublabel_weight == 0.7


def test_each_part_can_be_asked_for_by_itself():
    assert not how(3, below_windows=0).little
    kept = how(3, sublabels=SUBLABELS, pretrained=True)
    assert (kept.pretrained, kept.sublabel_weight) == (True, 0.5)
    assert how(3, sublabels=SUBLABELS, sublabel_weight=0.0, pretrained=False).sublabel_weight == 0.5


def test_a_teacher_knows_more_than_a_few_clips():
    assert how(3, pretrain="teacher", teacher="yamnet.tflite").pretrained
    assert not how(3, pretrain="siamese").pretrained


def test_what_an_older_version_trained_knew_of_no_little_audio():
    assert TrainConfig.recorded({"width": 2.0}).little_audio.below_windows == 0
    assert TrainConfig.recorded(TrainConfig().to_dict()) == TrainConfig()


def test_a_border_below_zero_is_refused():
    with pytest.raises(ConfigError, match="below_windows must not be negative"):
        LittleAudioConfig(below_windows=-1)
