"""Decoding: every format becomes the same mono floats, whole, in part and in blocks; bad files are named."""

from __future__ import annotations

import errno
import os
import sys
import wave

import numpy as np
import pytest

from kwsembed.audio import decode, wav
from kwsembed.audio.decode import AudioFileError, AudioInfo
from kwsembed.audio.search import AUDIO_SUFFIXES
from kwsembed.audio.truncation import is_cut_off
from kwsembed.errors import AudioError

RATE_HZ = 16000


def tone(*, hz: float = 440.0, duration_s: float = 0.5, rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate_hz)) / rate_hz)).astype(
        np.float32
    )


def write_pcm(path, columns: np.ndarray, *, width: int) -> None:
    """WAV of `(samples, channels)` integers by the standard library, bytes laid out by hand."""
    if width == 1:
        content = (columns + 128).astype(np.uint8).tobytes()
    else:
        content = columns.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(columns.shape[1])
        file.setsampwidth(width)
        file.setframerate(RATE_HZ)
        file.writeframes(content)


@pytest.fixture
def no_soundfile(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)


def deny(monkeypatch, folder):
    """Makes a folder one that cannot be listed, also for root."""
    scandir = os.scandir

    def denied(path="."):
        if os.fspath(path) == str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)


def sound_file():
    return pytest.importorskip("soundfile", reason="soundfile writes the files that are read")


@pytest.mark.parametrize("reader", ["soundfile", "standard library"])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_pcm_of_every_width_is_scaled_by_its_full_scale(tmp_path, monkeypatch, reader, width):
    if reader == "standard library":
        monkeypatch.setitem(sys.modules, "soundfile", None)
    full = 2 ** (8 * width - 1)
    write_pcm(tmp_path / "a.wav", np.array([[0], [full // 2], [full - 1], [-full]]), width=width)
    waveform, rate_hz = decode.read(tmp_path / "a.wav")
    assert rate_hz == RATE_HZ
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, [0, 0.5, (full - 1) / full, -1], atol=1e-7)


@pytest.mark.parametrize("reader", ["soundfile", "standard library"])
def test_channels_are_averaged(tmp_path, monkeypatch, reader):
    if reader == "standard library":
        monkeypatch.setitem(sys.modules, "soundfile", None)
    write_pcm(tmp_path / "a.wav", np.array([[16384, 0], [16384, -16384], [8192, 24576]]), width=2)
    assert decode.read(tmp_path / "a.wav")[0].tolist() == [0.25, 0.0, 0.5]
    assert decode.probe(tmp_path / "a.wav") == AudioInfo(RATE_HZ, 2, 3, "WAV/PCM_16")


def test_float_wav_keeps_its_values_also_beyond_full_scale(tmp_path):
    values = np.array([0.1, -1.5, 2.0], np.float32)
    sound_file().write(tmp_path / "a.wav", values, RATE_HZ, subtype="FLOAT")
    assert decode.read(tmp_path / "a.wav")[0].tolist() == values.tolist()


@pytest.mark.parametrize(
    "name, subtype, error", [("a.flac", "PCM_16", 2e-5), ("a.ogg", "VORBIS", 0.05), ("a.mp3", None, 0.05)]
)
def test_compressed_formats_decode_to_the_sound_that_was_encoded(tmp_path, name, subtype, error):
    waveform = tone(duration_s=1.0)
    sound_file().write(tmp_path / name, waveform, RATE_HZ, subtype=subtype)
    decoded, rate_hz = decode.read(tmp_path / name)
    assert rate_hz == RATE_HZ
    assert abs(len(decoded) - len(waveform)) <= 1152  # an MP3 frame
    inner = slice(2000, 14000)
    assert np.abs(np.abs(np.fft.rfft(decoded[inner])).argmax() - 440 * 12000 / RATE_HZ) < 1
    assert abs(decoded[inner].std() - waveform[inner].std()) < error


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_blocks_and_parts_are_pieces_of_the_whole(tmp_path, name):
    noise = 0.2 * np.random.default_rng(0).standard_normal(round(2.3 * 11025))
    sound_file().write(tmp_path / name, noise, 11025)
    whole, rate_hz = decode.read(tmp_path / name)
    blocks, block_rate_hz = decode.blocks(tmp_path / name, block_s=0.3)
    pieces = list(blocks)
    assert block_rate_hz == rate_hz == 11025
    assert [len(piece) for piece in pieces[:-1]] == [round(0.3 * 11025)] * (len(pieces) - 1)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    part, _ = decode.read(tmp_path / name, start_s=1.5, stop_s=1.9)
    first, last = round(1.5 * 11025), round(1.9 * 11025)
    np.testing.assert_allclose(part, whole[first:last], atol=1e-6)


def test_a_part_may_end_behind_the_file_but_not_begin_there(tmp_path):
    wav.write(tmp_path / "a.wav", tone(duration_s=0.5), RATE_HZ)
    assert len(decode.read(tmp_path / "a.wav", start_s=0.25, stop_s=9.0)[0]) == 4000
    with pytest.raises(
        AudioFileError, match=r"part from 2 to 3 s lies outside the file, which lasts 0.500 s"
    ):
        decode.read(tmp_path / "a.wav", start_s=2.0, stop_s=3.0)


def test_the_file_is_closed_when_blocks_are_dropped_half_way(tmp_path):
    wav.write(tmp_path / "a.wav", tone(duration_s=1.0), RATE_HZ)
    blocks, _ = decode.blocks(tmp_path / "a.wav", block_s=0.1)
    next(blocks)
    blocks.close()
    with pytest.raises(StopIteration):
        next(blocks)


def reason_of(path) -> str:
    with pytest.raises(AudioFileError) as caught:
        decode.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) not in caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("name", ["a.wav", "a.ogg", "a.mp3", "a.flac"])
def test_text_with_the_name_of_an_audio_file_is_not_audio(tmp_path, name):
    sound_file()
    (tmp_path / name).write_text("this is a text\n" * 400)
    assert reason_of(tmp_path / name) == "not audio"


@pytest.mark.parametrize("name", ["a.wav", "a.ogg", "a.flac", "a.mp3"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused_and_never_shortened_in_silence(tmp_path, name, share):
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE_HZ)
    sound_file().write(tmp_path / name, noise, RATE_HZ)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: round(share * len(content))])
    assert reason_of(tmp_path / name) in {"cut off", "corrupt"}


def test_a_wav_without_its_last_samples_is_refused_without_soundfile_too(tmp_path, no_soundfile):
    wav.write(tmp_path / "a.wav", tone(), RATE_HZ)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 2])
    assert reason_of(tmp_path / "a.wav") == "cut off"


