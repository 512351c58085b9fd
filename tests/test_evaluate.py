"""Judging a bundle on files: labelled clips, and long recordings with annotations."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from toy_store import RATE_HZ, noise, tone_in_noise

pytest.importorskip("tensorflow")

from kwsembed.audio import wav
from kwsembed.bundle import Bundle
from kwsembed.cli.main import main
from kwsembed.errors import DataError
from kwsembed.evaluation.evaluate import evaluate_clips, evaluate_recordings

BACKGROUNDS = ("hiss", "quiet")


@pytest.fixture(scope="module")
def bundle(tone_bundle):
    return Bundle.load(tone_bundle)


def recording(*tones, duration_s=12.0, seed=0):
    """Faint noise with tones of `(hz, onset_s, offset_s)`."""
    random = np.random.default_rng(seed)
    waveform = noise(duration_s, random=random, amplitude=0.003)
    for hz, onset_s, offset_s in tones:
        waveform += tone_in_noise(
            hz, duration_s=duration_s, onset_s=onset_s, offset_s=offset_s, random=random
        )
    return waveform


def write(path, waveform):
    path.parent.mkdir(parents=True, exist_ok=True)
    wav.write(path, waveform.astype(np.float32), RATE_HZ)


# ---- clips


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two clips of each label, one file that is no audio, and a tone among the noise."""
    root = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    for number in range(2):
        for label, hz in (("tone_1k", 1000), ("tone_3k", 3000)):
            tone = tone_in_noise(hz, duration_s=2.0, onset_s=0.2, offset_s=1.6, random=random)
            write(root / label / f"{number}.wav", tone)
        for label in BACKGROUNDS:
            write(root / label / f"{number}.wav", noise(2.0, random=random))
    write(
        root / "quiet" / "wrong.wav",
        tone_in_noise(1000, duration_s=2.0, onset_s=0.2, offset_s=1.6, random=random),
    )
    (root / "hiss" / "broken.wav").write_text("no audio")
    return root


def test_clips_are_classified_and_compared(bundle, clips):
    shown = []
    found = evaluate_clips(
        bundle, clips, background=BACKGROUNDS, progress=lambda done, total: shown.append((done, total))
    )
    assert found["clips"] == 9
    assert found["per_class"]["tone_3k"]["error"] == 0.0
    assert found["per_class"]["quiet"]["error"] == pytest.approx(1 / 3)  # the tone among the noise
    assert found["confusion"][3][0] == 1
    assert found["per_class"]["tone_3k"]["average_precision"] == 1.0
    ((skipped),) = found["skipped"]
    assert skipped["name"] == "hiss/broken.wav"
    assert skipped["reason"]
    assert shown[-1] == (10, 10)


@pytest.fixture
def run_of(clips, tmp_path):
    """Makes a run directory as far as evaluation looks at it: data.csv, and metrics.json with its root."""

    def make(root, *, rows=("tone_1k/0.wav,tone_1k,test", "quiet/0.wav,quiet,test")):
        run = tmp_path / "RUN"
        run.mkdir()
        (run / "data.csv").write_text("path,label,split\n" + "\n".join(rows) + "\n")
        (run / "metrics.json").write_text(json.dumps({"data": {"root": str(root)} if root else {}}))
        return run

    return make


def test_the_clips_of_a_run_are_found_where_the_run_says(bundle, clips, run_of):
    found = evaluate_clips(bundle, run_of(clips) / "data.csv", background=["quiet"])
    assert found["clips"] == 2
    assert found["root"] == str(clips.resolve())
    assert found["skipped"] == []


def test_the_command_says_from_where_it_read_the_clips_of_a_run(tone_bundle, clips, run_of, capsys):
    data = run_of(clips) / "data.csv"
    assert main(["evaluate", str(tone_bundle), str(data), "--background", "quiet", "--split", "test"]) == 0
    assert f"note: the clips were read from {clips.resolve()}" in capsys.readouterr().err


def test_the_command_marks_figures_over_clips_of_the_training(tone_bundle, clips, run_of, capsys):
    rows = (
        "tone_1k/0.wav,tone_1k,train",
        "hiss/broken.wav,hiss,train",
        "tone_1k/1.wav,tone_1k,test",
        "quiet/0.wav,quiet,test",
    )
    command = ["evaluate", str(tone_bundle), str(run_of(clips, rows=rows) / "data.csv")]
    for option in ("--background=quiet", "--background=hiss"):
        command.append(option)
    assert main(command) == 0
    assert "includes 1 clips that the run was trained on" in capsys.readouterr().out
    assert main([*command, "--split", "test"]) == 0
    assert "trained on" not in capsys.readouterr().out


