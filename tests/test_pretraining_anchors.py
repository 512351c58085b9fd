"""The embeddings of the training clips are those of the weights now, and computed once for each state."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from kwsembed.models import build_embedder, forward
from kwsembed.pretraining import AnchorEmbeddings, anchors

WINDOWS = np.random.default_rng(0).normal(-5, 4, (6, 50, 64)).astype(np.float32)


def test_the_network_is_run_once_for_each_state_of_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = build_embedder("ds_cnn", frames=50, mels=64, width=0.25)
    calls = []
    monkeypatch.setattr(anchors, "forward", lambda *given: calls.append(1) or forward(*given))
    embeddings = AnchorEmbeddings(embedder, WINDOWS)
    before = embeddings.current()
    np.testing.assert_array_equal(before, forward(embedder, WINDOWS))
    assert embeddings.current() is before
    assert len(calls) == 1

    for variable in (embedder.trainable_variables[-1], embedder.non_trainable_variables[-1]):
        variable.assign(variable + 0.5)  # a step of training, or the statistics that come along with it
        after = embeddings.current()
        np.testing.assert_array_equal(after, forward(embedder, WINDOWS))
        assert np.any(after != before)
        before = after
    assert len(calls) == 3
