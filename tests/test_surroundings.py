"""Noise and rooms of the user's own: how they get into training windows, and which recordings may not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toy_store import EVENT_COUNT, LABELS, RATE_HZ, classes_of, tones

tf = pytest.importorskip("tensorflow")

from kwsembed import TrainConfig
from kwsembed.audio import wav
from kwsembed.cli.main import main
from kwsembed.config import AugmentConfig
from kwsembed.data.augment import reverberate, transfer_functions
from kwsembed.data.impulse_responses import measured_rooms
from kwsembed.data.pipeline import augmented_waveforms
from kwsembed.data.sampling import WindowSchedule
from kwsembed.data.surroundings import Surroundings
from kwsembed.errors import ConfigError, DataError, RunError
from kwsembed.frontend import FrontendConfig
from kwsembed.manifest import read_manifest
from kwsembed.training.run_directory import RunDirectory
from kwsembed.training.same_surroundings import check_same_surroundings

WINDOW = 8000
MIXED = AugmentConfig(
    speed_change=0.0,
    gain_db=(0.0, 0.0),
    background_probability=1.0,
    background_snr_db=(10.0, 10.0),
    noise_share=1.0,
    reverberation_probability=0.0,
    span_probability=0.0,
)
CLEAN = dataclasses.replace(MIXED, background_probability=0.0)


def write_tone(path, *, hz=234.0, duration_s=2.0, amplitude=0.3):
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    wav.write(path, (amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.float32), RATE_HZ)


def write_sounds(root):
    random = np.random.default_rng(5)
    for label in ("bark", "noise"):
        for number in range(3):
            waveform = 0.1 * random.standard_normal(RATE_HZ)
            wav.write(root / label / f"{number}.wav", waveform.astype(np.float32), RATE_HZ)
    return root


@pytest.fixture
def sounds(tmp_path):
    return write_sounds(tmp_path / "sounds")


def surroundings_of(tmp_path, **settings):
    manifest = read_manifest(tmp_path / "sounds")
    augment = dataclasses.replace(MIXED, **{name: str(value) for name, value in settings.items()})
    return Surroundings.of(augment, manifest, cache_dir=tmp_path / "cache", sample_rate_hz=RATE_HZ)


def waveforms(augment, surroundings, *, steps=1):
    store = tones()
    schedule = WindowSchedule(
        store,
        np.arange(len(store.clips)),
        classes_of(store),
        np.arange(len(LABELS)) < EVENT_COUNT,
        window_samples=WINDOW,
        batch_size=16,
        sampling="balanced",
        seed=11,
    )
    settings = {"frontend": FrontendConfig(), "augment": augment, "surroundings": surroundings}
    batches = augmented_waveforms(store, schedule, last_step=steps, **settings)
    return np.stack([batch.numpy() for batch in batches])


# ---- noise


def test_noise_is_mixed_in_at_the_ratio_that_is_asked_for(tmp_path, sounds):
    write_tone(tmp_path / "nights" / "hum.wav")
    surroundings = surroundings_of(tmp_path, noise=tmp_path / "nights")
    clean, mixed = waveforms(CLEAN, surroundings)[0], waveforms(MIXED, surroundings)[0]
    added = mixed - clean
    loud = np.abs(mixed).max(axis=1) < 1.0  # what was clipped at full scale is no sum any more
    assert loud.sum() >= 8
    ratios_db = 10 * np.log10((clean**2).mean(axis=1) / (added**2).mean(axis=1))
    # A window that reaches past its clip holds zeros, which do not count in the ratio.
    whole = loud & np.all(clean[:, [0, -1]] != 0, axis=1)
    assert whole.sum() >= 4
    np.testing.assert_allclose(ratios_db[whole], 10.0, atol=0.05)
    # And it is the hum: 234 Hz are bin 117 of half a second.
    assert np.all(np.abs(np.fft.rfft(added[whole])).argmax(axis=1) == 117)


def test_what_is_not_noise_is_the_background_that_it_was(tmp_path, sounds):
    write_tone(tmp_path / "nights" / "hum.wav")
    half = surroundings_of(tmp_path, noise=tmp_path / "nights")
    half = dataclasses.replace(half, noise=dataclasses.replace(half.noise, share=0.5))
    with_noise, without = waveforms(MIXED, half, steps=20), waveforms(MIXED, Surroundings(), steps=20)
    changed = np.any(with_noise != without, axis=2)
    # 320 rows: a share of one half lies within 0.11 of it, four standard deviations.
    assert abs(changed.mean() - 0.5) < 0.11
    again = waveforms(MIXED, half, steps=20)
    np.testing.assert_array_equal(with_noise, again)


def test_a_long_recording_is_heard_more_and_a_short_one_is_repeated(tmp_path, sounds):
    for name, level, duration_s in (("long", 0.25, 3.0), ("short", 0.5, 0.25)):
        waveform = np.full(round(duration_s * RATE_HZ), level, np.float32)
        waveform[::2] *= -1
        wav.write(tmp_path / "nights" / f"{name}.wav", waveform, RATE_HZ)
    noise = surroundings_of(tmp_path, noise=tmp_path / "nights").noise
    mixed = noise.into(np.zeros((2000, WINDOW), np.int16), np.array([3, 4]))
    levels = np.abs(mixed[:, 0].astype(float)) / 32768
    short = np.isclose(levels, 0.5, atol=1e-3)
    assert np.all(short | np.isclose(levels, 0.25, atol=1e-3))
    assert abs(short.mean() - 0.25 / 3.25) < 0.024  # four standard deviations
    assert np.all(mixed[short] != 0)


def test_a_clip_of_the_data_is_no_noise_by_whatever_name(tmp_path, sounds):
    write_tone(tmp_path / "nights" / "hum.wav")
    (tmp_path / "nights" / "copy.wav").write_bytes((sounds / "bark" / "1.wav").read_bytes())
    surroundings = surroundings_of(tmp_path, noise=tmp_path / "nights")
    assert [clip.name for clip in surroundings.noise.store.clips] == ["hum.wav"]
    (left_out,) = surroundings.skipped
    assert left_out.name.endswith("copy.wav")
    assert "a clip of the data" in left_out.reason
    with pytest.raises(DataError, match="every recording of noise is a clip of the data"):
        surroundings_of(tmp_path, noise=sounds / "noise")


def test_a_recording_that_cannot_be_used_is_told_of(tmp_path, sounds):
    write_tone(tmp_path / "nights" / "hum.wav")
    (tmp_path / "nights" / "torn.wav").write_bytes(b"no audio at all")
    surroundings = surroundings_of(tmp_path, noise=tmp_path / "nights")
    assert [file.name for file in surroundings.skipped] == ["torn.wav"]
    record = surroundings.record()
    assert record["noise_files"] == 1
    assert record["noise_hours"] == pytest.approx(2 / 3600)
    assert Surroundings().record() is None


# ---- rooms


def test_an_impulse_response_begins_with_its_direct_sound_and_has_energy_one(tmp_path):
    response = np.zeros(3000, np.float32)
    response[[500, 700, 1500]] = 0.1, 0.8, -0.6  # the first is less than half of the peak: no direct sound
    wav.write(tmp_path / "hall.wav", response, RATE_HZ)
    rooms, skipped = measured_rooms([tmp_path / "hall.wav"], sample_rate_hz=RATE_HZ)
    assert skipped == []
    assert rooms.shape == (1, 2300)
    expected = np.zeros(2300)
    expected[[0, 800]] = 0.8, -0.6
    np.testing.assert_allclose(rooms[0], expected, atol=2e-4)

    impulse = np.zeros((1, WINDOW), np.float32)
    impulse[0, 100] = 0.5
    functions = tf.constant(transfer_functions(rooms, window_samples=WINDOW))
    heard = reverberate(tf.constant(impulse), functions, tf.constant([1, 2]), probability=1.0).numpy()[0]
    np.testing.assert_allclose(heard[[100, 900]], [0.4, -0.3], atol=1e-3)


def test_what_is_no_impulse_response_is_left_out(tmp_path):
    response = np.zeros(4000, np.float32)
    response[10] = 1.0
    wav.write(tmp_path / "room.wav", response, RATE_HZ)
    wav.write(tmp_path / "silent.wav", np.zeros(4000, np.float32), RATE_HZ)
    write_tone(tmp_path / "music.wav", duration_s=5.0)
    files = [tmp_path / f"{name}.wav" for name in ("music", "room", "silent")]
    rooms, skipped = measured_rooms(files, sample_rate_hz=RATE_HZ)
    assert len(rooms) == 1
    reasons = [file.reason for file in skipped]
    assert "no impulse response" in reasons[0]
    assert "silent" in reasons[1]
    with pytest.raises(DataError, match="not one impulse response can be used"):
        measured_rooms([files[0]], sample_rate_hz=RATE_HZ)


def test_rooms_of_another_rate_keep_their_delays(tmp_path):
    response = np.zeros(48000, np.float32)
    response[4800], response[4800 + 9600] = 0.9, 0.45  # 0.2 s later, at half the level
    wav.write(tmp_path / "studio.wav", response, 48000)
    ((room,), _) = measured_rooms([tmp_path / "studio.wav"], sample_rate_hz=RATE_HZ)
    assert int(np.abs(room[1600:]).argmax()) + 1600 == pytest.approx(3200, abs=2)


def test_measured_rooms_take_the_place_of_synthetic_ones(tmp_path, sounds):
    response = np.zeros(100, np.float32)
    response[0] = 0.9
    wav.write(tmp_path / "rooms" / "dry.wav", response, RATE_HZ)
    surroundings = surroundings_of(tmp_path, impulse_responses=tmp_path / "rooms")
    assert surroundings.record()["impulse_responses"] == 1
    roomy = dataclasses.replace(CLEAN, reverberation_probability=1.0)
    # A room of one echo-free sample changes nothing; synthetic ones do.
    dry, heard = waveforms(CLEAN, surroundings), waveforms(roomy, surroundings)
    np.testing.assert_allclose(heard, dry, atol=1e-4)
    assert np.abs(waveforms(roomy, Surroundings()) - dry).max() > 0.01


# ---- users' mistakes


def test_a_folder_that_is_not_there_is_one_line_and_leaves_nothing(tmp_path, sounds, capsys):
    out = tmp_path / "RUN"
    arguments = ["train", str(sounds), "--out", str(out), "--cache", str(tmp_path / "cache")]
    for option in ("--noise", "--impulse-responses"):
        assert main([*arguments, option, str(tmp_path / "nowhere")]) == 2
        assert "nowhere" in capsys.readouterr().err.splitlines()[-1]
        assert not out.exists()


def test_shares_are_probabilities():
    with pytest.raises(ConfigError, match="noise_share"):
        AugmentConfig(noise_share=1.5)


def test_a_run_is_not_gone_on_with_under_other_recordings(tmp_path, sounds):
    write_tone(tmp_path / "nights" / "hum.wav")
    run = RunDirectory(tmp_path / "RUN")
    run.start(TrainConfig(), read_manifest(sounds), resume=False)
    begun = surroundings_of(tmp_path, noise=tmp_path / "nights")
    check_same_surroundings(run.surroundings, begun)
    check_same_surroundings(run.surroundings, surroundings_of(tmp_path, noise=tmp_path / "nights"))
    write_tone(tmp_path / "nights" / "fan.wav", hz=120.0)
    with pytest.raises(RunError, match="2 recordings of noise"):
        check_same_surroundings(run.surroundings, surroundings_of(tmp_path, noise=tmp_path / "nights"))
    for damage in ('{"noise_fi', "[]", "{}"):
        run.surroundings.write_text(damage)
        with pytest.raises(RunError, match=r"is damaged.*surroundings\.json.*delete this file"):
            check_same_surroundings(run.surroundings, begun)
