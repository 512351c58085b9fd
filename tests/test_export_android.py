"""The app's project is whole, its parts name each other rightly, and its model is the bundle's.

What its Kotlin computes is compared in `python -m checks.android`, which needs a compiler.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import kwsembed
from export.android import export_android
from export.android.__main__ import main
from export.android.golden import INDEX_FILE, WINDOW_SAMPLES, write_golden
from export.android.project import ASSETS, GOLDEN, HERE
from kwsembed.bundle import Bundle
from kwsembed.cli import main as command
from kwsembed.errors import BundleError, UserError

PROJECT = HERE / "project"
CHECKS = HERE.parents[1] / "checks"


@pytest.fixture
def run(tone_bundle: Path, tmp_path: Path) -> Path:
    shutil.copytree(tone_bundle, tmp_path / "RUN" / "bundle")
    return tmp_path / "RUN"


def test_the_project_holds_the_bundle_the_sources_and_the_golden_files(run: Path, tmp_path: Path) -> None:
    project = export_android(run, tmp_path / "app")
    bundle = Bundle.load(project / ASSETS)  # so it is whole and its checksums hold
    assert bundle == Bundle.load(run / "bundle")
    sources = {path.relative_to(PROJECT) for path in PROJECT.rglob("*") if path.is_file()}
    made = {path.relative_to(project) for path in project.rglob("*") if path.is_file()}
    assert sources <= made
    assert {Path("README.md"), Path("LICENSE"), GOLDEN / INDEX_FILE} <= made
    assert export_android(run / "bundle", tmp_path / "again") == tmp_path / "again"


def test_what_gradle_leaves_in_the_sources_is_not_exported(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "export" / "android"
    shutil.copytree(HERE, here, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(HERE.parents[1] / "LICENSE", tmp_path / "LICENSE")
    for folder in ("app/build", ".gradle", ".idea"):
        (here / "project" / folder).mkdir()
        (here / "project" / folder / "big").write_text("big")
    monkeypatch.setattr("export.android.project.HERE", here)
    project = export_android(run, tmp_path / "app")
    assert list(project.rglob("big")) == []
    assert (project / "app" / "build.gradle.kts").exists()


def test_a_project_that_was_worked_on_is_never_replaced(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = export_android(run, tmp_path / "app")
    (project / "app" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        export_android(run, project)
    assert main([str(run), "--out", str(project)]) == 2
    assert "app/src/main/assets" in capsys.readouterr().err
    assert (project / "app" / "mine.txt").exists()


def test_a_damaged_bundle_makes_no_project(run: Path, tmp_path: Path) -> None:
    (run / "bundle" / "labels.txt").write_text("other\n")
    with pytest.raises(BundleError, match=r"labels.txt was changed"):
        export_android(run, tmp_path / "app")
    assert not (tmp_path / "app").exists()


def test_the_mobile_target_brings_the_app_along(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(run), "--out", str(tmp_path / "M"), "--target"]
    assert command.main([*arguments, "mobile"]) == 0
    assert not (tmp_path / "M" / "android").exists()
    assert command.main([*arguments, "mobile", "--app"]) == 0
    assert "an app's project" in capsys.readouterr().out
    project = tmp_path / "M" / "android"
    assert Bundle.load(project / ASSETS) == Bundle.load(run / "bundle")
    assert (project / "settings.gradle.kts").exists()
    # Neither with nor without --app: somebody may have worked on it.
    for options in ([], ["--app"]):
        assert command.main([*arguments, "mobile", *options]) == 2
        assert "worked on" in capsys.readouterr().err
    assert command.main([*arguments, "micro", "--app"]) == 2
    assert "--target mobile" in capsys.readouterr().err


def test_without_a_clone_the_app_is_refused_and_the_rest_is_made(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kwsembed, "__file__", str(tmp_path / "site-packages" / "kwsembed" / "__init__.py"))
    monkeypatch.setattr(
        "kwsembed.cli.export._module_name", lambda target: f"kwsembed.export_targets.{target}"
    )
    arguments = ["export", str(run), "--out", str(tmp_path / "M"), "--target", "mobile"]
    assert command.main([*arguments, "--app"]) == 2
    assert "clone" in capsys.readouterr().err
    assert not (tmp_path / "M").exists()
    assert command.main(arguments) == 0


def test_golden_files_are_the_same_every_time_and_say_something(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_golden(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    for file in files:
        if file.name != "bundle.json":  # its checksums would say the same
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    index = json.loads((tmp_path / "a" / INDEX_FILE).read_text())
    assert sum(len(case["detections"]) for case in index["events"]) > 100
    assert sum(3 * case["hops"] for case in index["events"]) * 4 == (tmp_path / "a/scores.f32").stat().st_size
    for stream in index["streams"]:
        heard = np.fromfile(tmp_path / "a" / f"{stream['name']}.f32", "<f4")
        peak_db = 20 * np.log10(np.abs(heard).max())
        assert len(heard) > WINDOW_SAMPLES
        assert peak_db > -1 if stream["name"].startswith("loud") else -65 < peak_db < -50


def kotlin(module: str) -> str:
    """All Kotlin of a module's main sources."""
    sources = sorted((PROJECT / module / "src" / "main" / "kotlin").rglob("*.kt"))
    assert sources
    return "\n".join(path.read_text() for path in sources)


def test_the_detector_needs_nothing_but_kotlin_and_java() -> None:
    imported = re.findall(r"^import ([\w.]+)", kotlin("detector"), flags=re.M)
    assert {name.split(".")[0] for name in imported} == {"java", "kotlin"}
    assert "implementation(" not in (PROJECT / "detector" / "build.gradle.kts").read_text().replace(
        "testImplementation(", ""
    )


def test_the_app_asks_for_the_microphone_and_for_no_network() -> None:
    manifest = (PROJECT / "app/src/main/AndroidManifest.xml").read_text()
    permissions = re.findall(
        r'<uses-permission\s+android:name="android\.permission\.(\w+)"(\s+tools:node="remove")?', manifest
    )
    assert [(name, bool(removed)) for name, removed in permissions] == [
        ("RECORD_AUDIO", False),
        ("INTERNET", True),
    ]
    activities = re.findall(r'<activity\s+android:name="\.(\w+)"', manifest)
    assert activities
    for activity in activities:
        assert re.search(rf"^class {activity} : Activity\(\)", kotlin("app"), flags=re.M)
    assert 'namespace = "kwsembed.app"' in (PROJECT / "app/build.gradle.kts").read_text()


def test_the_check_compiles_with_the_version_that_the_project_names() -> None:
    packages = json.loads((CHECKS / "android_packages" / "package.json").read_text())["dependencies"]
    build = (PROJECT / "build.gradle.kts").read_text()
    versions = dict(re.findall(r'id\("([\w.]+)"\) version "([\d.]+)"', build))
    assert versions["org.jetbrains.kotlin.jvm"] == packages["kotlin-compiler"]
    wrapper = (PROJECT / "gradle/wrapper/gradle-wrapper.properties").read_text()
    gradle = re.search(r"gradle-([\d.]+)-bin", wrapper)
    app = (PROJECT / "app/build.gradle.kts").read_text()
    litert = re.search(r"litert:litert:([\d.]+)", app)
    assert gradle is not None
    assert litert is not None
    told = (HERE / "README.md").read_text().split("Versions,")[1]
    for version in (*versions.values(), gradle[1], litert[1]):
        assert version in told
    levels = re.findall(r"(?:compileSdk|minSdk) = (\d+)", app)
    assert all(f"({level})" in told for level in levels)
