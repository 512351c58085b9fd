"""Runs of hits found among the high scores only are those of the whole stream."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.detection.events import find_runs
from kwsembed.detection.post_processing import PostProcessing
from kwsembed.detection.sparse_runs import SparseRuns


@pytest.mark.parametrize("refractory_s", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("min_consecutive", [1, 3])
def test_any_order_of_thresholds_finds_what_the_whole_stream_holds(min_consecutive, refractory_s):
    random = np.random.default_rng(0)
    post = PostProcessing(min_consecutive=min_consecutive, refractory_s=refractory_s)
    for trial in range(20):
        smoothed = np.round(random.beta(0.5, 3.0, size=400), 2)  # many equal scores
        smoothed[random.random(400) < 0.05] = -np.inf
        runs = SparseRuns(smoothed, post)
        for threshold in random.permutation([*np.unique(smoothed[smoothed > 0])[::7], 1.5, 0.995]):
            for found, expected in zip(
                runs.find(threshold), find_runs(smoothed, threshold, post), strict=True
            ):
                np.testing.assert_array_equal(found, expected, err_msg=f"{trial=} {threshold=}")


def test_an_empty_stream_has_no_runs():
    first, last = SparseRuns(np.zeros(0), PostProcessing()).find(0.5)
    assert len(first) == len(last) == 0
