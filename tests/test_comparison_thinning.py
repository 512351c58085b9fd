"""Thinning: what is left of rare events at a ratio, against a loop that can be followed by eye."""

from __future__ import annotations

import numpy as np
import pytest

from kwsembed.comparison.thinning import thinned

EVENT = np.array([True, True, False])
CLASSES = np.array([0] * 12 + [1] * 5 + [2] * 60)
GROUPS = [f"dog{i // 3}" for i in range(12)] + [f"siren{i}" for i in range(5)] + ["street"] * 60


def kept(ratio, seed=0, order=None):
    """Positions of the kept clips, by their place before any shuffling."""
    order = np.arange(len(CLASSES)) if order is None else order
    found = thinned(CLASSES[order], [GROUPS[i] for i in order], EVENT, ratio=ratio, seed=seed)
    return set(order[found].tolist())


@pytest.mark.parametrize(
    ("ratio", "dogs", "sirens"), [(4, 12, 5), (10, 6, 5), (15, 4, 4), (60, 1, 1), (1e9, 1, 1)]
)
def test_each_event_is_cut_to_its_ratio_against_all_background_and_never_to_nothing(ratio, dogs, sirens):
    left = kept(ratio)
    assert sum(CLASSES[i] == 0 for i in left) == dogs
    assert sum(CLASSES[i] == 1 for i in left) == sirens
    assert sum(CLASSES[i] == 2 for i in left) == 60


def test_what_is_left_at_a_stronger_imbalance_is_part_of_what_is_left_at_a_milder_one():
    for seed in range(5):
        for milder, stronger in ((4, 10), (10, 15), (15, 20), (20, 60)):
            assert kept(stronger, seed) <= kept(milder, seed)


def test_groups_are_kept_whole_but_for_the_last():
    for seed in range(5):
        dogs = [GROUPS[i] for i in kept(12, seed) if CLASSES[i] == 0]
        counts = sorted(dogs.count(group) for group in set(dogs))
        assert counts == [2, 3], "five clips of groups of three"


def test_the_order_of_the_clips_decides_which_of_a_group_but_never_which_groups():
    shuffled = np.random.default_rng(1).permutation(len(CLASSES))
    for ratio in (10, 20):  # six and three dogs: whole groups
        assert {GROUPS[i] for i in kept(ratio)} == {GROUPS[i] for i in kept(ratio, order=shuffled)}
    assert kept(10) == kept(10, order=shuffled)


def test_the_seed_decides_which_groups_and_every_group_has_its_turn():
    first = {GROUPS[min(i for i in kept(60, seed) if CLASSES[i] == 0)] for seed in range(40)}
    assert first == {"dog0", "dog1", "dog2", "dog3"}
