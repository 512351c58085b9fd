"""Fixtures that several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from kwsembed.bundle import write_bundle
from kwsembed.cpu_kernels import prefer_onednn
from kwsembed.detection.operating import OperatingPoint
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.frontend.config import FrontendConfig

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
prefer_onednn()  # as training does

# Minutes each. Begun last they would keep one core busy while the other has nothing left to do.
_LONG_FILES = (
    "test_notebook.py",
    "test_train.py",
    "test_tune.py",
    "test_new_head.py",
    "test_remedies_train.py",
    "test_docs.py",
    "test_comparison_compare.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; xdist keeps the order with `--no-loadscope-reorder`."""
    ranks = {name: rank for rank, name in enumerate(_LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


TONE_LABELS = ("tone_1k", "tone_3k", "hiss", "quiet")  # the last two are background


@pytest.fixture(scope="session")
def tone_model() -> bytes:
    """A hand-made model, waveform [1, 16000] -> probabilities [1, 4]: hears loud tones of 1 and 3 kHz.

    Its logits are the energies at the two frequencies, 60 * amplitude^2, and a constant for each background.
    """
    tf = pytest.importorskip("tensorflow", reason="TensorFlow makes the model that is tested")
    time_s = np.arange(400) / 16000
    waves = np.stack([f(2 * np.pi * hz * time_s) for hz in (1000, 3000) for f in (np.cos, np.sin)], axis=1)
    to_logits = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]], np.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, 16000], tf.float32)])
    def probabilities(waveform):
        # 400 samples are whole periods of both tones, so that neither leaks into the other.
        projected = tf.matmul(tf.reshape(waveform, [40, 400]), tf.constant(waves / 200, tf.float32))
        energies = tf.reduce_mean(tf.square(projected), axis=0, keepdims=True)
        logits = 60.0 * tf.matmul(energies, tf.constant(to_logits)) + tf.constant([[0.0, 0.0, 4.0, 5.0]])
        return tf.nn.softmax(logits)

    function = probabilities.get_concrete_function()
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], probabilities).convert())


@pytest.fixture(scope="session")
def tone_bundle(tone_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle folder with the hand-made model."""
    folder = tmp_path_factory.mktemp("tone") / "bundle"
    write_bundle(
        folder,
        model=tone_model,
        labels=TONE_LABELS,
        background_labels=TONE_LABELS[2:],
        frontend=FrontendConfig(),
        window_samples=16000,
        post=PostProcessing(refractory_s=0.5),
        operating_points={
            label: OperatingPoint(label, 0.5, 0.5, 0, 10.0, 0.0, 0.3, True, 10, 0, 0.0)
            for label in TONE_LABELS[:2]
        },
    )
    return folder
