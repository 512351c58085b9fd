"""`kwsembed train`, from a folder of sounds to a bundle: files, numbers, resuming, users' mistakes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from kwsembed import Bundle, Classifier, TrainConfig, set_thresholds, train
from kwsembed.audio import decode, wav
from kwsembed.cli.main import main
from kwsembed.config import ScheduleConfig
from kwsembed.demo.sounds import background, door_knock, whistle
from kwsembed.errors import RunError
from kwsembed.runtime.unknown import UnknownMeter
from kwsembed.sole_use import sole_use
from kwsembed.training.networks import COMPANION, STAGES

pytestmark = pytest.mark.slow

SCHEDULE = ScheduleConfig(
    batch_size=8, epoch_steps=3, pretrain_epochs=3, head_epochs=2, finetune_epochs=3, scratch_epochs=2
)
CONFIG = TrainConfig(schedule=SCHEDULE, width=0.25, distillation_weight=0.5)  # every stage there is


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten knocks, ten whistles, thirty backgrounds, one file that is no audio."""
    root = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(7)
    for label, make, count in (("door_knock", door_knock, 10), ("whistle", whistle, 10), ("noise", None, 30)):
        (root / label).mkdir()
        for number in range(count):
            waveform = make(random, 16000) if make else background(random, 16000, duration_s=2.0)
            wav.write(root / label / f"{number}.wav", waveform, 16000)
    (root / "noise" / "broken.wav").write_text("this is no audio")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(sounds: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "RUN"
    train(sounds, run, config=CONFIG, cache_dir=cache)
    return run


def comparable(run: Path) -> dict:
    """metrics.json without what depends on the clock."""
    metrics = json.loads((run / "metrics.json").read_text())
    for name in ("created", "stage_s", "command"):
        del metrics[name]
    del metrics["chosen"]["latency_us"]
    return metrics


def test_a_run_holds_the_files_of_the_contract(finished: Path) -> None:
    for name in (
        "config.toml",
        "data.csv",
        "metrics.json",
        "model.keras",
        "report.html",
        "bundle/model.tflite",
    ):
        assert (finished / name).stat().st_size > 0, name
    assert any((finished / "logs").rglob("events.out.tfevents*"))
    assert TrainConfig.read(finished / "config.toml") == CONFIG


def test_metrics_name_every_variant_split_and_class(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    judged = [metrics["variants"][name] for name in ("class_weighted", "frozen", "end_to_end")]
    judged += [metrics["chosen"], metrics["chosen"]["float"], metrics["chosen"]["int8"]]
    for by_split in judged:
        for split in ("validation", "test"):
            assert 0 <= by_split[split]["macro_average_precision"] <= 1
            assert 0 <= by_split[split]["balanced_error"] <= 1
            for label in ("door_knock", "whistle"):
                values = by_split[split]["per_class"][label]
                assert values["false_alarms_per_hour_upper"] >= values["false_alarms_per_hour"]
                assert values["hours"] > 0
                assert 0 <= values["miss_rate"] <= 1
                assert values["threshold"] > 0
                assert not values["certified"], "seconds of background certify nothing"
    assert metrics["chosen"]["variant"] in ("frozen", "end_to_end")


def test_a_bundle_carries_setting_curves_and_centroids(finished: Path, tmp_path: Path) -> None:
    bundle, metrics = Bundle.load(finished / "bundle"), json.loads((finished / "metrics.json").read_text())
    setting = metrics["chosen"]["setting"]
    assert bundle.extra["setting"] == setting
    assert len(setting["candidates"]) == 36
    assert bundle.post.smoothing_windows == setting["smoothing_windows"]
    for label, point in bundle.operating_points.items():
        curve = bundle.extra["calibration"]["curves"][label]
        [own] = [one for one in curve if one["threshold"] == point.threshold]
        assert own["misses"] == point.misses
        assert own["false_alarms"] >= point.false_alarms  # the most at this threshold or any higher one
    set_thresholds(finished / "bundle", tmp_path / "bolder", target_false_alarms_per_hour=600.0)
    assert Bundle.load(tmp_path / "bolder").operating_points["whistle"].target_false_alarms_per_hour == 600.0
    meter = UnknownMeter(bundle)
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, bundle.window_samples))
    distances = meter.distance("whistle", noise.astype(np.float32))
    assert distances.shape == (2,)
    assert np.isfinite(distances).all()
    assert distances.min() >= 0
    html = (finished / "report.html").read_text()
    assert "Settings of the detector" in html
    assert "Other points to choose" in html


def test_the_unusable_file_is_named_and_counted(finished: Path) -> None:
    skipped = json.loads((finished / "metrics.json").read_text())["data"]["skipped"]
    assert [file["name"] for file in skipped] == ["noise/broken.wav"]
    assert skipped[0]["reason"]


def test_pretraining_draws_classes_alike_and_the_head_as_they_come(finished: Path) -> None:
    composition = json.loads((finished / "metrics.json").read_text())["batch_composition"]
    assert composition["pretrain"] == pytest.approx({"door_knock": 1 / 3, "whistle": 1 / 3, "noise": 1 / 3})
    assert composition["class_weighted"]["noise"] > 0.5


