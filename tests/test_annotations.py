"""DCASE annotations: what is read, and which row is named when it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.audio import wav
from kwsembed.detection.replay import Event
from kwsembed.errors import DataError
from kwsembed.manifest.annotations import events_by_name, read_annotations, truth_of

HEADER = "filename\tonset\toffset\tevent_label\n"


def reading(tmp_path, text, *, encoding="utf-8"):
    path = tmp_path / "truth.tsv"
    path.write_bytes(text.encode(encoding))
    return events_by_name(read_annotations(path))


def test_events_by_file(tmp_path):
    found = reading(tmp_path, HEADER + "a.wav\t1.5\t2\tdog\nb.wav\t0\t0.5\tcat\na.wav\t4\t5.25\tcat\n")
    assert found == {
        "a.wav": [Event("dog", 1.5, 2.0), Event("cat", 4.0, 5.25)],
        "b.wav": [Event("cat", 0.0, 0.5)],
    }


def test_the_header_may_be_missing_and_lines_blank(tmp_path):
    assert reading(tmp_path, "a.wav\t1\t2\tdog\n\n\t\t\t\n") == {"a.wav": [Event("dog", 1.0, 2.0)]}
    assert reading(tmp_path, "") == {}


def test_a_file_alone_has_no_event(tmp_path):
    assert reading(tmp_path, HEADER + "a.wav\nb.wav\t\t\t\n") == {"a.wav": [], "b.wav": []}


def test_nan_as_both_times_is_no_event_as_dcase_2017_writes_it(tmp_path):
    found = reading(tmp_path, HEADER + "a.wav\tnan\tnan\tnan\nb.wav\tNaN\tNaN\tbabycry\nc.wav\tnan\tnan\n")
    assert found == {"a.wav": [], "b.wav": [], "c.wav": []}


def test_folders_before_the_name_do_not_matter(tmp_path):
    found = reading(tmp_path, "audio/a.wav\t1\t2\tdog\nC:\\audio\\a.wav\t3\t4\tdog\n")
    assert [event.onset_s for event in found["a.wav"]] == [1.0, 3.0]


def test_files_of_spreadsheets_are_read(tmp_path):
    text = (HEADER + "a.wav\t1\t2\tdog\n").replace("\n", "\r\n")
    assert reading(tmp_path, text, encoding="utf-8-sig") == {"a.wav": [Event("dog", 1.0, 2.0)]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav\t1\t2", "event_label=''"),
        ("a.wav\t1\t2\t", "event_label=''"),
        ("a.wav,1,2,dog\t1", "no event"),
        ("a.wav\tone\t2\tdog", "onset='one'"),
        ("a.wav\t\t2\tdog", "no event"),
        ("a.wav\t\t\tdog", "no event"),
        ("a.wav\t2\t2\tdog", "onset before offset"),
        ("a.wav\t3\t2\tdog", "onset before offset"),
        ("a.wav\t-1\t2\tdog", "no event"),
        ("a.wav\tnan\t2\tdog", "no event"),
        ("a.wav\t1\tinf\tdog", "no event"),
        ("a.wav\t1\t2\tdog\tmore", "too many cells"),
        ("\t1\t2\tdog", "names no recording"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, row, message):
    with pytest.raises(DataError, match=rf"truth\.tsv row 3.*{message}|{message}.*truth\.tsv row 3"):
        reading(tmp_path, HEADER + "b.wav\t1\t2\tdog\n" + row + "\n")


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "truth.tsv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(DataError, match="not UTF-8"):
        read_annotations(tmp_path / "truth.tsv")


def fitting(tmp_path, text):
    """The truth of a table about a recording of two seconds and a file that is no audio."""
    wav.write(tmp_path / "a.wav", np.full(32000, 0.1, np.float32), 16000)
    (tmp_path / "b.wav").write_text("no audio")
    (tmp_path / "truth.tsv").write_text(text)
    return truth_of(tmp_path / "truth.tsv", [tmp_path / "a.wav", tmp_path / "b.wav"])


def test_an_event_may_end_after_its_recording_but_not_begin_there(tmp_path):
    assert fitting(tmp_path, "a.wav\t1.9\t9\tdog\n") == {"a.wav": [Event("dog", 1.9, 9.0)]}
    with pytest.raises(DataError, match=r"after the end of a\.wav \(.*truth\.tsv row 2\).*below 2\.000 s"):
        fitting(tmp_path, "a.wav\t0\t1\tdog\na.wav\t2\t3\tdog\n")
    with pytest.raises(DataError, match=r"the first of 2 such rows .*row 1"):
        fitting(tmp_path, "a.wav\t5\t6\tdog\na.wav\t7\t8\tcat\n")


def test_how_long_a_file_is_that_cannot_be_read_nobody_knows(tmp_path):
    assert fitting(tmp_path, "b.wav\t100\t101\tdog\n") == {"b.wav": [Event("dog", 100.0, 101.0)]}


def test_a_row_that_repeats_another_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"repeats an event of a\.wav .*row 3.*same as .*row 1"):
        fitting(tmp_path, "a.wav\t0\t1\tdog\na.wav\t0\t1\tcat\naudio/a.wav\t0.0\t1.0\tdog\n")
    # Naming a recording without events twice counts nothing twice.
    assert fitting(tmp_path, "a.wav\na.wav\n") == {"a.wav": []}
