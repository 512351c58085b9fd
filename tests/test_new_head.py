"""`kwsembed refit` and `kwsembed add`: a new head on a run's frozen embedding, and what is said of it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from kwsembed import Bundle, Classifier, TrainConfig, add_class, mine, refit, train
from kwsembed.audio import wav
from kwsembed.cli.main import main
from kwsembed.config import ScheduleConfig
from kwsembed.demo.sounds import background, door_knock, smoke_alarm, whistle
from kwsembed.errors import DataError, RunError
from kwsembed.models import build_classifier
from kwsembed.training.before_after import before_and_after, table_lines
from kwsembed.training.left_out import LeftOut
from kwsembed.training.prior_run import PriorRun, continue_head

CONFIG = TrainConfig(
    schedule=ScheduleConfig(
        batch_size=8, epoch_steps=4, pretrain_epochs=2, head_epochs=1, finetune_epochs=2, scratch_epochs=1
    ),
    backbone="lstm",  # whose step is traced soonest
    width=0.25,
    window_s=0.5,
)


def write_sounds(folder: Path, make, count: int, *, seed: int) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        waveform = make(random, 16000) if make else background(random, 16000, duration_s=2.0)
        wav.write(folder / f"{number}.wav", waveform, 16000)


# ---- the pieces


def head_of(weights: np.ndarray, bias: np.ndarray) -> keras.Model:
    embedding = keras.Input((weights.shape[0],))
    head = build_classifier(keras.Model(embedding, embedding), weights.shape[1])
    head.get_layer("logits").set_weights([weights, bias])
    return head


def test_a_continued_head_keeps_what_both_know_and_hardly_hears_the_rest():
    old = head_of(np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 3.0]))
    new = head_of(np.full((2, 4), 0.5), np.zeros(4))
    continue_head(old, ("dog", "siren", "noise"), ("bell", "dog", "siren", "noise"))(new)
    weights, bias = new.get_layer("logits").get_weights()
    np.testing.assert_array_equal(weights[:, 1:], np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(weights[:, 0], [0.5, 0.5])
    np.testing.assert_array_equal(bias, [-2.0, 1.0, -2.0, 3.0])


def test_three_clips_of_three_prove_little():
    # Clopper and Pearson: the lower bound of 3 of 3 is 0.025 to the power of 1 / 3.
    low, high = LeftOut("bell", dict.fromkeys("abc", True)).interval
    assert (low, high) == (pytest.approx(0.025 ** (1 / 3)), 1.0)
    mixed = LeftOut("bell", {"a": True, "b": False, "c": True}).to_dict()
    assert (mixed["found"], mixed["clips"], mixed["missed"]) == (2, 3, ["b"])
    assert mixed["share_low"] < 0.1


def test_the_table_sets_before_beside_after_and_marks_what_is_new():
    def figures(label, **values):
        return {label: {"average_precision": 0.5, "error": 0.1, "clips": 4, **values}}

    counts = {"misses": 2, "events": 4, "false_alarms": 3, "hours": 0.5}
    before = {"test": {"per_class": figures("dog", **counts)}}
    nothing_missed = {"misses": 0, "events": 0, "false_alarms": 1, "hours": 0.5}
    after = {
        "validation": None,
        "test": {
            "per_class": {**figures("dog", **{**counts, "misses": 1}), **figures("bell", **nothing_missed)}
        },
    }
    rows = before_and_after(before, after)
    assert [(row["label"], row["misses_before"], row["misses_after"]) for row in rows] == [
        ("dog", 2, 1),
        ("bell", None, 0),
    ]
    header, dog, bell = table_lines(rows)
    assert "2 -> 1 of 4" in dog
    assert "3 -> 3 in 0.50 h" in dog
    assert "- -> 1 in 0.50 h" in bell
    assert len({len(line) for line in (header, dog, bell)}) == 1


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="no finished run"):
        PriorRun.read(tmp_path)
    (tmp_path / "metrics.json").write_text(
        json.dumps(
            {
                "data": {"root": "/", "source": "x", "labels": ["a"], "background_labels": []},
                "chosen": {"variant": "frozen"},
            }
        )
    )
    with pytest.raises(RunError, match="a part of the run is missing"):
        PriorRun.read(tmp_path)


# ---- the whole


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Path:
    """A folder with sounds, cache, a trained RUN, its false alarms in `mined`, and clips of a new class."""
    root = tmp_path_factory.mktemp("ground")
    for seed, (label, make, count) in enumerate(
        (("door_knock", door_knock, 8), ("whistle", whistle, 8), ("noise", None, 16))
    ):
        write_sounds(root / "sounds" / label, make, count, seed=seed)
    write_sounds(root / "night", None, 5, seed=10)
    write_sounds(root / "alarm", smoke_alarm, 4, seed=11)
    write_sounds(root / "street", None, 2, seed=12)
    clap = np.zeros(2000, np.float32)
    clap[[0, 900]] = 0.8, 0.3
    wav.write(root / "rooms" / "hall.wav", clap, 16000)
    surroundings = {"noise": str(root / "street"), "impulse_responses": str(root / "rooms")}
    config = replace(CONFIG, augment=replace(CONFIG.augment, **surroundings))
    train(root / "sounds", root / "RUN", config=config, cache_dir=root / "cache", say=lambda line: None)
    # Hardly trained, the network is sure of nothing: every score counts as a near miss.
    mine(
        root / "RUN" / "bundle", [root / "night", root / "sounds" / "noise"], root / "mined", least_score=1e-6
    )
    return root


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_refit_trains_the_head_alone_and_compares_on_the_same_clips(ground):
    before = files_of(ground / "RUN")
    lines: list[str] = []
    made = refit(
        ground / "RUN",
        ground / "refitted",
        negatives=[ground / "mined"],
        cache_dir=ground / "cache",
        say=lines.append,
    )
    assert files_of(ground / "RUN") == before
    old, new = PriorRun.read(ground / "RUN"), PriorRun.read(made.run)
    old_weights = old.classifier().get_weights()
    new_weights = new.classifier().get_weights()
    for one, other in zip(old_weights[:-2], new_weights[:-2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(old_weights[-2], new_weights[-2])
    # Validation and test are what they were; negatives of their recordings are left out.
    for split in ("validation", "test"):
        assert [c.path for c in new.manifest.of_split(split)] == [
            c.path for c in old.manifest.of_split(split)
        ]
    judged = {c.path for split in ("validation", "test") for c in old.manifest.of_split(split)}
    with (ground / "mined" / "manifest.csv").open() as file:
        sources = [Path(row["source"]) for row in csv.DictReader(file)]
    assert judged & set(sources), "the case is meant to occur"
    assert made.negatives == sum(source not in judged for source in sources)
    assert any("negatives" in line and "left out" in line for line in lines)
    # What is said of before is what the run said of itself.
    metrics = json.loads((ground / "RUN" / "metrics.json").read_text())
    after = json.loads((made.run / "metrics.json").read_text())
    assert len(made.before_after) == 2 * 3
    for found in (metrics, after):
        heard_in = found["data"]["surroundings"]
        assert (heard_in["noise_files"], heard_in["impulse_responses"]) == (2, 1)
    for row in made.before_after:
        for side, figures in (("before", metrics), ("after", after)):
            values = figures["chosen"]["int8"][row["split"]]["per_class"][row["label"]]
            for name in ("average_precision", "misses", "false_alarms", "hours"):
                assert row[f"{name}_{side}"] == values.get(name)
    assert (made.run / "report.html").stat().st_size > 10_000
    # It was built under another name, of which nothing is left.
    assert "in <code>refitted</code>" in (made.run / "report.html").read_text()
    assert not [path for path, content in files_of(made.run).items() if b".refitted." in content]
    assert not list(ground.glob(".*"))
    with pytest.raises(RunError, match="already holds a run") as caught:
        refit(ground / "RUN", ground / "refitted", negatives=[ground / "mined"], say=lines.append)
    assert "--resume" not in str(caught.value)


@pytest.mark.slow
def test_add_makes_a_run_with_one_class_more_that_everything_accepts(ground, capsys):
    arguments = ["add", str(ground / "RUN"), str(ground / "alarm"), "--label", "alarm"]
    arguments += ["--out", str(ground / "added"), "--cache", str(ground / "cache")]
    assert main(arguments) == 0
    said = capsys.readouterr().err
    assert "of 4 clips were found; with 95 % confidence between" in said
    bundle = Bundle.load(ground / "added" / "bundle")
    assert bundle.labels == ("alarm", "door_knock", "whistle", "noise")
    point = bundle.operating_points["alarm"]
    assert (point.events, point.miss_rate) == (0, None)
    assert point.hours > 0
    metrics = json.loads((ground / "added" / "metrics.json").read_text())
    assert metrics["new_head"]["left_out"]["clips"] == 4
    assert metrics["new_head"]["kind"] == "add"
    rows = {(row["split"], row["label"]): row for row in metrics["new_head"]["before_after"]}
    assert rows["test", "alarm"]["false_alarms_before"] is None
    assert rows["test", "whistle"]["events_before"] == rows["test", "whistle"]["events_after"] > 0
    assert Classifier(bundle).classify(np.zeros(16000), 16000).shape == (4,)
    assert main(["detect", str(ground / "added" / "bundle"), str(ground / "alarm")]) == 0
    assert main(["evaluate", str(ground / "added" / "bundle"), str(ground / "sounds")]) == 0
    assert main(["evaluate", str(ground / "added" / "bundle"), str(ground / "added" / "data.csv")]) == 0
    # Its run is ground for the next: the clips outside of the data are found again.
    capsys.readouterr()
    assert PriorRun.read(ground / "added").manifest.labels == bundle.labels
    further = ["refit", str(ground / "added"), "--negatives", str(ground / "mined")]
    further += ["--out", str(ground / "both"), "--cache", str(ground / "cache")]
    assert main(further) == 0
    assert Bundle.load(ground / "both" / "bundle").labels == bundle.labels


@pytest.mark.slow
def test_what_cannot_be_added_is_said_before_any_work(ground, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataError, match="in the run already"):
        add_class(ground / "RUN", ground / "alarm", out, label="whistle")
    with pytest.raises(DataError, match="name of a background"):
        add_class(ground / "RUN", ground / "alarm", out, label="other")
    with pytest.raises(DataError, match="2 usable clips of 2"):
        add_class(ground / "RUN", sorted((ground / "alarm").iterdir())[:2], out, label="alarm")
    copies = tmp_path / "copies"
    copies.mkdir()
    for number in range(4):
        (copies / f"{number}.wav").write_bytes((ground / "alarm" / "0.wav").read_bytes())
    with pytest.raises(DataError, match="4 usable clips of 4, 1 that differ"):
        add_class(ground / "RUN", copies, out, label="alarm")
    with pytest.raises(DataError, match="in the data already"):
        add_class(ground / "RUN", ground / "sounds" / "whistle", out, label="alarm")
    assert not out.exists()
    with pytest.raises(RunError, match="not overwritten"):
        add_class(ground / "RUN", ground / "alarm", ground / "RUN", label="alarm")
