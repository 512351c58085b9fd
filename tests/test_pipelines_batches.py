"""Every recipe goes the whole way: from files to batches of log-mel windows and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_corpora import write_esc50, write_md5_list, write_speech_commands, write_tone

pytest.importorskip("tensorflow")

from data_pipelines import dcase_recordings, esc50, speech_commands
from kwsembed.config import ScheduleConfig, TrainConfig

CONFIG = TrainConfig(schedule=ScheduleConfig(batch_size=4, epoch_steps=3))
FEATURES = (98, 64)  # one second: 1 + (16000 - 400) // 160 frames


def batches(dataset) -> tuple[np.ndarray, np.ndarray]:
    log_mels, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(log_mels), np.concatenate(labels)


@pytest.fixture(scope="module")
def esc50_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("esc50")
    write_esc50(folder / "root" / "ESC-50")
    write_md5_list(folder / "toy.md5", folder / "root" / "ESC-50")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(esc50, "CORPUS", replace(esc50.CORPUS, published_index=folder / "toy.md5"))
        yield folder / "root"


@pytest.fixture(scope="module")
def esc50_datasets(esc50_root):
    return esc50.datasets(esc50_root, events=["dog"], config=CONFIG, cache_dir=esc50_root / "cache")


def test_esc50_gives_a_dataset_per_split(esc50_datasets):
    assert list(esc50_datasets) == ["train", "validation", "test"]
    for dataset in esc50_datasets.values():
        log_mel, label = dataset.element_spec
        assert (tuple(log_mel.shape[1:]), log_mel.dtype.name) == (FEATURES, "float32")
        assert label.dtype.name == "int32"
    # Fold 5 tests (one dog), fold 4 validates (three clips, one of them moved there).
    assert batches(esc50_datasets["test"])[1].tolist() == [0]
    assert batches(esc50_datasets["validation"])[1].tolist() == [1, 1, 1]


def test_training_batches_are_balanced_and_the_same_at_every_iteration(esc50_datasets):
    features, labels = batches(esc50_datasets["train"])
    assert features.shape == (3 * 4, *FEATURES)
    assert np.isfinite(features).all()
    assert sorted(labels) == [0] * 6 + [1] * 6
    np.testing.assert_array_equal(batches(esc50_datasets["train"])[0], features)


def test_chosen_folds_are_tested(esc50_root):
    datasets = esc50.datasets(
        esc50_root,
        events=["dog"],
        test_folds=[1],
        validation_folds=[2],
        config=CONFIG,
        cache_dir=esc50_root / "cache",
    )
    assert batches(datasets["test"])[1].tolist() == [0, 1]
    assert batches(datasets["validation"])[1].tolist() == [0, 0, 1]


def test_speech_commands_keeps_its_official_split(tmp_path):
    write_speech_commands(tmp_path / "speech_commands_v0.02")
    datasets = speech_commands.datasets(
        tmp_path, words=["yes", "no"], config=CONFIG, cache_dir=tmp_path / "cache"
    )
    # no, yes, _silence_, _unknown_: a word of each speaker, two seconds of noise, in the manifest's order.
    assert batches(datasets["validation"])[1].tolist() == [3, 0, 1, 2, 2]
    assert batches(datasets["test"])[1].tolist() == [3, 0, 1, 2, 2]


def test_windows_of_long_recordings_lie_where_the_annotation_says(tmp_path):
    """The event is a tone of 2 kHz in noise; the band around it is loud in event windows and in no other."""
    rows = []
    for position in range(6):
        name = f"r{position}.wav"
        write_tone(tmp_path / name, hz=2000, duration_s=9.0)
        _silence_outside(tmp_path / name, onset_s=4.0, offset_s=5.0)
        rows.append(f"{name}\t4.0\t5.0\tbeep\n")
    (tmp_path / "annotations.tsv").write_text("".join(rows))
    config = replace(
        CONFIG, augment=_no_augmentation(), schedule=ScheduleConfig(batch_size=16, epoch_steps=5)
    )
    datasets = dcase_recordings.datasets(tmp_path, config=config, cache_dir=tmp_path / "cache")
    for dataset in datasets.values():
        features, labels = batches(dataset)
        band = features.mean(axis=1).max(axis=1)
        assert band[labels == 0].min() > band[labels == 1].max() + 3


def _no_augmentation():
    return replace(
        CONFIG.augment,
        gain_db=(0.0, 0.0),
        background_probability=0.0,
        reverberation_probability=0.0,
        span_probability=0.0,
        time_masks=0,
        mel_masks=0,
    )


def _silence_outside(path: Path, *, onset_s: float, offset_s: float) -> None:
    """Leaves a hundredth of the sound outside the event."""
    content = bytearray(path.read_bytes())
    samples = np.frombuffer(content, "<i2", offset=44)
    time_s = np.arange(len(samples)) / 16000
    samples[(time_s < onset_s) | (time_s >= offset_s)] //= 100
    path.write_bytes(content)
