"""A study's cells and folder: names that last, what may be added later, what is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

pytest.importorskip("tensorflow", reason="toy studies are judged with the training ring")

from toy_study import plan_of

from kwsembed.comparison.contender import parse_contender
from kwsembed.comparison.study import WHOLE, Cell
from kwsembed.comparison.study_folder import StudyFolder
from kwsembed.comparison.trials import tuning_trials
from kwsembed.config import ScheduleConfig, TaughtConfig, TrainConfig
from kwsembed.errors import RunError


def test_names_of_cells_never_change_since_studies_on_disk_go_by_them():
    cell = Cell(parse_contender("class_weight"), 100.0, 1, 0)
    assert cell.name == "class-weight-74cffaa3-r100-f1-s0"
    assert Cell(parse_contender("logit_adjusted"), 100.0, 1, 0).name == "logit-adjusted-94c26e67-r100-f1-s0"
    assert dataclasses.replace(cell, ratio=WHOLE, trial=2).name == "class-weight-74cffaa3-rwhole-f1-s0-trial2"


def test_different_cells_have_different_names():
    cells = list(plan_of(ratios=(WHOLE, 30.0, 100.0), seeds=(0, 1)).cells({}))
    trials = tuning_trials(parse_contender("focal"), 5, seed=0)
    cells += [Cell(trial, 30.0, 1, 0) for trial in trials]
    assert len({cell.name for cell in cells}) == len(cells)


def test_cells_come_replication_by_replication_so_that_an_unfinished_study_is_balanced():
    plan = plan_of(contenders=("class_weight", "none"), ratios=(30.0, 100.0), folds=(1, 2), seeds=(0, 1))
    cells = list(plan.cells({}))
    assert len(cells) == plan.size == 16
    assert [(c.seed, c.fold) for c in cells[::4]] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert [(c.ratio, c.contender.name) for c in cells[:4]] == [
        (30.0, "class_weight"), (30.0, "none"), (100.0, "class_weight"), (100.0, "none"),
    ]  # fmt: skip


def test_tuned_settings_take_the_place_of_the_named_ones():
    tuned = tuning_trials(parse_contender("none"), 2, seed=1)[1]
    cells = list(plan_of(contenders=("class_weight", "none"), folds=(1,)).cells({"none": tuned}))
    assert [cell.contender for cell in cells] == [parse_contender("class_weight"), tuned]


def test_tuning_happens_at_the_middle_ratio_on_one_fold_with_a_seed_of_its_own():
    plan = plan_of(contenders=("class_weight", "none"), ratios=(100.0, 10.0, 30.0), seeds=(0, 1), trials=3)
    columns = plan.tuning_cells()
    assert set(columns) == {"class_weight", "none"}
    for cells in columns.values():
        assert [cell.trial for cell in cells] == [1, 2, 3]
        assert {(cell.ratio, cell.fold, cell.seed) for cell in cells} == {(30.0, 1, 1001)}
    assert plan_of().tuning_cells() == {}


def test_a_study_may_grow(tmp_path):
    folder = StudyFolder(tmp_path / "STUDY")
    folder.claim(plan_of(contenders=("class_weight",)), command="first", versions={"numpy": "1"})
    folder.claim(plan_of(folds=(1, 2, 3), seeds=(0, 1)), command="second", versions={"numpy": "1"})
    folder.claim(plan_of(folds=(1, 2, 3), seeds=(0, 1)), command="second", versions={"numpy": "1"})
    found = folder.description()
    assert found["extent"]["folds"] == [1, 2, 3]
    assert [sitting["command"] for sitting in found["sittings"]] == ["first", "second"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": 300}, "steps"),
        ({"trials": 2}, "trials"),
        ({"data": "others"}, "data"),
        ({"background": ("rain",)}, "background"),
        (
            {"config": TrainConfig(width=0.5)},
            r"config\.width, .*Expected config.width=1.0. Received: config.width=0.5",
        ),
    ],
)
def test_other_data_or_settings_are_refused_and_nothing_changes(tmp_path, change, named):
    folder = StudyFolder(tmp_path)
    folder.claim(plan_of())
    before = folder.plan.read_text()
    with pytest.raises(RunError, match=f"another {named}"):
        folder.claim(dataclasses.replace(plan_of(), **change))
    assert folder.plan.read_text() == before


def test_a_setting_that_an_older_version_did_not_know_stood_at_its_default(tmp_path):
    folder = StudyFolder(tmp_path)
    folder.claim(plan_of())
    known = json.loads(folder.plan.read_text())
    del known["settings"]["config"]["backwards_share"]
    del known["settings"]["config"]["schedule"]["teacher_epochs"]
    folder.plan.write_text(json.dumps(known))
    folder.claim(plan_of())
    with pytest.raises(RunError, match=r"another config\.backwards_share"):
        folder.claim(dataclasses.replace(plan_of(), config=TrainConfig(backwards_share=0.3)))


def test_a_study_from_before_groups_were_drawn_alike_goes_on_with_the_defaults_of_then(tmp_path):
    folder, earlier = StudyFolder(tmp_path), TrainConfig(even_groups=0.0)
    folder.claim(dataclasses.replace(plan_of(), config=earlier))
    known = json.loads(folder.plan.read_text())
    del known["settings"]["config"]["even_groups"]
    folder.plan.write_text(json.dumps(known))
    folder.claim(dataclasses.replace(plan_of(), config=earlier))
    with pytest.raises(RunError, match=r"another config\.even_groups"):
        folder.claim(dataclasses.replace(plan_of(), config=TrainConfig(even_groups=1.0)))


def test_a_default_that_every_contender_overrides_may_change_while_a_study_goes_on(tmp_path):
    folder, contender = StudyFolder(tmp_path), parse_contender("siamese+focal")
    folder.claim(plan_of())
    longer = ScheduleConfig(
        pretrain_epochs=7, teacher_epochs=7, head_epochs=7, finetune_epochs=7, scratch_epochs=7
    )
    for change in ({"rebalance": "oversample"}, {"pretrain": "magnet"}, {"seed": 7}, {"schedule": longer}):
        config = dataclasses.replace(TrainConfig(), **change)
        assert contender.config(config, steps=200, seed=1) == contender.config(
            TrainConfig(), steps=200, seed=1
        )
        folder.claim(dataclasses.replace(plan_of(), config=config))
    assert len(folder.description()["sittings"]) == 1


def test_a_teacher_may_join_a_study_and_lie_elsewhere_later(tmp_path):
    folder, taught = StudyFolder(tmp_path / "STUDY"), {"file": "yamnet.tflite", "sha256": "0" * 64}
    folder.claim(plan_of())
    for path in ("yamnet.tflite", "models/yamnet.tflite"):
        plan = dataclasses.replace(plan_of(), config=TrainConfig(teacher=path))
        folder.claim(plan, teacher=taught)
        folder.claim(plan_of())  # without one, what the page says of the teacher stays
        assert folder.description()["settings"]["config"]["teacher"] == path
    assert folder.description()["teacher"] == taught


def test_being_taught_may_join_a_study_but_not_change_under_it(tmp_path):
    folder, record = StudyFolder(tmp_path), {"file": "yamnet.tflite", "sha256": "1" * 64}

    def taught(**settings):
        config = TrainConfig(teacher="yamnet.tflite", taught=TaughtConfig(**settings))
        return dataclasses.replace(plan_of(), config=config)

    folder.claim(plan_of())
    folder.claim(taught(weight=1.0, unlabelled="street"), teacher=record)
    folder.claim(plan_of())  # a sitting that says nothing of it
    assert folder.description()["settings"]["config"]["taught"]["unlabelled"] == "street"
    folder.claim(taught(weight=1.0, unlabelled="elsewhere/street"), teacher=record)
    for settings, name in (
        ({"weight": 2.0, "unlabelled": "street"}, "config.taught.weight"),
        ({"weight": 1.0}, "config.taught.unlabelled"),
        ({"weight": 1.0, "unlabelled": "street", "windows": 64}, "config.taught.windows"),
    ):
        with pytest.raises(RunError, match=f"another {name}"):
            folder.claim(taught(**settings), teacher=record)


def test_what_was_taught_before_there_were_hints_goes_on_without_them(tmp_path):
    folder, record = StudyFolder(tmp_path), {"file": "yamnet.tflite", "sha256": "1" * 64}

    def taught(**settings):
        config = TrainConfig(teacher="yamnet.tflite", taught=TaughtConfig(weight=1.0, **settings))
        return dataclasses.replace(plan_of(), config=config)

    folder.claim(taught(), teacher=record)
    described = json.loads(folder.plan.read_text())
    for later in ("hint_weight", "hint_dims", "unlabelled_balance"):
        del described["settings"]["config"]["taught"][later]
    folder.plan.write_text(json.dumps(described))
    for name in ("hint_weight", "unlabelled_balance"):
        others = {"hint_weight": 0.0, "unlabelled_balance": 0.0, name: 1.0}
        with pytest.raises(RunError, match=rf"{name}=0\.0\. Received: .*{name}=1\.0"):
            folder.claim(taught(**others), teacher=record)
    folder.claim(taught(hint_weight=0.0, unlabelled_balance=0.0), teacher=record)


def test_another_teacher_under_the_same_name_is_noticed(tmp_path):
    folder, plan = StudyFolder(tmp_path / "STUDY"), plan_of()
    first, other = ({"file": "yamnet.tflite", "sha256": digit * 64} for digit in "01")
    folder.claim(plan)
    folder.claim(plan, teacher=first)
    folder.claim(plan)  # a sitting without taught contenders forgets nothing
    folder.claim(plan, teacher=first)
    with pytest.raises(RunError, match=r"another teacher.*111111111111"):
        folder.claim(plan, teacher=other)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("months of work")
    with pytest.raises(RunError, match="holds no study"):
        StudyFolder(tmp_path).claim(plan_of())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", ["{", "[]", '{"settings": {}}'])
def test_a_damaged_description_is_said_so(tmp_path, content):
    folder = StudyFolder(tmp_path)
    folder.plan.write_text(content)
    with pytest.raises(RunError, match="damaged"):
        folder.claim(plan_of())


def test_a_folder_of_an_earlier_version_knows_no_sittings_and_goes_on(tmp_path):
    folder = StudyFolder(tmp_path)
    folder.claim(plan_of(), command="new")
    old = json.loads(folder.plan.read_text())
    del old["sittings"]
    folder.plan.write_text(json.dumps(old))
    folder.claim(plan_of(), command="again")
    assert [sitting["command"] for sitting in folder.description()["sittings"]] == ["again"]


def test_what_finished_cells_were_trained_with_stays_whatever_is_asked_for_later(tmp_path):
    folder = StudyFolder(tmp_path)
    folder.claim(plan_of(trials=3))
    assert folder.settled() == {}
    tuned = dataclasses.replace(parse_contender("siamese"), learning_rate_factor=0.5)
    for trial in (0, 1):
        record = {"contender": dataclasses.asdict(tuned), "trial": trial}
        (folder.cells / f"{trial}.json").write_text(json.dumps(record))
    assert folder.settled() == {"siamese": tuned}


def test_a_damaged_cell_is_said_so(tmp_path):
    folder = StudyFolder(tmp_path)
    folder.claim(plan_of())
    (folder.cells / "a.json").write_text('{"fold": ')
    with pytest.raises(RunError, match=r"record of a cell is damaged.*a\.json"):
        folder.records()


def test_a_long_name_still_is_a_file_name(tmp_path):
    name = "clustering:" + ",".join(f"header_{part}={0.1234567}" for part in ("a", "b")) * 9
    contender = dataclasses.replace(parse_contender("clustering"), name=name)
    assert len(Cell(contender, 100.0, 1, 0).name) < 180


def test_what_a_killed_process_began_to_write_is_no_record(tmp_path):
    folder = StudyFolder(tmp_path)
    folder.claim(plan_of())
    (folder.cells / "a.json").write_text('{"fold": 1}')
    (folder.cells / ".b.json.12345678.part.json").write_text('{"fo')
    assert folder.records() == [{"fold": 1, "name": "a"}]
