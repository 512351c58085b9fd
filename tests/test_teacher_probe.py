"""The probe of a teacher: what it averages, and that it finds what a teacher can tell."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from toy_store import clip_of, store_of
from toy_teacher import SAMPLES, loudness, write_tflite

from benchmarks import teacher_probe
from kwsembed.audio import wav
from kwsembed.teaching import load_teacher


def test_answers_are_averaged_over_half_overlapping_windows(tmp_path):
    waveform = np.round(np.random.default_rng(0).uniform(-0.5, 0.5, 2 * SAMPLES) * 32768) / 32768
    store = store_of([(clip_of("hiss", 0), waveform, None)])
    teacher = load_teacher(write_tflite(tmp_path), sample_rate_hz=16000)
    windows = np.stack([waveform[start : start + SAMPLES] for start in (0, SAMPLES // 2, SAMPLES)])
    expected = np.log(loudness(windows).mean(axis=0))
    found = teacher_probe.mean_answers(teacher_probe.answers_of(store, teacher))
    np.testing.assert_allclose(found, expected[np.newaxis], rtol=1e-4)


def write_clips(root, waveform_of):
    """Three folds of four bangs and eight noises each, as a manifest."""
    rows = []
    for fold in (1, 2, 3):
        for number in range(12):
            label = "bang" if number < 4 else "noise"
            name = f"{label}-{fold}-{number}.wav"
            wav.write(root / name, waveform_of(label).astype(np.float32), 16000)
            rows.append({"path": name, "label": label, "group": name, "fold": fold})
    with (root / "sounds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [str(root / "sounds.csv"), str(write_tflite(root)), "--cache", str(root / "cache")]


def test_what_a_teacher_can_tell_is_found_and_a_row_printed_for_each_ratio(tmp_path, capsys):
    """Events are loud at their start, background at its end, and the teacher hears loudness."""
    random = np.random.default_rng(0)

    def waveform_of(label):
        waveform = random.uniform(-0.01, 0.01, 16000)
        loud = slice(0, 500) if label == "bang" else slice(15500, 16000)
        waveform[loud] += random.uniform(-0.5, 0.5, 500)
        return waveform

    teacher_probe.main([*write_clips(tmp_path, waveform_of), "--folds", "3", "--ratios", "8"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split("|")[1:-1] == [" ratio ", " fold 3 ", " mean "]
    assert lines[3] == "| whole | 1.000 / 0.000 | 1.000 / 0.000 |"
    assert lines[4].startswith("| 8:1 |")


def test_the_head_that_teaches_learns_from_windows_cut_anywhere(tmp_path, capsys):
    """Events are loud all through, so that any window tells; where they are loud in part only, few do."""
    random = np.random.default_rng(0)

    def waveform_of(label):
        return (0.5 if label == "bang" else 1e-4) * random.uniform(-1, 1, 16000)

    teacher_probe.main([*write_clips(tmp_path, waveform_of), "--folds", "3", "--augmented"])
    assert capsys.readouterr().out.splitlines()[3] == "| whole | 1.000 / 0.000 | 1.000 / 0.000 |"
