"""The cache of decoded audio: round trip, reuse, repair, what is left out, and where the events are."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the cache holds TFRecord files")

from kwsembed import atomic
from kwsembed.audio import decode, wav
from kwsembed.audio.decode import AudioFileError
from kwsembed.audio.resample import resample
from kwsembed.data import cache, decoding
from kwsembed.data.active_regions import active_regions
from kwsembed.data.cache import build_cache, default_cache_dir
from kwsembed.errors import DataError
from kwsembed.manifest import read_manifest

RATE_HZ = 16000


def burst(
    *, duration_s: float = 1.0, onset_s: float = 0.3, offset_s: float = 0.6, seed: int = 0, rate_hz=RATE_HZ
):
    """Faint noise with a loud part."""
    random = np.random.default_rng(seed)
    waveform = 0.001 * random.standard_normal(round(duration_s * rate_hz))
    first, last = round(onset_s * rate_hz), round(offset_s * rate_hz)
    waveform[first:last] += 0.1 * random.standard_normal(last - first)
    return waveform.astype(np.float32)


@pytest.fixture
def sounds(tmp_path) -> Path:
    root = tmp_path / "sounds"
    for number in range(3):
        wav.write(root / "bark" / f"{number}.wav", burst(seed=number), RATE_HZ)
        wav.write(root / "noise" / f"{number}.wav", burst(seed=10 + number, rate_hz=44100), 44100)
    return root


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Names of the files that are decoded."""
    names: list[str] = []

    def blocks(path, **part):
        names.append(Path(path).name)
        return original(path, **part)

    original = decode.blocks
    monkeypatch.setattr(decode, "blocks", blocks)
    return names


def build(sounds: Path, **options):
    return build_cache(read_manifest(sounds), cache_dir=sounds.parent / "cache", **options)


def csv_store(root: Path, rows: str, **options):
    (root / "m.csv").write_text("path,label,group,onset_s,offset_s\n" + rows)
    return build_cache(read_manifest(root / "m.csv"), cache_dir=root / "cache", **options)


def test_every_clip_comes_back_as_it_was_at_the_rate_of_the_model(sounds):
    store = build(sounds)
    assert [clip.name for clip in store.clips] == [
        f"{label}/{n}.wav" for label in ("bark", "noise") for n in range(3)
    ]
    assert store.samples.tolist() == [16000] * 6
    for index, clip in enumerate(store.clips):
        waveform, rate_hz = decode.read(clip.path)
        wanted = wav.to_int16(resample(waveform, rate_hz, RATE_HZ))
        np.testing.assert_array_equal(store.read(index, 0, 16000), wanted)
        np.testing.assert_array_equal(store.read(index, 123, 456), wanted[123:456])
        np.testing.assert_array_equal(store.waveform(index), wanted / np.float32(32768))
    assert store.waveform(0).dtype == np.float32


def test_the_records_are_ordinary_tfrecords(sounds):
    import tensorflow as tf

    store = build(sounds)
    (shard,) = (sounds.parent / "cache").glob("*.tfrecord")
    records = [np.frombuffer(record.numpy(), "<i2") for record in tf.data.TFRecordDataset(str(shard))]
    for index, record in enumerate(records):
        np.testing.assert_array_equal(record, store.read(index, 0, 16000))


def test_nothing_is_decoded_twice(sounds, decoded):
    first = build(sounds)
    assert len(decoded) == 6
    second = build(sounds)
    assert len(decoded) == 6
    np.testing.assert_array_equal(first.waveform(4), second.waveform(4))
    np.testing.assert_array_equal(first.segments[4], second.segments[4])


def test_a_changed_file_is_decoded_anew_even_if_it_is_as_long_as_before(sounds, decoded):
    build(sounds)
    changed = burst(seed=99)
    wav.write(sounds / "bark/1.wav", changed, RATE_HZ)
    store = build(sounds)
    assert len(decoded) == 12
    np.testing.assert_array_equal(store.read(1, 0, 16000), wav.to_int16(changed))


def test_another_rate_is_another_cache(sounds):
    assert build(sounds, sample_rate_hz=8000).samples.tolist() == [8000] * 6
    assert build(sounds).samples.tolist() == [16000] * 6


