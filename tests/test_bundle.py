"""Bundles: what is written is read back, and what was touched since is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kwsembed.bundle import Bundle, write_bundle
from kwsembed.bundle_files import own_sha256
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.errors import BundleError
from kwsembed.frontend.config import FrontendConfig

MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(100)


def point(label, threshold=0.5):
    return OperatingPoint(label, threshold, 0.5, 0, 1.0, 0.0, 3.0, False, 10, 1, 0.1)


def parts(**changes):
    return {
        "model": MODEL,
        "labels": ["dog", "föhn", "noise"],
        "background_labels": ["noise"],
        "frontend": FrontendConfig(),
        "window_samples": 16000,
        "post": PostProcessing(onset_shift_s=0.1),
        "operating_points": {"dog": point("dog"), "föhn": point("föhn", 1.0000000000000002)},
        "parity": {"largest_difference": 0.1 + 0.2},
        "versions": {"numpy": "2.0"},
        "extra": {"folds": (1, 2)},
        **changes,
    }


@pytest.fixture
def folder(tmp_path):
    write_bundle(tmp_path / "bundle", **parts())
    return tmp_path / "bundle"


def edit(folder, *, checksum=True, **changes):
    """Changes entries of bundle.json, with or without mending its checksum."""
    description = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    description.update(changes)
    if checksum:
        description["sha256"] = own_sha256(description)
    (folder / "bundle.json").write_text(json.dumps(description))


def refusal(folder):
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_bundle_survives_a_round_trip(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["bundle.json", "labels.txt", "model.tflite"]
    assert (folder / "labels.txt").read_text(encoding="utf-8") == "dog\nföhn\nnoise\n"
    bundle = Bundle.load(folder)
    written = Bundle(**{**parts(), "labels": ("dog", "föhn", "noise"), "background_labels": ("noise",)})
    assert bundle.operating_points == written.operating_points
    assert (bundle.model, bundle.labels, bundle.post, bundle.frontend) == (
        written.model,
        written.labels,
        written.post,
        written.frontend,
    )
    assert bundle.event_labels == ("dog", "föhn")
    assert bundle.background_mask.tolist() == [False, False, True]
    assert bundle.thresholds == {"dog": 0.5, "föhn": 1.0000000000000002}
    assert (bundle.window_s, bundle.hop_samples, bundle.sample_rate_hz) == (1.0, 4000, 16000)
    assert bundle.extra == {"folds": [1, 2]}


def test_a_bundle_replaces_an_older_one_as_a_whole(folder):
    write_bundle(folder, **parts(labels=["dog", "noise"], operating_points={"dog": point("dog")}))
    assert Bundle.load(folder).labels == ("dog", "noise")
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "bundle.json"])
def test_an_edited_file_is_refused_by_name(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b"0.5", b"0.1") if name == "bundle.json" else content + b"x")
    assert f"{name} was changed" in refusal(folder)


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "bundle.json"])
def test_a_missing_file_is_refused_by_name(folder, name):
    (folder / name).unlink()
    assert f"{name} cannot be read, No such file" in refusal(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"null", b'{"format": 1}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_description_that_is_no_json_object_is_refused(folder, content):
    (folder / "bundle.json").write_bytes(content)
    assert "bundle.json is damaged" in refusal(folder)


def test_a_missing_folder_is_refused(tmp_path):
    assert "no such folder" in refusal(tmp_path / "none")


def test_a_path_next_to_a_bundle_is_refused_with_the_path_to_give(folder, monkeypatch):
    assert advice(folder.parent).endswith(f"give {folder}")
    for name in ("bundle.json", "model.tflite"):
        assert advice(folder / name).endswith(f"give the folder {folder}/")
    monkeypatch.chdir(folder)
    assert advice(Path("bundle.json")).endswith("give the folder ./")


def test_what_has_nothing_to_do_with_a_bundle_is_no_damaged_one(tmp_path):
    (tmp_path / "a.wav").touch()
    for path in (tmp_path, tmp_path / "a.wav"):
        assert "give the folder that holds bundle.json" in advice(path)


def test_a_streaming_export_is_told_from_a_damaged_bundle(folder):
    (folder / "bundle.json").rename(folder / "streaming.json")
    assert "streaming export, which only detect and wyoming take" in advice(folder)


def advice(path):
    message = refusal(path)
    assert "copy the bundle" not in message
    return message


def test_a_newer_format_says_so_even_if_its_checksum_is_made_otherwise(folder):
    edit(folder, checksum=False, format=2)
    message = refusal(folder)
    assert "newer than this kwsembed reads" in message
    assert "upgrade kwsembed" in message


def test_the_layout_of_the_description_does_not_matter(folder):
    edit(folder)
    assert Bundle.load(folder).labels[0] == "dog"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"labels": ["cat", "föhn", "noise"]}, "different labels"),
        ({"operating_points": {}}, "operating points and event labels differ"),
        ({"operating_points": {"dog": {}}}, "not an operating point"),
        ({"background_labels": ["hum"]}, "none of the labels"),
        ({"window_samples": "16000"}, "window_samples='16000'"),
        ({"window_samples": 100}, "window_samples=100"),
        ({"post": {"hop_s": 0.25, "smooth": 3}}, "unknown post-processing setting"),
        ({"post": {"hop_s": 2.0}}, "hop"),
        ({"post": None}, "does not describe a bundle"),
        ({"frontend": {"mels": 3}}, "no setting named mels"),
        ({"files": []}, "changed"),
    ],
)
def test_parts_that_do_not_fit_are_refused_even_under_a_right_checksum(folder, changes, message):
    edit(folder, **changes)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": b"not a model"}, "no TFLite model"),
        ({"labels": []}, "no labels"),
        ({"labels": ["dog", "dog", "föhn", "noise"]}, "occurs twice"),
        ({"labels": ["dog", "fö\nhn", "noise"]}, "no line of text"),
        ({"extra": {"loss": float("nan")}}, "JSON cannot"),
        ({"extra": {"path": object()}}, "JSON cannot"),
    ],
)
def test_parts_that_do_not_fit_are_never_written(tmp_path, changes, message):
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "bundle", **parts(**changes))
    assert list(tmp_path.iterdir()) == []


def test_a_copy_of_a_bundle_is_a_bundle(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert Bundle.load(str(tmp_path / "copy")).labels[0] == "dog"
