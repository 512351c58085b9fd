"""The Speech Commands recipe: official split, speakers kept whole, noise cut into seconds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from toy_corpora import SPEAKERS, loopback, pack_tar, write_speech_commands

from data_pipelines import speech_commands
from data_pipelines.command import run
from kwsembed.errors import DataError, UserError
from kwsembed.manifest import assign_splits, read_manifest

FOLDER = "speech_commands_v0.02"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_speech_commands(tmp_path / "root" / FOLDER)
    return tmp_path / "root"


def test_the_manifest_row_by_row(root):
    built = speech_commands.build_manifest(root, words=["yes", "no"])
    words = [
        (f"{FOLDER}/{word}/{speaker}_nohash_{take}.wav", label, speaker, split, None, None)
        for word, label in (("marvin", "_unknown_"), ("no", "no"), ("yes", "yes"))
        for take, (split, speaker) in enumerate(SPEAKERS.items())
    ]
    noise = [
        (f"{FOLDER}/_background_noise_/{name}.wav", "_silence_", name, split, onset_s, onset_s + 1)
        for name, split in (
            ("exercise_bike", "test"),
            ("running_tap", "validation"),
            ("white_noise", "train"),
        )
        for onset_s in (0.0, 1.0)  # 2.5 s: the last half second is no whole piece
    ]
    assert [(c.name, c.label, c.group, c.split, c.onset_s, c.offset_s) for c in built.clips] == words + noise
    assert [clip.sublabel for clip in built.clips] == ["marvin"] * 3 + [None] * 12
    read = read_manifest(root / "manifest.csv")
    assert read.clips == built.clips
    assert read.labels == ("no", "yes", "_silence_", "_unknown_")
    assert read.background_labels == ("_silence_", "_unknown_")
    assert assign_splits(read).warnings == ()


def test_an_unknown_word_names_the_likeliest(root):
    with pytest.raises(UserError, match=r"perhaps marvin is meant.*--words=marvn"):
        speech_commands.build_manifest(root, words=["marvn"])


def test_a_file_that_names_no_speaker_is_refused(root):
    odd = root / FOLDER / "yes" / "mine.wav"
    odd.write_bytes(b"")
    with pytest.raises(DataError, match=r"does not say who speaks .*mine\.wav"):
        speech_commands.build_manifest(root, words=["yes"])


def test_a_speaker_in_two_splits_is_refused(root):
    mixed = f"{SPEAKERS['train']}_nohash_7.wav"
    (root / FOLDER / "yes" / mixed).write_bytes(
        (root / FOLDER / "yes" / "0a0a0a0a_nohash_0.wav").read_bytes()
    )
    with (root / FOLDER / "testing_list.txt").open("a") as file:
        file.write(f"yes/{mixed}\n")
    with pytest.raises(DataError, match=r"two splits.*group=0a0a0a0a in test, train"):
        speech_commands.build_manifest(root, words=["yes"])


def test_a_verified_archive_is_unpacked_and_its_files_are_recorded(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    pack_tar(tmp_path / "toy.tar.gz", root / FOLDER)
    content = (tmp_path / "toy.tar.gz").read_bytes()
    remote = replace(
        speech_commands.CORPUS.remote, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    corpus = replace(speech_commands.CORPUS, remote=remote)
    recipe = replace(speech_commands.RECIPE, corpus=corpus)
    target = tmp_path / "target"
    with loopback(content) as server:
        assert run(recipe, [str(target), "--download", "--base-url", server.url, "--words", "yes"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"kwsembed train {target}/manifest.csv --out RUN"

    report = speech_commands.validate(target)
    assert (report.ok, report.checked, report.present) == (True, 15, 0)
    (target / FOLDER / "no" / "0a0a0a0a_nohash_0.wav").write_bytes(b"")
    assert speech_commands.validate(target).changed == ("no/0a0a0a0a_nohash_0.wav (other content)",)


def test_the_published_checksum_refuses_any_other_archive(root, tmp_path, capsys):
    target = tmp_path / "target"
    target.mkdir()
    pack_tar(target / "speech_commands_v0.02.tar.gz", root / FOLDER)
    assert run(speech_commands.RECIPE, [str(target)]) == 2
    error = capsys.readouterr().err
    assert "2428923189 bytes with sha256 af14739ee7dc" in error
    assert error.count("\n") == 1


def test_a_copy_unpacked_by_hand_is_checked_against_the_official_lists(root):
    report = speech_commands.validate(root)
    assert (report.ok, report.checked, report.present) == (True, 0, 6)
    (root / FOLDER / "yes" / f"{SPEAKERS['test']}_nohash_2.wav").unlink()
    assert speech_commands.validate(root).missing == ("yes/2c2c2c2c_nohash_2.wav",)
