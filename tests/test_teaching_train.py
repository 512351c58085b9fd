"""Pretraining by a teacher on a toy corpus: it is asked once, learned from, and goes on after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from toy_teacher import write_tflite

from kwsembed import compare, train
from kwsembed.audio import wav
from kwsembed.config import ScheduleConfig, TrainConfig
from kwsembed.data.cache import build_cache
from kwsembed.data.pipeline import training_dataset
from kwsembed.errors import ConfigError, RunError
from kwsembed.frontend import log_mel
from kwsembed.manifest import assign_splits, read_manifest
from kwsembed.progress import silent
from kwsembed.training.data import TrainingData
from kwsembed.training.networks import PRETRAIN
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.same_teacher import check_same_teacher
from kwsembed.training.stages import Stages
from kwsembed.training.teacher import teacher_record, teacher_targets_of

SCHEDULE = ScheduleConfig(batch_size=4, epoch_steps=2, teacher_epochs=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six beeps and twelve pieces of noise, half a second each, and a teacher that hears their loudness."""
    root = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    for label, count in {"beep": 6, "noise": 12}.items():
        (root / label).mkdir()
        for number in range(count):
            waveform = random.uniform(0.01, 0.1) * random.standard_normal(8000)
            if label == "beep":
                waveform += 0.3 * np.sin(2 * np.pi * (800 + 20 * number) * np.arange(8000) / 16000)
            wav.write(root / label / f"{number}.wav", waveform.astype(np.float32), 16000)
    teacher = write_tflite(tmp_path_factory.mktemp("teacher"))
    manifest = assign_splits(read_manifest(root))
    config = TrainConfig(
        backbone="lstm",  # whose step is traced soonest
        width=0.25,
        embedding_size=8,
        window_s=0.2,
        pretrain="teacher:dims=3",
        teacher=str(teacher),
        schedule=SCHEDULE,
    )
    store = build_cache(manifest, cache_dir=root.parent / "cache", sample_rate_hz=16000)
    return TrainingData.of(store, manifest, config), manifest


def pretrained(data, folder: Path, *, epochs: int = 2, resume: bool = False):
    """Weights after pretraining, and what was said; `epochs` below 2 stands for a kill after so many."""
    training, manifest = data
    said: list[str] = []
    run = RunDirectory(folder / "RUN")
    run.start(training.config, manifest, resume=resume)
    stages = Stages(training, run, progress=lambda stage: silent, say=said.append)
    if epochs < 2:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("kwsembed.training.stage.StopAtDivergence", _KillAfter(epochs))
            with pytest.raises(KeyboardInterrupt):
                stages.pretrain()
        return None, said
    result = stages.pretrain()
    assert np.isfinite([epoch["loss"] for epoch in result["history"]]).all()
    return [variable.numpy() for variable in stages.networks.pretrained().variables], said


