"""Variables of a network in a file: what is written comes back, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from kwsembed.errors import RunError
from kwsembed.training.variables_file import load_variables, save_variables


def network(units: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.BatchNormalization()])


def test_a_network_comes_back_as_it_was(tmp_path: Path) -> None:
    written, read = network(), network()
    save_variables(tmp_path / "a.npz", written.variables)
    load_variables(tmp_path / "a.npz", read.variables)
    window = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(read(window), written(window))


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    save_variables(tmp_path / "a.npz", network(3).variables)
    with pytest.raises(RunError, match="another network"):
        load_variables(tmp_path / "a.npz", network(4).variables)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"cannot be read.*start the run anew"):
        load_variables(tmp_path / "a.npz", network().variables)


def test_a_full_disk_is_an_error_of_the_file_system() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space left"):
        save_variables(Path("/dev/full"), network().variables)
