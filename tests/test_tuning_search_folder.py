"""The folder of a search: its table, the best configuration, what it goes on with and what it refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the package belongs to the training ring")

from kwsembed.config import ScheduleConfig, TrainConfig
from kwsembed.errors import RunError
from kwsembed.manifest import Clip, Manifest
from kwsembed.tuning import account as account_module
from kwsembed.tuning.account import Account, time_left
from kwsembed.tuning.search_folder import SearchFolder, Trial

SHORT = ScheduleConfig(pretrain_epochs=4)
SETTINGS = {"config": TrainConfig().to_dict(), "seeds": 2, "search": ("width",)}


def manifest(*names):
    clips = tuple(
        Clip(path=Path("/toy") / name, name=name, label="dog", group=name, split="train") for name in names
    )
    return Manifest(
        root=Path("/toy"), source=Path("/toy"), clips=clips, labels=("dog",), background_labels=()
    )


def trial(number, recall, precision, *, width=1.0, values=None):
    return Trial(
        number=number,
        status="completed",
        config=TrainConfig(width=width, schedule=SHORT),
        values={"width": width} if values is None else values,
        seconds=12.34,
        objective=recall + 0.001 * precision,
        recall=recall,
        macro_average_precision=precision,
        recall_by_label={"dog": recall},
        by_seed={"0": {"variant": "end_to_end", "recall": recall, "macro_average_precision": precision}},
    )


FAILED = Trial(3, "failed", TrainConfig(width=2.0), {"width": 2.0}, 1.0, message="training diverged")


def test_the_table_has_the_best_first_and_failures_last(tmp_path):
    folder = SearchFolder(tmp_path)
    trials = [
        trial(0, 0.5, 0.9, values={}),
        trial(1, 0.75, 0.5, width=0.5),
        trial(2, 0.75, 0.6, width=0.7),
        FAILED,
    ]
    folder.write_results(trials, unshortened=TrainConfig())
    rows = list(csv.DictReader(folder.table.open()))
    assert [row["trial"] for row in rows] == ["2", "1", "0", "3"]
    assert rows[0]["recall"] == "0.75"
    assert rows[0]["objective"] == "0.7506"
    assert rows[0]["recall.dog"] == "0.75"
    assert [row["width"] for row in rows] == ["0.7", "0.5", "", "2"]
    assert rows[3]["message"] == "training diverged"
    assert rows[3]["recall"] == ""


def test_of_equal_trials_the_earlier_is_the_best(tmp_path):
    folder = SearchFolder(tmp_path)
    folder.write_results(
        [trial(0, 0.5, 0.9, width=0.5), trial(1, 0.5, 0.9, width=2.0)], unshortened=TrainConfig()
    )
    assert TrainConfig.read(folder.best).width == 0.5


def test_the_best_config_has_the_schedule_of_its_trial_and_another_file_the_full_one(tmp_path):
    folder = SearchFolder(tmp_path)
    folder.write_results([trial(1, 0.5, 0.9, width=0.5)], unshortened=TrainConfig())
    best = TrainConfig.read(folder.best)
    assert best == TrainConfig(width=0.5, schedule=SHORT)
    assert "Trial 1, the best of 1 on validation: recall 0.5000" in folder.best.read_text()
    full = TrainConfig.read(folder.best_at_full_length)
    assert full == dataclasses.replace(best, schedule=ScheduleConfig())
    assert "not measured" in folder.best_at_full_length.read_text()


def test_without_a_shortened_schedule_there_is_one_config(tmp_path):
    folder = SearchFolder(tmp_path)
    folder.write_results([trial(1, 0.5, 0.9)], unshortened=TrainConfig(schedule=SHORT))
    assert folder.best.exists()
    assert not folder.best_at_full_length.exists()


def test_where_every_trial_failed_there_is_a_table_and_no_best(tmp_path):
    folder = SearchFolder(tmp_path)
    folder.write_results([FAILED], unshortened=TrainConfig())
    assert folder.table.exists()
    assert not folder.best.exists()


def test_trials_are_read_as_they_were_written(tmp_path):
    folder = SearchFolder(tmp_path)
    weighed = dataclasses.replace(trial(11, 0.5, 0.9), config=TrainConfig(class_weights={"dog": 0.25}))
    for one in (FAILED, weighed):
        folder.write_trial(one)
    assert folder.read_trials() == [FAILED, weighed]
    assert folder.read_trial(4) is None


def test_the_same_search_goes_on_and_another_is_refused(tmp_path):
    folder = SearchFolder(tmp_path / "SEARCH")
    folder.start(SETTINGS, manifest("a.wav"))
    folder.start(SETTINGS, manifest("a.wav"))
    with pytest.raises(RunError, match=r"other settings.*Expected seeds=2\. Received: seeds=3"):
        folder.start({**SETTINGS, "seeds": 3}, manifest("a.wav"))
    with pytest.raises(RunError, match=r"Expected config\.width=1\.0\. Received: config\.width=0\.5"):
        folder.start({**SETTINGS, "config": TrainConfig(width=0.5).to_dict()}, manifest("a.wav"))
    with pytest.raises(RunError, match="other data"):
        folder.start(SETTINGS, manifest("a.wav", "b.wav"))


def test_a_search_begun_before_a_setting_was_known_goes_on_with_what_it_did(tmp_path):
    folder = SearchFolder(tmp_path / "SEARCH")
    then = TrainConfig(even_groups=0.0).to_dict()
    folder.start({**SETTINGS, "config": then}, manifest("a.wav"))
    kept = json.loads(folder.search.read_text())
    del kept["config"]["even_groups"], kept["config"]["backwards_share"]
    folder.search.write_text(json.dumps(kept))
    folder.start({**SETTINGS, "config": then}, manifest("a.wav"))
    with pytest.raises(RunError, match=r"Expected config\.even_groups=0\.0\. Received: config\.even"):
        folder.start(SETTINGS, manifest("a.wav"))
    del kept["config"]
    folder.search.write_text(json.dumps(kept))
    with pytest.raises(RunError, match="description of the search is damaged"):
        folder.start(SETTINGS, manifest("a.wav"))


def test_a_search_with_other_background_labels_is_refused(tmp_path):
    folder = SearchFolder(tmp_path)
    noted = {**SETTINGS, "background_labels": ["noise"]}
    folder.start(noted, manifest("a.wav"))
    folder.start(noted, manifest("a.wav"))
    message = r"Expected background_labels=\['noise'\]\. Received: background_labels=\['hum', 'noise'\]"
    with pytest.raises(RunError, match=message):
        folder.start({**noted, "background_labels": ["hum", "noise"]}, manifest("a.wav"))


def test_a_search_of_a_version_that_noted_no_background_labels_goes_on(tmp_path):
    folder = SearchFolder(tmp_path)
    folder.start(SETTINGS, manifest("a.wav"))
    folder.start({**SETTINGS, "background_labels": ["noise"]}, manifest("a.wav"))
    with pytest.raises(RunError, match=r"Expected seeds=2\. Received: seeds=3"):
        folder.start({**SETTINGS, "seeds": 3, "background_labels": ["noise"]}, manifest("a.wav"))


def test_to_check_a_folder_writes_nothing(tmp_path):
    folder = SearchFolder(tmp_path / "SEARCH")
    assert not folder.check(SETTINGS, manifest("a.wav"))
    assert not folder.root.exists()
    folder.start(SETTINGS, manifest("a.wav"))
    assert folder.check(SETTINGS, manifest("a.wav"))


@pytest.mark.parametrize("content", [b"", b'{"seeds": 2', b"[]", b"\xff\xfe"])
def test_a_damaged_description_is_an_error_of_one_line(tmp_path, content):
    folder = SearchFolder(tmp_path)
    folder.start(SETTINGS, manifest("a.wav"))
    folder.search.write_bytes(content)
    with pytest.raises(RunError, match="the description of the search is damaged") as caught:
        folder.start(SETTINGS, manifest("a.wav"))
    assert str(folder.search) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b'{"number": 1', b"[]", b"\xff\xfe", b"{}", b'{"config": {"x": 1}}']
)
def test_a_damaged_record_of_a_trial_is_an_error_of_one_line(tmp_path, content):
    folder = SearchFolder(tmp_path)
    folder.write_trial(trial(1, 0.5, 0.9))
    record = folder.trial(1) / "result.json"
    record.write_bytes(content)
    with pytest.raises(RunError, match="the record of trial 1 is damaged") as caught:
        folder.read_trials()
    assert str(record) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("months of work")
    with pytest.raises(RunError, match="not empty"):
        SearchFolder(tmp_path).start(SETTINGS, manifest("a.wav"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_after_each_trial_it_is_said_how_far_the_search_is(tmp_path, monkeypatch):
    clock_s = iter([100.0, 130.0, 160.0])
    monkeypatch.setattr(account_module.time, "monotonic", lambda: next(clock_s))
    folder, said = SearchFolder(tmp_path), []
    account = Account(folder, TrainConfig(), trials=3, say=said.append)
    folder.write_trial(trial(0, 0.5, 0.9))
    account()
    for one in (trial(1, 0.75, 0.9), trial(2, 0.25, 0.9)):
        folder.write_trial(one)
    account()
    assert said == [
        "1 of 3 trials done, about 60 s left; best so far: trial 0, recall 0.500",
        "3 of 3 trials done; best so far: trial 1, recall 0.750",
    ]
    assert len(folder.table.read_text().splitlines()) == 4


def test_time_left_is_judged_by_the_trials_of_this_process():
    assert time_left(60.0, done=2, to_do=2) == "about 60 s left"
    assert time_left(60.0, done=1, to_do=10) == "about 10 min left"
    assert time_left(60.0, done=0, to_do=10) == ""
    assert time_left(60.0, done=5, to_do=0) == ""
