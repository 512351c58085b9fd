"""Raw PCM of every width and number of channels."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.audio import pcm


@pytest.mark.parametrize(
    "width, content, expected",
    [
        (1, [0, 128, 192, 255], [-1.0, 0.0, 0.5, 127 / 128]),
        (2, [0x00, 0x80, 0x00, 0x00, 0x00, 0x40, 0xFF, 0x7F], [-1.0, 0.0, 0.5, 32767 / 32768]),
        (3, [0, 0, 0x80, 0, 0, 0, 0, 0, 0x40, 0xFF, 0xFF, 0xFF], [-1.0, 0.0, 0.5, -1 / 2**23]),
        (4, [0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x40], [-1.0, 0.0, 0.5]),
    ],
)
def test_full_scale_is_one_in_every_width(width, content, expected):
    samples = pcm.to_mono(bytes(content), width=width, channels=1)
    assert samples.dtype == np.float32
    assert samples.tolist() == expected


@pytest.mark.parametrize("width", pcm.WIDTHS)
def test_channels_are_averaged(width):
    one = pcm.to_mono(bytes(range(2 * width, 4 * width)), width=width, channels=1)
    assert len(one) == 2
    both = pcm.to_mono(bytes(range(2 * width, 4 * width)), width=width, channels=2)
    assert both.tolist() == pytest.approx([one.mean()])


def test_nothing_is_nothing():
    assert pcm.to_mono(b"", width=2, channels=2).shape == (0,)
