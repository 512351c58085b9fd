"""Data that no trial could use are refused before the folder of the search is claimed; nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras_tuner")

from kwsembed.audio import wav
from kwsembed.cli.main import main
from kwsembed.config import LittleAudioConfig, TrainConfig
from kwsembed.errors import ConfigError, DataError, RunError
from kwsembed.tuning import tune as tune_module
from kwsembed.tuning.search_folder import SearchFolder, Trial

ADDRESS = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": "8000"}
DECODABLE = ("dog/train", "dog/validation", "noise/train", "noise/validation")


def sounds(root: Path, names=DECODABLE, *, seconds=1.0, broken=()) -> Path:
    """A manifest with a clip for each label and split; those in `broken` are no audio."""
    rows = ["path,label,split"]
    for name in names:
        label, split = name.split("/")
        path = root / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.append(f"{name}.wav,{label},{split}")
        if name in broken:
            path.write_text("this is no audio")
            continue
        random = np.random.default_rng(len(rows))
        wav.write(path, 0.1 * random.standard_normal(round(16000 * seconds)).astype(np.float32), 16000)
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root / "manifest.csv"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the trials that were run; training is made up."""
    numbers: list[int] = []

    def trial_runner(start, setting, folder, *, trials, say):
        def run(number, values):
            numbers.append(number)
            trial = Trial(number, "completed", start, values, 1.0, "", 0.5, 0.5, 0.5)
            folder.write_trial(trial)
            return trial

        return run

    monkeypatch.setattr(tune_module, "trial_runner", trial_runner)
    return numbers


def tune(root: Path, data: Path, *, say=lambda text: None, **options):
    return tune_module.tune(data, root / "SEARCH", trials=1, cache_dir=root / "cache", say=say, **options)


def play(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    """Makes this process a chief or a worker; alone it is anyway."""
    if role != "alone":
        for name, value in {**ADDRESS, "KERASTUNER_TUNER_ID": role}.items():
            monkeypatch.setenv(name, value)


def test_files_that_cannot_be_decoded_leave_nothing_and_mended_ones_are_searched(tmp_path, trained, capsys):
    data = sounds(tmp_path, broken=DECODABLE)
    out = tmp_path / "SEARCH"
    command = ["tune", str(data), "--out", str(out), "--cache", str(tmp_path / "cache"), "--trials", "1"]
    assert main(command) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("decoding: ")]
    assert line.startswith("kwsembed tune: not one audio file of the data can be used")
    assert not out.exists()

    sounds(tmp_path, (*DECODABLE, "dog/test"))
    assert main(command) == 0
    assert trained == [0]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("dog/train", "no usable training clip of dog is left"),
        ("dog/validation", "the validation split has no event clip"),
        ("noise/validation", "the validation split has no background clip"),
    ],
)
def test_a_split_that_decoding_leaves_without_clips_leaves_nothing(tmp_path, trained, broken, message):
    with pytest.raises(DataError, match=message):
        tune(tmp_path, sounds(tmp_path, broken=(broken,)))
    assert not (tmp_path / "SEARCH").exists()
    assert not trained


@pytest.mark.parametrize("role", ["alone", "chief", "worker"])
@pytest.mark.parametrize("missing", ["dog", "noise"])
def test_a_split_that_cannot_be_judged_is_refused_before_decoding(tmp_path, monkeypatch, role, missing):
    play(monkeypatch, role)
    kind = "event" if missing == "dog" else "background"
    data = sounds(tmp_path, [name for name in DECODABLE if name != f"{missing}/validation"])
    with pytest.raises(
        DataError, match=f"the validation split has no {kind} clip, so no trial can be judged"
    ):
        tune(tmp_path, data)
    assert not (tmp_path / "SEARCH").exists()
    assert not (tmp_path / "cache").exists()


