"""oneDNN's kernels are asked for before TensorFlow is imported, where that was measured to pay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kwsembed
from kwsembed.cpu_kernels import ONEDNN, prefer_onednn


@pytest.mark.parametrize(
    ("machine", "before", "after"),
    [
        ("x86_64", {}, {ONEDNN: "1"}),
        ("AMD64", {}, {ONEDNN: "1"}),
        ("x86_64", {ONEDNN: "0"}, {ONEDNN: "0"}),
        ("aarch64", {}, {}),
    ],
)
def test_x86_gets_them_unless_the_user_says_otherwise(machine, before, after):
    environment = dict(before)
    prefer_onednn(environment, machine=machine)
    assert environment == after


def setting_after(code):
    """What a fresh process on x86 has asked for once it ran the code."""
    whole = (
        f"import os, platform; platform.machine = lambda: 'x86_64'; {code}; print(os.environ.get('{ONEDNN}'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(kwsembed.__file__).parents[1])}
    environment.pop(ONEDNN, None)  # which these tests ask for too
    done = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "code",
    [
        "import kwsembed; kwsembed.train",
        "from kwsembed.cli.main import main; main(['check', 'nowhere'])",
    ],
)
def test_training_from_python_and_from_the_shell_asks_for_them(code):
    pytest.importorskip("tensorflow")
    assert setting_after(code) == "1"


def test_the_bare_import_asks_for_nothing():
    assert setting_after("import kwsembed; kwsembed.Bundle") == "None"