def test_empty_files_missing_files_and_folders(tmp_path):
    (tmp_path / "a.wav").touch()
    assert reason_of(tmp_path / "a.wav") == "empty"
    wav.write(tmp_path / "b.wav", np.zeros(0, np.float32), RATE_HZ)
    assert reason_of(tmp_path / "b.wav") == "empty"
    assert reason_of(tmp_path / "c.wav") == "missing"
    assert reason_of(tmp_path) == "not audio"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, bad):
    values = tone()
    values[6000] = bad
    sound_file().write(tmp_path / "a.wav", values, RATE_HZ, subtype="FLOAT")
    assert reason_of(tmp_path / "a.wav") == "nan"
    blocks, _ = decode.blocks(tmp_path / "a.wav", block_s=0.1)
    assert len(next(blocks)) == 1600  # the header is sound; the error comes with its block
    with pytest.raises(AudioFileError):
        list(blocks)


def test_without_soundfile_other_formats_name_the_package(tmp_path, no_soundfile):
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(AudioError, match=r'flac files need soundfile.*pip install "soundfile') as caught:
        decode.read(tmp_path / "a.flac")
    assert caught.value.exit_code == 2


def test_without_soundfile_a_float_wav_names_the_package(tmp_path):
    sound_file().write(tmp_path / "a.wav", tone(), RATE_HZ, subtype="FLOAT")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "soundfile", None)
        with pytest.raises(AudioError, match="pip install"):
            decode.read(tmp_path / "a.wav")


def test_folders_are_searched_for_audio_in_order(tmp_path):
    for name in ("b/2.WAV", "b/1.flac", "a.mp3", "b/notes.txt", "b/.hidden.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = decode.find_audio([tmp_path / "b" / "notes.txt", tmp_path])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "b/notes.txt",
        "a.mp3",
        "b/1.flac",
        "b/2.WAV",
    ]
    (tmp_path / "none").mkdir()
    with pytest.raises(AudioError, match="holds no audio"):
        decode.find_audio([tmp_path / "none"])
    with pytest.raises(AudioFileError, match="does not exist"):
        decode.find_audio([tmp_path / "gone.wav"])


