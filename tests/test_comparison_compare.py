"""`kwsembed compare` from sounds to a page: killed, resumed, extended, and asked for what it cannot do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from toy_teacher import write_keras

from kwsembed import compare
from kwsembed.audio import wav
from kwsembed.cli.main import main
from kwsembed.comparison.cell import CellRunner
from kwsembed.comparison.clips import read_judged_clips
from kwsembed.comparison.study import WHOLE, StudyPlan
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.config import TrainConfig
from kwsembed.demo.sounds import background, whistle
from kwsembed.errors import ConfigError
from kwsembed.sole_use import sole_use
from kwsembed.training.stages import Stages

CONFIG = 'backbone = "lstm"\nwidth = 0.25\nwindow_s = 0.5\n[schedule]\nbatch_size = 4\nepoch_steps = 2\n'


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three folds, each with two whistles and four backgrounds."""
    root = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(7)
    rows = ["path,label,group,fold"]
    for fold in (1, 2, 3):
        for label, make, count in (("whistle", whistle, 2), ("noise", None, 4)):
            for number in range(count):
                waveform = make(random, 16000) if make else background(random, 16000, duration_s=1.5)
                name = f"{label}{fold}{number}.wav"
                wav.write(root / name, waveform, 16000)
                rows.append(f"{name},{label},{label}{fold}{number},{fold}")
    (root / "data.csv").write_text("\n".join(rows) + "\n")
    (root / "config.toml").write_text(CONFIG)
    return root / "data.csv"


def command_of(sounds: Path, out: Path, *more: str) -> list[str]:
    return [
        "compare", str(sounds), "--out", str(out), "--cache", str(sounds.parent / "cache"),
        "--config", str(sounds.parent / "config.toml"), "--steps", "4", "--clips-only",
        "--methods", "class_weight", "none", *more,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--folds", "1", "9"], "9"),
        (["--methods", "class_weight", "magic"], "unknown method to compare"),
        (["--methods", "none", "focal"], "class weights are what all others are compared with"),
        (["--steps", "0"], "Expected a multiple of 2 steps"),
        (["--steps", "3"], "Expected a multiple of 2 steps"),
        (["--methods", "class_weight", "clustering", "--steps", "2"], "4 or more"),
        (["--seeds", "0"], "--seeds is out of range"),
        (["--trials", "0"], "trials is out of range"),
        (["--processes", "0"], "processes is out of range"),
        (["--seed", "-1"], "a seed is out of range"),
        (["--seed", str(2**32)], "a seed is out of range"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
        (["--methods", "class_weight", "teacher", "--teacher", "nowhere.tflite"], "nowhere.tflite"),
        (["--teacher", "yamnet.tflite"], "add teacher to --methods, or leave --teacher out"),
    ],
)
def test_mistakes_are_one_line_exit_2_and_leave_nothing_behind(sounds, tmp_path, capsys, more, said):
    assert main(command_of(sounds, tmp_path / "STUDY", *more)) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith("kwsembed compare: ")
    assert said in error[-1]
    assert not (tmp_path / "STUDY").exists()


@pytest.mark.parametrize("ratio", ["0", "-3", "nan", "inf", "many"])
def test_ratios_are_numbers_above_0(sounds, tmp_path, capsys, ratio):
    with pytest.raises(SystemExit) as exit_:
        main(command_of(sounds, tmp_path / "STUDY", "--ratios", ratio))
    assert exit_.value.code == 2
    assert "--ratios" in capsys.readouterr().err


@pytest.mark.parametrize("ratios", [[-1.0], [float("nan")], [float("inf")], []])
def test_the_call_checks_ratios_too(sounds, tmp_path, ratios):
    with pytest.raises(ConfigError, match="ratio"):
        compare(sounds, tmp_path / "STUDY", ratios=ratios, cache_dir=sounds.parent / "cache")


