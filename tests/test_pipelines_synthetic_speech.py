"""Synthetic speech for a teacher: what is said, by whom, and that a stopped run goes on."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace

import pytest

from data_pipelines import synthetic_speech
from kwsembed.audio.decode import read
from kwsembed.errors import DataError, UserError

WORDS = ["river", "seven", "cloud"]


def install(folder, name, script):
    """A command of that name, for a program that is not on this machine or must behave in some way."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def speaking(tmp_path, monkeypatch):
    """An eSpeak NG that writes what it is to say, two thousand letters of padding, and notes its calls."""
    install(
        tmp_path / "bin",
        "espeak-ng",
        f'if [ "$1" = --voices=variant ]; then echo " 5 variant f !v/anna"; exit; fi\n'
        f'echo "$*" >> {tmp_path}/calls\n'
        'while [ $# -gt 1 ]; do [ "$1" = -w ] && file=$2; shift; done\n'
        'printf "%s %2000s" "$1" x > "$file"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(synthetic_speech, "_FOUND", {})
    monkeypatch.setattr(synthetic_speech, "SPEAKERS", synthetic_speech.SPEAKERS[:1])
    return tmp_path


def said_in(folder):
    return {path.name: path.read_text().split(" ", 1)[0] for path in sorted(folder.glob("*.wav"))}


def texts(folder):
    return [path.read_text().split("  ")[0].strip() for path in sorted(folder.glob("*.wav"))]


def test_random_words_are_said_one_or_two_at_a_time(speaking):
    assert synthetic_speech.synthesise(speaking / "speech", WORDS, count=40) == 0
    found = texts(speaking / "speech")
    assert len(found) == 40
    assert {len(text.split()) for text in found} == {1, 2}
    assert {word for text in found for word in text.split()} == set(WORDS)


def test_keywords_are_said_by_themselves_in_their_share(speaking):
    synthetic_speech.synthesise(speaking / "speech", WORDS, say=["yes", "no"], say_share=0.5, count=100)
    keywords = [text for text in texts(speaking / "speech") if set(text.split()) & {"yes", "no"}]
    assert set(keywords) == {"yes", "no"}
    assert 35 <= len(keywords) <= 65


def test_what_is_there_stays_and_the_rest_is_as_it_would_have_been(speaking):
    synthetic_speech.synthesise(speaking / "whole", WORDS, count=10)
    synthetic_speech.synthesise(speaking / "parts", WORDS, count=4)
    calls = (speaking / "calls").read_text().count("\n")
    synthetic_speech.synthesise(speaking / "parts", WORDS, count=10)
    assert (speaking / "calls").read_text().count("\n") == calls + 6
    assert said_in(speaking / "parts") == said_in(speaking / "whole")


def test_voices_are_those_that_are_installed(speaking):
    synthetic_speech.synthesise(speaking / "speech", WORDS, count=5)
    assert all("+anna -p " in call for call in (speaking / "calls").read_text().splitlines())


def test_what_cannot_be_said_is_counted_and_leaves_nothing(speaking):
    program = speaking / "bin" / "espeak-ng"
    program.write_text(program.read_text().replace("printf", 'case "$1" in *cloud*) exit 1;; esac\nprintf'))
    failed = synthetic_speech.synthesise(speaking / "speech", WORDS, count=40)
    files = list((speaking / "speech").iterdir())
    assert 0 < failed < 40
    assert len(files) == 40 - failed


def test_a_synthesiser_that_says_nothing_is_told(speaking):
    install(speaking / "bin", "espeak-ng", "exit 1")
    with pytest.raises(DataError, match="no synthesiser could say a word"):
        synthetic_speech.synthesise(speaking / "speech", WORDS, count=3)


def test_without_espeak_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install espeak-ng"):
        synthetic_speech.synthesise(tmp_path / "speech", WORDS)
    assert not (tmp_path / "speech").exists()


def test_words_are_of_small_letters_and_none_of_the_keywords(tmp_path):
    (tmp_path / "words").write_text("river\nParis\nit's\na\nyes\nencyclopaedia\nsea\n")
    assert synthetic_speech.words_in(tmp_path / "words", apart_from=["yes"]) == ["river", "sea"]


def test_the_command_says_what_comes_next_or_what_is_wrong(speaking, capsys):
    (speaking / "words").write_text("\n".join(WORDS))
    listed = ["--words", str(speaking / "words"), "--count", "3"]
    assert synthetic_speech.main([str(speaking / "speech"), *listed, "--say", "yes"]) == 0
    assert capsys.readouterr().out.endswith(f"--unlabelled {speaking / 'speech'}\n")
    assert synthetic_speech.main([str(speaking / "speech"), "--words", "nowhere"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("data_pipelines.synthetic_speech: the list of words cannot be read")
    assert synthetic_speech.main([str(speaking / "speech"), "--count", "0"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "expected a whole number above 0; received '0'" in line


@pytest.mark.parametrize("speaker", synthetic_speech.SPEAKERS, ids=lambda speaker: speaker.program)
def test_the_synthesisers_themselves_say_words_that_can_be_decoded(speaker, tmp_path, monkeypatch):
    for program in {"espeak-ng", speaker.program}:  # the first is always wanted
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    only = tuple(replace(one, share=float(one is speaker)) for one in synthetic_speech.SPEAKERS)
    monkeypatch.setattr(synthetic_speech, "SPEAKERS", only)
    assert synthetic_speech.synthesise(tmp_path / "speech", WORDS, say=["yes"], count=6, seed=3) == 0
    for path in (tmp_path / "speech").glob("*.wav"):
        waveform, rate_hz = read(path)
        assert 0.1 < len(waveform) / rate_hz < 5
        assert abs(waveform).max() > 0.01
