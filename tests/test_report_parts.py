"""Parts of the report with an answer known beforehand: worst clips, separation of classes, edge of curves."""

from __future__ import annotations

import numpy as np
import pytest
from toy_run import write_toy_run

from kwsembed.report import svg
from kwsembed.report.clip_player import playable
from kwsembed.report.embedding_view import separation
from kwsembed.report.operating_curves import det_points, lower_edge
from kwsembed.report.run_record import ClassFigures, read_run
from kwsembed.report.worst import worst_clips


def test_errors_come_before_close_calls_and_no_clip_twice(tmp_path):
    run = read_run(write_toy_run(tmp_path / "RUN", strengths=(2.0, 2.0, 2.5), with_audio=False))
    worst = worst_clips(run)
    wrong = [clip.is_error for clip in worst]
    assert wrong == sorted(wrong, reverse=True)
    assert wrong[0]
    assert len({clip.row for clip in worst}) == len(worst) == 12
    missed = [clip for clip in worst if clip.missed and clip.event == "dog"]
    predictions = run.predictions["int8", "test"]
    assert missed[0].score == predictions.scores[predictions.true_labels == "dog", 0].min()
    for clip in worst:
        assert clip.missed == (clip.true_label == clip.event)
        assert clip.is_error == ((clip.score < 0.6) == clip.missed)
        assert clip.true_label in dict(clip.scores)


def test_events_of_one_long_file_keep_their_own_times(tmp_path):
    (tmp_path / "details").mkdir()
    (tmp_path / "metrics.json").write_text('{"data": {"labels": ["dog", "noise"], "event_labels": ["dog"]}}')
    (tmp_path / "data.csv").write_text(
        "path,label,split,onset_s\nday.wav,dog,test,3\nday.wav,dog,train,5\nday.wav,dog,test,9\n"
    )
    (tmp_path / "details/predictions.csv").write_text(
        "split,path,label,model,dog,noise\ntest,day.wav,dog,int8,0.9,0.1\ntest,day.wav,dog,int8,0.2,0.8\n"
    )
    clips = read_run(tmp_path).predictions["int8", "test"].clips
    assert [clip["onset_s"] for clip in clips] == ["3", "9"]


def test_a_label_may_have_the_name_of_a_column(tmp_path):
    run = read_run(write_toy_run(tmp_path / "RUN", events=("path", "model"), with_audio=False))
    assert run.predictions["int8", "test"].names[0] == "path/test0.wav"
    assert run.predictions["int8", "test"].scores.shape == (90, 3)


def test_separated_classes_are_separate_and_mixed_ones_are_not():
    apart = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], float)
    labels = np.array([0, 0, 1, 1])
    assert separation(apart, labels, events=[0, 1]).silhouette == pytest.approx(1.0)
    mixed = separation(apart, np.array([0, 1, 0, 1]), events=[0, 1])
    assert mixed.neighbour_agreement == 0.0
    assert mixed.silhouette < 0


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0, 1, 1]])
def test_separation_is_unknown_where_no_event_class_has_two_clips_or_all_clips_are_of_one(labels):
    assert separation(np.eye(3), np.array(labels), events=[0]) is None


def test_the_edge_of_a_folded_curve_never_rises():
    rates, misses = lower_edge(np.array([0.0, 4.0, 9.0, 4.0, 0.0]), np.array([0.9, 0.4, 0.5, 0.3, 0.7]))
    assert rates.tolist() == [0, 0, 4, 4, 9]
    assert misses.tolist() == pytest.approx([0.7, 0.7, 0.3, 0.3, 0.3])


def test_the_operating_point_lies_on_its_curve():
    curve = {"false_alarms_per_hour": [0.0, 9.0], "miss_rate": [0.8, 0.1], "hours": 1.0}
    in_use = ClassFigures(false_alarms_per_hour=2.0, miss_rate=0.3)
    rates, misses = lower_edge(*np.array(det_points(curve, in_use)).T)
    assert misses[rates.tolist().index(2.0)] == 0.3
    never_silent = {"false_alarms_per_hour": [9.0], "miss_rate": [0.1], "hours": 1.0}
    assert det_points(never_silent, ClassFigures()) == [(0.0, 1.0), (9.0, 0.1)]
    assert det_points({**curve, "miss_rate": None}, in_use) == []
    assert det_points({}, in_use) == []


def test_pairs_of_colour_and_shape_stay_distinct():
    assert len({(svg.marker(n), svg.series(n)) for n in range(64)}) == 64


def test_a_clip_outside_the_data_is_not_opened(tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"x")
    (tmp_path / "sounds").mkdir()
    clip = playable({"path": "../secret.wav"}, root=tmp_path / "sounds")
    assert clip.audio is None
    assert "leads out of the data folder" in clip.note


def test_a_clip_that_is_no_audio_says_so(tmp_path):
    (tmp_path / "a.wav").write_text("this is text")
    clip = playable({"path": "a.wav"}, root=tmp_path)
    assert clip.audio is None
    assert "cannot be read" in clip.note