@pytest.mark.parametrize(
    "harm", ["shard deleted", "shard damaged", "shard cut", "index deleted", "index damaged"]
)
def test_a_lost_or_damaged_shard_is_made_again(sounds, decoded, harm):
    wanted = build(sounds).waveform(2)
    what, how = harm.split()
    (path,) = (sounds.parent / "cache").glob("*.tfrecord" if what == "shard" else "*.json")
    content = bytearray(path.read_bytes())
    if how == "deleted":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[:-100])
    else:
        content[len(content) // 2] ^= 0x55
        path.write_bytes(content if what == "shard" else b"{")
    np.testing.assert_array_equal(build(sounds).waveform(2), wanted)
    assert len(decoded) == 12


def test_the_whole_cache_may_be_deleted(sounds, decoded):
    build(sounds)
    for path in (sounds.parent / "cache").iterdir():
        path.unlink()
    build(sounds)
    assert len(decoded) == 12


def test_only_the_shard_of_a_changed_file_is_made_again(sounds, decoded, monkeypatch):
    monkeypatch.setattr(cache, "_CLIPS_PER_SHARD", 2)
    build(sounds)
    decoded.clear()
    os.utime(sounds / "noise/2.wav", ns=(1, 1))
    build(sounds)
    assert sorted(decoded) == ["1.wav", "2.wav"]


def test_files_that_cannot_be_used_are_named_with_the_reason(sounds):
    soundfile = pytest.importorskip("soundfile")
    (sounds / "bark/text.wav").write_text("this is a text")
    (sounds / "bark/none.wav").touch()
    wav.write(sounds / "bark/silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(sounds / "bark/nan.wav", np.array([0.1, np.nan] * 500), RATE_HZ, subtype="FLOAT")
    soundfile.write(sounds / "noise/cut.ogg", burst(), RATE_HZ)
    content = (sounds / "noise/cut.ogg").read_bytes()
    (sounds / "noise/cut.ogg").write_bytes(content[: len(content) // 2])
    for _ in range(2):  # from the cache too
        store = build(sounds)
        assert len(store.clips) == 6
        assert {file.name: file.reason for file in store.skipped} == {
            "bark/nan.wav": "the file holds samples that are no numbers",
            "bark/none.wav": "the file is empty",
            "bark/silent.wav": "the file is silent: no sample exceeds -90 dB of full scale",
            "bark/text.wav": "the file is not audio that can be decoded",
            "noise/cut.ogg": "the file is cut off before its own end",
        }
        np.testing.assert_array_equal(store.read(0, 0, 16000), wav.to_int16(burst(seed=0)))


def test_clipped_and_overlong_files_are_used_and_named(sounds, monkeypatch):
    monkeypatch.setattr("kwsembed.manifest.clip.LONGEST_S", 2.0)
    monkeypatch.setattr(decoding, "LONGEST_S", 2.0)
    wav.write(sounds / "bark/long.wav", burst(duration_s=2.5), RATE_HZ)
    wav.write(sounds / "bark/loud.wav", np.clip(100 * burst(), -1, 1), RATE_HZ)
    store = build(sounds)
    assert [file.name for file in store.cut] == ["bark/long.wav"]
    assert [file.name for file in store.clipped] == ["bark/loud.wav"]
    assert store.skipped == ()
    lengths = dict(zip((clip.name for clip in store.clips), store.samples.tolist(), strict=True))
    assert lengths["bark/long.wav"] == 32000


def test_nothing_usable_at_all_is_an_error(tmp_path):
    for label in ("bark", "noise"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.wav").touch()
    with pytest.raises(
        DataError, match=r"not one audio file.*2 skipped, the first: bark/1.wav: the file is empty"
    ):
        build_cache(read_manifest(tmp_path), cache_dir=tmp_path / "cache")


class TestEventsInsideLongerFiles:
    @pytest.fixture
    def ramp(self, tmp_path) -> Path:
        """10 s in which sample k is k / 2^18, so that a value tells its time."""
        wav.write(tmp_path / "long.wav", np.arange(1, 10 * RATE_HZ + 1) / 2**18, RATE_HZ)
        return tmp_path

    def time_s(self, value: int) -> float:
        return value / 32768 * 2**18 / RATE_HZ

    def test_an_event_keeps_two_seconds_on_either_side_and_knows_where_it_is(self, ramp):
        store = csv_store(ramp, "long.wav,bark,g,4.5,5.25\nlong.wav,noise,h,0,1\n")
        pcm = store.read(0, 0, int(store.samples[0]))
        assert len(pcm) == round((2 + 0.75 + 2) * RATE_HZ)
        assert self.time_s(pcm[0]) == pytest.approx(2.5, abs=0.001)
        assert self.time_s(pcm[-1]) == pytest.approx(7.25, abs=0.001)
        assert store.segments[0].tolist() == [[2 * RATE_HZ, round(2.75 * RATE_HZ)]]

    def test_at_the_edges_of_the_file_there_is_less_around_it(self, ramp):
        store = csv_store(ramp, "long.wav,bark,g,0.5,1\nlong.wav,bark,g,9.5,12\nlong.wav,noise,h,3,4\n")
        assert store.samples[:2].tolist() == [3 * RATE_HZ, 2.5 * RATE_HZ]
        assert store.segments[0].tolist() == [[RATE_HZ // 2, RATE_HZ]]
        assert store.segments[1].tolist() == [[2 * RATE_HZ, 2.5 * RATE_HZ]]

    def test_a_background_keeps_nothing_around_it_since_an_event_may_be_there(self, ramp):
        store = csv_store(ramp, "long.wav,bark,g,4.5,5\nlong.wav,noise,h,5,8\n")
        pcm = store.read(1, 0, int(store.samples[1]))
        assert len(pcm) == 3 * RATE_HZ
        assert self.time_s(pcm[0]) == pytest.approx(5, abs=0.001)
        assert store.segments[1].tolist() == [[0, 3 * RATE_HZ]]

    def test_an_event_behind_the_end_is_left_out_by_name(self, ramp):
        store = csv_store(ramp, "long.wav,bark,g,4.5,5\nlong.wav,bark,g,15,16\nlong.wav,noise,h,5,8\n")
        (left_out,) = store.skipped
        assert left_out.reason == "the part from 13 to 18 s lies outside the file, which lasts 10.000 s"

    def test_an_event_behind_the_end_is_left_out_even_if_the_time_before_it_is_there(self, ramp):
        store = csv_store(ramp, "long.wav,bark,g,4.5,5\nlong.wav,bark,g,11,12\nlong.wav,noise,h,5,8\n")
        assert [file.reason for file in store.skipped] == [
            "the event at 11 s lies behind the end of the file"
        ]
        assert len(store.clips) == 2

    def test_the_same_rows_with_other_times_are_decoded_anew(self, ramp):
        first = csv_store(ramp, "long.wav,bark,g,4.5,5\nlong.wav,noise,h,5,8\n")
        second = csv_store(ramp, "long.wav,bark,g,4.5,5.5\nlong.wav,noise,h,5,8\n")
        assert second.samples[0] - first.samples[0] == RATE_HZ // 2


def test_clips_are_decoded_no_further_ahead_than_there_are_threads(sounds, monkeypatch):
    begun = []

    def slow_first(clip, *arguments, **options):
        begun.append(clip.name)
        if len(begun) == 1:
            time.sleep(0.3)
            ahead.append(len(begun))
        return original(clip, *arguments, **options)

    ahead: list[int] = []
    original = cache.decode_clip
    monkeypatch.setattr(cache, "decode_clip", slow_first)
    assert len(build(sounds).clips) == 6
    assert ahead[0] <= 3  # itself, one beside it, and one that waits


def test_what_a_killed_build_left_is_removed_once_nobody_can_be_writing_it(sounds):
    folder = sounds.parent / "cache"
    folder.mkdir()
    old, fresh, foreign = (
        folder / name
        for name in (".a.tfrecord.abcd1234.part.tfrecord", ".b.json.abcd1234.part.json", ".x.part")
    )
    for path in (old, fresh, foreign):
        path.write_bytes(b"half")
    for path in (old, foreign):
        os.utime(path, (0, 0))
    build(sounds)
    assert [path.exists() for path in (old, fresh, foreign)] == [False, True, True]


@pytest.mark.parametrize("fails", ["shard", "index"])
def test_a_full_disk_leaves_nothing_half_written(sounds, monkeypatch, fails):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if fails == "shard":
            patch.setattr("kwsembed.data.shards.file_sha256", full)
        else:
            patch.setattr(atomic.json, "dumps", full)
            patch.setattr(decoding, "fingerprint", lambda *a, **k: "same")
            patch.setattr(cache, "fingerprint", lambda *a, **k: "same")
        with pytest.raises(OSError, match="No space left"):
            build(sounds)
    left = sorted((sounds.parent / "cache").iterdir())
    # A shard that has no index is whole, but does not count.
    assert [path.suffix for path in left] == ([] if fails == "shard" else [".tfrecord"])
    assert len(build(sounds).clips) == 6


def test_a_write_that_fails_within_tensorflow_is_a_fault_of_the_disk(sounds, monkeypatch):
    import tensorflow as tf

    class Full:
        def __init__(self, path): ...
        def __enter__(self):
            return self

        def __exit__(self, *error): ...
        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "cache/x.tfrecord; No space left on device")

    monkeypatch.setattr(tf.io, "TFRecordWriter", Full)
    with pytest.raises(OSError) as caught:
        build(sounds)
    assert atomic.reason(caught.value) == "the disk is full (No space left on device)"
    assert list((sounds.parent / "cache").iterdir()) == []


def test_a_file_that_could_not_be_read_is_tried_again_though_it_is_the_same(sounds, monkeypatch):
    def refused(path):
        raise AudioFileError(path, reason="unreadable", detail="the file cannot be read: Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(decode, "is_cut_off", refused)
        with pytest.raises(DataError, match=r"6 skipped, .*: the file cannot be read: Permission denied"):
            build(sounds)
    assert len(build(sounds).clips) == 6


def test_the_index_says_what_is_in_the_shard(sounds):
    build(sounds)
    (path,) = (sounds.parent / "cache").glob("*.json")
    index = json.loads(path.read_text())
    assert [record["samples"] for record in index["records"]] == [16000] * 6
    assert len(index["sha256"]) == 64


def test_the_folder_is_the_user_s_or_what_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("KWSEMBED_CACHE", str(tmp_path))
    assert default_cache_dir("a").parent == tmp_path
    assert default_cache_dir("a") != default_cache_dir("b")
    monkeypatch.delenv("KWSEMBED_CACHE")
    assert default_cache_dir("a").parent == Path.home() / ".cache" / "kwsembed"


class TestActiveRegions:
    """A frame is 20 ms: at 1 kHz, 20 samples."""

    def levels(self, *frames_db: float) -> np.ndarray:
        return np.repeat(10 ** (np.array(frames_db) / 20), 20)

    def test_the_loud_part_is_the_region(self):
        waveform = self.levels(*[-60] * 5, *[-10] * 3, *[-60] * 5)
        assert active_regions(waveform, 1000).tolist() == [[100, 160]]

    def test_twenty_db_below_the_peak_still_belongs(self):
        waveform = self.levels(*[-60] * 5, -10, -29, -31, *[-60] * 5)
        assert active_regions(waveform, 1000).tolist() == [[100, 140]]

    def test_gaps_under_a_fifth_of_a_second_are_closed_and_longer_ones_not(self):
        short = self.levels(*[-60] * 20, -10, *[-60] * 9, -10, *[-60] * 20)
        assert active_regions(short, 1000).tolist() == [[400, 620]]
        long = self.levels(*[-60] * 20, -10, *[-60] * 10, -10, *[-60] * 20)
        assert active_regions(long, 1000).tolist() == [[400, 420], [620, 640]]

    def test_a_steady_bed_of_noise_is_no_event(self):
        waveform = self.levels(*[-20] * 10, *[-10] * 2, *[-20] * 10)
        assert active_regions(waveform, 1000).tolist() == [[200, 240]]

    def test_a_clip_that_is_loud_throughout_is_one_region_to_its_last_sample(self):
        assert active_regions(np.append(self.levels(*[-10] * 10), 0.3), 1000).tolist() == [[0, 201]]

    def test_the_scale_changes_nothing(self):
        waveform = self.levels(*[-60] * 5, *[-10] * 3, *[-60] * 5)
        pcm = np.rint(32768 * waveform).astype(np.int16)
        np.testing.assert_array_equal(active_regions(pcm, 1000), active_regions(waveform, 1000))

    def test_a_single_sample_and_silence_are_regions_too(self):
        assert active_regions(np.array([0.5]), 1000).tolist() == [[0, 1]]
        assert active_regions(np.zeros(50), 1000).tolist() == [[0, 50]]