def test_a_companion_is_trained_as_the_network_that_learns_from_it(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert list(metrics["stage_s"])[1:6] == list(STAGES)
    assert metrics["batch_composition"]["companion"] == metrics["batch_composition"]["end_to_end"]
    assert COMPANION not in metrics["variants"], "it is not to be kept"


def test_the_bundle_classifies_as_the_run_said(finished: Path, sounds: Path) -> None:
    classifier = Classifier(Bundle.load(finished / "bundle"))
    header, *rows = (finished / "details" / "predictions.csv").read_text().splitlines()
    assert header == "split,path,label,model,door_knock,whistle,noise"
    of_test = [row.split(",") for row in rows if row.startswith("test,") and ",int8," in row]
    assert of_test
    for _, name, _, _, *written in of_test:
        waveform, rate = decode.read(sounds / name)
        # The cache rounds to 16 bits, as the files had it: nothing is lost on the way.
        np.testing.assert_allclose(classifier.classify(waveform, rate), np.array(written, float), atol=2e-6)


def test_two_runs_of_one_seed_are_equal_though_one_is_killed_again_and_again(
    finished: Path, sounds: Path, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "RUN"
    command = [
        sys.executable, "-m", "kwsembed", "train", str(sounds), "--out", str(run), "--cache", str(cache),
        "--config", str(finished / "config.toml"), "--resume",
    ]  # fmt: skip
    # Killed in the middle of pretraining, and of the end-to-end stage.
    for awaited in ("pretrain.epochs/0002", "end_to_end.epochs/0001"):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 600
        while not (run / "checkpoints" / awaited).exists() and time.monotonic() < deadline:
            assert process.poll() is None, f"ended before {awaited}"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (run / "metrics.json").exists()
    first = json.loads((run / "checkpoints" / "class_weighted.json").read_text())["duration_s"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert comparable(run) == comparable(finished)
    same = (run / "bundle/model.tflite").read_bytes() == (finished / "bundle/model.tflite").read_bytes()
    assert same
    stage_s = json.loads((run / "metrics.json").read_text())["stage_s"]
    assert stage_s["class_weighted"] == round(first, 2) > 0, "finished in a sitting before the last"


def test_an_occupied_folder_is_refused_and_left_alone(finished: Path, sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="already holds a run"):
        train(sounds, finished, config=CONFIG)
    (tmp_path / "thesis.txt").write_text("months of work")
    with pytest.raises(RunError, match="not empty"):
        train(sounds, tmp_path, config=CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_another_command_is_at_work_on_is_refused_and_left_alone(
    finished: Path, sounds: Path, cache: Path
) -> None:
    before = (finished / "config.toml").read_bytes()
    other = dataclasses.replace(CONFIG, keep="class_weighted")
    with sole_use(finished), pytest.raises(RunError, match="another command is at work"):
        train(sounds, finished, config=other, cache_dir=cache, resume=True)
    assert (finished / "config.toml").read_bytes() == before


def test_resuming_with_other_settings_is_refused(finished: Path, sounds: Path, cache: Path) -> None:
    with pytest.raises(RunError, match=r"another configuration.*seed"):
        train(
            sounds,
            finished,
            config=dataclasses.replace(CONFIG, seed=1),
            cache_dir=cache,
            resume=True,
        )


def test_a_finished_run_ships_another_variant_without_training_again(
    finished: Path, sounds: Path, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "RUN"
    shutil.copytree(finished, run)
    before = {path.name: path.stat().st_mtime_ns for path in (run / "checkpoints").glob("*.npz")}
    bundle = (run / "bundle" / "model.tflite").read_bytes()
    other = dataclasses.replace(CONFIG, keep="class_weighted")
    metrics = train(sounds, run, config=other, cache_dir=cache, resume=True).metrics
    assert metrics["chosen"]["variant"] == "class_weighted"
    assert metrics["chosen"]["float"]["test"]["macro_average_precision"] == pytest.approx(
        metrics["variants"]["class_weighted"]["test"]["macro_average_precision"]
    )
    assert (run / "bundle" / "model.tflite").read_bytes() != bundle
    assert before == {path.name: path.stat().st_mtime_ns for path in (run / "checkpoints").glob("*.npz")}
    assert TrainConfig.read(run / "config.toml").keep == "class_weighted"
    assert "class weights only" in (run / "report.html").read_text()
    # And back again: all that was said before is true again.
    train(sounds, run, config=CONFIG, cache_dir=cache, resume=True)
    assert comparable(run) == comparable(finished)
    assert (run / "bundle" / "model.tflite").read_bytes() == bundle


def test_an_unknown_variant_to_keep_is_refused(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(sounds), "--out", str(tmp_path / "RUN"), "--keep", "worst"]) == 2
    assert "one of better, best, frozen, end_to_end, class_weighted" in capsys.readouterr().err
    assert not (tmp_path / "RUN").exists()


def test_a_class_whose_files_are_all_broken_is_an_error(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(sounds, tmp_path / "sounds")
    for path in (tmp_path / "sounds" / "whistle").iterdir():
        path.write_bytes(b"")
    command = [
        "train",
        str(tmp_path / "sounds"),
        "--out",
        str(tmp_path / "RUN"),
        "--cache",
        str(tmp_path / "c"),
    ]
    assert main(command) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("decoding: ")]
    assert line.startswith(
        "kwsembed train: no usable training clip of whistle is left. Received: 10 skipped, "
    )
    assert "the first: whistle/0.wav: " in line
    assert not (tmp_path / "RUN").exists(), "mended data may be trained on with the same --out"


def test_the_command_says_mistakes_in_one_line_and_exits_2(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mistakes = [
        ["train", str(tmp_path / "nowhere"), "--out", str(tmp_path / "RUN")],
        ["train", str(sounds), "--out", str(tmp_path / "RUN"), "--pretrain", "magic"],
        ["train", str(sounds), "--out", str(tmp_path / "RUN"), "--background", "whistles"],
        ["train", str(sounds), "--out", str(tmp_path / "RUN"), "--config", str(tmp_path / "missing.toml")],
    ]
    for arguments in mistakes:
        assert main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        assert error.startswith("kwsembed train: ")
    assert not (tmp_path / "RUN").exists()