def test_a_folder_of_something_else_is_left_alone(sounds, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("months of work")
    assert main(command_of(sounds, tmp_path)) == 2
    assert "holds no study" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_of_another_study_is_refused(sounds, tmp_path, capsys):
    assert main(command_of(sounds, tmp_path / "STUDY", "--report-only")) == 0
    assert main(command_of(sounds, tmp_path / "STUDY", "--report-only", "--steps", "8")) == 2
    assert "another steps" in capsys.readouterr().err


def test_a_report_of_nothing_trains_nothing_and_lists_the_clips_of_every_fold(sounds, tmp_path, capsys):
    assert main(command_of(sounds, tmp_path / "STUDY", "--report-only")) == 0
    assert "No training is finished yet" in capsys.readouterr().err
    folder = StudyFolder(tmp_path / "STUDY")
    assert folder.page.exists()
    judged = read_judged_clips(folder.clips)
    assert sorted(fold for fold, split in judged if split == "test") == [1, 2, 3]
    assert all(len(judged[fold, "test"].names) == 6 for fold in (1, 2, 3))
    [sitting] = folder.description()["sittings"]
    assert sitting["command"].startswith("kwsembed")
    assert "tensorflow" in sitting["versions"]


@pytest.mark.parametrize(("setting", "told"), [("hint_weight = 1.0", True), ("weight = 0.0", False)])
def test_settings_for_taught_networks_are_not_ignored_without_a_word(sounds, tmp_path, capsys, setting, told):
    config = (sounds.parent / "config.toml").read_text()
    (tmp_path / "hints.toml").write_text(f"{config}\n[taught]\n{setting}\n")
    command = command_of(sounds, tmp_path / "study", "--config", str(tmp_path / "hints.toml"))
    assert main([*command, "--report-only"]) == 0
    assert ("[taught] in the settings changes nothing" in capsys.readouterr().err) is told


def test_a_study_that_another_command_is_at_work_on_is_left_alone_but_can_be_looked_at(
    sounds, tmp_path, capsys
):
    out = tmp_path / "STUDY"
    assert main(command_of(sounds, out, "--report-only")) == 0
    before = StudyFolder(out).description()
    with sole_use(out):
        assert main(command_of(sounds, out)) == 2
        assert "another command is at work in this folder" in capsys.readouterr().err
        assert main(command_of(sounds, out, "--report-only")) == 0
    assert StudyFolder(out).description() == before
    assert not list(StudyFolder(out).cells.glob("*"))


def test_a_study_is_not_gone_on_with_under_other_noise(sounds, tmp_path, capsys):
    nights, config = tmp_path / "nights", tmp_path / "noisy.toml"
    config.write_text(f'{CONFIG}[augment]\nnoise = "{nights}"\n')
    nights.mkdir()
    random = np.random.default_rng(8)
    command = command_of(sounds, tmp_path / "STUDY", "--report-only", "--config", str(config))
    for name, code in (("hum.wav", 0), ("fan.wav", 2)):
        wav.write(nights / name, background(random, 16000, duration_s=1.5), 16000)
        assert main(command) == code
    assert "other noise or impulse responses" in capsys.readouterr().err.splitlines()[-1]
    (nights / "fan.wav").unlink()
    assert main(command) == 0


def test_a_class_weight_of_no_label_is_refused_before_any_work(sounds, tmp_path, capsys):
    config = tmp_path / "weighted.toml"
    config.write_text(f"{CONFIG}[class_weights]\nwistle = 2.0\n")
    assert main(command_of(sounds, tmp_path / "STUDY", "--config", str(config))) == 2
    assert "class_weights.wistle=2" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "STUDY").exists()


def test_a_refused_sitting_and_a_report_leave_the_study_as_it_was(sounds, tmp_path, capsys):
    out, data = tmp_path / "STUDY", sounds.parent / "fewer.csv"
    data.write_text(sounds.read_text())
    assert main(command_of(data, out, "--report-only")) == 0
    before = (out / "study.json").read_text()
    assert main(command_of(data, out, "--report-only", "--methods", "class_weight", "focal")) == 0
    assert (out / "study.json").read_text() == before

    data.write_text("\n".join(sounds.read_text().splitlines()[:-1]) + "\n")  # a noise less, of fold 3
    capsys.readouterr()
    assert main(command_of(data, out, "--folds", "1")) == 2
    assert "clips of fold 1 are others than when the study began" in capsys.readouterr().err
    assert (out / "study.json").read_text() == before


def test_training_clips_that_changed_are_noticed_though_no_fold_judges_them(sounds, tmp_path, capsys):
    lines = sounds.read_text().splitlines()
    data = sounds.parent / "with_fold_0.csv"
    always = [f"{line.rpartition(',')[0]},0" for line in lines if line.endswith(",3")]
    kept = [line for line in lines if not line.endswith(",3")]
    data.write_text("\n".join([*kept, *always]) + "\n")
    command = command_of(data, tmp_path / "STUDY", "--report-only")
    assert main(command) == 0
    data.write_text("\n".join([*kept, *always[:-1]]) + "\n")
    capsys.readouterr()
    assert main(command) == 2
    assert "the training clips of fold 1 are others" in capsys.readouterr().err


