"""Keeping the log of native code off the user's terminal, but not from them when it fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_log_held_back() -> Iterator[None]:
    """Holds back what native code writes to standard error; shows it if the block fails.

    TensorFlow's converter and the interpreters log past Python's `sys.stderr`, and no setting turns that off.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
