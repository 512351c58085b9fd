"""Long streams for judging: every clip lies in background at the ratio asked for, where the truth says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_store import EVENT_COUNT, LABELS, RATE_HZ, classes_of, tones

pytest.importorskip("tensorflow")

from benchmarks.keywords import counted
from benchmarks.mixed_streams import GAP_S, MixedStream, background_of, mixed_stream, scaled
from kwsembed.detection.events import Detection
from kwsembed.detection.replay import Event
from kwsembed.evaluation.judge import SplitAudio
from kwsembed.manifest.annotations import read_annotations


@pytest.fixture(scope="module")
def audio() -> SplitAudio:
    store = tones(events=2, backgrounds=1)
    classes = classes_of(store)
    return SplitAudio(store, np.arange(len(classes)), classes, LABELS, EVENT_COUNT, RATE_HZ, RATE_HZ)


def power(waveform: np.ndarray) -> float:
    return float(np.mean(np.square(waveform, dtype=np.float64)))


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 12.0])
def test_an_active_part_has_the_ratio_asked_for(snr_db: float) -> None:
    random = np.random.default_rng(1)
    waveform, under = random.normal(0, 0.01, 400), random.normal(0, 0.02, 400)
    waveform[:100] = waveform[300:] = 0.0
    got = scaled(waveform, [(100, 300)], under=under, snr_db=snr_db)
    assert 10 * np.log10(power(got[100:300]) / power(under[100:300])) == pytest.approx(snr_db, abs=1e-3)


def test_nothing_gets_louder_than_the_format_allows_nor_as_quiet_as_digital_silence() -> None:
    tone = np.full(8, 0.5)
    assert np.abs(scaled(tone, [(0, 8)], under=np.full(8, 0.9), snr_db=40)).max() == pytest.approx(0.95)
    assert scaled(tone, [(0, 8)], under=np.zeros(8), snr_db=0) == pytest.approx(10 ** (-50 / 20), rel=1e-6)


def test_the_truth_lies_where_the_sound_is(audio: SplitAudio) -> None:
    background = 1e-4 * np.random.default_rng(2).normal(size=5 * RATE_HZ)
    stream = mixed_stream(audio, background, snr_db=20.0, with_background_clips=True)
    assert sorted(event.label for event in stream.events) == sorted(2 * LABELS[:EVENT_COUNT])
    assert [event.label for event in stream.others] in (["hiss", "quiet"], ["quiet", "hiss"])
    spans = sorted([*stream.events, *stream.others], key=lambda event: event.onset_s)
    ends = [0.0, *(event.offset_s for event in spans)]
    for event, end_s in zip(spans, ends, strict=False):
        assert event.onset_s - end_s >= GAP_S[0] - 1e-9
        inside = stream.waveform[round(event.onset_s * RATE_HZ) : round(event.offset_s * RATE_HZ)]
        before = stream.waveform[round(end_s * RATE_HZ) + RATE_HZ // 10 : round(event.onset_s * RATE_HZ)]
        assert power(inside) > 10 * power(before)


def test_ratios_share_order_and_times(audio: SplitAudio) -> None:
    background = background_of(audio)
    quiet, loud = (
        mixed_stream(audio, background, snr_db=snr_db, with_background_clips=False) for snr_db in (0, 20)
    )
    assert quiet.events == loud.events
    assert not quiet.others


def test_what_is_written_is_read_as_annotations(audio: SplitAudio, tmp_path: Path) -> None:
    stream = mixed_stream(audio, background_of(audio), snr_db=10.0, with_background_clips=False)
    stream.write(tmp_path / "mixed.wav")
    read = read_annotations(tmp_path / "mixed.tsv")
    assert len(read) == len(stream.events) == 2 * EVENT_COUNT


def test_false_alarms_on_other_clips_are_told_from_those_in_background() -> None:
    stream = MixedStream(
        np.zeros(36 * RATE_HZ, np.float32),
        (Event("yes", 1.0, 2.0), Event("no", 10.0, 11.0)),
        (Event("bird", 20.0, 21.0),),
        10.0,
        RATE_HZ,
    )
    found = [
        Detection("yes", 1.5, 2.0, 0.9),  # right
        Detection("yes", 10.5, 11.0, 0.9),  # on "no"
        Detection("yes", 20.5, 21.0, 0.9),  # on "bird"
        Detection("yes", 30.0, 31.0, 0.9),
    ]
    counts = counted(stream, found, ("yes", "no"))
    yes, no = counts["yes"], counts["no"]
    assert (yes.events, yes.misses, yes.on_clips, yes.on_background) == (1, 0, 2, 1)
    assert (no.events, no.misses, no.on_clips, no.on_background) == (1, 1, 0, 0)
    assert yes.hours == pytest.approx(0.01)
