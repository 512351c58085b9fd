"""Long recordings with DCASE annotations: events with their times, background from what lies between."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_corpora import write_tone

from data_pipelines import dcase_recordings
from data_pipelines.command import run
from kwsembed.errors import DataError, UserError
from kwsembed.manifest import read_manifest

HEADER = "filename\tonset\toffset\tevent_label\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for position, name in enumerate(("a", "b", "quiet")):
        write_tone(tmp_path / "root" / "audio" / f"{name}.wav", hz=200 + position, duration_s=12.0)
    return tmp_path / "root"


def annotate(
    root: Path, *rows: tuple[object, ...], header: bool = True, name: str = "annotations.tsv"
) -> None:
    lines = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    (root / name).write_text((HEADER if header else "") + lines)


@pytest.mark.parametrize("header", [True, False])
def test_the_manifest_row_by_row(header, root):
    annotate(
        root,
        ("a.wav", 4.0, 5.5, "babycry"),
        ("audio/b.wav", 0.2, 1.0, "gunshot"),
        ("b.wav", 10.0, 12.0, "babycry"),
        ("quiet.wav",),
        header=header,
    )
    built = dcase_recordings.build_manifest(root, background_s=4.0)
    a, b, quiet = "audio/a.wav", "audio/b.wav", "audio/quiet.wav"
    assert [(clip.name, clip.label, clip.group, clip.onset_s, clip.offset_s) for clip in built.clips] == [
        (a, "babycry", a, 4.0, 5.5),
        (a, "background", a, 0.0, 3.5),  # half a second is kept on either side of an event
        (a, "background", a, 6.0, 9.0),  # six seconds make two pieces
        (a, "background", a, 9.0, 12.0),
        (b, "gunshot", b, 0.2, 1.0),
        (b, "babycry", b, 10.0, 12.0),
        (b, "background", b, 1.5, 5.5),
        (b, "background", b, 5.5, 9.5),
        (quiet, "background", quiet, 0.0, 4.0),
        (quiet, "background", quiet, 4.0, 8.0),
        (quiet, "background", quiet, 8.0, 12.0),
    ]
    assert read_manifest(root / "manifest.csv").clips == built.clips
    assert built.warnings == ()


def test_no_background_overlaps_an_event_and_none_is_lost(root):
    spans = [(0.3, 0.7), (0.6, 2.0), (3.4, 3.5), (7.0, 11.9)]
    annotate(root, *(("a.wav", *span, "babycry") for span in spans))
    clips = dcase_recordings.build_manifest(root).clips
    backgrounds = [(c.onset_s, c.offset_s) for c in clips if c.label == "background"]
    # By hand: 2.0 + 0.5 to 3.4 - 0.5 is too short; 11.9 + 0.5 is past the end.
    assert backgrounds == [(4.0, 6.5)]


def test_events_not_chosen_are_background_where_no_chosen_one_is_near(root):
    annotate(root, ("a.wav", 4.0, 5.0, "babycry"), ("a.wav", 8.0, 9.0, "gunshot"))
    clips = dcase_recordings.build_manifest(root, events=["babycry"]).clips
    assert [(c.label, c.onset_s, c.offset_s) for c in clips] == [
        ("babycry", 4.0, 5.0),
        ("background", 0.0, 3.5),
        ("background", 5.5, 12.0),
    ]


def test_rows_of_dcase_2017_task_2_without_an_event_declare_background(root):
    annotate(root, ("a.wav", 1.0, 2.0, "babycry"), ("b.wav", "", "", ""), ("quiet.wav", "nan", "nan", "nan"))
    built = dcase_recordings.build_manifest(root)
    assert {clip.name for clip in built.clips if clip.label == "background"} == {
        "audio/a.wav",
        "audio/b.wav",
        "audio/quiet.wav",
    }


def test_a_recording_in_no_table_is_left_out_and_named(root):
    annotate(root, ("a.wav", 1.0, 2.0, "babycry"), ("b.wav",))
    built = dcase_recordings.build_manifest(root)
    assert "audio/quiet.wav" not in {clip.name for clip in built.clips}
    assert "1 recordings are in no table and left out, such as quiet.wav" in built.warnings[0]


def test_several_tables_are_read_as_one(root):
    annotate(root, ("a.wav", 1.0, 2.0, "babycry"), name="babycry.tsv")
    annotate(root, ("a.wav", 5.0, 6.0, "gunshot"), ("b.wav",), name="gunshot.tsv", header=False)
    built = dcase_recordings.build_manifest(root, annotations=["babycry.tsv", "gunshot.tsv"])
    assert built.event_labels == ("babycry", "gunshot")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("gone.wav", 1, 2, "babycry"), r"recording is not there .*row 2.*filename=gone\.wav"),
        (("../outside.wav", 1, 2, "babycry"), r"recording is not there.*row 2"),
        (("a.wav", 2, 1, "babycry"), r"no event .*row 2.*onset before offset"),
        (("a.wav", -1, 1, "babycry"), "no event"),
        (("a.wav", "one", 1, "babycry"), "onset='one'"),
        (("a.wav", 1, "inf", "babycry"), "no event"),
        (("a.wav", 1, "", "babycry"), "no event"),
        (("a.wav", 1, 2, ""), "event_label=''"),
        (("a.wav 1 2 babycry",), "separated by tabs"),
        (("a.wav", 1, 2, "babycry", "more"), "too many cells"),
        (("a.wav", 12.5, 13, "babycry"), r"beyond the end .*row 2.*an onset before 12\.000 s"),
        (("a.wav", 1, 2, "people/talk"), "the label cannot be used"),
        (("a.wav",), "hold no event"),
    ],
)
def test_a_wrong_row_is_named_and_writes_no_manifest(row, message, root):
    write_tone(root.parent / "outside.wav", hz=100)
    annotate(root, row)
    with pytest.raises(DataError, match=message):
        dcase_recordings.build_manifest(root)
    assert sorted(path.name for path in root.iterdir()) == ["annotations.tsv", "audio"]


@pytest.mark.parametrize("background_s", [0.0, 0.5, float("nan"), float("inf")])
def test_background_rows_too_short_to_hold_a_window_are_refused(background_s, root):
    annotate(root, ("a.wav", 1, 2, "babycry"))
    with pytest.raises(UserError, match="background_s="):
        dcase_recordings.build_manifest(root, background_s=background_s)


def test_validate_names_recordings_that_cannot_be_opened_or_end_too_early(root):
    annotate(root, ("a.wav", 1, 2, "babycry"), ("b.wav", 11, 14.5, "babycry"), ("quiet.wav",))
    (root / "audio" / "quiet.wav").write_text("no audio at all")
    report = dcase_recordings.validate(root)
    assert report.checked == 3
    assert report.changed == (
        f"audio/b.wav ends at 12.000 s, before the event of {root}/annotations.tsv row 3",
        "audio/quiet.wav (not audio)",
    )
    assert [entry.path for entry in dcase_recordings.index(root)] == [
        "audio/a.wav",
        "audio/b.wav",
        "audio/quiet.wav",
    ]


def test_the_command_needs_no_network_options(root, capsys):
    annotate(root, ("a.wav", 1.0, 2.0, "babycry"), ("b.wav", 3.0, 4.0, "babycry"), ("quiet.wav",))
    assert run(dcase_recordings.RECIPE, [str(root), "--background-s", "5"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"kwsembed train {root}/manifest.csv --out RUN"
    assert run(dcase_recordings.RECIPE, [str(root), "--download"]) == 2
    assert run(dcase_recordings.RECIPE, [str(root), "--annotations", "none.tsv"]) == 2
    assert "annotations are not there" in capsys.readouterr().err
