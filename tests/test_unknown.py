"""Unknown sounds: the embedding of the shipped file, distances to centroids, the column and the veto."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from toy_export import (
    EVENTS,
    FRONTEND,
    LABELS,
    WINDOW_SAMPLES,
    classifier,
    exported,
    waveform,
    write_toy_bundle,
)

from kwsembed import Bundle, Classifier, Detector
from kwsembed.audio import wav
from kwsembed.bundle import write_bundle
from kwsembed.cli.main import main
from kwsembed.detection.centroids import RECORD, Centroids
from kwsembed.errors import BundleError, ConfigError
from kwsembed.frontend import log_mel
from kwsembed.models import embedder_of, forward
from kwsembed.runtime.either import new_detector
from kwsembed.runtime.embedding_output import with_embedding_output
from kwsembed.runtime.interpreter import RUNTIMES, load_interpreter, runtime_status
from kwsembed.runtime.unknown import Embedder, UnknownMeter, Veto
from kwsembed.stream_bundle import StreamBundle
from kwsembed.tflite.metadata import with_thresholds
from kwsembed.tflite.parts import parts_of

HOP_SAMPLES = 4000


def windows(seconds=4.0, *, seed=5):
    samples = waveform(seconds, seed=seed)
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_toy_bundle(tmp_path_factory.mktemp("plain") / "bundle")


def with_centroids(bundle, limits, folder):
    """A bundle whose only centroid of each label is the embedding of the first window."""
    first = Embedder(bundle).embed(windows()[:1])
    record = Centroids(dict.fromkeys(LABELS, first), dict.fromkeys(LABELS, limits)).to_dict()
    write_bundle(folder, **vars(replace(bundle, extra={RECORD: record})))
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def bundle(plain, tmp_path_factory):
    return with_centroids(plain, 0.05, tmp_path_factory.mktemp("known") / "bundle")


# ---- the embedding


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_head_and_softmax_on_the_embedding_give_the_scores_of_the_model(plain, runtime):
    if (problem := runtime_status(runtime).problem) is not None:
        pytest.skip(problem)
    parts = parts_of(plain.model, mels=plain.frontend.mel_count)
    found = Embedder(plain, runtime=runtime).embed(windows())
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    odds = np.exp(found @ parts.head_weights.T + parts.head_bias)
    scores = Classifier(plain, runtime=runtime).score_windows(windows())
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), scores, atol=1e-5)


def test_it_is_the_embedding_that_was_trained_but_for_int8(plain):
    expected = forward(
        embedder_of(classifier()), np.stack([log_mel(window, FRONTEND) for window in windows()])
    )
    cosine = (Embedder(plain).embed(windows()) * expected).sum(axis=1)
    assert cosine.min() > 0.98


def test_one_number_of_the_file_differs_also_once_thresholds_are_written_into_it():
    model = with_thresholds(exported(), dict.fromkeys(EVENTS, 0.5))
    redirected = with_embedding_output(model)
    assert len(redirected) == len(model)
    changed = [at for at in range(len(model)) if model[at] != redirected[at]]
    assert 1 <= len(changed) <= 4
    assert changed[-1] - changed[0] < 4
    assert load_interpreter(redirected).output_shape == (1, 8)


def test_models_without_an_embedding_are_refused(tone_model):
    with pytest.raises(BundleError, match="gives no embedding"):
        with_embedding_output(tone_model)
    with pytest.raises(BundleError, match="cannot be read"):
        with_embedding_output(tone_model[:40])


# ---- distances


def test_a_distance_is_to_the_nearest_centroid_in_units_of_the_label():
    by_label = {"dog": np.eye(3, dtype=np.float32)[:2], "cat": np.eye(3, dtype=np.float32)[2:]}
    centroids = Centroids(by_label, {"dog": 0.5, "cat": 0.25})
    between = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    assert centroids.distance("dog", between) == pytest.approx([0.2 / 0.5, 1 / 0.5])
    assert centroids.distance("cat", between) == pytest.approx([1 / 0.25, 0.0])


def test_centroids_survive_json_within_a_thousandth():
    random = np.random.default_rng(0)
    rows = random.standard_normal((3, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    before = Centroids({"dog": rows}, {"dog": 0.3})
    after = Centroids.from_dict(before.to_dict())
    probe = rows[::-1] * np.float32(-0.5)
    assert after.distance("dog", probe) == pytest.approx(before.distance("dog", probe), abs=1e-3)


@pytest.mark.parametrize(
    "damage",
    [
        {"dimensions": 5},
        {"centroids": {"dog": "not base64!"}},
        {"centroids": {}},
        {"limits": {}},
        {"limits": {"dog": 0.0}},
        {"limits": {"dog": "wide"}},
    ],
)
def test_damaged_centroids_are_refused(damage):
    record = Centroids({"dog": np.eye(4, dtype=np.float32)}, {"dog": 0.3}).to_dict()
    with pytest.raises(BundleError, match="centroids are damaged"):
        Centroids.from_dict(record | damage)


def test_bundles_without_centroids_say_so(plain):
    with pytest.raises(BundleError, match=r"no centroids.*train it anew"):
        UnknownMeter(plain)


def test_centroids_of_another_network_are_refused(plain, tmp_path):
    record = Centroids(dict.fromkeys(LABELS, np.eye(3, dtype=np.float32)), dict.fromkeys(LABELS, 0.1))
    with pytest.raises(BundleError, match="do not fit the model"):
        UnknownMeter(replace(plain, extra={RECORD: record.to_dict()}))


# ---- the column of classify


def test_the_distance_of_a_clip_is_that_of_its_strongest_window(bundle):
    judge, meter = Classifier(bundle), UnknownMeter(bundle)
    probabilities, distance = judge.classify_with_distance(waveform(4.0, seed=5), 16000, meter)
    assert probabilities.tolist() == judge.classify(waveform(4.0, seed=5), 16000).tolist()
    likeliest = int(probabilities.argmax())
    strongest = int(judge.score_windows(windows())[:, likeliest].argmax())
    assert distance == meter.distance(LABELS[likeliest], windows()[strongest : strongest + 1])[0]
    # However the clip is cut into blocks.
    blocks = np.array_split(waveform(4.0, seed=5), 7)
    assert judge.classify_blocks_with_distance(blocks, 16000, meter)[1] == distance


def test_classify_shows_the_distance_where_it_is_asked_for(bundle, plain, tmp_path, capsys):
    write_bundle(tmp_path / "bundle", **vars(bundle))
    wav.write(tmp_path / "clip.wav", waveform(0.5, seed=5), 16000)
    arguments = ["classify", str(tmp_path / "bundle"), str(tmp_path / "clip.wav")]
    assert main(arguments) == 0
    without = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert main([*arguments, "--unknown"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == [*without[0], "unknown_distance"]
    assert rows[1][:-1] == without[1]
    assert float(rows[1][-1]) < 0.1  # it is the very window that the centroids were made of
    write_bundle(tmp_path / "plain", **vars(plain))
    assert main(["classify", str(tmp_path / "plain"), str(tmp_path / "clip.wav"), "--unknown"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# ---- the veto


def test_only_hits_far_from_their_label_are_taken_back(bundle, tmp_path):
    rows = windows()
    scores = Classifier(bundle).score_windows(rows)
    threshold = float(np.median(scores[:, 0]))
    typical = np.median(UnknownMeter(bundle).distance("beep", rows[scores[:, 0] >= threshold]))
    bundle = with_centroids(bundle, 0.05 * float(typical), tmp_path / "half")
    revised = Veto(bundle, {"beep": threshold, "knock": 2.0}).revise(rows, scores)
    far = UnknownMeter(bundle).distance("beep", rows) > 1
    taken = far & (scores[:, 0] >= threshold)
    assert 0 < taken.sum() < (scores[:, 0] >= threshold).sum()
    assert revised[taken, 0].tolist() == [0.0] * int(taken.sum())
    assert revised[~taken, 0].tolist() == scores[~taken, 0].tolist()
    assert revised[:, 1:].tolist() == scores[:, 1:].tolist()


def test_a_veto_changes_detections_only_where_it_is_asked_for_and_not_with_the_chunks(plain, tmp_path):
    samples, low = waveform(20.0, seed=6), dict.fromkeys(EVENTS, 0.3)
    narrow = with_centroids(plain, 1e-3, tmp_path / "narrow")
    wide = with_centroids(plain, 2.0, tmp_path / "wide")  # no cosine distance is larger

    def detections(bundle, *, chunk=160000, **settings):
        detector = Detector(bundle, 16000, thresholds=low, **settings)
        found = [d for at in range(0, len(samples), chunk) for d in detector.process(samples[at:][:chunk])]
        return found + detector.flush()

    usual = detections(plain)
    assert len(usual) > 1
    assert detections(narrow) == usual == detections(wide, veto_unknown=True)
    assert detections(narrow, veto_unknown=True) == []
    middle = with_centroids(plain, 0.05, tmp_path / "middle")
    assert detections(middle, veto_unknown=True) == detections(middle, veto_unknown=True, chunk=1234)


def test_a_streaming_model_refuses_the_veto_that_it_cannot_give():
    with pytest.raises(ConfigError, match="cannot tell unknown sounds"):
        new_detector(object.__new__(StreamBundle), 16000, veto_unknown=True)
