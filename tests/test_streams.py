"""Streams made of clips: joins, lengths, and the truth lies where the sound is."""

from __future__ import annotations

import numpy as np
import pytest
from toy_store import EVENT_COUNT, LABELS, RATE_HZ, classes_of, clip_of, noise, store_of, tones

pytest.importorskip("tensorflow", reason="the package of evaluation imports it")

from kwsembed.evaluation import background_streams, event_streams, streams
from kwsembed.evaluation.streams import Stream, join

FADE = round(0.02 * RATE_HZ)


def events_of(store, *, seed=0, backgrounds=("hiss", "quiet")):
    classes = classes_of(store)
    return list(
        event_streams(
            store,
            np.flatnonzero(classes < EVENT_COUNT),
            np.flatnonzero(np.isin(classes, [LABELS.index(label) for label in backgrounds])),
            label_of=[clip.label for clip in store.clips],
            sample_rate_hz=RATE_HZ,
            seed=seed,
        )
    )


# ---- joining


def test_each_waveform_fades_into_the_next():
    joined = join([np.ones(6, np.float32), np.full(5, 3, np.float32)], fade=4)
    # Four samples overlap, with weights 1/8, 3/8, 5/8, 7/8 of the new one.
    assert joined.tolist() == [1, 1, 1.25, 1.75, 2.25, 2.75, 3]


def test_a_join_of_equal_levels_keeps_the_level():
    assert join([np.ones(50, np.float32)] * 4, fade=10).tolist() == [1.0] * 170


@pytest.mark.parametrize("lengths", [[5], [100, 7, 3], [3, 100], [4, 4, 4, 4], [1, 1], [30, 10, 30]])
def test_a_join_loses_only_its_fades(lengths):
    joined = join([np.ones(length, np.float32) for length in lengths], fade=10)
    # A waveform shorter than the fade fades in over all of it, or over what there is before it.
    expected = lengths[0]
    for length in lengths[1:]:
        expected += length - min(10, length, expected)
    assert len(joined) == expected
    assert joined == pytest.approx(np.ones(expected), abs=1e-6)


# ---- background


def test_the_hours_of_background_add_up():
    random = np.random.default_rng(0)
    store = store_of(
        [(clip_of("hiss", i), noise(s, random=random), None) for i, s in enumerate((200, 150, 90, 30))]
    )
    found = list(background_streams(store, np.arange(4), sample_rate_hz=RATE_HZ))
    # 200 + 150 s reach the five minutes of a stream; the others make a second one.
    assert [len(stream.waveform) for stream in found] == [350 * RATE_HZ - FADE, 120 * RATE_HZ - FADE]
    assert all(stream.events == () for stream in found)
    np.testing.assert_array_equal(found[0].waveform[: 199 * RATE_HZ], store.waveform(0)[: 199 * RATE_HZ])
    np.testing.assert_array_equal(found[1].waveform[-29 * RATE_HZ :], store.waveform(3)[-29 * RATE_HZ :])


def test_no_background_makes_no_stream():
    assert list(background_streams(tones(), np.zeros(0, int), sample_rate_hz=RATE_HZ)) == []


# ---- events


def test_the_truth_lies_where_the_sound_is():
    (stream,) = events_of(tones(events=4), backgrounds=("quiet",))
    assert [event.label for event in stream.events] == ["tone_1k"] * 4 + ["tone_3k"] * 4
    loud = np.abs(stream.waveform) > 0.4  # only tones are
    inside = np.zeros(len(loud), bool)
    for event in stream.events:
        begin, end = round(event.onset_s * RATE_HZ), round(event.offset_s * RATE_HZ)
        assert end - begin == RATE_HZ // 2
        inside[begin:end] = True
        assert loud[begin : begin + 20].any()
        assert loud[end - 20 : end].any()
    assert not loud[~inside].any()


def test_a_clip_shorter_than_the_fade_is_placed_to_the_sample():
    click = np.zeros(100)
    click[60] = 0.9
    pieces = [(clip_of("tone_1k", i), click, [[60, 61]]) for i in range(3)]
    (stream,) = events_of(store_of(pieces), backgrounds=())
    peaks = np.flatnonzero(stream.waveform)  # faded, but nothing else is there
    assert [round(event.onset_s * RATE_HZ) for event in stream.events] == peaks.tolist()


def test_an_event_of_several_parts_spans_them_all():
    store = store_of([(clip_of("tone_1k", 0), np.full(16000, 0.5), [[9000, 9500], [2000, 4000]])])
    (stream,) = events_of(store, backgrounds=())
    (event,) = stream.events
    assert event.offset_s - event.onset_s == pytest.approx(7500 / RATE_HZ)


def test_events_lie_apart_so_that_the_detector_comes_to_rest():
    (stream,) = events_of(tones(events=4))
    gaps = [
        after.onset_s - before.offset_s
        for before, after in zip(stream.events, stream.events[1:], strict=False)
    ]
    assert stream.events[0].onset_s > 1.9
    assert min(gaps) > 1.9


def test_without_background_there_is_silence_between_events():
    (stream,) = events_of(tones(), backgrounds=())
    assert not stream.waveform[: 2 * RATE_HZ - FADE].any()


def test_the_seed_chooses_the_background_not_the_events():
    (one,), (same,), (other,) = (events_of(tones(), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.waveform, same.waveform)
    assert one.events == other.events
    assert np.any(one.waveform != other.waveform)


def test_many_events_are_spread_over_streams(monkeypatch):
    monkeypatch.setattr(streams, "_STREAM_S", 5.0)  # clips last 2 s: three to a stream
    found = events_of(tones(events=4))
    assert [len(stream.events) for stream in found] == [3, 3, 2]


# ---- as the model hears them


@pytest.mark.parametrize("samples", [100, 149, 150, 1234])
def test_a_stream_is_scored_where_windows_are_full(samples):
    heard = []

    def scorer(windows):
        heard.append(windows.copy())
        return np.zeros((len(windows), len(LABELS)))

    stream = Stream(np.arange(samples, dtype=np.float32))
    scored = stream.scored(scorer, window_samples=100, hop_samples=50, sample_rate_hz=1000)
    assert heard[0][:, 0].tolist() == list(range(0, samples - 99, 50))
    assert heard[0].shape[1] == 100
    assert scored.scores.shape == (len(heard[0]), len(LABELS))
    assert scored.duration_s == samples / 1000
