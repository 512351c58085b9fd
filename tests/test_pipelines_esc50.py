"""The ESC-50 recipe: fetched, verified, and turned into a manifest that keeps recordings whole."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_corpora import loopback, pack_zip, write_esc50, write_md5_list

from data_pipelines import esc50
from data_pipelines.command import run
from data_pipelines.corpus import read_md5_list
from kwsembed.errors import DataError, UserError
from kwsembed.manifest import assign_splits, read_manifest

PUBLISHED = read_md5_list(esc50.CORPUS.published_index)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ROOT with a toy ESC-50, the index of which counts as the published one."""
    write_esc50(tmp_path / "root" / "ESC-50")
    write_md5_list(tmp_path / "toy.md5", tmp_path / "root" / "ESC-50")
    toy = replace(esc50.CORPUS, published_index=tmp_path / "toy.md5")
    monkeypatch.setattr(esc50, "CORPUS", toy)
    monkeypatch.setattr(esc50, "RECIPE", replace(esc50.RECIPE, corpus=toy))
    return tmp_path / "root"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_published_index_is_that_of_the_whole_corpus():
    clips = [entry.path for entry in PUBLISHED if entry.path != "meta/esc50.csv"]
    folds = [name.removeprefix("audio/")[0] for name in clips]
    targets = [name.removesuffix(".wav").rsplit("-", 1)[1] for name in clips]
    assert len(clips) == len(set(clips)) == 2000
    assert all(folds.count(fold) == 400 for fold in "12345")
    assert all(targets.count(str(target)) == 40 for target in range(50))


def test_the_manifest_row_by_row(root):
    esc50.build_manifest(root, events=["dog", "crying_baby"])
    assert rows(root / "manifest.csv") == [
        {
            "path": f"ESC-50/audio/{name}",
            "label": label,
            "group": group,
            "fold": fold,
            "sublabel": sublabel,
        }
        for name, label, group, fold, sublabel in [
            ("1-100-A-0.wav", "dog", "fs100", "1", ""),
            ("1-101-A-20.wav", "crying_baby", "fs101", "1", ""),
            ("2-200-A-0.wav", "dog", "fs200", "2", ""),
            ("2-200-B-0.wav", "dog", "fs200", "2", ""),
            ("2-201-A-10.wav", "background", "fs201", "2", "rain"),
            ("3-300-A-0.wav", "dog", "fs300", "3", ""),
            ("3-301-A-10.wav", "background", "fs301", "3", "rain"),
            ("4-400-A-6.wav", "background", "fs400", "4", "hen"),
            ("4-401-A-10.wav", "background", "fs401", "4", "rain"),
            ("5-400-A-1.wav", "background", "fs400", "4", "rooster"),
            ("5-500-A-0.wav", "dog", "fs500", "5", ""),
        ]
    ]


def test_the_manifest_is_what_the_reader_of_manifests_reads(root):
    built = esc50.build_manifest(root, events=["dog"])
    read = read_manifest(root / "manifest.csv")
    assert read.clips == built.clips
    assert (read.labels, read.background_labels) == (("dog", "background"), ("background",))
    split = assign_splits(read)
    assert {clip.fold for clip in split.of_split("test")} == {5}
    assert {clip.fold for clip in split.of_split("validation")} == {4}


def test_a_recording_in_two_official_folds_goes_into_the_lower_one_and_is_named(root):
    built = esc50.build_manifest(root)
    assert built.warnings == ("moved beside other clips of the same recording: 5-400-A-1.wav to fold 4",)


def test_five_clips_of_the_real_corpus_move(tmp_path):
    """The names, folds and recordings are those of the published index; the sounds are left out."""
    (tmp_path / "audio").mkdir()
    table = ["filename,fold,target,category,esc10,src_file,take"]
    for name in sorted(entry.path for entry in PUBLISHED if entry.path.endswith(".wav")):
        (tmp_path / name).touch()
        fold, source, take, target = Path(name).stem.split("-")
        table.append(f"{Path(name).name},{fold},{target},class{target},False,{source},{take}")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text("\n".join(table) + "\n")
    built = esc50.build_manifest(tmp_path, events=["class0"])
    assert len(built.clips) == 2000
    assert built.warnings == (
        "moved beside other clips of the same recording: 3-131943-A-37.wav to fold 2, "
        "3-134049-A-1.wav to fold 2, 5-209698-A-38.wav to fold 4, "
        "5-234879-A-1.wav to fold 4, 5-234879-B-1.wav to fold 4",
    )


def test_esc10_keeps_the_clips_of_the_subset_and_their_folds(root):
    built = esc50.build_manifest(root, events=["rooster"], esc10=True)
    assert len(built.clips) == 10
    assert [clip.fold for clip in built.clips if clip.label == "rooster"] == [5]
    assert built.warnings == ()


