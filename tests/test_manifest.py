"""Reading data sets and splitting them: every rule, and every error with the file and the row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kwsembed.audio import wav
from kwsembed.errors import ConfigError, DataError
from kwsembed.manifest import Clip, Manifest, assign_splits, manifest_text, read_manifest, write_manifest


def touch(root: Path, *names: str) -> None:
    """Files that exist; reading a manifest opens none of them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def csv_of(root: Path, text: str) -> Path:
    """A manifest with this text, and the files that its first column names."""
    touch(
        root, *(line.split(",")[0] for line in text.splitlines()[1:] if line.split(",")[0].endswith(".wav"))
    )
    (root / "manifest.csv").write_text(text, encoding="utf-8")
    return root / "manifest.csv"


def folds_of(rows: str) -> Manifest:
    """A manifest in memory from `label group fold` triples."""
    clips = []
    for number, row in enumerate(rows.split(";"), start=2):
        label, group, fold = row.split()
        clips.append(
            Clip(Path(f"/d/{number}.wav"), f"{number}.wav", label, group, fold=int(fold), row=number)
        )
    return Manifest(Path("/d"), Path("/d/m.csv"), tuple(clips), ("bark", "noise"), ("noise",))


def drawn(groups: dict[str, int], *, clips_per_group: int = 2) -> Manifest:
    """A manifest in memory with so many groups of each label."""
    clips = [
        Clip(Path(f"/d/{label}{group}-{n}.wav"), f"{label}{group}-{n}.wav", label, f"{label}{group}")
        for label, count in groups.items()
        for group in range(count)
        for n in range(clips_per_group)
    ]
    labels = (*sorted(set(groups) - {"noise"}), "noise")
    return Manifest(Path("/d"), Path("/d"), tuple(clips), labels, ("noise",))


class TestFolders:
    def test_a_folder_is_a_class_and_a_file_its_own_group(self, tmp_path):
        touch(
            tmp_path, "noise/b.FLAC", "bark/x/2.ogg", "bark/1.wav", "cry/a.mp3", ".git/a.wav", "bark/.a.wav"
        )
        manifest = read_manifest(tmp_path)
        assert [(clip.name, clip.label, clip.group) for clip in manifest.clips] == [
            ("bark/1.wav", "bark", "bark/1.wav"),
            ("bark/x/2.ogg", "bark", "bark/x/2.ogg"),
            ("cry/a.mp3", "cry", "cry/a.mp3"),
            ("noise/b.FLAC", "noise", "noise/b.FLAC"),
        ]
        assert manifest.labels == ("bark", "cry", "noise")
        assert manifest.event_labels == ("bark", "cry")
        assert manifest.background_labels == ("noise",)
        assert manifest.clips[0].path == (tmp_path / "bark/1.wav").resolve()
        assert manifest.warnings == ()

    def test_what_is_not_used_is_said(self, tmp_path):
        touch(tmp_path, "bark/1.wav", "bark/notes.txt", "noise/1.wav", "loose.wav", "meta.csv")
        warnings = " ".join(read_manifest(tmp_path).warnings)
        assert "meta.csv in the data folder is not used" in warnings
        assert "1 audio files lie in no class folder and are not used, such as loose.wav" in warnings
        assert "1 files in bark/ are not audio and not used, such as notes.txt" in warnings

    def test_an_empty_class_folder_is_an_error(self, tmp_path):
        touch(tmp_path, "bark/1.wav", "noise/1.wav", "cry/readme.txt")
        with pytest.raises(DataError, match=r"class folder holds no audio \(.*cry\).*remove the folder"):
            read_manifest(tmp_path)

    def test_links_that_lead_to_no_file_are_said(self, tmp_path):
        touch(tmp_path, "bark/1.wav", "noise/1.wav")
        (tmp_path / "bark/2.wav").symlink_to(tmp_path / "gone.wav")
        (tmp_path / "bark/3.wav").symlink_to("3.wav")
        assert read_manifest(tmp_path).warnings == (
            "2 links in bark/ lead to no file and are not used, such as 2.wav",
        )
        (tmp_path / "bark/1.wav").unlink()
        with pytest.raises(DataError, match=r"holds no audio .* Received: 2 links that lead to no file"):
            read_manifest(tmp_path)

    def test_a_name_that_cannot_be_printed_says_what_to_do(self, tmp_path):
        touch(tmp_path, "bark/1\n.wav", "noise/1.wav")
        with pytest.raises(DataError, match=r"cannot be printed. Received: .*rename the file"):
            read_manifest(tmp_path)

    def test_a_folder_without_folders_is_an_error(self, tmp_path):
        touch(tmp_path, "1.wav")
        with pytest.raises(DataError, match="holds no class folders"):
            read_manifest(tmp_path)

    def test_a_link_that_leads_out_is_refused(self, tmp_path):
        touch(tmp_path, "data/bark/1.wav", "data/noise/1.wav", "elsewhere/secret.wav")
        (tmp_path / "data/bark/2.wav").symlink_to(tmp_path / "elsewhere/secret.wav")
        with pytest.raises(DataError, match="leads out of the data folder"):
            read_manifest(tmp_path / "data")

    def test_a_link_within_keeps_its_own_name(self, tmp_path):
        touch(tmp_path, "bark/1.wav", "noise/1.wav")
        (tmp_path / "noise/2.wav").symlink_to(tmp_path / "noise/1.wav")
        with pytest.raises(DataError, match="the same audio comes twice"):
            read_manifest(tmp_path)
        (tmp_path / "noise/1.wav").rename(tmp_path / "sound.wav")
        (tmp_path / "noise/2.wav").unlink()
        (tmp_path / "noise/2.wav").symlink_to(tmp_path / "sound.wav")
        assert [clip.name for clip in read_manifest(tmp_path).clips] == ["bark/1.wav", "noise/2.wav"]


