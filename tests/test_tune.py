"""`kwsembed tune` on a toy corpus: killed and resumed, reproduced by `train`, by a chief and two workers."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras_tuner")

import kwsembed
from kwsembed import TrainConfig, train, tune
from kwsembed.audio import wav
from kwsembed.cli.main import main
from kwsembed.config import LittleAudioConfig, ScheduleConfig
from kwsembed.demo.sounds import background, door_knock, whistle
from kwsembed.sole_use import sole_use
from kwsembed.training.run_directory import config_toml
from kwsembed.tuning.objective import figures_of

pytestmark = pytest.mark.slow

SCHEDULE = ScheduleConfig(
    batch_size=8, epoch_steps=2, pretrain_epochs=4, head_epochs=1, finetune_epochs=4, scratch_epochs=1
)
CONFIG = TrainConfig(
    schedule=SCHEDULE,
    backbone="lstm",  # traced soonest
    width=0.25,
    window_s=0.5,
    seed=5,
    little_audio=LittleAudioConfig(below_windows=0.0),  # else nothing would be pretrained on so few sounds
)
SEARCH = ("class_weights", "learning_rate")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest with a split, the test clips of which are no audio: whoever opens them says so."""
    root = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(7)
    rows = ["path,label,split"]
    for label, make, count in (("door_knock", door_knock, 6), ("whistle", whistle, 6), ("noise", None, 12)):
        (root / label).mkdir()
        for number in range(count):
            name, split = f"{label}/{number}.wav", ("train", "validation", "test")[number % 3]
            rows.append(f"{name},{label},{split}")
            if split == "test":
                (root / name).write_text("this is no audio")
                continue
            waveform = make(random, 16000) if make else background(random, 16000, duration_s=2.0)
            wav.write(root / name, waveform, 16000)
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root / "manifest.csv"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def command(sounds: Path, cache: Path, out: Path, config: Path, *, trials: int) -> list[str]:
    return [
        sys.executable, "-m", "kwsembed", "tune", str(sounds), "--out", str(out), "--config", str(config),
        "--trials", str(trials), "--seeds", "1", "--epochs-share", "0.5", "--search", ",".join(SEARCH),
        "--cache", str(cache),
    ]  # fmt: skip


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(kwsembed.__file__).parents[1]), **variables}


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(config_toml(CONFIG))
    return path


