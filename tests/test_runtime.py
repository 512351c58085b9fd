"""The runtime on a hand-made model that hears tones: windows, clips, streams, interpreters."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys

import numpy as np
import pytest

from kwsembed.bundle import Bundle
from kwsembed.clip_scores import clip_windows, pool_clip
from kwsembed.detection.events import EventDetector
from kwsembed.errors import AudioError, BundleError, ConfigError, MissingDependencyError
from kwsembed.runtime import Classifier, Detector, load_interpreter
from kwsembed.runtime.interpreter import RUNTIMES, runtime_status
from kwsembed.runtime.windows import ClipWindowBuffer, WindowBuffer

INSTALLED = [name for name in RUNTIMES if importlib.util.find_spec(name)]


@pytest.fixture(scope="module")
def bundle(tone_bundle):
    return Bundle.load(tone_bundle)


def tone(hz, duration_s, *, rate_hz=16000, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate_hz)) / rate_hz)).astype(
        np.float32
    )


def stream(rate_hz=16000):
    """8.3 s of faint noise with 1 kHz at 2.0-3.5 s and 3 kHz at 5.0-6.0 s."""
    waveform = np.random.default_rng(0).normal(scale=0.003, size=round(8.3 * rate_hz)).astype(np.float32)
    for hz, onset_s, offset_s in ((1000, 2.0, 3.5), (3000, 5.0, 6.0)):
        begin, end = round(onset_s * rate_hz), round(offset_s * rate_hz)
        waveform[begin:end] += tone(hz, offset_s - onset_s, rate_hz=rate_hz)
    return waveform


def detect(bundle, waveform, *, rate_hz=16000, chunks=None, **settings):
    detector = Detector(bundle, rate_hz, **settings)
    found = []
    for chunk in np.split(waveform, np.cumsum(chunks)) if chunks is not None else [waveform]:
        found += detector.process(chunk)
    return found + detector.flush()


# ---- windows of a stream


@pytest.mark.parametrize("seed", range(20))
def test_windows_of_a_stream_start_at_multiples_of_the_hop_for_any_chunking(seed):
    random = np.random.default_rng(seed)
    samples, window = int(random.integers(0, 60)), int(random.integers(1, 12))
    hop = int(random.integers(1, window + 1))
    waveform = np.arange(1, samples + 1, dtype=np.float32)
    expected = [waveform[start : start + window] for start in range(0, samples - window + 1, hop)]
    heard = (len(expected) - 1) * hop + window if expected else 0
    if samples > heard:
        tail = waveform[len(expected) * hop :]
        expected.append(np.pad(tail, (0, window - len(tail))))

    buffer = WindowBuffer(window, hop)
    chunks = np.split(waveform, np.sort(random.integers(0, samples + 1, size=5)))
    got = [row for chunk in chunks for row in buffer.process(chunk)] + list(buffer.flush())
    assert [row.tolist() for row in got] == [row.tolist() for row in expected]
    assert len(buffer.flush()) == 0


def test_the_buffer_forgets_what_no_window_needs():
    buffer = WindowBuffer(100, 40)
    for _ in range(50):
        buffer.process(np.zeros(1000, np.float32))
    assert len(buffer._kept) < 100


# ---- clips


def test_a_clip_is_what_it_sounds_like_at_any_rate_and_length(bundle):
    classifier = Classifier(bundle)
    for rate_hz in (8000, 16000, 44100, 48000):
        for duration_s in (0.9, 1.0, 2.6):
            probabilities = classifier.classify(tone(1000, duration_s, rate_hz=rate_hz), rate_hz)
            assert probabilities.sum() == pytest.approx(1.0)
            assert classifier.labels[int(probabilities.argmax())] == "tone_1k"
    assert classifier.labels[int(classifier.classify(np.zeros(5, np.float32), 16000).argmax())] == "quiet"


def test_a_clip_is_pooled_from_all_its_windows(bundle):
    classifier = Classifier(bundle)
    waveform = stream()
    windows = classifier.score_windows(clip_windows(waveform, 16000, 4000))
    assert classifier.window_scores(waveform).tolist() == windows.tolist()
    assert classifier.classify(waveform, 16000) == pytest.approx(pool_clip(windows, bundle.background_mask))


@pytest.mark.parametrize("rate_hz", [16000, 44100])
@pytest.mark.parametrize("duration_s", [0.3, 1.0, 8.3])
def test_a_clip_in_blocks_is_classified_as_the_whole(bundle, rate_hz, duration_s):
    classifier = Classifier(bundle)
    waveform = stream(rate_hz)[: round(duration_s * rate_hz)]
    whole = classifier.classify(waveform, rate_hz)
    for block in (1777, rate_hz, len(waveform)):
        blocks = (waveform[first : first + block] for first in range(0, len(waveform), block))
        assert classifier.classify_blocks(blocks, rate_hz).tolist() == whole.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_windows_of_a_clip_in_chunks_are_those_of_the_whole(seed):
    random = np.random.default_rng(seed)
    samples, window = int(random.integers(1, 60)), int(random.integers(1, 12))
    hop = int(random.integers(1, window + 1))
    waveform = np.arange(1, samples + 1, dtype=np.float32)
    buffer = ClipWindowBuffer(window, hop)
    chunks = np.split(waveform, np.sort(random.integers(0, samples + 1, size=5)))
    got = [row.tolist() for chunk in chunks for row in buffer.process(chunk)]
    got += buffer.flush().tolist()
    assert got == clip_windows(waveform, window, hop).tolist()


def test_the_memory_of_a_clip_in_blocks_does_not_grow_with_it(bundle):
    buffer = ClipWindowBuffer(100, 40)
    for _ in range(50):
        buffer.process(np.zeros(1000, np.float32))
    assert len(buffer._last) == 100


@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros((9, 2)), np.array([0.0, np.nan])])
def test_what_is_no_clip_is_refused(bundle, waveform):
    with pytest.raises(AudioError, match="not a clip"):
        Classifier(bundle).classify(waveform, 16000)


# ---- streams


def test_events_are_detected_where_they_are(bundle):
    found = detect(bundle, stream())
    assert [d.label for d in found] == ["tone_1k", "tone_3k"]
    for detection, (onset_s, offset_s) in zip(found, ((2.0, 3.5), (5.0, 6.0)), strict=True):
        assert detection.onset_s == pytest.approx(onset_s, abs=0.5)
        assert detection.offset_s == pytest.approx(offset_s, abs=0.5)
        assert detection.score > 0.99


def test_the_device_gives_what_the_offline_path_gives(bundle):
    waveform = stream()
    windows = [waveform[start : start + 16000] for start in range(0, len(waveform) - 15999, 4000)]
    windows.append(np.pad(waveform[len(windows) * 4000 :], (0, 16000))[:16000])
    scores = Classifier(bundle).score_windows(np.stack(windows))[:, :2]
    detector = EventDetector(bundle.event_labels, bundle.thresholds, bundle.post, bundle.window_s)
    assert detect(bundle, waveform) == detector.process(scores) + detector.flush(end_s=8.3)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_chunks_do_not_change_a_detection(bundle, rate_hz):
    waveform = stream(rate_hz)
    whole = detect(bundle, waveform, rate_hz=rate_hz)
    assert len(whole) == 2
    random = np.random.default_rng(rate_hz)
    for most in (rate_hz // 50, rate_hz // 2, 3 * rate_hz):
        chunks = random.integers(0, most, size=2 * len(waveform) // most)
        assert (
            detect(bundle, waveform, rate_hz=rate_hz, chunks=chunks[np.cumsum(chunks) < len(waveform)])
            == whole
        )


def test_int16_is_float_times_32768(bundle):
    pcm = np.round(stream() * 32768).astype(np.int16)
    assert detect(bundle, pcm) == detect(bundle, pcm.astype(np.float32) / 32768)
    assert detect(bundle, pcm.astype(np.float64) / 32768) == detect(bundle, pcm)


def test_a_stream_shorter_than_a_window_is_judged_once_and_stays_inside_itself(bundle):
    (found,) = detect(bundle, tone(1000, 0.8))
    assert found.label == "tone_1k"
    assert 0 <= found.onset_s < found.offset_s <= 0.8
    assert detect(bundle, np.zeros(0, np.float32)) == []


def test_an_event_that_lasts_to_the_end_is_reported_by_flush(bundle):
    waveform = np.concatenate([np.zeros(32000, np.float32), tone(1000, 1.1)])
    (found,) = detect(bundle, waveform)
    assert found.offset_s <= 3.1


def test_a_detector_is_ready_for_another_stream_after_flush(bundle):
    detector = Detector(bundle, 44100)
    first = detector.process(stream(44100)) + detector.flush()
    assert detector.process(stream(44100)) + detector.flush() == first


def test_thresholds_can_be_replaced_label_by_label(bundle):
    assert [d.label for d in detect(bundle, stream(), thresholds={"tone_1k": 1.5})] == ["tone_3k"]
    with pytest.raises(ConfigError, match=r"Expected tone_1k, tone_3k\. Received: hiss"):
        Detector(bundle, thresholds={"hiss": 0.5})


@pytest.mark.parametrize(
    "chunk",
    [
        np.zeros((4, 2), np.float32),
        np.zeros(4, np.int32),
        np.array([0.0, np.inf], np.float32),
        np.array([0.0, np.nan]),
        np.array([0.0, 1e39]),  # beyond float32
    ],
)
def test_a_chunk_that_is_no_audio_is_refused(bundle, chunk):
    with pytest.raises(AudioError, match="chunk"):
        Detector(bundle).process(chunk)


def test_samples_far_out_of_range_are_audio_all_the_same(bundle):
    for loud in (np.full(100, 3e38, np.float32), np.full(100, 6e4, np.float16)):
        assert Detector(bundle).process(loud) == []  # their squares are beyond the type's range


# ---- interpreters


@pytest.mark.parametrize("name", INSTALLED)
def test_every_installed_interpreter_gives_the_same_scores(bundle, name):
    if runtime_status(name).problem:
        pytest.skip(f"{name}: {runtime_status(name).problem}")
    windows = clip_windows(stream(), 16000, 8000)
    classifier = Classifier(bundle, runtime=name)
    assert classifier.runtime.startswith(name)
    assert classifier.score_windows(windows) == pytest.approx(
        Classifier(bundle).score_windows(windows), abs=1e-5
    )


def test_the_environment_names_the_interpreter(bundle, monkeypatch):
    monkeypatch.setenv("KWSEMBED_RUNTIME", "tensorflow")
    assert Classifier(bundle).runtime.startswith("tensorflow ")
    monkeypatch.setenv("KWSEMBED_RUNTIME", "torch")
    with pytest.raises(ConfigError, match="runtime='torch'"):
        Classifier(bundle)


def test_without_any_interpreter_the_message_says_what_to_install(bundle, monkeypatch):
    for name in RUNTIMES:
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"{name}.interpreter", None)
    with pytest.raises(MissingDependencyError, match=r"no interpreter.*pip install \"kwsembed\[edge\]\""):
        Classifier(bundle)


def test_tflite_runtime_under_numpy_2_is_named_as_the_problem(monkeypatch):
    monkeypatch.setattr("kwsembed.runtime.interpreter._version", lambda name: "2.14.0")
    monkeypatch.setattr(np, "__version__", "2.1.0")
    assert "NumPy 1 only" in str(runtime_status("tflite_runtime").problem)


def test_a_model_that_is_none_or_of_another_shape_is_refused(bundle):
    with pytest.raises(BundleError, match="refuses the model"):
        load_interpreter(b"\x1c\x00\x00\x00TFL3" + bytes(50))
    for changes in (
        {"window_samples": 15600},
        {"labels": (*bundle.labels, "more"), "background_labels": ("more", "hiss", "quiet")},
    ):
        with pytest.raises(BundleError, match=r"does not fit its bundle.*\(1, 16000\), output \(1, 4\)"):
            Classifier(dataclasses.replace(bundle, **changes))


def test_a_model_that_fails_when_it_runs_is_refused(bundle):
    model = load_interpreter(bundle.model)

    class Broken:
        def set_tensor(self, index, value):
            pass

        def invoke(self):
            raise RuntimeError("Input tensor 7 lacks data")

    model._interpreter = Broken()
    with pytest.raises(BundleError, match="cannot run the model: Input tensor 7 lacks data"):
        model.run(np.zeros(16000))
