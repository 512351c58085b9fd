"""`kwsembed calibrate`: thresholds from long audio, their certainty, settings chosen by annotated events."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest

from kwsembed import Bundle, calibrate, set_thresholds
from kwsembed.audio import wav
from kwsembed.audio.distinct import distinct_files
from kwsembed.bundle import write_bundle
from kwsembed.calibration.wording import setting_sentence
from kwsembed.cli.main import main
from kwsembed.detection.false_alarm_bound import false_alarm_upper_bound, most_false_alarms_within
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.replay import Event, match_events
from kwsembed.detection.tradeoff import CurvePoint
from kwsembed.errors import BundleError, ConfigError, DataError
from kwsembed.runtime import Detector

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
    """Two recordings; the second one holds sounds that resemble the tone of 1 kHz."""
    folder = tmp_path / "nights"
    folder.mkdir()
    wav.write(folder / "a.wav", recording(duration_s=60.0), RATE_HZ)
    disturbed = recording((1000, 5, 6.5, 0.45), (1000, 20, 21.5, 0.44), seed=1)
    wav.write(folder / "b.wav", disturbed, RATE_HZ)
    return folder


def detections(bundle, path):
    import wave

    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    detector = Detector(bundle, RATE_HZ)
    return detector.process(pcm) + detector.flush()


def test_without_annotations_no_false_alarm_is_left_and_the_detector_agrees(tone_bundle, nights, tmp_path):
    before = {path.name: path.read_bytes() for path in tone_bundle.iterdir()}
    old = Bundle.load(tone_bundle)
    assert [d.label for d in detections(old, nights / "b.wav")] == ["tone_1k", "tone_1k"]
    made = calibrate(tone_bundle, nights, tmp_path / "new", target_false_alarms_per_hour=2.0)
    new = Bundle.load(tmp_path / "new")
    assert detections(new, nights / "b.wav") == []
    point = new.operating_points["tone_1k"]
    assert point.threshold > 0.5
    assert (point.false_alarms, point.events, point.miss_rate) == (0, 0, None)
    assert point.hours == pytest.approx((237 + 157) * 0.25 / 3600)
    assert point.false_alarms_per_hour_upper == pytest.approx(false_alarm_upper_bound(0, point.hours))
    assert not point.certified
    assert any("too few hours" in line for line in made.lines)
    assert "misses unknown (before, at 0.5000: 0 of 10)" in made.lines[0]
    assert new.post == old.post
    assert new.model == old.model
    assert before == {path.name: path.read_bytes() for path in tone_bundle.iterdir()}
    # The recordings heard no tone of 3 kHz, but for two minutes no threshold is lowered.
    assert new.thresholds["tone_3k"] == old.thresholds["tone_3k"]
    assert any(line.startswith("not lowered") and line.endswith("tone_3k") for line in made.lines)


def test_the_bundle_says_what_it_was_calibrated_on(tone_bundle, nights, tmp_path):
    (nights / "c.wav").write_text("no audio")
    made = calibrate(tone_bundle, nights, tmp_path / "new")
    record = Bundle.load(tmp_path / "new").extra["calibration"]
    assert (record["files"], record["names"], record["skipped"]) == (2, ["a.wav", "b.wav"], ["c.wav"])
    assert record["before"]["tone_1k"]["threshold"] == 0.5
    assert [path.name for path, _ in made.skipped] == ["c.wav"]
    (nights / "b.wav").write_bytes((nights / "a.wav").read_bytes())
    calibrate(tone_bundle, nights, tmp_path / "other")
    assert Bundle.load(tmp_path / "other").extra["calibration"]["sha256"] != record["sha256"]


@pytest.mark.parametrize("command", ["calibrate", "mine"])
def test_the_command_says_how_many_files_were_skipped(tone_bundle, nights, tmp_path, capsys, command):
    (nights / "c.wav").write_text("no audio")
    assert main([command, str(tone_bundle), str(nights), "--out", str(tmp_path / "new")]) == 0
    assert f"kwsembed {command}: 1 of 3 files were skipped" in capsys.readouterr().err


def test_with_annotations_false_alarms_and_misses_are_those_of_detect(tone_bundle, nights, tmp_path):
    truth = [Event("tone_1k", 5.0, 6.5), Event("tone_1k", 30.0, 30.4), Event("tone_3k", 10.0, 11.0)]
    rows = "".join(f"b.wav\t{e.onset_s}\t{e.offset_s}\t{e.label}\n" for e in truth)
    (tmp_path / "truth.tsv").write_text(rows + "b.wav\t1\t2\tbell\n")
    made = calibrate(
        tone_bundle,
        nights,
        tmp_path / "new",
        annotations=tmp_path / "truth.tsv",
        target_false_alarms_per_hour=60.0,
    )
    new = Bundle.load(tmp_path / "new")
    found = [d for d in detections(new, nights / "b.wav") if d.label == "tone_1k"]
    matched = match_events(truth[:2], found)
    point = new.operating_points["tone_1k"]
    assert (point.events, point.misses, point.false_alarms) == (2, matched.misses, matched.false_alarms)
    assert point.misses == 1  # nothing sounds at 30 s
    assert any("bell is annotated but unknown" in line for line in made.lines)
    rows = list(csv.DictReader(made.curves.open(encoding="utf-8")))
    assert {row["smoothing_windows"] for row in rows} == {"1", "2", "3", "4"}
    assert {row["refractory_s"] for row in rows} == {"0.5", "1.0", "2.0", "5.0"}
    assert {row["chosen_setting"] for row in rows} == {"yes", "no"}


def test_the_setting_that_misses_fewest_events_is_taken(tone_bundle, tmp_path):
    # Ticks of 0.3 s must not fire, tones of 2.5 s at the same level must: only hits in a row tell them apart.
    ticks = [(1000, 3.0 + 4 * i, 3.3 + 4 * i, 0.8) for i in range(10)]
    tones = [(1000, 45.0 + 6 * i, 47.5 + 6 * i, 0.42) for i in range(24)]
    folder = tmp_path / "audio"
    folder.mkdir()
    wav.write(folder / "a.wav", recording(*ticks, *tones, duration_s=190.0), RATE_HZ)
    rows = "".join(f"a.wav\t{onset}\t{offset}\ttone_1k\n" for _, onset, offset, _ in tones)
    (tmp_path / "truth.tsv").write_text(rows)
    made = calibrate(
        tone_bundle,
        folder,
        tmp_path / "new",
        annotations=tmp_path / "truth.tsv",
        smoothing_windows=[1, 2],
        refractory_s=[0.5],
    )
    own = calibrate(
        tone_bundle,
        folder,
        tmp_path / "own",
        annotations=tmp_path / "truth.tsv",
        smoothing_windows=[2],
        min_consecutive=[1],
        refractory_s=[0.5],
    )
    assert own.points["tone_1k"].misses > 0
    assert made.points["tone_1k"].misses == 0
    assert made.points["tone_1k"].false_alarms == 0
    assert Bundle.load(made.bundle).post.min_consecutive > 1
    assert any("misses clearly fewer of the annotated events" in line for line in made.lines)


def test_the_same_audio_counts_once_by_whatever_name_it_comes(tone_bundle, nights, tmp_path, capsys):
    once = calibrate(tone_bundle, nights, tmp_path / "once", target_false_alarms_per_hour=2.0)
    assert not any("repeated" in line for line in once.lines)
    (nights / "link.wav").symlink_to(nights / "a.wav")
    (nights / "copy.wav").write_bytes((nights / "b.wav").read_bytes())
    several = [str(nights), str(nights / "a.wav"), f"{nights}/../nights"]
    assert main(["calibrate", str(tone_bundle), *several, "--out", str(tmp_path / "new")]) == 0
    # Nine files are named; seven of them are one of the two.
    assert "left out 7 repeated files: the same audio counts once\n" in capsys.readouterr().out
    points = Bundle.load(tmp_path / "new").operating_points
    assert points["tone_1k"].hours == once.points["tone_1k"].hours
    record = Bundle.load(tmp_path / "new").extra["calibration"]
    assert (record["files"], record["repeated"]) == (2, 7)
    # 100 s without an alarm bound them by 109 per hour, five times as many would by 22.
    strict = calibrate(tone_bundle, [nights] * 5, tmp_path / "strict", target_false_alarms_per_hour=60.0)
    assert not strict.points["tone_3k"].certified


def test_the_first_name_of_a_file_stays_and_the_order_too(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.wav").symlink_to(tmp_path / "b.wav")
    (tmp_path / "circle.wav").symlink_to(tmp_path / "circle.wav")
    named = [tmp_path / name for name in ("a.wav", "link.wav", "circle.wav", "b.wav", "a.wav", "gone.wav")]
    found = [path.name for path in distinct_files(named)]
    assert found == ["a.wav", "link.wav", "circle.wav", "gone.wav"]


def test_copies_share_their_annotations(tone_bundle, nights, tmp_path):
    (nights / "c.wav").write_bytes((nights / "b.wav").read_bytes())
    (tmp_path / "truth.tsv").write_text(
        "b.wav\t5\t6.5\ttone_1k\nc.wav\t5\t6.5\ttone_1k\nc.wav\t20\t21.5\ttone_1k\n"
    )
    made = calibrate(tone_bundle, nights, tmp_path / "new", annotations=tmp_path / "truth.tsv")
    assert made.points["tone_1k"].events == 2


def test_a_setting_named_by_hand_is_taken_and_the_line_claims_no_more(tone_bundle, nights, tmp_path):
    made = calibrate(tone_bundle, nights, tmp_path / "new", min_consecutive=[3])
    assert Bundle.load(made.bundle).post.min_consecutive == 3
    line = next(line for line in made.lines if line.startswith("setting"))
    assert line.endswith("as you asked")
    assert not any("annotated" in line for line in made.lines)


def test_few_annotated_events_change_no_setting(tone_bundle, nights, tmp_path):
    (tmp_path / "truth.tsv").write_text("b.wav\t5\t6.5\ttone_1k\n")
    settings = {"annotations": tmp_path / "truth.tsv", "refractory_s": [0.5]}
    made = calibrate(tone_bundle, nights, tmp_path / "new", **settings)
    assert Bundle.load(made.bundle).post == Bundle.load(tone_bundle).post
    assert any("as before: 1 annotated event is too few to choose by; it takes 24" in _ for _ in made.lines)
    # What is named is taken all the same, and of several the one nearest to what was.
    asked = calibrate(tone_bundle, nights, tmp_path / "asked", min_consecutive=[3, 2], **settings)
    assert Bundle.load(asked.bundle).post == replace(Bundle.load(tone_bundle).post, min_consecutive=2)
    assert any("as you asked" in line and "too few" in line for line in asked.lines)


def test_the_line_on_the_setting_says_why_it_is_that_one():
    own, other = PostProcessing(), PostProcessing(min_consecutive=2)

    def ending(after, tried, events):
        return setting_sentence(own, after, tried=tried, events=events).rpartition("detection")[2]

    assert ending(own, [own], 0) == ", as before"
    assert ending(own, [own, other], 24).endswith("no other misses clearly fewer of the annotated events")
    assert (
        ending(own, [own, other], 23)
        == ", as before: 23 annotated events are too few to choose by; it takes 24"
    )


def test_a_setting_that_could_not_fire_within_a_minute_is_refused(tone_bundle, nights, tmp_path, capsys):
    # At a hop of 0.25 s a minute has 240 windows; the bundle itself smooths over 2.
    for option, value in (("--min-consecutive", "239"), ("--smoothing-windows", "100000")):
        arguments = ["calibrate", str(tone_bundle), str(nights), "--out", str(tmp_path / "new")]
        assert main([*arguments, option, value]) == 2
        error = capsys.readouterr().err
        assert "needs more than 60 s" in error
        assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()
    assert calibrate(tone_bundle, nights, tmp_path / "slow", min_consecutive=[238]).bundle.exists()


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        (["--smoothing-windows", "3"], "--smoothing-windows needs AUDIO"),
        (["--min-consecutive", "3"], "--min-consecutive needs AUDIO"),
        (["--refractory-s", "0"], "--refractory-s needs AUDIO"),
        (["--collar-s", "0.5"], "--collar-s needs AUDIO"),
        (["--annotations", "truth.tsv"], "--annotations needs AUDIO"),
        (["--runtime", "tensorflow", "--collar-s", "1"], "--collar-s, --runtime need AUDIO"),
        (["--collar-s", "1", "nights"], "--collar-s needs --annotations"),
        (["--out", ""], "--out: expected a path"),
        (["--annotations", ""], "--annotations: expected a path"),
        ([""], "AUDIO: expected a path"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tone_bundle, tmp_path, capsys, options, needs):
    arguments = ["calibrate", str(tone_bundle), "--out", str(tmp_path / "new"), "--set", "tone_1k=0.8"]
    try:
        code = main([*arguments, *options])
    except SystemExit as stopped:
        code = stopped.code
    error = capsys.readouterr().err
    assert code == 2
    assert needs in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_threshold_set_by_hand_is_measured_on_the_audio_or_read_off_the_curve(
    tone_bundle, nights, tmp_path
):
    made = calibrate(tone_bundle, nights, tmp_path / "new", thresholds={"tone_1k": 0.4})
    assert made.points["tone_1k"].threshold == 0.4
    assert made.points["tone_1k"].false_alarms == 2
    assert "set by hand to 0.4" in made.lines[0]
    later = set_thresholds(made.bundle, tmp_path / "later", {"tone_1k": 0.99})
    point = Bundle.load(later.bundle).operating_points["tone_1k"]
    assert point.threshold == 0.99
    curve = Bundle.load(made.bundle).extra["calibration"]["curves"]["tone_1k"]
    below = max((one for one in curve if one["threshold"] <= 0.99), key=lambda one: one["threshold"])
    assert point.false_alarms == below["false_alarms"]
    # The hand-made bundle was never calibrated, so nothing is known.
    blind = set_thresholds(tone_bundle, tmp_path / "blind", {"tone_3k": 0.7})
    assert Bundle.load(blind.bundle).operating_points["tone_3k"].hours == 0.0
    assert "unknown" in blind.lines[0]


def test_without_audio_a_target_takes_another_point_of_the_last_calibration(tone_bundle, nights, tmp_path):
    made = calibrate(tone_bundle, nights, tmp_path / "new", target_false_alarms_per_hour=2.0)
    assert made.points["tone_1k"].false_alarms == 0
    # 100 s of audio: the bound of two alarms is 6.3 per 100 s, 227 per hour.
    loose = set_thresholds(made.bundle, tmp_path / "loose", target_false_alarms_per_hour=250.0)
    heard = calibrate(tone_bundle, nights, tmp_path / "heard", target_false_alarms_per_hour=250.0)
    point = Bundle.load(loose.bundle).operating_points["tone_1k"]
    assert point.threshold < made.points["tone_1k"].threshold
    assert point.target_false_alarms_per_hour == 250.0
    assert point.false_alarms <= 2
    assert point.certified
    assert point.false_alarms_per_hour_upper <= 250.0
    assert heard.points["tone_1k"].certified
    assert any("last calibration" in line for line in loose.lines)
    kept = set_thresholds(
        made.bundle, tmp_path / "kept", {"tone_1k": 0.7}, target_false_alarms_per_hour=250.0
    )
    assert kept.points["tone_1k"].threshold == 0.7


def test_a_bundle_of_training_gives_the_points_that_training_would_have_chosen(tone_bundle, tmp_path):
    points = [CurvePoint(0.9, 0, 5), CurvePoint(0.7, 1, 3), CurvePoint(0.5, 4, 1)]
    record = {
        "source": "validation",
        "hours_of": dict.fromkeys(("tone_1k", "tone_3k"), 0.5),
        "events": {"tone_1k": 10, "tone_3k": 0},
        "curves": {
            "tone_1k": [point.to_dict() for point in points],
            "tone_3k": [CurvePoint(0.8, 0, None).to_dict()],
        },
    }
    source = replace(Bundle.load(tone_bundle), extra={"calibration": record})
    write_bundle(tmp_path / "trained", **vars(source))

    def at(target):
        out = tmp_path / f"at{target}"
        return set_thresholds(tmp_path / "trained", out, target_false_alarms_per_hour=target).points

    # In half an hour a target of 1.5 allows no alarm, 2.5 one, 9 four.
    found = [at(target)["tone_1k"] for target in (1.5, 2.5, 9.0)]
    assert [(point.threshold, point.misses) for point in found] == [(0.9, 5), (0.7, 3), (0.5, 1)]
    quiet = at(3.0)["tone_3k"]
    assert (quiet.threshold, quiet.events, quiet.miss_rate) == (0.8, 0, None)
    blind = replace(Bundle.load(tone_bundle), extra={})
    write_bundle(tmp_path / "blind", **vars(blind))
    with pytest.raises(ConfigError, match="carries no curve"):
        set_thresholds(tmp_path / "blind", tmp_path / "no", target_false_alarms_per_hour=1.0)
    assert not (tmp_path / "no").exists()
    arguments = ["calibrate", str(tmp_path / "trained"), "--out", str(tmp_path / "cli")]
    assert main([*arguments, "--target-false-alarms-per-hour", "9"]) == 0
    assert Bundle.load(tmp_path / "cli").thresholds["tone_1k"] == 0.5


def test_without_matplotlib_there_is_the_table_and_a_word(tone_bundle, nights, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    arguments = ["calibrate", str(tone_bundle), str(nights), "--out", str(tmp_path / "new")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "no picture: matplotlib is not installed" in out
    assert (tmp_path / "new-calibration.csv").exists()
    assert not (tmp_path / "new-calibration.svg").exists()


def test_with_matplotlib_the_curves_are_drawn(tone_bundle, nights, tmp_path):
    pytest.importorskip("matplotlib")
    made = calibrate(tone_bundle, nights, tmp_path / "new")
    assert "<svg" in made.picture.read_text(encoding="utf-8")


def test_nothing_is_overwritten(tone_bundle, nights, tmp_path, capsys):
    for out in (tone_bundle, nights, ".", "/", ""):
        with pytest.raises(BundleError, match="nothing is overwritten"):
            calibrate(tone_bundle, nights, out)
    (tmp_path / "new-calibration.csv").write_text("mine")
    assert main(["calibrate", str(tone_bundle), str(nights), "--out", str(tmp_path / "new")]) == 2
    assert (tmp_path / "new-calibration.csv").read_text() == "mine"
    assert capsys.readouterr().err.count("\n") == 1


def test_what_cannot_be_done_is_said(tone_bundle, nights, tmp_path):
    with pytest.raises(ConfigError, match="no event of the bundle"):
        calibrate(tone_bundle, nights, tmp_path / "new", thresholds={"hiss": 0.5})
    with pytest.raises(ConfigError, match="cannot be told apart"):
        calibrate(tone_bundle, nights, tmp_path / "new", min_consecutive=[1, 2])
    (tmp_path / "truth.tsv").write_text("z.wav\t1\t2\ttone_1k\n")
    with pytest.raises(DataError, match=r"missing.*z\.wav"):
        calibrate(tone_bundle, nights, tmp_path / "new", annotations=tmp_path / "truth.tsv")
    for path in nights.iterdir():
        path.write_text("no audio")
    with pytest.raises(DataError, match="2 files skipped"):
        calibrate(tone_bundle, nights, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert main(["calibrate", str(tone_bundle), "--out", str(tmp_path / "new")]) == 2


def test_the_most_false_alarms_are_those_whose_bound_keeps_the_target():
    # Garwood's bounds at 95 % of 0, 1 and 2 alarms: 2.996, 4.744 and 6.296.
    found = [most_false_alarms_within(1.0, hours) for hours in (0.0, 2.9, 3.0, 4.7, 4.8, 6.2, 6.3)]
    assert found == [None, None, 0, 0, 1, 1, 2]


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["calibrate", "--help"])
    assert caught.value.code == 0
    assert "example: kwsembed calibrate" in " ".join(capsys.readouterr().out.split())
