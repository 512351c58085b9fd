"""The random frequency response of training windows: decided by the seed, per example, above the floor."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from kwsembed.config import AugmentConfig
from kwsembed.data.equaliser import equalise

OFFSET = 1e-6
SEED = tf.constant([3, 5], tf.int64)
OTHER_SEED = tf.constant([3, 6], tf.int64)
LEVEL_ONLY = AugmentConfig(equaliser_db=4.0)
BOTH = AugmentConfig(equaliser_db=4.0, low_pass_probability=0.5)


def loud(examples=8, *, seed=0):
    """Features far above the floor: a response is then what it adds to them."""
    return np.random.default_rng(seed).uniform(15, 20, (examples, 6, 64)).astype(np.float32)


def responses_db(config, *, examples=8, seed=SEED):
    features = loud(examples)
    found = equalise(features, seed, config=config, log_offset=OFFSET).numpy()
    added = (found - features) * 10 / np.log(10)
    np.testing.assert_allclose(added, np.repeat(added[:, :1], 6, axis=1), atol=1e-3)  # the same in all frames
    return added[:, 0]


def test_the_seed_decides():
    first, again, other = (responses_db(LEVEL_ONLY, seed=seed) for seed in (SEED, SEED, OTHER_SEED))
    np.testing.assert_array_equal(first, again)
    assert np.all(np.any(np.abs(first - other) > 0.1, axis=1))


def test_an_example_does_not_depend_on_its_neighbours():
    features = loud()
    before = equalise(features, SEED, config=BOTH, log_offset=OFFSET).numpy()
    features[1:] = loud(7, seed=1)
    after = equalise(features, SEED, config=BOTH, log_offset=OFFSET).numpy()
    np.testing.assert_array_equal(after[0], before[0])


def test_the_response_has_the_spread_asked_for_mean_zero_and_six_straight_lines():
    found = responses_db(LEVEL_ONLY, examples=2000)
    np.testing.assert_allclose(found.mean(axis=1), 0.0, atol=1e-3)
    ends = found[:, [0, -1]]  # a point each: 4 dB, less what the mean over the line takes away
    assert 3.3 < ends.std() < 4.2
    bends = np.abs(np.diff(found[0], n=2)) > 1e-2
    assert bends.sum() <= 2 * 5, "at most two bands beside each of the five inner points"


def test_a_low_pass_falls_by_so_many_db_a_band_and_no_further_than_sixty():
    found = responses_db(AugmentConfig(low_pass_probability=1.0), examples=500)
    assert np.all(np.abs(found[:, : int(0.3 * 64)]) < 1e-3), "the lower third is spared"
    steps = np.diff(found, axis=1)
    assert steps.max() < 1e-3
    assert steps.min() > -15.01
    assert found.min() == pytest.approx(-60.0, abs=0.1)


def test_a_low_pass_comes_as_often_as_asked_for():
    found = responses_db(AugmentConfig(low_pass_probability=0.3), examples=2000)
    assert np.mean(found.min(axis=1) < -1.0) == pytest.approx(0.3, abs=0.04)


def test_the_floor_stays():
    silence = np.full((4, 3, 64), np.log(OFFSET), np.float32)
    found = equalise(silence, SEED, config=AugmentConfig(equaliser_db=10.0), log_offset=OFFSET).numpy()
    np.testing.assert_allclose(found, silence, atol=1e-3)
    assert np.isfinite(found).all()


def test_nothing_asked_for_is_nothing_done():
    features = loud()
    assert equalise(features, SEED, config=AugmentConfig(), log_offset=OFFSET) is features
