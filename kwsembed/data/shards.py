"""Shards of the cache: TFRecord files of raw 16-bit PCM, any part of which is read by its position."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf

from kwsembed import atomic

# Before its content a TFRecord has the length (8 bytes) and its checksum (4), after it a checksum (4).
_BEFORE, _AFTER = 12, 4


def write_shard(path: Path, records: Iterable[bytes]) -> tuple[list[int], str]:
    """Writes records, whole file or nothing.

    Args:
        path: The shard.
        records: PCM of each clip, little-endian int16.

    Returns:
        Position of the content of each record in the file, in bytes, and the file's sha256.

    Raises:
        OSError: The disk is full or may not be written.
    """
    positions, end = [], 0
    with atomic.replacing(path) as temporary:
        try:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for record in records:
                    positions.append(end + _BEFORE)
                    end += _BEFORE + len(record) + _AFTER
                    writer.write(record)
        except tf.errors.OpError as error:
            # TensorFlow's own error would pass for a fault of ours.
            full = isinstance(error, tf.errors.ResourceExhaustedError)
            raise OSError(errno.ENOSPC if full else None, error.message.split("; ")[-1], str(path)) from None
        if temporary.stat().st_size != end:
            raise OSError(None, "the shard was not written in full; is the disk full?", str(path))
        digest = file_sha256(temporary)
    return positions, digest


def file_sha256(path: Path) -> str:
    """Checksum of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