def test_data_of_a_run_that_has_moved_is_found_with_root_only(bundle, clips, run_of, tmp_path):
    data = run_of(tmp_path / "gone") / "data.csv"
    with pytest.raises(DataError, match=r"no longer where the run was trained on it.*--root"):
        evaluate_clips(bundle, data, background=["quiet"])
    assert evaluate_clips(bundle, data, root=clips, background=["quiet"])["clips"] == 2


def test_a_run_that_does_not_say_where_its_data_is_is_refused(bundle, run_of):
    with pytest.raises(DataError, match=r"does not say where its data is.*--root"):
        evaluate_clips(bundle, run_of(None) / "data.csv", background=["quiet"])


def test_no_path_leads_out_of_the_root(bundle, clips, run_of):
    run = run_of(clips / "tone_1k", rows=("0.wav,tone_1k,test", "../quiet/0.wav,quiet,test"))
    with pytest.raises(DataError, match=r"leads out of the data folder.*row 3"):
        evaluate_clips(bundle, run / "data.csv", background=["quiet"])


@pytest.mark.parametrize("data", ["folder", "manifest"])
def test_a_root_that_says_nothing_is_refused(bundle, clips, run_of, tmp_path, data):
    given, root = (clips, clips) if data == "folder" else (run_of(clips) / "data.csv", tmp_path / "gone")
    with pytest.raises(DataError, match="relative to cannot be used"):
        evaluate_clips(bundle, given, root=root, background=["quiet"])


def test_a_label_that_the_bundle_does_not_know_is_refused(bundle, clips, tmp_path):
    for label in ("tone_1k", "noise", "meow"):
        write(tmp_path / label / "0.wav", np.zeros(100) + 0.1)
    with pytest.raises(
        DataError, match=r"does not know.*Expected tone_1k, tone_3k, hiss, quiet\. Received: meow, noise"
    ):
        evaluate_clips(bundle, tmp_path)