class TestLabels:
    @pytest.mark.parametrize(
        "name",
        [
            "background",
            "noise",
            "_negative_",
            "_background_noise_",
            "other",
            "_unknown_",
            "_silence_",
            "Noise",
        ],
    )
    def test_names_of_background_are_known(self, tmp_path, name):
        touch(tmp_path, "bark/1.wav", f"{name}/1.wav")
        assert read_manifest(tmp_path).background_labels == (name,)

    def test_several_backgrounds_come_after_the_events(self, tmp_path):
        touch(tmp_path, "a/1.wav", "z/1.wav", "m/1.wav", "_silence_/1.wav")
        manifest = read_manifest(tmp_path, background=["m"])
        assert manifest.labels == ("a", "z", "_silence_", "m")
        assert manifest.background_labels == ("_silence_", "m")

    def test_without_a_background_or_an_event_there_is_nothing_to_do(self, tmp_path):
        touch(tmp_path, "bark/1.wav", "cry/1.wav")
        with pytest.raises(DataError, match=r"no background class.*--background NAME"):
            read_manifest(tmp_path)
        with pytest.raises(DataError, match="every class is background"):
            read_manifest(tmp_path, background=["bark", "cry"])
        with pytest.raises(DataError, match=r"background class is not in the data.*background=hiss"):
            read_manifest(tmp_path, background=["hiss"])


