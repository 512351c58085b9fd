"""The folder for a Raspberry Pi: whole, with a wheel, and an installer that says where nothing runs."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

import kwsembed
from kwsembed.bundle import Bundle
from kwsembed.cli.main import main
from kwsembed.errors import MissingDependencyError
from kwsembed.export_targets import device_wheel, raspberry_pi

needs_shell = pytest.mark.skipif(os.name != "posix", reason="install.sh is for Linux")


@pytest.fixture(scope="module")
def run(tone_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pi") / "RUN"
    shutil.copytree(tone_bundle, folder / "bundle")
    return folder


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("pi") / "out"
    assert main(["export", str(run), "--out", str(out), "--target", "raspberry_pi"]) == 0
    return out


def test_the_folder_holds_the_bundle_a_wheel_and_what_installs_them(run, made):
    assert Bundle.load(made / "bundle") == Bundle.load(run / "bundle")
    wheel = f"kwsembed-{kwsembed.__version__}-py3-none-any.whl"
    assert {path.name for path in made.iterdir()} == {
        *raspberry_pi.FILES, "README.md", "bundle", "export.json", wheel
    }  # fmt: skip
    assert os.access(made / "install.sh", os.X_OK)
    readme = (made / "README.md").read_text()
    assert "| tone_1k | 0.5 |" in readme
    assert wheel in readme
    example = next(line for line in readme.splitlines() if line.startswith('{"filename"'))
    assert json.loads(example)["event_label"] == "tone_1k"


def test_the_command_of_a_clone_makes_the_same(run, made, tmp_path):
    command = [sys.executable, "-m", "export.raspberry_pi", str(run), "--out", str(tmp_path / "out")]
    root = os.path.dirname(os.path.dirname(kwsembed.__file__))
    subprocess.run(command, cwd=root, check=True, env={**os.environ, "PYTHONPATH": root}, timeout=120)
    for path in made.rglob("*"):
        if path.is_file():
            assert (tmp_path / "out" / path.relative_to(made)).read_bytes() == path.read_bytes(), path


def test_the_wheel_records_every_file_and_runs_without_an_installation(made, tmp_path):
    wheel = next(made.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = list(csv.reader(io.StringIO(archive.read(names[-1]).decode())))
        metadata = archive.read(f"kwsembed-{kwsembed.__version__}.dist-info/METADATA").decode()
        assert [row[0] for row in record] == names
        for name, digest, size in record[:-1]:
            content = archive.read(name)
            assert int(size) == len(content)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert digest == f"sha256={expected}"
    assert "kwsembed/export_targets/raspberry_pi_files/install.sh" in names
    assert not [name for name in names if "__pycache__" in name]
    assert "Provides-Extra: edge" in metadata
    done = subprocess.run(
        [sys.executable, "-m", "kwsembed", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == f"kwsembed {kwsembed.__version__}\n"


def test_a_changed_bundle_makes_no_folder(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "RUN")
    with (tmp_path / "RUN" / "bundle" / "model.tflite").open("ab") as file:
        file.write(b"x")
    arguments = ["export", str(tmp_path / "RUN"), "--out", str(tmp_path / "out"), "--target", "raspberry_pi"]
    assert main(arguments) == 2
    assert "model.tflite was changed after it was written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_not_installed_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr(device_wheel, "distributions", lambda name: [])
    with pytest.raises(MissingDependencyError, match="pip install"):
        raspberry_pi.export(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["kwsembed-detect.service", "kwsembed-wyoming.service"])
def test_units_hold_no_secret_and_run_what_the_command_line_takes(made, tone_bundle, name, capsys):
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(made / name)
    service = unit["Service"]
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert "PASSWORD" not in (made / name).read_text()
    command, *arguments = service["ExecStart"].split()
    assert command == "/opt/kwsembed/venv/bin/kwsembed"
    assert arguments[1] == "/opt/kwsembed/bundle"
    # With options that end it at once, it gets as far as they do.
    options = {"$KWSEMBED_DETECT_OPTIONS": "--mqtt a@b", "$KWSEMBED_WYOMING_OPTIONS": "--uri nowhere"}
    arguments[1:] = [str(tone_bundle), *arguments[2:-1], *options[arguments[-1]].split()]
    if "--mic" in arguments:
        arguments[arguments.index("--mic")] = "-"
    assert main(arguments) == 2
    assert "does not belong on a command line" in (err := capsys.readouterr().err) or "tcp://HOST" in err


def install(made, *arguments, python="python3"):
    return subprocess.run(
        ["sh", str(made / "install.sh"), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=120,
    )


def fake_python(tmp_path, *, machine, version, bits=64):
    """An interpreter that says it is another one, and does nothing else."""
    path = tmp_path / "python"
    code = (
        "import platform, struct, sys\n"
        f"platform.machine = lambda: {machine!r}\n"
        f"struct.calcsize = lambda form: {bits // 8}\n"
        f"sys.version_info = {version!r}\n"
        "exec(sys.stdin.read())\n"
    )
    (tmp_path / "fake.py").write_text(code)
    path.write_text(f'#!/bin/sh\n[ "$1" = - ] || exit 9\nexec {sys.executable} {tmp_path / "fake.py"}\n')
    path.chmod(0o755)
    return str(path)


@needs_shell
@pytest.mark.parametrize(
    "machine, version, bits, why",
    [
        (
            "armv7l",
            (3, 13, 0),
            32,
            "on 32-bit ARM there is an interpreter for Python 3.11 only, not for Python 3.13",
        ),
        ("aarch64", (3, 12, 0), 32, "on 32-bit ARM"),
        ("armv6l", (3, 11, 0), 32, "it takes a Pi 2 or later"),
        ("aarch64", (3, 9, 2), 64, "Python 3.9 cannot run kwsembed; it takes 3.11 to 3.13"),
        ("aarch64", (3, 14, 0), 64, "it takes 3.11 to 3.13"),
    ],
)
def test_the_installer_says_where_nothing_can_run(made, tmp_path, machine, version, bits, why):
    python = fake_python(tmp_path, machine=machine, version=version, bits=bits)
    done = install(made, "--no-services", "--prefix", tmp_path / "opt", python=python)
    assert done.returncode == 2
    assert why in done.stderr
    assert not (tmp_path / "opt").exists()


@needs_shell
@pytest.mark.parametrize("machine, version, bits", [("armv7l", (3, 11, 2), 32), ("aarch64", (3, 13, 0), 64)])
def test_the_installer_goes_on_where_wheels_exist(made, tmp_path, machine, version, bits):
    python = fake_python(tmp_path, machine=machine, version=version, bits=bits)
    done = install(made, "--no-services", "--prefix", tmp_path / "opt", python=python)
    assert done.returncode == 9  # the stand-in makes no environment
    assert done.stderr == ""


@needs_shell
@pytest.mark.parametrize(
    "arguments, why",
    [
        (["dectect"], "Installs or renews the detector"),
        (["--prefix"], "--prefix needs a folder"),
        (["--prefix", "opt", "--no-services"], "needs a whole path"),
        (["--prefix", "/tmp/a b", "--no-services"], "--prefix may hold"),
        (["--prefix", "/tmp/a#b", "--no-services"], "--prefix may hold"),
    ],
)
def test_the_installer_refuses_what_it_does_not_understand(made, arguments, why):
    done = install(made, *arguments)
    assert done.returncode == 2
    assert why in done.stderr


@needs_shell
def test_the_installer_wants_an_interpreter_that_is_there(made):
    done = install(made, "--no-services", python="no-such-python")
    assert done.returncode == 2
    assert done.stderr == "install.sh: there is no no-such-python\n"