def test_what_a_folder_holds_besides_audio_is_told_by_kind(tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "nights", tmp_path / "elsewhere"
    for name in ("a.wav", "b.m4a", "sub/notes.txt", ".git/config", ".hidden", "locked/c.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    elsewhere.mkdir()
    (folder / "link").symlink_to(elsewhere)
    deny(monkeypatch, folder / "locked")
    told = []
    assert decode.find_audio([folder], notice=told.append) == [folder / "a.wav"]
    assert told == [
        f"2 files are not audio and not used in {folder}, such as b.m4a",
        f"1 link to a folder is not followed in {folder}, such as link",
        f"1 folder is not searched, since listing is refused (Permission denied: {folder / 'locked'})",
    ]
    with pytest.raises(AudioError, match=r"holds no audio.*Permission denied: .*locked"):
        decode.find_audio([folder / "locked"])


def test_without_a_listener_what_is_left_out_is_logged(tmp_path, caplog):
    (tmp_path / "a.wav").touch()
    decode.find_audio([tmp_path])
    assert not caplog.records
    (tmp_path / "notes.txt").touch()
    decode.find_audio([tmp_path])
    assert "1 file is not audio" in caplog.text


def test_a_file_of_a_folder_whose_files_cannot_be_reached_is_reported_when_it_is_read(tmp_path, monkeypatch):
    (tmp_path / "a.wav").touch()
    monkeypatch.setattr(os.path, "isfile", lambda path: False)  # as for a folder of mode r--
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    assert decode.find_audio([tmp_path]) == [tmp_path / "a.wav"]


@pytest.mark.parametrize("suffix", [suffix for suffix in AUDIO_SUFFIXES if suffix != ".mp3"])
def test_each_suffix_that_is_searched_for_is_decoded_and_refused_if_cut_off(tmp_path, suffix):
    name = {".oga": "OGG", ".opus": "OGG", ".aif": "AIFF", ".aifc": "AIFF", ".wave": "WAV"}
    coding = {".oga": "VORBIS", ".ogg": "VORBIS", ".opus": "OPUS"}
    path = tmp_path / f"a{suffix}"
    samples = tone(duration_s=2.0, rate_hz=48000)
    sound_file().write(
        path,
        samples,
        48000,
        format=name.get(suffix, suffix[1:].upper()),
        subtype=coding.get(suffix, "PCM_16"),
    )
    assert decode.find_audio([tmp_path]) == [path]
    whole, rate_hz = decode.read(path)
    assert rate_hz == 48000
    assert len(whole) == len(samples)
    np.testing.assert_allclose(whole[:90000], samples[:90000], atol=0.05)
    part, _ = decode.read(path, start_s=0.5, stop_s=1.0)
    np.testing.assert_allclose(part, whole[24000:48000], atol=1e-4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioFileError):
        decode.read(path)


@pytest.mark.parametrize(
    "header",
    [
        b"FORM\x7f\x00\x00\x00AIFF",
        b".snd\x00\x00\x00\x18\xff\xff\xff\xff",
        b"RF64\xff\xff\xff\xffWAVEds64\x1c\x00\x00\x00" + b"\xff" * 8,
    ],
)
def test_a_length_that_was_left_open_is_not_a_cut(tmp_path, header):
    (tmp_path / "a").write_bytes(header + bytes(100))
    assert not is_cut_off(tmp_path / "a")


def test_a_link_to_no_file_is_found_and_reported_when_it_is_read(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "gone.wav")
    assert decode.find_audio([tmp_path]) == [tmp_path / "a.wav"]
    with pytest.raises(AudioFileError, match="does not exist"):
        decode.read(tmp_path / "a.wav")


def test_without_soundfile_a_text_says_what_it_lacks(tmp_path, no_soundfile):
    (tmp_path / "a.wav").write_text("hello\n")
    with pytest.raises(AudioError, match=r"without soundfile: it ends within its header \("):
        decode.read(tmp_path / "a.wav")


def test_a_written_wav_reads_back_to_the_sample(tmp_path):
    values = np.array([0.0, 0.5, -1.0, 32767 / 32768], np.float32)
    wav.write(tmp_path / "a.wav", values, 8000)
    assert decode.read(tmp_path / "a.wav")[0].tolist() == values.tolist()
    every = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(wav.to_int16(wav.to_float(every)), every)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("channels", [1, 2])
def test_sixteen_bits_become_the_floats_that_soundfile_makes_of_them(tmp_path, name, channels):
    soundfile = sound_file()
    samples = np.random.default_rng(0).integers(-32768, 32768, (5000, channels)).astype(np.int16)
    soundfile.write(tmp_path / name, samples, 16000, subtype="PCM_16")
    theirs, _ = soundfile.read(tmp_path / name, dtype="float32", always_2d=True)
    ours, _ = decode.read(tmp_path / name)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs.mean(axis=1, dtype=np.float32))