def test_a_manifest_with_splits_and_folds_goes_by_its_splits(sounds, tmp_path):
    header, *lines = sounds.read_text().splitlines()
    split_of = {"1": "test", "2": "validation", "3": "train"}
    data = sounds.parent / "split_and_fold.csv"
    data.write_text(
        "\n".join([f"{header},split", *(f"{line},{split_of[line[-1]]}" for line in lines)]) + "\n"
    )
    assert main(command_of(data, tmp_path / "STUDY", "--report-only")) == 0
    judged = read_judged_clips(StudyFolder(tmp_path / "STUDY").clips)
    assert {line.split(",")[0] for line in lines if line.endswith(",1")} == set(judged[1, "test"].names)


def test_data_without_folds_are_split_anew_for_each_number(sounds, tmp_path):
    lines = [line.rpartition(",")[0] for line in sounds.read_text().splitlines()]
    data = sounds.parent / "unfolded.csv"
    data.write_text("\n".join(lines) + "\n")
    command = command_of(data, tmp_path / "STUDY", "--report-only", "--folds", "1", "2")
    assert main(command) == 0
    judged = read_judged_clips(StudyFolder(tmp_path / "STUDY").clips)
    assert judged[1, "test"] != judged[2, "test"]


@pytest.mark.slow
def test_the_recipe_does_without_pretraining_where_there_is_little_audio(sounds, tmp_path, monkeypatch):
    def pretrain(stages):
        raise AssertionError("nothing is to be pretrained")

    monkeypatch.setattr(Stages, "pretrain", pretrain)
    config = TrainConfig.read(sounds.parent / "config.toml")
    plan = StudyPlan(
        str(sounds),
        ("class_weight", "train", "clustering"),
        (WHOLE,),
        (3,),
        (0,),
        4,
        streams=False,
        config=config,
    )
    runner = CellRunner(plan, StudyFolder(tmp_path / "STUDY"), cache_dir=str(sounds.parent / "cache"))
    _, recipe, pretrained = plan.cells({})
    assert np.isfinite(runner.run(recipe)["test"]["balanced_error"])
    with pytest.raises(AssertionError, match="nothing is to be pretrained"):
        runner.run(pretrained)


@pytest.mark.slow
def test_a_killed_study_goes_on_cell_by_cell_and_may_then_grow(sounds, tmp_path):
    out = tmp_path / "STUDY"
    cells = out / "cells"
    command = [sys.executable, "-m", "kwsembed"]
    command += command_of(sounds, out, "--folds", "3", "--ratios", "4", "whole", "--processes", "1")
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list(cells.glob("[!.]*.json")):
        assert process.poll() is None, "it ended before a cell was done"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    finished = {path: path.stat().st_mtime_ns for path in cells.glob("[!.]*.json")}
    assert len(finished) < 4
    for path in finished:  # as if the process had died between the record and the tidying up
        (out / "unfinished" / path.stem).mkdir(parents=True, exist_ok=True)
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert all(path.stat().st_mtime_ns == changed for path, changed in finished.items())
    folder = StudyFolder(out)
    records = folder.records()
    assert len(records) == 4
    assert not any("failure" in record for record in records)
    of_ratio = {record["ratio"]: record["counts"] for record in records}
    assert of_ratio[4.0]["train"]["whistle"]["clips"] == 1
    assert of_ratio[0.0]["train"]["whistle"]["clips"] == 2
    assert of_ratio[4.0]["test"] == of_ratio[0.0]["test"], "test stays whole"
    assert not list((out / "unfinished").iterdir())
    text = folder.page.read_text(encoding="utf-8")
    assert "At 4:1" in text
    assert "class weights" in text


@pytest.mark.slow
def test_a_teacher_joins_a_study_that_began_without_one(sounds, tmp_path):
    out, folder = tmp_path / "STUDY", StudyFolder(tmp_path / "STUDY")
    one_fold = ("--folds", "3", "--processes", "1")
    assert main(command_of(sounds, out, *one_fold)) == 0
    before = {path: path.stat().st_mtime_ns for path in folder.cells.glob("*.json")}
    teacher = write_keras(tmp_path)
    taught = ("--methods", "class_weight", "teacher/frozen", "--teacher", str(teacher))
    assert main(command_of(sounds, out, *one_fold, *taught)) == 0
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
    [record] = [one for one in folder.records() if one["contender"]["pretrain"] == "teacher"]
    assert np.isfinite(record["test"]["balanced_error"])
    assert folder.description()["teacher"]["file"] == teacher.name
    assert str(teacher) in folder.page.read_text(encoding="utf-8")
