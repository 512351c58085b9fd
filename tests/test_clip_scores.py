"""Clips to windows and back: worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.clip_scores import clip_evidence, clip_windows, pool_clip
from kwsembed.errors import AudioError, ConfigError


def test_a_short_clip_lies_in_the_middle_of_one_window():
    assert clip_windows(np.array([1.0, 2.0, 3.0]), 6, 2).tolist() == [[0, 1, 2, 3, 0, 0]]


def test_a_clip_of_exactly_one_window_is_that_window():
    assert clip_windows(np.array([1, 2, 3]), 3, 1).tolist() == [[1, 2, 3]]


def test_windows_start_at_each_hop_and_the_last_ends_with_the_clip():
    assert clip_windows(np.arange(10), 4, 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert clip_windows(np.arange(9), 4, 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [5, 6, 7, 8]]


@pytest.mark.parametrize("samples", range(1, 40))
def test_every_sample_lies_in_a_window(samples):
    windows = clip_windows(np.arange(1, samples + 1), 7, 3)
    assert set(range(1, samples + 1)) <= set(windows.ravel().tolist())


def test_no_clip_and_no_hop_are_refused():
    with pytest.raises(AudioError, match="shape"):
        clip_windows(np.zeros(0), 4, 2)
    with pytest.raises(AudioError, match="shape"):
        clip_windows(np.zeros((5, 2)), 4, 2)
    with pytest.raises(ConfigError, match="hop_samples=5"):
        clip_windows(np.zeros(9), 4, 5)


MASK = np.array([False, False, True])


def test_a_clip_is_the_geometric_mean_of_its_windows():
    pooled = pool_clip(np.array([[0.8, 0.1, 0.1], [0.2, 0.4, 0.4]]), MASK)
    # sqrt of .16, .04, .04 is .4, .2, .2, which adds up to .8
    assert pooled == pytest.approx([0.5, 0.25, 0.25])


def test_only_the_five_windows_with_the_least_background_count():
    quiet, loud = [0.01, 0.01, 0.98], [0.7, 0.1, 0.2]
    assert pool_clip(np.array([quiet] * 40 + [loud] * 5), MASK) == pytest.approx(loud)


def test_a_window_that_rules_a_label_out_has_a_bounded_say():
    evidence = clip_evidence(np.array([[1.0, 0.0, 0.0]]), MASK)
    assert evidence == pytest.approx([0.0, np.log(1e-6), np.log(1e-6)])


def test_a_bias_multiplies_the_odds():
    pooled = pool_clip(np.array([[0.5, 0.25, 0.25]]), MASK, bias=np.log([1.0, 2.0, 4.0]))
    assert pooled == pytest.approx([0.25, 0.25, 0.5])


def test_one_window_is_returned_as_it_is():
    window = np.array([[0.2, 0.3, 0.5]])
    assert pool_clip(window, np.array([False, True, True])) == pytest.approx(window[0])


@pytest.mark.parametrize("backgrounds", [1, 2])
def test_probabilities_add_up_to_one_and_ignore_the_order_of_windows(backgrounds):
    windows = np.random.default_rng(backgrounds).dirichlet(np.ones(3), size=9)
    mask = np.arange(3) >= 3 - backgrounds
    assert pool_clip(windows, mask).sum() == pytest.approx(1.0)
    assert pool_clip(windows[::-1], mask) == pytest.approx(pool_clip(windows, mask))