class _KillAfter:
    """Makes a callback that interrupts training at the beginning of an epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def __call__(self):
        import keras

        epochs = self.epochs

        class Kill(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == epochs:
                    raise KeyboardInterrupt

        return Kill()


@pytest.mark.slow
def test_a_student_is_pretrained_and_a_killed_one_ends_alike(data, tmp_path):
    tf.config.experimental.enable_op_determinism()
    whole, said = pretrained(data, tmp_path / "whole")
    assert any("teacher.tflite: heard 16 windows; 3 directions hold" in line for line in said)
    pretrained(data, tmp_path / "killed", epochs=1)
    resumed, _ = pretrained(data, tmp_path / "killed", resume=True)
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (tmp_path / "whole" / "RUN" / "checkpoints" / f"{PRETRAIN}.npz").exists()


def targets_of(training, *, windows=100, steps=4, **options):
    schedule = training.schedule(sampling="square_root", stage=PRETRAIN, even_groups=0.0)
    return teacher_targets_of(training, schedule, 3, windows, steps=steps, **options)


def test_the_teacher_hears_what_the_student_will_hear(data, monkeypatch):
    training, _ = data
    heard = []
    monkeypatch.setattr(
        "kwsembed.training.teacher_answers.ask_teacher",
        lambda teacher, batches, count, progress: heard.extend(batches) or np.eye(count, 8),
    )
    schedule = training.schedule(sampling="square_root", stage=PRETRAIN, even_groups=0.0)
    targets = targets_of(training, steps=3)
    assert targets.rows.shape == (3 * SCHEDULE.batch_size, 3)
    plain = training.config.augment.of_waveforms_only()
    batches = training_dataset(
        training.store,
        schedule,
        frontend=training.config.frontend,
        augment=plain,
        first_step=0,
        last_step=6,
        seed=training.config.seed,
        round_steps=3,
    )
    for step, (log_mels, labels) in enumerate(batches.as_numpy_iterator()):
        first = step % 3 * SCHEDULE.batch_size
        np.testing.assert_array_equal(labels["window"], first + np.arange(SCHEDULE.batch_size))
        np.testing.assert_allclose(
            log_mels[1], log_mel(heard[step % 3][1], training.config.frontend), atol=2e-3
        )


def test_no_more_is_asked_than_pretraining_will_hear_and_nothing_twice(data, monkeypatch):
    training, _ = data
    assert len(targets_of(training, windows=100, steps=2).rows) == 2 * SCHEDULE.batch_size
    first = targets_of(training, windows=11, steps=9)
    assert len(first.rows) == 8, "two whole batches"
    monkeypatch.setattr(
        "kwsembed.training.teacher_answers.ask_teacher", lambda *_, **__: pytest.fail("asked again")
    )
    np.testing.assert_array_equal(targets_of(training, windows=11, steps=9).rows, first.rows)


def test_another_seed_or_augmentation_is_another_question_and_damage_is_mended(data, monkeypatch):
    training, _ = data
    asked = []
    monkeypatch.setattr(
        "kwsembed.training.teacher_answers.ask_teacher",
        lambda teacher, batches, count, progress: asked.append(count) or np.eye(count, 8),
    )
    louder = replace(training.config.augment, gain_db=(-3.0, 3.0))
    for number, change in enumerate(({}, {"seed": 5}, {"augment": louder})):
        targets_of(replace(training, config=replace(training.config, **change)), steps=5)
        targets_of(replace(training, config=replace(training.config, **change)), steps=5)
        assert len(asked) == number + 1
    for kept in training.store.folder.glob("teacher-*.npz"):
        kept.write_bytes(kept.read_bytes()[:100])
    targets_of(training, steps=5)
    assert len(asked) == 4


def test_a_run_goes_on_with_the_teacher_that_began_it_only(data, tmp_path):
    training, manifest = data
    run = RunDirectory(tmp_path / "RUN")
    run.start(training.config, manifest, resume=False)
    record = teacher_record(training.config)
    check_same_teacher(run, record)
    check_same_teacher(run, record)
    with pytest.raises(RunError, match=r"another teacher.*same file as before"):
        check_same_teacher(run, {**record, "sha256": "0" * 64})


def test_a_run_says_who_taught_it(data):
    training, _ = data
    record = teacher_record(training.config)
    assert record["file"] == "teacher.tflite"
    assert len(record["sha256"]) == 64
    assert teacher_record(replace(training.config, pretrain="siamese")) is None


def test_a_teacher_that_cannot_be_asked_is_refused_before_any_work(data, tmp_path):
    training, manifest = data
    missing = replace(training.config, teacher=str(tmp_path / "missing.tflite"))
    with pytest.raises(ConfigError, match="cannot be read"):
        train(manifest.root, tmp_path / "RUN", config=missing)
    for config, message in (
        (missing, "cannot be read"),
        (TrainConfig(), "pretraining by a teacher needs one"),
    ):
        with pytest.raises(ConfigError, match=message):
            compare(
                manifest.root,
                tmp_path / "STUDY",
                methods=["class_weight", "teacher"],
                config=config,
                steps=200,
            )
    assert not (tmp_path / "RUN").exists()
    assert not (tmp_path / "STUDY").exists()
