"""Clips of the data in folders of recordings, encoded anew: left out, with a reason, and looked for once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_near_duplicates import RATE_HZ, sound

from kwsembed.audio import wav
from kwsembed.data import same_sound
from kwsembed.data.recordings import recordings_in
from kwsembed.manifest import read_manifest

soundfile = pytest.importorskip("soundfile", reason="soundfile encodes the copies")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three barks, three nights, and a street with one of the barks, trimmed, softer, in another format."""
    for name, seeds in (("bark", (0, 1, 2)), ("background", (3, 4, 5)), ("street", (6, 7))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            wav.write(tmp_path / name / f"{seed}.wav", sound(seed), RATE_HZ)
    copy = 0.5 * sound(1)[1500:]
    soundfile.write(tmp_path / "street" / "copy.ogg", copy, RATE_HZ, format="OGG", subtype="VORBIS")
    for name in ("bark", "background"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / name).rename(tmp_path / "data" / name)
    return tmp_path


def apart(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    files = recordings_in(str(folder / "street"), setting="noise", kind="noise")
    kept, skipped = same_sound.apart_from_clips(
        read_manifest(folder / "data").clips,
        files,
        folder=folder / "street",
        cache_dir=folder / "cache",
        kind="noise",
    )
    return [path.name for path in kept], [(Path(file.name).name, file.reason) for file in skipped]


COPY = ("copy.ogg", "sounds the same as bark/1.wav, a clip of the data, so it is no noise")


def test_a_clip_that_was_trimmed_and_encoded_anew_is_left_out_and_named(folder):
    assert apart(folder) == (["6.wav", "7.wav"], [COPY])


def test_the_same_file_is_left_out_without_listening(folder):
    (folder / "street" / "again.wav").write_bytes((folder / "data" / "bark" / "0.wav").read_bytes())
    kept, skipped = apart(folder)
    assert kept == ["6.wav", "7.wav"]
    assert skipped == [("again.wav", "a clip of the data, so it is no noise"), COPY]


def test_the_benchmark_tells_how_many_clips_are_found_again(folder, capsys):
    from benchmarks import encoded_anew  # only now: it wants soundfile

    encoded_anew.main([str(folder / "data"), "--recordings", str(folder / "street")])
    assert capsys.readouterr().out.splitlines() == [
        "encoded anew: 6 of 6 found among 6 clips",
        f"{folder / 'street'}: 1 of 3 taken for a clip",
    ]


def test_recordings_alike_and_clips_alike_are_no_matter(folder):
    wav.write(folder / "street" / "softer.wav", 0.5 * sound(6), RATE_HZ)
    wav.write(folder / "data" / "bark" / "softer.wav", 0.5 * sound(0), RATE_HZ)
    assert apart(folder) == (["6.wav", "7.wav", "softer.wav"], [COPY])


def test_files_are_listened_to_once_until_one_of_them_changes(folder, monkeypatch):
    listened = []
    examine = same_sound.examine

    def counting(clips, **options):
        listened.append(len(clips))
        return examine(clips, **options)

    monkeypatch.setattr(same_sound, "examine", counting)
    first = apart(folder)
    assert apart(folder) == first
    assert listened == [9]
    wav.write(folder / "street" / "6.wav", np.concatenate([sound(2), sound(8)[:8000]]), RATE_HZ)
    kept, skipped = apart(folder)
    assert kept == ["7.wav"]
    assert [name for name, _ in skipped] == ["6.wav", "copy.ogg"]
    assert listened == [9, 9]
    (answer, *_) = sorted((folder / "cache").glob("same-sound-*.json"))
    for damaged in ("", "[[1", '{"a": 1}', "7"):
        for answer in (folder / "cache").glob("same-sound-*.json"):
            answer.write_text(damaged)
        assert apart(folder) == (kept, skipped)


def test_a_file_that_is_no_audio_is_left_for_decoding_to_tell_of(folder):
    (folder / "street" / "torn.wav").write_bytes(b"no audio at all")
    assert apart(folder) == (["6.wav", "7.wav", "torn.wav"], [COPY])


def test_a_file_that_may_not_be_opened_yet_is_listened_to_when_it_may(folder, monkeypatch):
    lying = folder / "street" / "link.ogg"
    lying.symlink_to(folder / "later.ogg")  # leads nowhere so far
    assert apart(folder)[1] == [COPY]
    assert not list((folder / "cache").glob("same-sound-*.json"))
    (folder / "street" / "copy.ogg").rename(folder / "later.ogg")
    kept, [(name, _)] = apart(folder)
    assert kept == ["6.wav", "7.wav"]
    assert name in ("link.ogg", "later.ogg")
    assert list((folder / "cache").glob("same-sound-*.json"))