def test_no_usable_clip_is_an_error(bundle, tmp_path):
    for label in ("tone_1k", "hiss"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.wav").write_text("no audio")
    with pytest.raises(DataError, match=r"no usable clip to evaluate.*Received: 2 skipped"):
        evaluate_clips(bundle, tmp_path, background=["hiss"])


# ---- recordings


@pytest.fixture
def recordings(tmp_path):
    """Two events of 1 kHz and one of 3 kHz in one recording, nothing in another, no audio in a third."""
    write(tmp_path / "audio" / "street.wav", recording((1000, 2.0, 3.0), (3000, 5.0, 6.0), (1000, 8.0, 9.0)))
    write(tmp_path / "audio" / "park.wav", recording(seed=1))
    (tmp_path / "audio" / "broken.wav").write_text("no audio")
    return tmp_path


def annotated(folder, *rows):
    path = folder / "truth.tsv"
    path.write_text("filename\tonset\toffset\tevent_label\n" + "".join(row + "\n" for row in rows))
    return path


def test_recordings_are_compared_with_their_annotations(bundle, recordings):
    truth = annotated(
        recordings,
        "street.wav\t2.0\t3.0\ttone_1k",
        "street.wav\t5.0\t6.0\ttone_3k",
        "park.wav\t4.0\t5.0\ttone_3k",  # is not there: a miss
    )  # and the 1 kHz at 8 s is not annotated: a false alarm
    found = evaluate_recordings(bundle, recordings / "audio", truth)
    assert found["recordings"] == 2
    assert found["hours"] == pytest.approx(24 / 3600)
    assert [entry["name"] for entry in found["skipped"]] == ["broken.wav"]
    low, high = found["per_class"]["tone_1k"], found["per_class"]["tone_3k"]
    assert (low["events"], low["misses"], low["false_alarms"]) == (1, 0, 1)
    assert (low["precision"], low["f1"], low["miss_rate"]) == (0.5, pytest.approx(2 / 3), 0.0)
    assert low["false_alarms_per_hour"] == pytest.approx(150)
    assert low["false_alarms_per_hour_upper"] == pytest.approx(4.744 * 150, rel=1e-3)  # one alarm, at 95 %
    assert (high["events"], high["misses"], high["false_alarms"]) == (2, 1, 0)
    assert (high["precision"], high["f1"], high["miss_rate"]) == (1.0, pytest.approx(2 / 3), 0.5)


def test_a_recording_of_two_names_counts_once_by_the_name_that_is_annotated(bundle, recordings):
    (recordings / "audio" / "again.wav").symlink_to("street.wav")
    truth = annotated(recordings, "street.wav\t2.0\t3.0\ttone_1k")
    found = evaluate_recordings(bundle, recordings / "audio", truth)
    assert (found["recordings"], found["hours"]) == (2, pytest.approx(24 / 3600))
    assert found["per_class"]["tone_1k"]["events"] == 1
    assert found["per_class"]["tone_1k"]["misses"] == 0
    reasons = {entry["name"]: entry["reason"] for entry in found["skipped"]}
    assert reasons["again.wav"] == "another name for a file that is counted already"


def test_an_empty_path_for_the_figures_is_refused(tone_bundle, recordings, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", str(tone_bundle), str(recordings / "audio"), "--json", ""])
    assert stopped.value.code == 2
    assert "expected a path; received an empty one" in capsys.readouterr().err


def test_the_curve_goes_through_what_the_thresholds_cost(bundle, recordings, tmp_path):
    truth = annotated(recordings, "street.wav\t2.0\t3.0\ttone_1k", "street.wav\t5.0\t6.0\ttone_3k")
    found = evaluate_recordings(bundle, recordings / "audio", truth, curves_file=tmp_path / "curves.csv")
    for label, values in found["per_class"].items():
        curve = found["curves"][label]
        at = curve["threshold"].index(bundle.thresholds[label])
        assert curve["miss_rate"][at] == values["miss_rate"]
        assert round(curve["false_alarms_per_hour"][at] * curve["hours"]) == values["false_alarms"]
    rows = list(csv.DictReader((tmp_path / "curves.csv").open(encoding="utf-8")))
    assert {row["label"] for row in rows} == set(bundle.event_labels)
    low, high = (float(rows[0][f"miss_rate_{bound}"]) for bound in ("low", "high"))
    assert low <= float(rows[0]["miss_rate"]) <= high


def test_the_command_prints_other_thresholds_to_choose_from(tone_bundle, recordings, capsys):
    truth = annotated(recordings, "street.wav\t2.0\t3.0\ttone_1k")
    assert main(["evaluate", str(tone_bundle), str(recordings / "audio"), "--annotations", str(truth)]) == 0
    table = capsys.readouterr().out.partition("other thresholds")[2].splitlines()
    assert table[1].split()[:2] == ["label", "threshold"]
    # The event, and the louder alarm of 1 kHz beside it: the tone of 3 kHz is not annotated.
    assert {row.split()[0] for row in table[2:]} == {"tone_1k", "tone_3k"}
    assert main(["evaluate", str(tone_bundle), str(recordings / "audio"), "--curves", "c.csv"]) == 2


def test_a_recording_annotated_with_nan_has_no_event(bundle, recordings):
    truth = annotated(recordings, "street.wav\t2\t3\ttone_1k", "park.wav\tnan\tnan\tnan")
    found = evaluate_recordings(bundle, recordings / "audio", truth)
    assert found["per_class"]["tone_1k"]["events"] == 1
    assert found["unknown_labels"] == []


def test_a_background_label_is_known_though_no_event(bundle, recordings):
    background = bundle.background_labels[0]
    truth = annotated(recordings, f"street.wav\t2\t3\t{background}", "street.wav\t4\t5\tbell")
    assert evaluate_recordings(bundle, recordings / "audio", truth)["unknown_labels"] == ["bell"]


def test_annotations_that_cannot_be_right_are_refused(bundle, recordings):
    with pytest.raises(DataError, match=r"begins after the end of street\.wav"):
        evaluate_recordings(bundle, recordings / "audio", annotated(recordings, "street.wav\t900\t901\tbell"))
    row = "street.wav\t2\t3\ttone_1k"
    with pytest.raises(DataError, match=r"repeats an event of street\.wav"):
        evaluate_recordings(bundle, recordings / "audio", annotated(recordings, row, row))


def test_without_events_rates_are_undefined_not_zero(bundle, recordings):
    (recordings / "audio" / "street.wav").unlink()
    found = evaluate_recordings(bundle, recordings / "audio", annotated(recordings))["per_class"]["tone_1k"]
    assert (found["miss_rate"], found["precision"], found["f1"]) == (None, None, None)
    assert found["false_alarms_per_hour"] == 0.0
    assert found["false_alarms_per_hour_upper"] > 0


def test_annotated_recordings_must_be_there(bundle, recordings):
    with pytest.raises(DataError, match=r"missing.*lost\.wav"):
        evaluate_recordings(bundle, recordings / "audio", annotated(recordings, "lost.wav\t1\t2\ttone_1k"))


def test_recordings_of_one_name_are_refused(bundle, recordings):
    write(recordings / "audio" / "second" / "park.wav", recording(seed=2))
    with pytest.raises(DataError, match="share a file name"):
        evaluate_recordings(bundle, recordings / "audio", annotated(recordings))


def test_no_usable_recording_is_an_error(bundle, recordings):
    for name in ("street.wav", "park.wav"):
        (recordings / "audio" / name).unlink()
    with pytest.raises(DataError, match="no usable recording"):
        evaluate_recordings(bundle, recordings / "audio", annotated(recordings))
