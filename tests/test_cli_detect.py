"""`classify`, `detect` and `doctor` as they are called: rows, skipped files, live streams, exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
import types

import numpy as np
import pytest

from kwsembed.audio import wav
from kwsembed.cli.main import main
from kwsembed.self_test import self_test

RATE_HZ = 16000


def stream():
    """6 s of faint noise; 3 kHz at 1.0-1.5 s and 1 kHz at 3.0-4.5 s."""
    waveform = np.random.default_rng(0).normal(scale=0.003, size=6 * RATE_HZ)
    for hz, onset_s, offset_s in ((3000, 1.0, 1.5), (1000, 3.0, 4.5)):
        time_s = np.arange(round((offset_s - onset_s) * RATE_HZ)) / RATE_HZ
        waveform[round(onset_s * RATE_HZ) :][: len(time_s)] += 0.6 * np.sin(2 * np.pi * hz * time_s)
    return waveform.astype(np.float32)


def pcm(waveform):
    return np.round(waveform * 32767).astype("<i2")


@pytest.fixture
def audio(tmp_path):
    folder = tmp_path / "audio"
    folder.mkdir()
    wav.write(folder / "b tones.wav", stream(), RATE_HZ)
    wav.write(folder / "a quiet.wav", np.zeros(8000, np.float32), 8000)
    (folder / "c text.wav").write_text("no audio")
    return folder


@pytest.fixture
def feed(monkeypatch):
    """Makes the given bytes the standard input."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def rows(text, delimiter="\t"):
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_classify_writes_a_column_per_label_and_skips_what_is_no_audio(tone_bundle, audio, capsys):
    assert main(["classify", str(tone_bundle), str(audio)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("path,tone_1k,tone_3k,hiss,quiet\n")
    table = rows(out, ",")
    assert [row["path"] for row in table] == [str(audio / "a quiet.wav"), str(audio / "b tones.wav")]
    assert float(table[0]["quiet"]) > 0.5
    assert sum(float(value) for name, value in table[1].items() if name != "path") == pytest.approx(
        1, abs=1e-5
    )
    skipped, total = [line for line in err.splitlines() if line.startswith("kwsembed")]
    assert skipped.startswith("kwsembed classify: skipped: ")
    assert "c text.wav" in skipped
    assert total == "kwsembed classify: 1 of 3 files were skipped"


def test_classify_needs_no_more_memory_for_a_long_clip(tone_bundle, tmp_path, capsys):
    peaks = []
    for duration_s in (40, 160):
        wav.write(tmp_path / f"{duration_s}.wav", np.zeros(duration_s * 8000, np.float32), 8000)
        tracemalloc.start()
        assert main(["classify", str(tone_bundle), str(tmp_path / f"{duration_s}.wav")]) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_detect_writes_the_rows_of_a_file_by_onset(tone_bundle, audio, capsys):
    assert main(["detect", str(tone_bundle), str(audio)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("filename\tonset\toffset\tevent_label\tscore\n")
    table = rows(out)
    assert [(row["filename"], row["event_label"]) for row in table] == [
        (str(audio / "b tones.wav"), "tone_3k"),
        (str(audio / "b tones.wav"), "tone_1k"),
    ]
    assert [float(row["onset"]) for row in table] == pytest.approx([1.0, 3.0], abs=0.5)
    assert all(float(row["onset"]) < float(row["offset"]) for row in table)
    assert "1 of 3 files were skipped" in err


@pytest.mark.parametrize("command", ["classify", "detect"])
def test_no_usable_file_exits_with_2(tone_bundle, audio, command, capsys):
    assert main([command, str(tone_bundle), str(audio / "c text.wav")]) == 2
    assert "skipped" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["classify", "detect"])
def test_any_file_name_comes_out_as_it_is(tone_bundle, tmp_path, command):
    path = os.fsencode(tmp_path / "a\tb ") + b"\xff.wav"  # a tab, and no UTF-8
    wav.write(os.fsdecode(path), stream(), RATE_HZ)
    code = "import sys; from kwsembed.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, command, tone_bundle, path], capture_output=True, check=True
    )
    assert path in done.stdout


@pytest.mark.parametrize("arguments", [["classify"], ["detect"], ["detect", "--format", "jsonl"]])
def test_a_name_that_the_output_cannot_encode_is_escaped(tone_bundle, tmp_path, arguments):
    path = os.fsencode(tmp_path / "fü ") + b"\xff.wav"
    wav.write(os.fsdecode(path), stream(), RATE_HZ)
    code = "import sys; from kwsembed.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command, *options = arguments
    done = subprocess.run(
        [sys.executable, "-c", code, command, tone_bundle, path, *options],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"},
    )
    if options:
        assert json.loads(done.stdout.splitlines()[0])["filename"] == os.fsdecode(path)
    else:
        assert b"f\\xfc \xff.wav" in done.stdout


@pytest.mark.parametrize("command", ["classify", "detect"])
def test_a_closed_output_is_one_line_and_2(tone_bundle, audio, command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert main([command, str(tone_bundle), str(audio)]) == 2
    assert capsys.readouterr().err == f"kwsembed {command}: standard output is closed\n"


@pytest.mark.parametrize("command", ["classify", "detect"])
def test_what_is_not_used_of_a_folder_is_one_line(tone_bundle, audio, command, capsys):
    for name in ("notes.txt", "d.m4a"):
        (audio / name).touch()
    assert main([command, str(tone_bundle), str(audio), str(audio)]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "not used" in line]
    assert told == [f"kwsembed {command}: 2 files are not audio and not used in {audio}, such as d.m4a"]


@pytest.mark.parametrize("command", ["classify", "detect"])
def test_a_missing_file_and_a_missing_bundle_are_one_line_and_2(tone_bundle, tmp_path, command, capsys):
    for arguments in ([str(tone_bundle), str(tmp_path / "none.wav")], [str(tmp_path), "x.wav"]):
        assert main([command, *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"kwsembed {command}: ")
        assert err.count("\n") == 1


def test_the_chunk_changes_no_row(tone_bundle, audio, capsys):
    outputs = set()
    for chunk_s in ("0.013", "1", "60"):
        assert main(["detect", str(tone_bundle), str(audio / "b tones.wav"), "--chunk-s", chunk_s]) == 0
        outputs.add(capsys.readouterr().out)
    assert len(outputs) == 1


def test_json_lines_hold_the_same_as_the_table(tone_bundle, audio, capsys):
    main(["detect", str(tone_bundle), str(audio / "b tones.wav")])
    table = rows(capsys.readouterr().out)
    main(["detect", str(tone_bundle), "--format", "jsonl", str(audio / "b tones.wav")])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event_label"] for line in lines] == [row["event_label"] for row in table]
    assert [line["onset"] for line in lines] == [float(row["onset"]) for row in table]


def test_a_threshold_replaces_that_of_the_bundle(tone_bundle, audio, capsys):
    assert main(["detect", str(tone_bundle), "--threshold", "tone_1k=1.5", str(audio / "b tones.wav")]) == 0
    assert [row["event_label"] for row in rows(capsys.readouterr().out)] == ["tone_3k"]
    assert main(["detect", str(tone_bundle), "--threshold", "hiss=0.5", str(audio)]) == 2
    assert "Expected tone_1k, tone_3k" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threshold", "tone_1k"],
        ["--threshold", "=0.5"],
        ["--threshold", "tone_1k=nan"],
        ["--chunk-s", "0"],
        ["--sample-rate", "fast"],
        ["--channels", "-1"],
    ],
)
def test_options_out_of_range_are_usage_errors(tone_bundle, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["detect", str(tone_bundle), "x.wav", *arguments])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert repr(arguments[1]) in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["-", "x.wav"], ["x.wav", "--mic"]])
def test_exactly_one_source_is_heard(tone_bundle, arguments, capsys):
    assert main(["detect", str(tone_bundle), *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_standard_input_is_heard_like_a_file(tone_bundle, audio, feed, capsys):
    main(["detect", str(tone_bundle), str(audio / "b tones.wav")])
    expected = [list(row.values())[1:] for row in rows(capsys.readouterr().out)]
    feed(pcm(stream()).tobytes())
    assert main(["detect", str(tone_bundle), "-"]) == 0
    table = rows(capsys.readouterr().out)
    assert {row["filename"] for row in table} == {"-"}
    assert [list(row.values())[1:] for row in table] == expected


def test_channels_of_standard_input_are_averaged_and_half_a_sample_is_named(tone_bundle, feed, capsys):
    stereo = np.stack([pcm(1.5 * stream()), pcm(0.5 * stream())], axis=1)
    feed(stereo.tobytes() + b"abc")
    assert main(["detect", str(tone_bundle), "-", "--channels", "2"]) == 0
    out, err = capsys.readouterr()
    assert [row["event_label"] for row in rows(out)] == ["tone_3k", "tone_1k"]
    assert "last 3 bytes are ignored" in err


def test_an_empty_standard_input_is_an_error(tone_bundle, feed, capsys):
    feed(b"")
    assert main(["detect", str(tone_bundle), "-"]) == 2
    assert "no sound came" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"RIFF\0\0\0\0WAVE", "WAV"), (b"OggS", "Ogg"), (b"fLaC", "FLAC"), (b"ID3", "MP3")],
)
@pytest.mark.parametrize("options", [[], ["--chunk-s", "0.0001", "--channels", "3"]])
def test_an_audio_file_on_standard_input_is_not_taken_for_samples(
    tone_bundle, feed, start, kind, options, capsys
):
    feed(start + pcm(stream()).tobytes())
    assert main(["detect", str(tone_bundle), "-", *options]) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err.startswith(f"kwsembed detect: standard input begins like {kind}. Expected raw 16-bit samples.")
    assert err.count("\n") == 1


