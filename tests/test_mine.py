"""`kwsembed mine`: what is kept, where it lies, and that train and check take it as negatives."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from kwsembed import Bundle, check_data, mine, read_manifest
from kwsembed.audio import decode, wav
from kwsembed.cli.main import main
from kwsembed.detection.replay import Event
from kwsembed.errors import ConfigError, DataError
from kwsembed.manifest import assign_splits
from kwsembed.manifest.further import with_negatives
from kwsembed.mining.hits import find_hits, free_of_events

RATE_HZ = 16000


def recording(*tones, duration_s=40.0, seed=0):
    """Faint noise with tones of `(hz, onset_s, offset_s, amplitude)`."""
    waveform = np.random.default_rng(seed).normal(scale=0.003, size=round(duration_s * RATE_HZ))
    for hz, onset_s, offset_s, amplitude in tones:
        time_s = np.arange(round((offset_s - onset_s) * RATE_HZ)) / RATE_HZ
        waveform[round(onset_s * RATE_HZ) :][: len(time_s)] += amplitude * np.sin(2 * np.pi * hz * time_s)
    return waveform.astype(np.float32)


@pytest.fixture
def nights(tmp_path):
    """Three sounds that fire, the first with a pause in it, and one that nearly does."""
    folder = tmp_path / "nights"
    folder.mkdir()
    tones = ((1000, 5, 6.5, 0.6), (1000, 7.5, 9, 0.6), (3000, 20, 21.5, 0.7), (1000, 30, 31.5, 0.27))
    wav.write(folder / "a.wav", recording(*tones), RATE_HZ)
    wav.write(folder / "b.wav", recording((3000, 10, 11.5, 0.8), seed=1), RATE_HZ)
    return folder


def rows_of(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_hits_of_one_sound_are_one_clip_and_what_fired_comes_with_its_place(tone_bundle, nights, tmp_path):
    made = mine(tone_bundle, nights, tmp_path / "mined", label="hiss", least_score=0.9)
    rows = rows_of(made.folder)
    assert made.clips == len(rows) == 3
    assert [(row["group"], row["event_label"]) for row in rows] == [
        ("a.wav", "tone_1k"),
        ("a.wav", "tone_3k"),
        ("b.wav", "tone_3k"),
    ]
    assert made.fired == {"tone_1k": 1, "tone_3k": 2}
    for row in rows:
        assert row["label"] == "hiss"
        assert row["fired"] == row["event_label"]
        waveform, rate = decode.read(made.folder / row["path"])
        onset_s, offset_s = float(row["source_onset_s"]), float(row["source_offset_s"])
        assert len(waveform) / rate == pytest.approx(offset_s - onset_s, abs=1e-3)
        original, _ = decode.read(nights / row["group"], start_s=onset_s, stop_s=offset_s)
        np.testing.assert_allclose(waveform, original[: len(waveform)], atol=1e-4)
    assert float(rows[0]["source_onset_s"]) < 5 < 9 < float(rows[0]["source_offset_s"])


def test_near_misses_come_after_what_fired(tone_bundle, nights, tmp_path):
    bundle = Bundle.load(tone_bundle)
    level = bundle.thresholds["tone_1k"]
    every = mine(tone_bundle, nights, tmp_path / "all", label="hiss", least_score=0.02)
    assert every.near_misses == 1
    assert [row["fired"] for row in rows_of(every.folder)].count("") == 1
    assert min(float(row["score"]) for row in rows_of(every.folder)) < level
    two = mine(tone_bundle, nights, tmp_path / "two", label="hiss", least_score=0.02, count=2)
    best = sorted((float(row["score"]) for row in rows_of(every.folder)), reverse=True)[:2]
    assert sorted((float(row["score"]) for row in rows_of(two.folder)), reverse=True) == best
    per_hour = mine(
        tone_bundle, nights, tmp_path / "hour", label="hiss", least_score=0.02, count=2, per_hour=True
    )
    assert per_hour.clips == 2  # less than an hour was heard


def test_clips_keep_clear_of_annotated_events(tone_bundle, nights, tmp_path):
    (tmp_path / "truth.tsv").write_text("b.wav\t10.2\t11\ttone_1k\n")
    made = mine(tone_bundle, nights, tmp_path / "mined", label="hiss", annotations=tmp_path / "truth.tsv")
    assert {row["group"] for row in rows_of(made.folder)} == {"a.wav"}


def test_a_hit_is_dropped_when_its_context_reaches_an_event(tone_bundle):
    scores = np.zeros((80, 4), np.float32)
    scores[20:24, 0] = 0.8
    bundle = Bundle.load(tone_bundle)
    (hit,) = find_hits(bundle, scores, least_score=0.5)
    assert 5.0 < hit.onset_s <= hit.peak_s <= hit.offset_s < 7.0
    assert free_of_events([hit], [Event("any", 8.0, 9.0)], context_s=1.0) == [hit]
    assert free_of_events([hit], [Event("any", 7.0, 9.0)], context_s=2.0) == []


def test_nothing_is_overwritten_and_unusable_files_are_named(tone_bundle, nights, tmp_path, capsys):
    (nights / "c.wav").write_text("no audio")
    out = tmp_path / "mined"
    assert main(["mine", str(tone_bundle), str(nights), "--out", str(out), "--label", "hiss"]) == 0
    shown = capsys.readouterr()
    assert "fired tone_1k 1, tone_3k 2" in shown.out
    assert "c.wav" in shown.err
    before = sorted(path.name for path in out.rglob("*"))
    with pytest.raises(DataError, match="nothing is overwritten"):
        mine(tone_bundle, nights, out, label="hiss")
    assert sorted(path.name for path in out.rglob("*")) == before
    with pytest.raises(ConfigError, match="hiss or quiet"):
        mine(tone_bundle, nights, tmp_path / "other", label="tone_1k")


def test_an_empty_folder_is_filled_also_where_one_stands_or_through_a_link(
    tone_bundle, nights, tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert mine(tone_bundle, nights, ".", label="hiss").manifest.exists()
    assert rows_of(tmp_path / "here")
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    mine(tone_bundle, nights, tmp_path / "link", label="hiss")
    assert rows_of(tmp_path / "disk") == rows_of(tmp_path / "here")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "bundle") == [
        "disk",
        "here",
        "link",
        "nights",
    ]


def test_a_folder_that_cannot_be_written_is_told_before_listening(tone_bundle, nights, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for out in (str(tmp_path / "file" / "out"), ""):
        assert main(["mine", str(tone_bundle), str(nights), "--out", out, "--label", "hiss"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("kwsembed mine: ")


def test_clips_come_also_of_a_file_in_which_nothing_can_be_skipped(tone_bundle, nights, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    waveform = recording((3000, 10, 11.5, 0.8), seed=1)
    soundfile.write(nights / "b.wav", waveform, RATE_HZ, subtype="GSM610")
    made = mine(tone_bundle, nights, tmp_path / "mined", label="hiss")
    (row,) = (row for row in rows_of(made.folder) if row["group"] == "b.wav")
    cut, _ = decode.read(made.folder / row["path"])
    whole, _ = decode.read(nights / "b.wav")
    first = round(float(row["source_onset_s"]) * RATE_HZ)
    np.testing.assert_allclose(cut, whole[first:][: len(cut)], atol=1e-4)
    assert made.skipped == ()


def test_a_file_that_is_gone_after_listening_does_not_cost_the_others(tone_bundle, nights, tmp_path):
    def heard(done, total):
        if done == total:
            (nights / "a.wav").unlink(missing_ok=True)

    made = mine(tone_bundle, nights, tmp_path / "mined", label="hiss", progress=heard)
    assert [row["group"] for row in rows_of(made.folder)] == ["b.wav"]
    assert made.clips == 1
    ((path, why),) = made.skipped
    assert path == nights / "a.wav"
    assert "could not be cut out: the file does not exist" in why


# ---- as further negatives


@pytest.fixture
def sounds(tmp_path):
    """A folder per class with six clips each."""
    random = np.random.default_rng(3)
    for label in ("tone_1k", "hiss"):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for number in range(6):
            wav.write(
                tmp_path / "sounds" / label / f"{number}.wav",
                (0.1 * random.standard_normal(RATE_HZ)).astype(np.float32),
                RATE_HZ,
            )
    return tmp_path / "sounds"


def test_negatives_join_the_training_split_with_their_recording_as_group(
    tone_bundle, nights, sounds, tmp_path
):
    mine(tone_bundle, nights, tmp_path / "mined", label="hiss")
    manifest = assign_splits(read_manifest(sounds, background=["hiss"]))
    more = with_negatives(manifest, [tmp_path / "mined"])
    added = more.clips[len(manifest.clips) :]
    assert [(clip.split, clip.group, clip.label) for clip in added] == [
        ("train", "a.wav", "hiss"),
        ("train", "a.wav", "hiss"),
        ("train", "b.wav", "hiss"),
    ]
    assert added[0].name.startswith("../mined/hiss/")
    assert all((more.root / clip.name).resolve() == clip.path for clip in added)
    report = check_data(sounds, background=["hiss"], negatives=[tmp_path / "mined"])
    assert report.usable
    amounts = {(one.label, one.split): one.clips for one in report.amounts}
    assert amounts["hiss", "train"] == sum(c.label == "hiss" for c in more.of_split("train"))


def test_negatives_of_recordings_that_judge_are_left_out(tone_bundle, sounds, tmp_path):
    manifest = assign_splits(read_manifest(sounds, background=["hiss"]))
    for split in ("train", "validation", "test"):
        judged = next(clip for clip in manifest.of_split(split) if clip.label == "hiss")
        wav.write(judged.path, recording((1000, 1, 2.5, 0.7), duration_s=4.0), RATE_HZ)
    mine(tone_bundle, sounds / "hiss", tmp_path / "mined", label="hiss")
    assert len(rows_of(tmp_path / "mined")) == 3
    more = with_negatives(manifest, [tmp_path / "mined"])
    (added,) = more.clips[len(manifest.clips) :]
    assert added.group == next(c for c in manifest.of_split("train") if c.label == "hiss").group
    assert any("2 of 3 negatives" in warning for warning in more.warnings)


def test_a_folder_that_was_not_mined_or_for_other_data_is_refused(tone_bundle, nights, sounds, tmp_path):
    manifest = assign_splits(read_manifest(sounds, background=["hiss"]))
    with pytest.raises(DataError, match="no mined negatives"):
        with_negatives(manifest, [sounds])
    mine(tone_bundle, nights, tmp_path / "mined", label="quiet")
    with pytest.raises(DataError, match=r"Expected hiss\. Received: quiet"):
        with_negatives(manifest, [tmp_path / "mined"])


@pytest.mark.parametrize("command", ["mine", "refit", "add"])
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"example: kwsembed {command}" in " ".join(capsys.readouterr().out.split())
