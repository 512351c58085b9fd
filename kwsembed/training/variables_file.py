"""The variables of a network in a NumPy file, written by Python: a full disk is an error and no crash."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from kwsembed.errors import RunError


def save_variables(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Writes the values of variables, in order.

    Args:
        path: The file; its name ends in `.npz`.
        variables: Of a built model, and of its optimiser if it is to go on training.

    Raises:
        OSError: The disk is full or may not be written.
    """
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    # In memory first: a zip file that a full disk kept from closing would complain once more when collected.
    content = io.BytesIO()
    np.savez(content, **{f"{index:04d}": value for index, value in enumerate(values)})
    path.write_bytes(content.getvalue())


def load_variables(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Gives variables the values that `save_variables` wrote of a network of the same build.

    Raises:
        RunError: The file is damaged or of another network.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = [file[name] for name in sorted(file.files)]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(
            f"a checkpoint cannot be read: {error}", where=path, fix="start the run anew"
        ) from None
    shapes, expected = [value.shape for value in values], [tuple(variable.shape) for variable in variables]
    if shapes != expected:
        raise RunError(
            "a checkpoint is of another network",
            expected=f"{len(expected)} variables of the shapes of this network",
            received=f"{len(shapes)} variables",
            where=path,
            fix="start the run anew",
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
