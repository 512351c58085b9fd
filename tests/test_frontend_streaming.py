"""Log-mel of a stream: chunking never shows."""

import numpy as np
import pytest

from kwsembed.errors import AudioError
from kwsembed.frontend import FrontendConfig, StreamingLogMel, log_mel

CONFIG = FrontendConfig()
WAVEFORM = np.random.default_rng(5).normal(0, 0.1, 24_000).astype(np.float32)


def streamed(waveform, cuts, config=CONFIG):
    stream = StreamingLogMel(config)
    return np.concatenate([stream.process(chunk) for chunk in np.split(waveform, cuts)])


# Features are computed in double precision and rounded once, so at most the last bit of a value could differ.
def assert_same(first, second):
    np.testing.assert_array_max_ulp(first, second, maxulp=1)


@pytest.mark.parametrize("chunk_ms", [10, 20, 30, 80, 1000])
def test_streamed_is_offline_for_chunks_of_one_length(chunk_ms):
    cuts = np.arange(chunk_ms * 16, len(WAVEFORM), chunk_ms * 16)
    assert_same(streamed(WAVEFORM, cuts), log_mel(WAVEFORM, CONFIG))


def test_streamed_is_offline_for_chunks_of_one_sample():
    waveform = WAVEFORM[:1500]
    assert_same(streamed(waveform, np.arange(1, len(waveform))), log_mel(waveform, CONFIG))


@pytest.mark.parametrize("seed", range(8))
def test_streamed_is_offline_for_random_chunks(seed):
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(WAVEFORM), rng.integers(1, 60)))  # some chunks are empty
    assert_same(streamed(WAVEFORM, cuts), log_mel(WAVEFORM, CONFIG))


def test_frames_that_do_not_overlap_stream_alike():
    config = FrontendConfig(hop_ms=25.0)
    assert_same(streamed(WAVEFORM, [7, 400, 401, 9999], config), log_mel(WAVEFORM, config))


def test_a_frame_comes_as_soon_as_its_last_sample_is_there():
    stream = StreamingLogMel(CONFIG)
    assert [len(stream.process(WAVEFORM[:count])) for count in (399, 1, 159, 1)] == [0, 1, 0, 1]


def test_reset_begins_a_new_stream():
    stream = StreamingLogMel(CONFIG)
    stream.process(WAVEFORM[:1234])
    stream.reset()
    assert_same(stream.process(WAVEFORM), log_mel(WAVEFORM, CONFIG))


def test_the_caller_may_reuse_its_buffer():
    stream = StreamingLogMel(CONFIG)
    buffer = np.empty(480, np.float32)
    rows = []
    for start in range(0, len(WAVEFORM), 480):
        buffer[:] = WAVEFORM[start : start + 480]
        rows.append(stream.process(buffer))
    assert_same(np.concatenate(rows), log_mel(WAVEFORM, CONFIG))


def test_a_refused_chunk_leaves_the_stream_as_it_was():
    stream = StreamingLogMel(CONFIG)
    first = stream.process(WAVEFORM[:1000])
    with pytest.raises(AudioError):
        stream.process(np.zeros((2, 160), np.float32))
    with pytest.raises(AudioError):
        stream.process(np.zeros(160, np.int16))
    assert_same(np.concatenate([first, stream.process(WAVEFORM[1000:])]), log_mel(WAVEFORM, CONFIG))
