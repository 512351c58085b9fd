"""Checking data: what is counted, what is found, and when it is not fit for training."""

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
from kwsembed.cli.main import main
from kwsembed.errors import ConfigError, DataError
from kwsembed.manifest.check import Amount, check_data

RATE_HZ = 16000


def sound(seed: int, *, duration_s: float = 1.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Noise whose spectrum and level change all the time, so that no two seeds are alike."""
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(10):
        length = round(duration_s * rate_hz / 10)
        part = np.convolve(random.standard_normal(length), random.standard_normal(8), mode="same")
        parts.append(random.uniform(0.01, 0.08) * part)
    return np.clip(np.concatenate(parts), -0.9, 0.9).astype(np.float32)


def fill(root: Path, *, bark: int = 10, noise: int = 10, duration_s: float = 1.0) -> Path:
    for number in range(bark):
        wav.write(root / f"bark/{number}.wav", sound(number, duration_s=duration_s), RATE_HZ)
    for number in range(noise):
        wav.write(root / f"noise/{number}.wav", sound(1000 + number, duration_s=duration_s), RATE_HZ)
    return root


def with_folds(root: Path, rows: str) -> Path:
    """A manifest from `name label group fold` quadruples; each name is also its sound's seed."""
    lines = ["path,label,group,fold"]
    for row in rows.split(";"):
        name, label, group, fold = row.split()
        wav.write(root / f"{name}.wav", sound(int(name)), RATE_HZ)
        lines.append(f"{name}.wav,{label},{group},{fold}")
    (root / "m.csv").write_text("\n".join(lines) + "\n")
    return root / "m.csv"


GOOD = "1 bark a 1;2 bark b 2;3 bark c 3;4 noise d 1;5 noise e 2;6 noise f 3"


def test_sound_data_is_usable_and_counted(tmp_path):
    report = check_data(with_folds(tmp_path, GOOD + ";7 noise f 3"))
    assert report.usable
    assert report.clips == 7
    assert report.labels == ("bark", "noise")
    hour = round(1 / 3600, 5)
    assert report.amounts == (
        Amount("bark", "train", 1, 1, hour),
        Amount("bark", "validation", 1, 1, hour),
        Amount("bark", "test", 1, 1, hour),
        Amount("noise", "train", 1, 1, hour),
        Amount("noise", "validation", 1, 1, hour),
        Amount("noise", "test", 2, 1, round(2 / 3600, 5)),
    )
    assert report.formats == {"WAV/PCM_16 16000 Hz mono": 7}
    assert report.findings == report.leaks == report.duplicates == report.warnings == ()


def test_every_kind_of_bad_file_is_named_with_its_reason(tmp_path, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    for module in ("kwsembed.manifest.clip", "kwsembed.manifest.examine"):
        monkeypatch.setattr(f"{module}.LONGEST_S", 2.0)
    root = fill(tmp_path / "data")
    (root / "bark/text.wav").write_text("text")
    (root / "bark/none.wav").touch()
    wav.write(root / "bark/silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    wav.write(root / "bark/long.wav", sound(50, duration_s=2.5), RATE_HZ)
    wav.write(root / "noise/loud.wav", np.clip(99 * sound(51), -1, 1), RATE_HZ)
    wav.write(root / "noise/short.wav", sound(52)[:700], RATE_HZ)
    soundfile.write(root / "noise/nan.wav", np.array([0.1, np.nan] * 500), RATE_HZ, subtype="FLOAT")
    soundfile.write(root / "noise/cut.ogg", sound(53, duration_s=3.0), RATE_HZ)
    content = (root / "noise/cut.ogg").read_bytes()
    (root / "noise/cut.ogg").write_bytes(content[: len(content) // 2])
    report = check_data(root)
    assert {(finding.name, finding.reason, finding.used) for finding in report.findings} == {
        ("bark/text.wav", "not audio", False),
        ("bark/none.wav", "empty", False),
        ("bark/silent.wav", "silent", False),
        ("bark/long.wav", "cut", True),
        ("noise/loud.wav", "clipped", True),
        ("noise/short.wav", "short", True),
        ("noise/nan.wav", "nan", False),
        ("noise/cut.ogg", "cut off", False),
    }
    assert report.usable
    assert report.clips == 28
    assert sum(amount.clips for amount in report.amounts) == 23
    assert "silent, left out: 1\n  bark/silent.wav: the file is silent" in report.text
    assert "28 clips, 5 unusable" in report.text
    assert "clipped, used all the same: 1" in report.text


def test_formats_rates_and_channels_are_counted(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    root = fill(tmp_path)
    soundfile.write(root / "bark/a.flac", np.stack([sound(60)] * 2, axis=1), RATE_HZ)
    soundfile.write(root / "bark/b.ogg", sound(61, rate_hz=44100), 44100)
    assert check_data(root).formats == {
        "WAV/PCM_16 16000 Hz mono": 20,
        "FLAC/PCM_16 16000 Hz stereo": 1,
        "OGG/VORBIS 44100 Hz mono": 1,
    }


def test_an_event_inside_a_longer_file_counts_for_its_own_length(tmp_path):
    wav.write(tmp_path / "long.wav", sound(1, duration_s=20.0), RATE_HZ)
    times = ["bark,a,1,0,1", "bark,b,2,2,3", "noise,c,1,4,8", "noise,d,2,9,13"]
    rows = "".join(f"long.wav,{time}\n" for time in times)
    (tmp_path / "m.csv").write_text("path,label,group,fold,onset_s,offset_s\n" + rows)
    report = check_data(tmp_path / "m.csv", test_folds=())
    assert [round(3600 * amount.hours) for amount in report.amounts] == [1, 1, 4, 4]
    assert "a group lies in two splits" in str(report.problem)  # the file itself
    assert report.leaks[0].group == "long.wav"


class TestNotUsable:
    def problem(self, data: Path, **options) -> str:
        report = check_data(data, **options)
        assert not report.usable
        assert report.text.endswith(f"NOT usable: {report.problem}")
        return str(report.problem)

    def test_a_class_whose_files_are_all_broken(self, tmp_path):
        root = fill(tmp_path, bark=0)
        for number in range(4):
            wav.write(root / f"bark/{number}.wav", np.zeros(RATE_HZ), RATE_HZ)
        assert "not one clip of a class can be used" in self.problem(root)
        assert "label=bark" in self.problem(root)

    def test_a_class_whose_training_files_are_all_broken(self, tmp_path):
        data = with_folds(tmp_path, GOOD)
        (tmp_path / "1.wav").write_text("text")
        assert "a class has no clip to train on" in self.problem(data)

    def test_a_validation_split_whose_events_are_all_broken(self, tmp_path):
        data = with_folds(tmp_path, GOOD)
        (tmp_path / "2.wav").write_text("text")
        assert "validation split has no event clip" in self.problem(data)

    def test_a_group_in_two_splits(self, tmp_path):
        data = with_folds(tmp_path, GOOD + ";7 bark a 3")
        assert "a group lies in two splits" in self.problem(data)
        (leak,) = check_data(data).leaks
        assert (leak.group, [clip.name for clip in leak.clips]) == ("a", ["1.wav", "7.wav"])
        assert "groups that lie in two splits: 1\n  a: 1.wav in train, 7.wav in test" in check_data(data).text

    def test_a_class_with_a_single_recording_is_still_reported_on(self, tmp_path):
        root = fill(tmp_path, bark=1)
        assert "single group" in self.problem(root)
        assert [(a.label, a.split, a.clips) for a in check_data(root).amounts] == [
            ("bark", "no split", 1),
            ("noise", "no split", 10),
        ]

    def test_what_cannot_be_read_at_all_is_an_error(self, tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            check_data(tmp_path / "gone")
        with pytest.raises(ConfigError, match="fold is not in the data"):
            check_data(with_folds(tmp_path, GOOD), test_folds=(9,))


class TestTheSameAudioTwice:
    def test_across_splits_it_is_named(self, tmp_path):
        data = with_folds(tmp_path, GOOD)
        wav.write(tmp_path / "3.wav", 0.5 * sound(1)[2400:], RATE_HZ)  # tests what 1.wav trains
        report = check_data(data)
        (pair,) = report.duplicates
        assert (pair.first.name, pair.second.name) == ("1.wav", "3.wav")
        assert pair.offset_s == pytest.approx(0.15, abs=0.01)
        assert report.usable
        assert "1.wav (train, bark) = 3.wav (test, bark), shifted by 0.1" in report.text

    def test_under_two_labels_it_is_named(self, tmp_path):
        data = with_folds(tmp_path, GOOD)
        wav.write(tmp_path / "4.wav", sound(1), RATE_HZ)  # noise 4 and bark 1 both train
        (pair,) = check_data(data).duplicates
        assert (pair.first.label, pair.second.label) == ("bark", "noise")

    def test_within_a_split_and_a_label_it_is_counted(self, tmp_path):
        data = with_folds(tmp_path, GOOD + ";7 noise d 1")
        wav.write(tmp_path / "7.wav", sound(4), RATE_HZ)
        report = check_data(data)
        assert (report.duplicates, report.repeats) == ((), 1)
        assert "the same audio within a split, under one label: 1 pairs" in report.text


def test_long_lists_are_cut_in_the_text_only(tmp_path):
    root = fill(tmp_path)
    for number in range(15):
        (root / f"bark/x{number:02}.wav").touch()
    report = check_data(root)
    assert "  bark/x09.wav: the file is empty\n  and 5 more" in report.text
    assert "x10" not in report.text
    assert len(report.to_dict()["findings"]) == 15


def test_progress_is_told_per_clip(tmp_path):
    steps = []
    check_data(fill(tmp_path, bark=3, noise=3), progress=lambda done, total: steps.append((done, total)))
    assert steps == [(number, 6) for number in range(1, 7)]


class TestCommand:
    def test_usable_data_exits_0_with_the_report_on_stdout(self, tmp_path, capsys):
        data = with_folds(tmp_path, GOOD)
        assert main(["check", str(data), "--json", str(tmp_path / "out.json")]) == 0
        out, err = capsys.readouterr()
        assert out.endswith("usable\n")
        assert err == ""
        written = json.loads((tmp_path / "out.json").read_text())
        assert written == check_data(data).to_dict()
        assert written["usable"] is True

    def test_options_are_those_of_training(self, tmp_path, capsys):
        data = with_folds(tmp_path, GOOD)
        assert (
            main(["check", str(data), "--test-folds", "none", "--validation-folds", "2", "--seed", "4"]) == 0
        )
        assert "no clip is kept for testing" in capsys.readouterr().out

    def test_unusable_data_exits_2_with_one_line_and_the_report_still_there(self, tmp_path, capsys):
        data = with_folds(tmp_path, GOOD + ";7 bark a 3")
        assert main(["check", str(data), "--json", str(tmp_path / "out.json")]) == 2
        out, err = capsys.readouterr()
        assert "formats\n       7  WAV/PCM_16 16000 Hz mono" in out
        assert err.count("\n") == 1
        assert err.startswith("kwsembed check: a group lies in two splits")
        assert json.loads((tmp_path / "out.json").read_text())["usable"] is False

    def test_unreadable_data_exits_2(self, tmp_path, capsys):
        assert main(["check", str(tmp_path / "gone")]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"kwsembed check: the data does not exist. Received: data={tmp_path}/gone.")
        assert err.count("\n") == 1

    def test_it_runs_without_tensorflow_and_for_wav_without_soundfile(self, tmp_path):
        code = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "soundfile"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Forbidden())
from kwsembed.cli.main import main
sys.exit(main(["check", sys.argv[1]]))
"""
        done = subprocess.run(
            [sys.executable, "-c", code, str(with_folds(tmp_path, GOOD))],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(kwsembed.__file__).parents[1])},
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("usable\n")