@pytest.mark.parametrize(
    "given", [["dog,crying_baby"], ["dog", "crying_baby"], ["dog,", "crying_baby", "dog"]]
)
def test_events_may_be_given_with_commas_or_spaces(given, root):
    assert esc50.build_manifest(root, events=given).event_labels == ("crying_baby", "dog")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["dgo"], r"no such class; perhaps dog is meant.*Received: --events=dgo"),
        ([","], "no class is chosen"),
        (["hen", "dog", "crying_baby", "rain", "rooster"], "no background class"),
    ],
)
def test_a_wrong_choice_of_events_writes_no_manifest(given, message, root):
    with pytest.raises(UserError, match=message):
        esc50.build_manifest(root, events=given)
    assert [path.name for path in root.iterdir()] == ["ESC-50"]


def test_a_clone_of_the_repository_is_taken_as_it_is(root):
    clone = root / "ESC-50"
    assert esc50.build_manifest(clone).clips[0].name == "audio/1-100-A-0.wav"
    assert (clone / "manifest.csv").is_file()
    assert esc50.validate(clone).ok


def test_validate_names_what_is_missing_and_what_changed(root):
    report = esc50.validate(root)
    assert (report.ok, report.checked) == (True, 12)
    (root / "ESC-50" / "audio" / "1-100-A-0.wav").unlink()
    changed = root / "ESC-50" / "audio" / "3-300-A-0.wav"
    changed.write_bytes(changed.read_bytes()[:-2])
    report = esc50.validate(root)
    assert not report.ok
    assert report.missing == ("audio/1-100-A-0.wav",)
    assert report.changed == ("audio/3-300-A-0.wav (other content)",)


def test_a_table_row_that_disagrees_with_its_file_name_is_refused(root):
    table = root / "ESC-50" / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("2-200-B-0.wav,2,", "2-200-B-0.wav,3,"))
    with pytest.raises(DataError, match=r"does not agree with its file name .*esc50\.csv row 5"):
        esc50.build_manifest(root)


def test_the_command_fetches_checks_and_says_what_comes_next(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    pack_zip(tmp_path / "toy.zip", root / "ESC-50", top="ESC-50-33c8")
    target = tmp_path / "a new folder"
    with loopback((tmp_path / "toy.zip").read_bytes()) as server:
        server.cuts, server.cut_after = 1, 50_000
        arguments = [str(target), "--download", "--base-url", server.url, "--events", "dog"]
        assert run(esc50.RECIPE, arguments) == 0
        assert len(server.requests) == 2
        first = (target / "manifest.csv").read_bytes()
        assert run(esc50.RECIPE, [*arguments[:2], "--events", "dog"]) == 0
        assert len(server.requests) == 2, "what is there is not fetched again"
    assert (target / "manifest.csv").read_bytes() == first
    output = capsys.readouterr().out
    assert "12 files verified" in output
    assert "CC BY-NC 3.0" in output
    assert output.splitlines()[-1] == f"kwsembed train '{target}/manifest.csv' --out RUN"
    assert sorted(path.name for path in target.iterdir()) == ["ESC-50", "ESC-50.zip", "manifest.csv"]


def test_an_archive_with_one_other_byte_inside_is_refused_and_leaves_no_corpus(root, tmp_path, capsys):
    target = tmp_path / "target"
    target.mkdir()
    changed = root / "ESC-50" / "audio" / "1-100-A-0.wav"
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    pack_zip(target / "ESC-50.zip", root / "ESC-50", top="ESC-50-33c8")
    assert run(esc50.RECIPE, [str(target)]) == 2
    error = capsys.readouterr().err
    assert "1 changed: audio/1-100-A-0.wav (other content)" in error
    assert f"delete {target / 'ESC-50.zip'}" in error
    assert [path.name for path in target.iterdir()] == ["ESC-50.zip"]


def test_without_download_nothing_is_asked_of_the_network(tmp_path, monkeypatch, capsys):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network call that nobody asked for")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert run(esc50.RECIPE, [str(tmp_path / "nothing")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "run with --download, or put ESC-50.zip into" in error


@pytest.mark.parametrize(
    "arguments", [[], ["ROOT", "--no-such-option"], ["ROOT", "--events"], ["/proc/nothing", "--download"]]
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, capsys):
    assert run(esc50.RECIPE, arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("data_pipelines.esc50: ")
    assert captured.err.count("\n") == 1


def test_it_runs_from_a_clone_and_imports_no_tensorflow(root):
    repository = Path(__file__).parent.parent
    script = "import sys, data_pipelines.esc50; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=repository).returncode == 0
    outcome = subprocess.run(
        [sys.executable, "-m", "data_pipelines.esc50", "--help"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0
    assert "python -m data_pipelines.esc50 ESC50 --download" in outcome.stdout
