"""The two rings: what a device imports needs NumPy and the standard library, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kwsembed
from kwsembed.audio import wav

NOT_ON_A_DEVICE = (
    "tensorflow",
    "tensorflow_io",
    "keras",
    "keras_tuner",
    "sklearn",
    "scipy",
    "matplotlib",
    "soundfile",
    "jinja2",
    "wyoming",
    "paho",
)
TENSORFLOW_RING = (
    "data",
    "models",
    "losses",
    "pretraining",
    "teaching",
    "training",
    "comparison",
    "tuning",
    "evaluation",
    "tflite",
    "report",
    "demo",
    "export_targets",
)
STANDARD = set(sys.stdlib_module_names)
STARTED_BY_PYTHON = (
    "_",
    "sitecustomize",
    "usercustomize",
)  # before any code of ours, as for editable installs

FORBID = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {forbidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Forbidden())
"""


def run(code: str, *arguments: str, forbidden: tuple[str, ...] = NOT_ON_A_DEVICE) -> str:
    """Runs code in a fresh process in which the forbidden packages do not exist; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", FORBID.format(forbidden=set(forbidden)) + code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(kwsembed.__file__).parents[1])},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def inner_ring() -> list[str]:
    """All modules that a device may import."""
    root = Path(kwsembed.__file__).parent
    names = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[1] not in TENSORFLOW_RING and parts[-1] != "__main__":
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def test_every_module_of_the_inner_ring_needs_only_numpy_and_the_standard_library():
    names = inner_ring()
    assert {"kwsembed.runtime.detector", "kwsembed.cli.detect", "kwsembed.frontend.log_mel"} <= set(names)
    assert {"kwsembed.serving.wyoming_server", "kwsembed.serving.mqtt"} <= set(names)
    code = """
import importlib, json
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps([name for name, module in sys.modules.items() if getattr(module, "__file__", None)]))
"""
    imported = json.loads(run(code, *names))
    packages = {name.split(".")[0] for name in imported} - STANDARD
    assert {name for name in packages if not name.startswith(STARTED_BY_PYTHON)} <= {"kwsembed", "numpy"}
    outer = {f"kwsembed.{name}" for name in TENSORFLOW_RING}
    assert not [name for name in imported if ".".join(name.split(".")[:2]) in outer]


def test_a_study_is_divided_over_processes_without_loading_what_trains():
    run("import kwsembed.comparison.processes")


def test_the_bare_import_is_light():
    code = """
import json, time
began_s = time.perf_counter()
import kwsembed
took_s = time.perf_counter() - began_s
print(json.dumps([took_s, list(sys.modules)]))
"""
    took_s, imported = json.loads(run(code, forbidden=()))
    packages = {name.split(".")[0] for name in imported} - STANDARD
    assert {name for name in packages if not name.startswith(STARTED_BY_PYTHON)} <= {"kwsembed", "numpy"}
    assert took_s < 1.0  # 0.2 s is promised, of a machine that does nothing else


def test_a_device_without_tensorflow_classifies_and_detects(tone_bundle, tmp_path):
    time_s = np.arange(16000) / 16000
    waveform = np.concatenate([np.zeros(32000), 0.6 * np.sin(2 * np.pi * 1000 * time_s), np.zeros(32000)])
    wav.write(tmp_path / "tone.wav", waveform.astype(np.float32), 16000)
    code = """
from kwsembed.runtime.interpreter import runtime_status
if all(runtime_status(name).problem for name in ("ai_edge_litert", "tflite_runtime")):
    print("no interpreter")
    sys.exit()
from kwsembed.cli import classify, detect
import argparse
for module, arguments in ((classify, ["classify"]), (detect, ["detect"])):
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    assert module.run(parser.parse_args(arguments + sys.argv[1:])) == 0
assert not {"tensorflow", "soundfile"} & set(sys.modules)
"""
    out = run(code, str(tone_bundle), str(tmp_path / "tone.wav"))
    if out.strip() == "no interpreter":
        pytest.skip("no interpreter besides TensorFlow is installed")
    lines = out.splitlines()
    assert lines[0] == "path,tone_1k,tone_3k,hiss,quiet"
    assert float(lines[1].split(",")[1]) > 0.9
    assert lines[3].split("\t")[3] == "tone_1k"


def test_a_device_without_tensorflow_calibrates_and_mines(tone_bundle, tmp_path):
    time_s = np.arange(24000) / 16000
    waveform = np.concatenate([np.zeros(32000), 0.6 * np.sin(2 * np.pi * 1000 * time_s), np.zeros(32000)])
    wav.write(tmp_path / "tone.wav", waveform.astype(np.float32), 16000)
    code = """
from kwsembed.runtime.interpreter import runtime_status
if all(runtime_status(name).problem for name in ("ai_edge_litert", "tflite_runtime")):
    print("no interpreter")
    sys.exit()
from kwsembed import Bundle
from kwsembed.cli.main import main
bundle, audio, out = sys.argv[1:]
assert main(["calibrate", bundle, audio, "--out", out + "/new"]) == 0
assert main(["mine", bundle, audio, "--label", "hiss", "--out", out + "/mined"]) == 0
assert Bundle.load(out + "/new").thresholds["tone_1k"] > 0.9
assert not set(sys.modules) & {"tensorflow", "soundfile", "matplotlib"}
"""
    out = run(code, str(tone_bundle), str(tmp_path / "tone.wav"), str(tmp_path))
    if out.strip() == "no interpreter":
        pytest.skip("no interpreter besides TensorFlow is installed")
    assert "no picture: matplotlib is not installed" in out
    assert "1 clips" in out