def test_background_shorter_than_a_window_does_only_where_other_events_are_heard(tmp_path, trained):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with pytest.raises(DataError, match=r"too little background.*Expected at least a window of 1 s"):
        tune(tmp_path / "one", sounds(tmp_path / "one", seconds=0.5))
    assert not (tmp_path / "one" / "SEARCH").exists()
    data = sounds(tmp_path / "two", (*DECODABLE, "cat/train", "cat/validation"), seconds=0.5)
    tune(tmp_path / "two", data)
    assert trained == [0]


@pytest.mark.parametrize(
    ("options", "idle"),
    [
        ({}, "schedule.finetune_learning_rate, pretrain.clustering.scale, pretrain.clustering.margin"),
        ({"frozen": True}, "schedule.finetune_learning_rate"),
        (
            {"config": TrainConfig(distillation_weight=0.5)},  # the frozen embedding's head teaches
            "schedule.finetune_learning_rate",
        ),
        ({"search": ["class_weights", "width"]}, None),
        ({"config": TrainConfig(little_audio=LittleAudioConfig(below_windows=0.0))}, None),
    ],
)
def test_a_search_says_which_settings_change_nothing_on_so_little_audio(tmp_path, trained, options, idle):
    said: list[str] = []
    tune(tmp_path, sounds(tmp_path), say=said.append, **{"search": ["learning_rate", "pretrain"], **options})
    notes = [line for line in said if "nothing that is judged depends on" in line]
    if idle is None:
        assert not notes
    else:
        [note] = notes
        assert note.startswith("note: events have 1 windows to train on in the median")
        named = note.partition("nothing that is judged depends on ")[2]
        assert set(named.split(", ")) == set(idle.split(", "))


def test_a_window_longer_than_events_with_background_around_them_is_refused(tmp_path, trained):
    with pytest.raises(DataError, match=r"too little audio of events.*Expected at least a window of 9 s"):
        tune(tmp_path, sounds(tmp_path), config=TrainConfig(window_s=9.0))
    assert not (tmp_path / "SEARCH").exists()


def test_a_teacher_that_cannot_be_asked_is_refused_before_any_work(tmp_path, trained):
    config = TrainConfig(pretrain="teacher", teacher=str(tmp_path / "missing.tflite"))
    with pytest.raises(ConfigError, match="cannot be read"):
        tune(tmp_path, sounds(tmp_path), config=config)
    assert not (tmp_path / "SEARCH").exists()
    assert not (tmp_path / "cache").exists()


def test_a_folder_in_use_is_refused_before_decoding(tmp_path, trained):
    (tmp_path / "SEARCH").mkdir()
    (tmp_path / "SEARCH" / "thesis.txt").write_text("months of work")
    with pytest.raises(RunError, match="not empty"):
        tune(tmp_path, sounds(tmp_path))
    assert not (tmp_path / "cache").exists()


def test_a_chief_claims_the_folder_without_decoding(tmp_path, monkeypatch):
    play(monkeypatch, "chief")

    def search(tuner, role, say):
        SearchFolder(tmp_path / "SEARCH").write_trial(
            Trial(0, "completed", TrainConfig(), {}, 1.0, "", 0.5, 0.5, 0.5)
        )

    monkeypatch.setattr(tune_module, "_search", search)
    tune(tmp_path, sounds(tmp_path, broken=DECODABLE))
    assert (tmp_path / "SEARCH" / "search.json").exists()
    assert not (tmp_path / "cache").exists()


def test_a_search_cannot_go_on_with_another_background(tmp_path, trained):
    data = sounds(tmp_path, (*DECODABLE, "hum/train", "hum/validation"))
    tune(tmp_path, data)
    settings = json.loads((tmp_path / "SEARCH" / "search.json").read_text())
    assert settings["background_labels"] == ["noise"]
    with pytest.raises(RunError, match=r"Received: background_labels=\['hum', 'noise'\]"):
        tune(tmp_path, data, background=["hum"])
    tune(tmp_path, data, background=["noise"])  # says what was known, so it is the same search
    assert trained == [0]