class TestCsv:
    def test_all_columns_are_read_and_others_ignored(self, tmp_path):
        path = csv_of(
            tmp_path,
            "path,label,licence,group,fold,onset_s,offset_s,sublabel\n"
            'a/1.wav,bark,"CC, by",g1,1,0.5,1.25,\n'
            "\n"
            "a/2.wav,noise,,,0,,,wind\n",
        )
        first, second = read_manifest(path).clips
        assert first == Clip(
            (tmp_path / "a/1.wav").resolve(), "a/1.wav", "bark", "g1", None, 1, 0.5, 1.25, row=2
        )
        assert (second.group, second.fold, second.onset_s, second.row) == ("a/2.wav", 0, None, 4)
        assert (first.sublabel, second.sublabel) == (None, "wind")

    def test_a_sublabel_that_is_another_label_is_told_of(self, tmp_path):
        kinds = ["bark,bark", "cat,cat", "other,cat", "other,bark", "other,cat", "other,bird", "bark,"]
        rows = [f"{number}.wav,{kind}" for number, kind in enumerate(kinds)]
        source = csv_of(tmp_path, "\n".join(["path,label,sublabel", *rows]))
        (warning,) = read_manifest(source).warnings
        assert warning.startswith(
            "clips labelled other that are events by their sublabel: 3 (cat 2, bark 1); "
        )

    def test_byte_order_marks_line_ends_and_spaces_are_put_up_with(self, tmp_path):
        touch(tmp_path, "1.wav", "2.wav")
        (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbfpath, label\r\n1.wav, bark \r\n2.wav,noise\r\n")
        assert read_manifest(tmp_path / "m.csv").labels == ("bark", "noise")

    def test_events_in_one_file_share_it_but_not_their_times(self, tmp_path):
        rows = "path,label,group,onset_s,offset_s\n1.wav,bark,g,0,1\n1.wav,bark,g,2,3\n1.wav,noise,g,4,9\n"
        assert len(read_manifest(csv_of(tmp_path, rows)).clips) == 3
        with pytest.raises(DataError, match=r"the same audio comes twice.*rows 2 and 5"):
            read_manifest(csv_of(tmp_path, rows + "1.wav,noise,g,0,1\n"))

    @pytest.mark.parametrize(
        "text, complaint",
        [
            ("path,label\n1.wav,bark\n2.wav\n", r"does not fit the header \(.*manifest.csv row 3\).*2 cells"),
            ("path,label\n1.wav,bark\ngone,bark\n", r"does not exist \(.*row 3\).*path=gone"),
            ("path,label\n,bark\n", r"path is empty \(.*row 2\)"),
            ("path,label\n1.wav,\n", r"label is empty \(.*row 2\)"),
            ("path,label\n1.wav,a/b\n", r"\(.*row 2\).*"),
            ("path,label,fold\n1.wav,bark,one\n", r"fold is not a number \(.*row 2\).*fold='one'"),
            ("path,label,fold\n1.wav,bark,-1\n", r"fold is not a number \(.*row 2\)"),
            ("path,label,split\n1.wav,bark,dev\n", r"split is unknown \(.*row 2\).*split='dev'"),
            ("path,label,onset_s,offset_s\n1.wav,bark,1,\n", r"both onset_s and offset_s.*\(.*row 2\)"),
            ("path,label,onset_s,offset_s\n1.wav,bark,2,1\n", r"ends before it begins \(.*row 2\)"),
            ("path,label,onset_s,offset_s\n1.wav,bark,nan,1\n", r"onset_s is not a time \(.*row 2\)"),
            ("path,label,onset_s,offset_s\n1.wav,bark,-1,1\n", r"onset_s is not a time \(.*row 2\)"),
            ("file,label\n1.wav,bark\n", r"no column path .*columns=file,label"),
            ("path,label,label\n1.wav,bark,bark\n", "a column comes twice.*column=label"),
            ("path,label\n", "no clip in the data"),
            ('path,label\n1.wav,"bark\n', r"a quote is never closed \(.*row 2\)"),
            ('path,label\n1.wav,bark\n1.wav,"a"b\n', r"not valid CSV: .*row 3"),
            ("", "no column path"),
        ],
    )
    def test_an_unusable_row_is_named(self, tmp_path, text, complaint):
        touch(tmp_path, "1.wav")
        with pytest.raises(DataError, match=complaint) as caught:
            read_manifest(csv_of(tmp_path, text))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "name", ["../secret.wav", "a/../../secret.wav", "/etc/passwd", "link/secret.wav"]
    )
    def test_no_path_leads_out_of_the_folder(self, tmp_path, name):
        touch(tmp_path, "secret.wav", "data/a/1.wav")
        (tmp_path / "data/link").symlink_to(tmp_path)
        (tmp_path / "data/m.csv").write_text(f"path,label\n{name},bark\na/1.wav,noise\n")
        with pytest.raises(DataError, match=r"leads out of the data folder \(.*m.csv row 2\)"):
            read_manifest(tmp_path / "data/m.csv")

    def test_text_that_is_no_utf8_is_named_by_line(self, tmp_path):
        (tmp_path / "m.csv").write_bytes("path,label\n1.wav,für\n".encode("latin-1"))
        with pytest.raises(DataError, match=r"not UTF-8 text \(.*m.csv line 2\)"):
            read_manifest(tmp_path / "m.csv")

    def test_what_is_neither_folder_nor_csv(self, tmp_path):
        touch(tmp_path, "a.wav")
        with pytest.raises(DataError, match="does not exist"):
            read_manifest(tmp_path / "gone")
        with pytest.raises(DataError, match="folder with a folder per class"):
            read_manifest(tmp_path / "a.wav")

    def test_what_is_written_reads_back(self, tmp_path):
        header = "path,label,group,fold,onset_s,offset_s,sublabel\n"
        rows = header + '"a,b.wav",bark,g1,1,0.1,0.30000000000000004,\n2.wav,noise,g2,0,,,"rain, light"\n'
        touch(tmp_path, "a,b.wav", "2.wav")
        (tmp_path / "m.csv").write_text(rows)
        manifest = read_manifest(tmp_path / "m.csv")
        assert manifest_text(manifest) == rows
        write_manifest(tmp_path / "again.csv", manifest)
        assert read_manifest(tmp_path / "again.csv").clips == manifest.clips


