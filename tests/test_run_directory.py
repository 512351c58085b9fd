"""What a run may be resumed with: the same settings, whatever version wrote them down."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("tensorflow", reason="the package of the run directory imports it")

from kwsembed.config import LittleAudioConfig, ScheduleConfig, TrainConfig
from kwsembed.errors import RunError
from kwsembed.manifest import read_manifest
from kwsembed.training.run_directory import RunDirectory, new_run


@pytest.fixture
def manifest(tmp_path):
    for name in ("bark/1.wav", "noise/1.wav"):
        (tmp_path / "sounds" / name).parent.mkdir(parents=True)
        (tmp_path / "sounds" / name).touch()
    return read_manifest(tmp_path / "sounds")


@pytest.fixture
def run(tmp_path, manifest):
    directory = RunDirectory(tmp_path / "RUN")
    directory.start(TrainConfig(), manifest, resume=False)
    return directory


def test_a_run_of_a_version_that_knew_fewer_settings_goes_on(run, manifest):
    lines = run.config.read_text().splitlines()
    older = [line for line in lines if not line.startswith("backwards_share")]
    assert len(older) == len(lines) - 1
    run.config.write_text("\n".join(older))
    assert run.check(TrainConfig(), manifest, resume=True)
    with pytest.raises(RunError, match=r"Expected backwards_share = 0\.0\. Received: backwards_share = 0\.3"):
        run.check(TrainConfig(backwards_share=0.3), manifest, resume=True)


def test_a_run_from_before_groups_were_drawn_alike_goes_on_drawing_as_it_did(tmp_path, manifest):
    run = RunDirectory(tmp_path / "EARLIER")
    run.start(TrainConfig(even_groups=0.0), manifest, resume=False)
    lines = run.config.read_text().splitlines()
    run.config.write_text("\n".join(line for line in lines if not line.startswith("even_groups")))
    assert run.check(TrainConfig(even_groups=0.0), manifest, resume=True)
    with pytest.raises(RunError, match=r"Expected even_groups = 0\.0\. Received: even_groups = 1\.0"):
        run.check(TrainConfig(), manifest, resume=True)


def test_a_run_from_before_it_mattered_how_much_audio_there_is_goes_on_as_it_did(tmp_path, manifest):
    before = TrainConfig(little_audio=LittleAudioConfig(below_windows=0.0))
    run = RunDirectory(tmp_path / "EARLIER")
    run.start(before, manifest, resume=False)
    section = run.config.read_text().index("[little_audio]")
    run.config.write_text(run.config.read_text()[:section].rstrip() + "\n")
    assert run.check(before, manifest, resume=True)
    with pytest.raises(RunError, match=r"Expected below_windows = 0\.0\. Received: below_windows = 22\.0"):
        run.check(TrainConfig(), manifest, resume=True)


def test_a_default_that_has_changed_since_is_named_and_can_be_given(run, manifest):
    before = ScheduleConfig(pretrain_epochs=16)
    run.config.write_text(run.config.read_text().replace("pretrain_epochs = 32", "pretrain_epochs = 16"))
    with pytest.raises(RunError, match=r"Expected pretrain_epochs = 16\. Received: pretrain_epochs = 32"):
        run.check(TrainConfig(), manifest, resume=True)
    assert run.check(dataclasses.replace(TrainConfig(), schedule=before), manifest, resume=True)


@pytest.mark.parametrize("text", ["seed = ", "colour = 'blue'\n"])
def test_settings_that_cannot_be_read_are_refused(run, manifest, text):
    run.config.write_text(text)
    with pytest.raises(RunError, match="another configuration"):
        run.check(TrainConfig(), manifest, resume=True)


# ---- a run made of another


def test_a_run_made_of_another_has_its_name_only_when_it_is_whole(tmp_path, run):
    out = tmp_path / "RUN2"

    def interrupt(folder):
        (folder / "config.toml").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), new_run(out, prior=run) as folder:
        interrupt(folder)
    assert not list(tmp_path.glob("*RUN2*"))
    with new_run(out, prior=run) as folder:
        (folder / "config.toml").touch()
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["config.toml"]


def test_what_is_in_the_way_of_a_run_made_of_another_is_not_offered_to_be_resumed(tmp_path, run):
    half, other = tmp_path / "half", tmp_path / "other"
    for path in (half / "config.toml", other / "notes.txt"):
        path.parent.mkdir()
        path.touch()
    for out, told in (
        (half, "was not finished.*or remove this one"),
        (other, "holds no run"),
        (run.root, "not overwritten"),
        ("", "has no name"),
    ):
        with pytest.raises(RunError, match=told) as caught, new_run(out, prior=run):
            pytest.fail("nothing should be begun")
        assert "--resume" not in str(caught.value)


def test_a_run_that_another_process_finished_meanwhile_is_kept(tmp_path, run):
    out = RunDirectory(tmp_path / "RUN2")

    def finish():
        out.root.mkdir()
        for path in (out.config, out.metrics):
            path.write_text("theirs")

    with pytest.raises(RunError, match="already holds a run"), new_run(out.root, prior=run):
        finish()
    assert out.metrics.read_text() == "theirs"
    assert not list(tmp_path.glob(".RUN2*"))
