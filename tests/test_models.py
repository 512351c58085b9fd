"""Backbones and classifiers: shapes, sizes, saving without anybody's code, and one step of training."""

from __future__ import annotations

import json
import logging
import random
import zipfile

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import keras

from kwsembed.errors import ConfigError
from kwsembed.models import BACKBONES, build_classifier, build_embedder, embedder_of, forward

FRAMES, MELS = 32, 16


def embedder_for(backbone, **settings):
    return build_embedder(
        backbone, **{"frames": FRAMES, "mels": MELS, "width": 0.25, "embedding_size": 8, **settings}
    )


@pytest.fixture(scope="module")
def log_mel():
    return np.random.default_rng(0).normal(-5.0, 4.0, (6, FRAMES, MELS)).astype(np.float32)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_saved_reloaded_and_trained(backbone, log_mel, tmp_path):
    embedder = embedder_for(backbone)
    embeddings = forward(embedder, log_mel)
    assert embeddings.shape == (6, 8)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(6), abs=1e-5)

    classifier = build_classifier(embedder, 3)
    before = forward(classifier, log_mel)
    assert before.shape == (6, 3)
    inside = embedder_of(classifier)
    assert all(mine is theirs for mine, theirs in zip(inside.weights, embedder.weights, strict=True))

    classifier.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(forward(reloaded, log_mel), before, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(forward(embedder_of(reloaded), log_mel), embeddings, rtol=1e-5, atol=1e-6)

    weights = classifier.get_weights()
    classifier.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    loss = float(classifier.train_on_batch(log_mel, np.arange(6) % 3))
    assert np.isfinite(loss)
    changed = [np.any(was != now) for was, now in zip(weights, classifier.get_weights(), strict=True)]
    assert all(changed)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_a_saved_file_names_only_layers_of_keras(backbone, tmp_path):
    build_classifier(embedder_for(backbone), 3).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))

    def check(node):
        if isinstance(node, dict):
            if "class_name" in node and "module" in node:
                assert (node["module"] or "keras").split(".")[0] in ("keras", "builtins"), node["class_name"]
                assert node.get("registered_name") in (None, node["class_name"])
            for child in node.values():
                check(child)
        elif isinstance(node, list):
            for child in node:
                check(child)

    check(config)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_the_width_scales_the_parameters(backbone):
    small, middle, large = (embedder_for(backbone, width=width).count_params() for width in (0.5, 1.0, 2.0))
    assert 1.5 * small < middle < large / 1.5


def test_the_default_network_fits_its_budget():
    embedder = build_embedder("ds_cnn", frames=98, mels=64)
    assert embedder.output_shape == (None, 64)
    assert embedder.count_params() <= 40_000


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_a_clip_is_embedded_alike_in_any_batch(backbone, log_mel):
    embedder = embedder_for(backbone)
    alone = forward(embedder, log_mel[2:3])
    np.testing.assert_allclose(forward(embedder, log_mel)[2:3], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["ds_cnn", "bc_resnet", "lstm"])
def test_building_a_network_leaves_the_generators_of_others_alone(backbone):
    def draws():
        return random.random(), np.random.random(), float(tf.random.uniform(()))

    keras.utils.set_random_seed(5)
    expected = draws()
    keras.utils.set_random_seed(5)
    classifier = build_classifier(embedder_for(backbone, seed=1), 3, seed=1)
    assert draws() == expected
    keras.utils.set_random_seed(6)
    again = build_classifier(embedder_for(backbone, seed=1), 3, seed=1)
    for one, other in zip(classifier.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_seed_decides_the_initial_weights():
    first, second, other = (embedder_for("ds_cnn", seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_digital_silence_has_an_embedding():
    embedder = embedder_for("ds_cnn")
    silence = np.full((1, FRAMES, MELS), np.log(1e-6), np.float32)
    assert np.isfinite(forward(embedder, silence)).all()


def test_forward_takes_any_number_of_windows(log_mel):
    embedder = embedder_for("ds_cnn")
    many = np.tile(log_mel, (50, 1, 1))  # 300 windows: more than one batch
    np.testing.assert_allclose(
        forward(embedder, many), np.tile(forward(embedder, log_mel), (50, 1)), atol=1e-5
    )
    assert forward(embedder, log_mel[:0]).shape == (0, 8)


def test_an_unknown_backbone_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"one of ds_cnn, bc_resnet, lstm\. Received: backbone=resnet50"):
        embedder_for("resnet50")


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_a_network_has_some_width(width):
    with pytest.raises(ConfigError, match="width"):
        embedder_for("ds_cnn", width=width)


def test_many_networks_called_once_each_give_no_warning_of_tensorflow(caplog):
    windows = np.zeros((2, 20, 40), np.float32)
    # Of the network that is traced soonest; TensorFlow counts tracings, whatever is traced.
    embedders = [build_embedder("lstm", frames=20, mels=40, width=0.25, seed=seed) for seed in range(6)]
    with caplog.at_level(logging.WARNING):
        outputs = [forward(embedder, windows) for embedder in embedders]
    assert len({output.tobytes() for output in outputs}) == 6
    assert caplog.messages == []