class TestFolds:
    ROWS = ";".join(f"{label} {label}{fold} {fold}" for fold in (0, 1, 2, 3) for label in ("bark", "noise"))

    def splits(self, **folds) -> dict[int, str]:
        manifest = assign_splits(folds_of(self.ROWS), **folds)
        return {clip.fold: clip.split for clip in manifest.clips}

    def test_the_highest_fold_tests_the_next_validates_and_the_rest_trains(self):
        assert self.splits() == {0: "train", 1: "train", 2: "validation", 3: "test"}

    def test_folds_can_be_chosen(self):
        chosen = self.splits(test_folds=[1], validation_folds=[3])
        assert chosen == {0: "train", 1: "test", 2: "train", 3: "validation"}
        assert self.splits(test_folds=[3, 1]) == {0: "train", 1: "test", 2: "validation", 3: "test"}

    def test_none_trains_on_all_but_what_validates(self):
        assert self.splits(test_folds=()) == {0: "train", 1: "train", 2: "train", 3: "validation"}
        manifest = assign_splits(folds_of(self.ROWS), test_folds=())
        assert any("no clip is kept for testing" in warning for warning in manifest.warnings)

    @pytest.mark.parametrize(
        "folds, complaint",
        [
            ({"test_folds": [0]}, "fold 0 is always trained on.*some of 1, 2, 3.*test_folds=0"),
            ({"test_folds": [7]}, "fold is not in the data.*test_folds=7"),
            ({"validation_folds": [7]}, "validation_folds=7"),
            ({"test_folds": [2], "validation_folds": [2]}, "cannot both test and validate"),
        ],
    )
    def test_folds_that_cannot_be(self, folds, complaint):
        with pytest.raises(ConfigError, match=complaint):
            self.splits(**folds)

    def test_a_class_of_fold_0_only_is_a_warning(self):
        manifest = folds_of(self.ROWS + ";jarvis j 0")
        manifest = Manifest(
            manifest.root, manifest.source, manifest.clips, ("bark", "jarvis", "noise"), ("noise",)
        )
        warnings = assign_splits(manifest).warnings
        assert warnings == ("jarvis has no clip in validation and test, so no figure there speaks of it",)

    def test_a_class_that_nothing_trains_is_an_error(self):
        with pytest.raises(DataError, match=r"no clip to train on.*label=noise"):
            assign_splits(folds_of("bark a 1;bark b 2;bark c 3;noise d 2;noise e 3"))

    def test_folds_with_no_validation_left_are_an_error(self):
        with pytest.raises(DataError, match="no clip to choose thresholds on"):
            assign_splits(folds_of("bark a 0;noise b 0;bark c 1;noise d 1"))

    def test_a_group_in_two_splits_is_an_error_that_names_rows(self):
        with pytest.raises(DataError, match=r"rows 4, 10.*group=bark1, 4.wav in train, 10.wav in test"):
            assign_splits(folds_of(self.ROWS + ";bark bark1 3"))


