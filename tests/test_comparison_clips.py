"""The clips of a study: the same in every sitting, and in the order of the evidence."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from kwsembed.comparison.clips import JudgedClips, judged_clips, read_judged_clips, record_judged_clips
from kwsembed.errors import ConfigError, DataError, RunError
from kwsembed.manifest import read_manifest

CLIPS = JudgedClips(("a, b.wav", "c.wav"), ("dog", "noise"), ("x", "y"))


@pytest.fixture
def folds(tmp_path):
    """A manifest of three folds with two dogs and two noises in each."""
    rows = ["path,label,group,fold"]
    for fold in (1, 2, 3):
        for label in ("dog", "noise"):
            for number in range(2):
                name = f"{label}{fold}{number}.wav"
                (tmp_path / name).write_bytes(b"")
                rows.append(f"{name},{label},{label}{fold},{fold}")
    (tmp_path / "data.csv").write_text("\n".join(rows) + "\n")
    return read_manifest(tmp_path / "data.csv")


class Store:
    """All clips but one, as if it could not be decoded."""

    def __init__(self, manifest, *, without=()):
        self.clips = tuple(clip for clip in manifest.clips if clip.name not in without)


def test_every_fold_is_tested_in_turn_in_the_manifest_s_order_without_unusable_files(folds):
    found = judged_clips(folds, Store(folds, without=("dog20.wav",)), (1, 2, 3))
    assert found[1, "test"].names == ("dog10.wav", "dog11.wav", "noise10.wav", "noise11.wav")
    assert found[2, "test"].names == ("dog21.wav", "noise20.wav", "noise21.wav")
    assert found[2, "test"].groups == ("dog2", "noise2", "noise2")
    assert set(found[1, "validation"].names).isdisjoint(found[1, "test"].names)
    assert found[2, "test"].classes(["dog", "noise"]).tolist() == [0, 1, 1]


def test_a_fold_that_does_not_exist_is_refused(folds):
    with pytest.raises(ConfigError, match="9"):
        judged_clips(folds, Store(folds), (1, 9))


def test_a_fold_of_which_no_test_clip_can_be_used_is_refused(folds):
    broken = [clip.name for clip in folds.clips if clip.fold == 2]
    with pytest.raises(DataError, match="fold 2 has no usable test clip"):
        judged_clips(folds, Store(folds, without=broken), (1, 2))


def test_a_fold_that_cannot_be_validated_is_refused_before_another_is_trained(folds):
    # With fold 2 tested, fold 3 validates; with fold 3 tested, fold 2 does.
    silent = [clip.name for clip in folds.clips if clip.fold == 2 and clip.label == "dog"]
    with pytest.raises(DataError, match="with fold 3 tested the validation split has no usable event clip"):
        judged_clips(folds, Store(folds, without=silent), (2, 3))


def test_a_fold_without_which_a_label_cannot_be_trained_is_refused(folds):
    rare = [clip.name for clip in folds.clips if clip.fold != 2 and clip.label == "dog"]
    with pytest.raises(DataError, match=r"no usable training clip of dog|no usable event clip"):
        judged_clips(folds, Store(folds, without=rare), (2,))


def test_splits_that_the_manifest_names_allow_one_fold_only(tmp_path):
    rows = ["path,label,split"]
    for split in ("train", "validation", "test"):
        for label in ("dog", "noise"):
            (tmp_path / f"{label}-{split}.wav").write_bytes(b"")
            rows.append(f"{label}-{split}.wav,{label},{split}")
    (tmp_path / "data.csv").write_text("\n".join(rows) + "\n")
    manifest = read_manifest(tmp_path / "data.csv")
    assert judged_clips(manifest, Store(manifest), (1,))[1, "test"].names == (
        "dog-test.wav",
        "noise-test.wav",
    )
    with pytest.raises(ConfigError, match="column split"):
        judged_clips(manifest, Store(manifest), (1, 2))


def test_the_list_comes_back_as_it_was_and_grows_by_fold(tmp_path):
    path = tmp_path / "clips.csv"
    assert read_judged_clips(path) == {}
    record_judged_clips(path, {(1, "test"): CLIPS})
    record_judged_clips(path, {(2, "test"): CLIPS})
    assert read_judged_clips(path) == {(1, "test"): CLIPS, (2, "test"): CLIPS}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (JudgedClips(("a, b.wav",), ("dog",), ("x",)), "1 clips"),
        (JudgedClips(("a, b.wav", "c.wav"), ("dog", "noise"), ("x", "z")), "noise, z"),
    ],
)
def test_data_that_have_changed_since_are_refused(tmp_path, changed, said):
    path = tmp_path / "clips.csv"
    record_judged_clips(path, {(1, "test"): CLIPS})
    with pytest.raises(RunError, match=said):
        record_judged_clips(path, {(1, "test"): changed})
    assert read_judged_clips(path) == {(1, "test"): CLIPS}