@pytest.fixture(scope="module")
def searched(
    sounds: Path, cache: Path, config_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A search killed in the pretraining of its second trial and gone on with; its folder, what was said."""
    out = tmp_path_factory.mktemp("searches") / "SEARCH"
    process = subprocess.Popen(
        command(sounds, cache, out, config_file, trials=2), env=environment(), stderr=subprocess.DEVNULL
    )
    begun = out / "trials/0001/seed_5/checkpoints/pretrain.epochs/0001"
    deadline_s = time.monotonic() + 1200
    while not begun.exists() and time.monotonic() < deadline_s:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "trials/0001/result.json").exists()
    said: list[str] = []
    tune(
        sounds,
        out,
        config=CONFIG,
        trials=2,
        seeds=1,
        epochs_share=0.5,
        search=SEARCH,
        cache_dir=cache,
        say=said.append,
    )
    return out, said


def test_nothing_is_pretrained_where_there_is_little_audio_and_only_the_end_to_end_network_is_judged(
    sounds: Path, cache: Path, tmp_path: Path
) -> None:
    config, out = tmp_path / "config.toml", tmp_path / "SEARCH"
    config.write_text(config_toml(replace(CONFIG, little_audio=LittleAudioConfig())))
    process = subprocess.run(
        command(sounds, cache, out, config, trials=1), env=environment(), capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    trial = json.loads((out / "trials/0000/result.json").read_text())
    assert trial["status"] == "completed"
    assert not list(out.glob("trials/0000/seed_5/checkpoints/pretrain*"))


def test_a_killed_search_goes_on_with_the_trial_it_was_at(searched: tuple[Path, list[str]]) -> None:
    out, said = searched
    begun = [line for line in said if line.startswith("trial 1 (of")]
    assert len(begun) == 1
    assert not [line for line in said if line.startswith("trial 0 (of")]
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert {row["trial"]: row["status"] for row in rows} == {"0": "completed", "1": "completed"}
    assert 0 <= float(rows[0]["recall"]) <= 1
    assert any((out / "logs" / "0001").glob("events.out.tfevents*"))


def test_trial_0_is_what_the_search_started_from_on_a_shorter_schedule(
    searched: tuple[Path, list[str]],
) -> None:
    trained = TrainConfig.read(searched[0] / "trials/0000/seed_5/config.toml")
    assert (trained.schedule.pretrain_epochs, trained.schedule.finetune_epochs) == (2, 2)
    assert trained.width == CONFIG.width
    assert not trained.class_weights
    varied = TrainConfig.read(searched[0] / "trials/0001/seed_5/config.toml")
    assert set(varied.class_weights) == {"door_knock", "whistle"}


def test_the_test_split_is_not_opened(searched: tuple[Path, list[str]]) -> None:
    out, said = searched
    assert not [line for line in said if "note:" in line]
    assert ",test" not in (out / "data.csv").read_text()


def test_training_the_best_config_gives_the_figures_of_its_trial(
    searched: tuple[Path, list[str]], sounds: Path, cache: Path, tmp_path: Path
) -> None:
    best = max(
        (json.loads(path.read_text()) for path in searched[0].glob("trials/*/result.json")),
        key=lambda trial: trial["objective"],
    )
    result = train(
        sounds, tmp_path / "RUN", config=TrainConfig.read(searched[0] / "best.toml"), cache_dir=cache
    )
    assert "companion" not in result.metrics["stage_s"], "by labels alone there is nobody to learn from"
    figures = figures_of(result.metrics["variants"]["end_to_end"]["validation"])
    # The same sums in the same order: equal to the last bit.
    assert figures.recall == best["recall"]
    assert figures.macro_average_precision == best["macro_average_precision"]
    assert result.metrics["data"]["skipped"], "training does open the test clips"


def test_a_chief_and_two_workers_share_the_trials(
    searched: tuple[Path, list[str]], sounds: Path, cache: Path, config_file: Path, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
    words = command(sounds, cache, tmp_path / "SEARCH", config_file, trials=2)
    logs = {name: tmp_path / f"{name}.log" for name in ("worker0", "worker1", "chief")}
    processes = {}
    try:
        for name, log in logs.items():
            if name == "chief":
                # Both workers wait for it, so that they begin alike.
                deadline_s = time.monotonic() + 600
                while time.monotonic() < deadline_s and not all(
                    "waiting for the chief" in logs[worker].read_text() for worker in processes
                ):
                    time.sleep(0.1)
            with log.open("w") as file:
                processes[name] = subprocess.Popen(
                    words, env=environment(**address, KERASTUNER_TUNER_ID=name), stderr=file
                )
        for name, process in processes.items():
            assert process.wait(timeout=1200) == 0, logs[name].read_text()
    finally:
        for process in processes.values():
            process.kill()

    did = {name: re.findall(r"^trial (\d+) \(of", log.read_text(), re.M) for name, log in logs.items()}
    assert did["worker0"], did
    assert did["worker1"], did
    assert not did["chief"]
    assert sorted(did["worker0"] + did["worker1"]) == ["0", "1"]
    rows = list(csv.DictReader((tmp_path / "SEARCH/results.csv").open()))
    assert len(rows) == 2
    # Whoever trains a trial, and after whatever interruption, it comes to the same.
    alone = {row["trial"]: row for row in csv.DictReader((searched[0] / "results.csv").open())}
    shared = {row["trial"]: row for row in rows}
    for number in ("0", "1"):
        for name in ("objective", "recall", "macro_average_precision"):
            assert shared[number][name] == alone[number][name]
    assert "2 of 2 trials done" in logs["chief"].read_text()


def test_a_search_that_another_command_is_at_work_on_is_refused(
    searched: tuple[Path, list[str]],
    sounds: Path,
    cache: Path,
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with sole_use(searched[0]):
        assert main(command(sounds, cache, searched[0], config_file, trials=3)[3:]) == 2
    assert "another command is at work" in capsys.readouterr().err


def test_the_command_says_mistakes_in_one_line_and_exits_2(
    sounds: Path,
    tmp_path: Path,
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weighed = tmp_path / "weighed.toml"
    weighed.write_text("[class_weights]\nwhistel = 2\n")
    start = ["tune", str(sounds), "--out", str(tmp_path / "SEARCH")]
    mistakes = {
        "trials is out of range": [*start, "--trials", "0"],
        "seeds is out of range": [*start, "--seeds", "0"],
        "epochs_share is out of range": [*start, "--epochs-share", "1.5"],
        "unknown group of settings": [*start, "--search", "depth"],
        "Expected some of door_knock, whistle, noise": [*start, "--config", str(weighed)],
        "nowhere": ["tune", str(tmp_path / "nowhere"), "--out", str(tmp_path / "SEARCH")],
    }
    for part, arguments in mistakes.items():
        assert main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        assert error.startswith("kwsembed tune: ")
        assert part in error
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    assert main(start) == 2
    assert "KERASTUNER_ORACLE_PORT not set" in capsys.readouterr().err
    assert not (tmp_path / "SEARCH").exists()