class TestSplitColumn:
    def test_it_is_used_as_it_is(self, tmp_path):
        text = "path,label,split\n" + "".join(
            f"{label}{split}.wav,{label},{split}\n"
            for label in ("bark", "noise")
            for split in ("train", "validation")
        )
        manifest = assign_splits(read_manifest(csv_of(tmp_path, text)))
        assert [clip.split for clip in manifest.clips] == ["train", "validation"] * 2

    def test_folds_cannot_be_asked_for_then(self, tmp_path):
        manifest = read_manifest(csv_of(tmp_path, "path,label,split\n1.wav,bark,train\n2.wav,noise,train\n"))
        with pytest.raises(ConfigError, match="since the manifest has a column split"):
            assign_splits(manifest, test_folds=(1,))

    def test_nor_where_there_are_no_folds(self):
        with pytest.raises(ConfigError, match="since the data has none"):
            assign_splits(drawn({"bark": 4, "noise": 4}), validation_folds=(1,))


class TestDrawnSplits:
    def test_no_group_is_in_two_splits_and_the_shares_hold_for_every_label(self):
        manifest = drawn({"bark": 40, "cry": 7, "noise": 200}, clips_per_group=3)
        for seed in range(5):
            clips = assign_splits(manifest, seed=seed).clips
            assert all(
                len({c.split for c in clips if c.group == group}) == 1 for group in {c.group for c in clips}
            )
            for label, groups in (("bark", 40), ("cry", 7), ("noise", 200)):
                shares = Counter(clip.split for clip in clips if clip.label == label)
                assert abs(shares["train"] - 0.70 * 3 * groups) <= 3  # at most one group off
                assert abs(shares["test"] - 0.15 * 3 * groups) <= 3

    def test_it_is_the_seed_s_own_whatever_the_order_of_the_clips(self):
        manifest = drawn({"bark": 20, "noise": 20})
        reversed_clips = Manifest(
            manifest.root, manifest.source, manifest.clips[::-1], manifest.labels, manifest.background_labels
        )

        def split_of(one: Manifest, seed: int) -> dict[str, str | None]:
            return {clip.name: clip.split for clip in assign_splits(one, seed=seed).clips}

        assert split_of(manifest, 3) == split_of(manifest, 3) == split_of(reversed_clips, 3)
        assert split_of(manifest, 3) != split_of(manifest, 4)

    def test_a_group_of_several_labels_stays_together(self):
        clips = [
            Clip(Path(f"/d/{group}{label}"), f"{group}{label}", label, f"g{group}")
            for group in range(20)
            for label in ("bark", "noise")
        ]
        manifest = Manifest(Path("/d"), Path("/d"), tuple(clips), ("bark", "noise"), ("noise",))
        split = assign_splits(manifest).clips
        assert all(len({clip.split for clip in split if clip.group == f"g{g}"}) == 1 for g in range(20))
        assert Counter(clip.split for clip in split)["train"] == 28

    def test_three_groups_serve_all_three_splits_and_two_train_and_validate(self):
        splits = assign_splits(drawn({"bark": 3, "cry": 2, "noise": 9})).clips
        assert {clip.split for clip in splits if clip.label == "bark"} == {"train", "validation", "test"}
        assert {clip.split for clip in splits if clip.label == "cry"} == {"train", "validation"}

    def test_a_single_group_is_an_error_that_says_what_to_do(self):
        with pytest.raises(DataError, match=r"single group.*label=cry, group=cry0.*column split or fold"):
            assign_splits(drawn({"bark": 5, "cry": 1, "noise": 5}))

    def test_without_a_test_the_rest_trains(self):
        clips = assign_splits(drawn({"bark": 20, "noise": 20}), test_folds=()).clips
        assert Counter(clip.split for clip in clips) == {"train": 68, "validation": 12}


def test_a_manifest_of_real_files_reads_the_same_from_a_relative_path(tmp_path, monkeypatch):
    for name in ("bark/1.wav", "noise/1.wav"):
        wav.write(tmp_path / name, np.zeros(10, np.float32), 16000)
    monkeypatch.chdir(tmp_path)
    assert read_manifest(".").clips == read_manifest(tmp_path).clips