def test_samples_that_only_begin_like_riff_are_heard(tone_bundle, feed, capsys):
    feed(b"RIFF" + pcm(stream()).tobytes())
    assert main(["detect", str(tone_bundle), "-"]) == 0


def test_a_closed_standard_input_is_an_error(tone_bundle, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["detect", str(tone_bundle), "-"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_less_than_one_sample_is_no_sound(tone_bundle, feed, capsys):
    feed(b"x")
    assert main(["detect", str(tone_bundle), "-"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "kwsembed detect: no sound came (-)"


def test_rows_of_a_live_stream_come_as_events_end(tone_bundle, feed, monkeypatch, capsys):
    content = pcm(stream()).tobytes()
    seen = []

    class Slow(io.BytesIO):
        def read(self, size=-1):
            seen.append((self.tell(), capsys.readouterr().out.count("\n")))
            return super().read(size)

    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=Slow(content)))
    assert main(["detect", str(tone_bundle), "-", "--chunk-s", "0.25"]) == 0
    first_row_s = next(at / 2 / RATE_HZ for at, lines in seen[1:] if lines)
    assert 1.5 < first_row_s < 3.5


def microphone(blocks):
    """A stand-in for sounddevice that plays blocks and is then interrupted."""

    class InputStream:
        def __init__(self, *, samplerate, channels, dtype):
            assert (channels, dtype) == (1, "float32")
            self._blocks = iter(blocks)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def read(self, samples):
            block = next(self._blocks, None)
            if block is None:
                raise KeyboardInterrupt
            return block[:, None], True

    return types.SimpleNamespace(InputStream=InputStream, PortAudioError=RuntimeError, __version__="0")


def test_the_microphone_is_heard_until_interrupted(tone_bundle, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", microphone(np.split(stream()[: 4 * RATE_HZ], 40)))
    assert main(["detect", str(tone_bundle), "--mic"]) == 0
    out, err = capsys.readouterr()
    assert [(row["filename"], row["event_label"]) for row in rows(out)] == [
        ("mic", "tone_3k"),
        ("mic", "tone_1k"),
    ]
    assert "sound was lost" in err


def test_a_missing_sounddevice_is_named_with_its_pip_line(tone_bundle, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["detect", str(tone_bundle), "--mic"]) == 2
    assert 'pip install "kwsembed[mic]"' in capsys.readouterr().err


def test_a_microphone_that_is_unplugged_is_one_line_and_2(tone_bundle, monkeypatch, capsys):
    class Unplugged:
        def __init__(self, **settings):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def read(self, samples):
            raise RuntimeError("Input overflowed or device gone")

    module = types.SimpleNamespace(InputStream=Unplugged, PortAudioError=RuntimeError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    assert main(["detect", str(tone_bundle), "--mic"]) == 2
    err = capsys.readouterr().err
    assert err == "kwsembed detect: the microphone gives no more sound: Input overflowed or device gone\n"


def test_the_doctor_runs_the_model_of_a_bundle(tone_bundle, capsys):
    assert main(["doctor", "--bundle", str(tone_bundle)]) == 0
    out = capsys.readouterr().out
    assert "FAILED" not in out
    assert "ms a window" in out


def test_the_doctor_finds_a_front_end_that_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(
        "kwsembed.self_test.log_mel", lambda waveform, config: np.zeros((1, config.mel_count))
    )
    assert [check.name for check in self_test() if not check.passed] == ["front end", "front end"]
    assert main(["doctor"]) == 1
    assert "FAILED front end" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["classify", "detect", "doctor"])
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"example: kwsembed {command}" in " ".join(capsys.readouterr().out.split())
