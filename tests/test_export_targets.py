"""Deploy targets: what each folder holds, that C computes what Python does, and what is refused."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import toy_export as toy

from kwsembed.audio import wav
from kwsembed.bundle import Bundle
from kwsembed.cli.main import main
from kwsembed.errors import ConfigError, RunError
from kwsembed.export_targets import micro, micro_arena, streaming
from kwsembed.export_targets.micro_golden import golden, quantised, run_reference
from kwsembed.export_targets.micro_tables import tables
from kwsembed.export_targets.run_data import open_run_audio
from kwsembed.export_targets.streaming_judgement import judge_streams
from kwsembed.frontend import log_mel
from kwsembed.runtime import Classifier
from kwsembed.runtime.streaming import StreamingDetector
from kwsembed.stream_bundle import StreamBundle
from kwsembed.tflite import describe, read_metadata
from kwsembed.tflite.micro import micro_model
from kwsembed.tflite.parts import parts_of

COMPILERS = [shutil.which(name) for name in ("make", "cc", "g++")]
needs_compilers = pytest.mark.skipif(None in COMPILERS, reason="make, cc and g++ are not all installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_toy_run(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def bundle(run: Path) -> Bundle:
    return Bundle.load(run / "bundle")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWSEMBED_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_mobile_holds_the_model_with_its_metadata(run: Path, bundle: Bundle, tmp_path: Path) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "M"), "--target", "mobile"]) == 0
    model = (tmp_path / "M" / "model.tflite").read_bytes()
    assert model == bundle.model
    assert read_metadata(model).labels == toy.LABELS
    assert json.loads((tmp_path / "M" / "thresholds.json").read_text()) == bundle.thresholds
    # Again over itself, but never over anything else.
    assert main(["export", str(run), "--out", str(tmp_path / "M"), "--target", "mobile"]) == 0
    assert main(["export", str(run), "--out", str(tmp_path / "M"), "--target", "micro"]) == 2
    assert main(["export", str(run), "--out", str(run), "--target", "mobile"]) == 2
    assert (run / "config.toml").exists()


def test_an_export_that_was_worked_on_is_not_replaced(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "M"
    again = ["export", str(run), "--out", str(out), "--target", "mobile"]
    assert main(again) == 0
    (out / "labels.txt").unlink()
    assert main(again) == 0, "what was taken out is no work that could be lost"
    assert (out / "labels.txt").exists()
    (out / "README.md").write_text("how we use it\n")
    for name in ("a.txt", "b.txt", "build/c.txt"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("ours\n")
    capsys.readouterr()
    assert main(again) == 2
    said = capsys.readouterr().err
    assert "README.md, a.txt, b.txt and 1 more" in said
    assert "new or empty folder" in said
    assert (out / "README.md").read_text() == "how we use it\n"
    assert (out / "build" / "c.txt").read_text() == "ours\n"


@pytest.mark.parametrize("mark", ["", "[]", '{"target": "mobile"}', '{"target": "mobile", "files": 1}'])
def test_a_folder_whose_mark_tells_no_files_is_not_replaced(run: Path, tmp_path: Path, mark: str) -> None:
    (tmp_path / "export.json").write_text(mark)
    assert main(["export", str(run), "--out", str(tmp_path), "--target", "mobile"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["export.json"]


def test_unknown_targets_and_foreign_options_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "X")
    assert main(["export", str(run), "--out", out, "--target", "toaster"]) == 2
    assert "Expected mobile" in capsys.readouterr().err
    assert main(["export", str(run), "--out", out, "--target", "mobile", "--int8-head"]) == 2
    assert "--target micro" in capsys.readouterr().err
    assert main(["export", str(run), "--out", out, "--target", "micro", "--hop-ms", "0"]) == 2
    assert "--hop-ms with --target streaming" in capsys.readouterr().err
    assert main(["export", str(run), "--out", out, "--target", "streaming", "--hop-ms", "25"]) == 2
    assert "a multiple of 10 ms" in capsys.readouterr().err
    assert not (tmp_path / "X").exists()


def test_streaming_chooses_its_thresholds_on_streamed_validation_audio(run: Path, tmp_path: Path) -> None:
    made = streaming.export(run, tmp_path / "S")
    loaded = StreamBundle.load(tmp_path / "S")
    assert loaded == made
    points = judge_streams(
        made, open_run_audio(run, Bundle.load(run / "bundle"), split="validation")
    ).choose_thresholds(0.5)
    assert loaded.operating_points == points
    assert loaded.thresholds != Bundle.load(run / "bundle").thresholds
    readme = (tmp_path / "S" / "README.md").read_text()
    assert all(state.input in readme for state in loaded.states)


def test_the_audio_of_a_run_is_found_from_any_folder_and_with_clips_from_outside(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.load(run / "bundle")
    before = open_run_audio(run, bundle, split="validation")
    moved = tmp_path / "RUN"
    shutil.copytree(run, moved)
    metrics = json.loads((moved / "metrics.json").read_text())
    metrics["data"] |= {"source": "sounds", "further_roots": [str(tmp_path / "mined")]}
    (moved / "metrics.json").write_text(json.dumps(metrics))
    # What kwsembed mine found, as train --negatives lists it; and the command is called from elsewhere.
    wav.write(tmp_path / "mined" / "1.wav", toy.waveform(2, seed=9), 16000)
    with (moved / "data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    name = os.path.relpath(tmp_path / "mined" / "1.wav", metrics["data"]["root"])
    rows.append(
        dict.fromkeys(rows[0], "") | {"path": name, "label": "noise", "group": "g", "split": "validation"}
    )
    with (moved / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.chdir(tmp_path)
    assert len(open_run_audio(moved, bundle, split="validation").clips) == len(before.clips) + 1

    (tmp_path / "mined" / "1.wav").unlink()
    with pytest.raises(RunError, match=r"not where it was: the file does not exist .*--keep-thresholds"):
        open_run_audio(moved, bundle, split="validation")


def test_streaming_says_when_it_cannot_choose_thresholds(
    run: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(run), "--out", str(tmp_path / "S"), "--target", "streaming"]
    assert main([*command, "--data", str(tmp_path / "gone")]) == 2
    assert "--keep-thresholds" in capsys.readouterr().err
    assert main([*command, "--keep-thresholds"]) == 0
    assert "not chosen on streamed scores" in capsys.readouterr().out
    kept = StreamBundle.load(tmp_path / "S")
    assert kept.thresholds == bundle.thresholds
    # Half a second of smoothing, a threshold reached for as long: at any hop.
    assert (kept.post.smoothing_windows, kept.post.min_consecutive) == (3, 3)

    detector = StreamingDetector(kept, 8000, thresholds=dict.fromkeys(toy.EVENTS, 1e-6))
    found = detector.process(toy.waveform(6, seed=2)[::2]) + detector.flush()
    begin_s = kept.timing.first_start_s + kept.timing.window_samples / 16000 / 2
    assert {detection.label for detection in found} == set(toy.EVENTS)
    assert all(detection.onset_s == pytest.approx(begin_s) for detection in found)
    assert all(detection.offset_s <= 6 for detection in found)


def scores_of(logits: np.ndarray, scale: float) -> np.ndarray:
    powers = np.exp((logits.astype(np.float64) - logits.max()) * scale)
    return powers / powers.sum()


@pytest.mark.parametrize("int8_head", [False, True])
def test_micro_model_scores_as_the_bundle_does(bundle: Bundle, int8_head: bool) -> None:
    parts = parts_of(bundle.model, mels=24)
    made = micro_model(parts, int8_head=int8_head)
    facts = describe(made.model)
    assert [tensor.type for tensor in facts.inputs + facts.outputs] == ["INT8", "INT8"]
    assert {operation.name for operation in facts.operations} <= set(micro.RESOLVER)
    floats = [operation.name for operation in facts.operations if operation.output_type == "FLOAT32"]
    assert floats == ([] if int8_head else ["DEQUANTIZE", "L2_NORMALIZATION", "FULLY_CONNECTED"])
    classifier = Classifier(bundle, runtime="tensorflow")
    for seed in range(6):
        window = toy.waveform(0.5, seed=seed)
        logits = run_reference(made.model, quantised(log_mel(window, toy.FRONTEND), parts))
        assert np.abs(logits.astype(int)).max() <= 127
        expected = classifier.score_windows(window[None])[0]
        np.testing.assert_allclose(scores_of(logits, made.logit_scale), expected, atol=0.06)


def test_streaming_in_shorter_hops_with_its_states_inside(run: Path, tmp_path: Path) -> None:
    command = ["export", str(run), "--target", "streaming", "--keep-thresholds", "--hop-ms", "30"]
    assert main([*command, "--out", str(tmp_path / "P")]) == 0
    assert main([*command, "--out", str(tmp_path / "V"), "--state", "variables"]) == 0
    passed, kept = StreamBundle.load(tmp_path / "P"), StreamBundle.load(tmp_path / "V")
    assert kept.timing == passed.timing
    assert (kept.timing.hop_samples, kept.state_form, kept.states) == (480, "variables", ())
    # As long as in the bundle, whatever the hop: two windows of 0.25 s.
    assert kept.post.smoothing_windows * kept.post.hop_s == pytest.approx(0.5, abs=0.03)
    readme = (tmp_path / "V" / "README.md").read_text()
    assert 'get_signature_runner("reset")' in readme
    assert "state_waveform_in" in (tmp_path / "P" / "README.md").read_text()
    detectors = [StreamingDetector(b, thresholds=dict.fromkeys(toy.EVENTS, 1e-6)) for b in (passed, kept)]
    for seed in (2, 3):  # a flush begins a new stream
        samples = toy.waveform(6, seed=seed)
        found = [detector.process(samples) + detector.flush() for detector in detectors]
        assert found[0] == found[1] != []
        for detector, samples_at_once in itertools.product(detectors, (480, 1777)):
            firsts = range(0, len(samples), samples_at_once)
            in_chunks = [
                d for first in firsts for d in detector.process(samples[first : first + samples_at_once])
            ]
            assert in_chunks + detector.flush() == found[0]


@pytest.fixture(scope="module")
def sources(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("micro") / "MICRO"
    micro.export(run, out)
    return out


def test_a_front_end_that_the_c_code_cannot_compute_is_refused(bundle: Bundle) -> None:
    parts = parts_of(bundle.model, mels=24)
    frontend = dataclasses.replace(bundle.frontend, fft_length=600)
    odd = dataclasses.replace(bundle, frontend=frontend)
    with pytest.raises(ConfigError, match="a power of two"):
        tables(odd, parts, micro_model(parts))
    post = dataclasses.replace(bundle.post, hop_s=0.255)
    with pytest.raises(ConfigError, match="whole frames"):
        tables(dataclasses.replace(bundle, post=post), parts, micro_model(parts))


@needs_compilers
def test_the_c_code_computes_what_python_computes(sources: Path) -> None:
    done = subprocess.run(
        ["make", "-C", sources, "test", "CFLAGS=-O1 -Werror"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok  ") == 8


@needs_compilers
def test_the_c_test_notices_a_difference(sources: Path, tmp_path: Path) -> None:
    changed = tmp_path / "CHANGED"
    shutil.copytree(sources, changed, ignore=shutil.ignore_patterns("*.o", "kwsembed_test"))
    header = changed / "kwsembed_tables.h"
    text = header.read_text()
    header.write_text(text.replace("KWSEMBED_MIN_CONSECUTIVE 2", "KWSEMBED_MIN_CONSECUTIVE 1"))
    assert header.read_text() != text
    done = subprocess.run(["make", "-C", changed, "test"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "FAIL detections" in done.stdout


@needs_compilers
def test_the_model_in_cpp_is_the_model(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "print.cc").write_text(
        '#include <cstdio>\n#include "kwsembed_model.h"\n'
        "int main() { std::fwrite(kwsembed_model, 1, sizeof kwsembed_model, stdout); }\n"
    )
    program = tmp_path / "print"
    command = ["g++", "-std=c++17", "-Wall", "-Werror", f"-I{sources}", "-o", program]
    subprocess.run([*command, tmp_path / "print.cc", sources / "kwsembed_model.cc"], check=True)
    printed = subprocess.run([program], capture_output=True, check=True).stdout
    assert printed == (sources / "model.tflite").read_bytes()


def test_the_arena_holds_what_lives_at_one_time(bundle: Bundle) -> None:
    parts = parts_of(bundle.model, mels=24)
    made = micro_model(parts)
    needed = micro_arena.arena(made.model, golden(bundle, parts, made).features)
    assert needed.bytes % 1024 == 0
    if needed.measured is None:
        assert "not measured" in needed.source
        assert needed.bytes > micro_arena.live_bytes(made.model)
    else:
        assert micro_arena.live_bytes(made.model) < needed.measured < needed.bytes
