"""Cells are gone on with only while their names stand for what they were trained with."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("tensorflow", reason="the package of comparisons imports it")

from kwsembed.comparison.contender import parse_contender
from kwsembed.comparison.trained_options import options_of, refuse_other_options
from kwsembed.errors import RunError


def record(name, *, options=True):
    contender = parse_contender(name)
    found = {"contender": dataclasses.asdict(contender)}
    return {**found, "options": options_of(contender)} if options else found


@pytest.mark.parametrize("name", ["class_weight", "clustering/frozen", "siamese:margin=0.8", "focal:gamma=1"])
def test_cells_of_this_version_are_gone_on_with(name, tmp_path):
    refuse_other_options([record(name)], where=tmp_path)


@pytest.mark.parametrize("name", ["class_weight", "siamese", "clustering:learned_centroids=0/frozen"])
def test_so_are_those_of_older_ones_where_nothing_changed(name, tmp_path):
    refuse_other_options([record(name, options=False)], where=tmp_path)


@pytest.mark.parametrize("name", ["clustering", "clustering/frozen", "clustering:scale=9+focal"])
def test_clusterings_of_before_centroids_were_learned_are_called_otherwise_now(name, tmp_path):
    records = [record("class_weight"), record(name, options=False)]
    with pytest.raises(RunError, match=r"learned_centroids=0 now") as caught:
        refuse_other_options(records, where=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_another_default_is_refused_and_a_value_that_was_named_is_not(tmp_path):
    changed = record("siamese")
    changed["options"]["pretrain"]["margin"] = 0.5
    with pytest.raises(RunError, match=r"Expected margin=1, .* Received: margin=0.5"):
        refuse_other_options([changed], where=tmp_path)
    named = record("siamese:margin=0.7")
    refuse_other_options([named], where=tmp_path)
