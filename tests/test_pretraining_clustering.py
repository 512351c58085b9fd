"""Per-class k-means: how many clusters, whose clips, and what happens when embeddings are degenerate."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("tensorflow", reason="the package of pretraining imports it")

from kwsembed.errors import KwsembedError
from kwsembed.pretraining.clustering import cluster_by_class, cluster_counts, nearest_of_class


def unit(random, *shape):
    vectors = random.standard_normal(shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def check_sound(found, embeddings, classes):
    """What holds for every result: no empty cluster, own clips only, centroids are unit-norm means."""
    used = np.unique(found.assignment)
    assert used.tolist() == list(range(len(found.classes)))
    np.testing.assert_array_equal(found.classes[found.assignment], classes)
    assert np.linalg.norm(found.centroids, axis=1) == pytest.approx(np.ones(len(used)), abs=1e-6)
    for cluster in used:
        mean = embeddings[found.assignment == cluster].mean(axis=0)
        if np.linalg.norm(mean) > 1e-3:
            np.testing.assert_allclose(found.centroids[cluster], mean / np.linalg.norm(mean), atol=1e-5)


def test_clusters_have_comparable_sizes():
    counts = cluster_counts(np.array([400, 100, 29, 31, 1, 0, 9999]), cluster_size=20, cluster_limit=32)
    assert counts.tolist() == [20, 5, 1, 2, 1, 0, 32]


def test_every_class_is_clustered_on_its_own():
    random = np.random.default_rng(0)
    classes = random.permutation(np.repeat([0, 1, 2], [60, 25, 1]))
    embeddings = unit(random, len(classes), 6)
    found = cluster_by_class(embeddings, classes, class_count=3, cluster_size=10)
    assert np.bincount(found.classes).tolist() == [6, 2, 1]
    check_sound(found, embeddings, classes)


def test_the_same_points_in_two_classes_make_two_clusters():
    embeddings = np.tile([[1.0, 0.0]], (6, 1))
    classes = np.array([0, 1, 0, 1, 0, 1])
    found = cluster_by_class(embeddings, classes, class_count=2)
    assert found.assignment.tolist() == [0, 1, 0, 1, 0, 1]
    check_sound(found, embeddings, classes)


def test_well_separated_groups_are_found():
    random = np.random.default_rng(1)
    centres = np.eye(8)[:4]
    group = random.permutation(np.repeat(np.arange(4), 10))
    embeddings = centres[group] + 0.05 * random.standard_normal((40, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = cluster_by_class(embeddings, np.zeros(40, int), class_count=1, cluster_size=10)
    assert len(found.classes) == 4
    assert all(len(np.unique(found.assignment[group == g])) == 1 for g in range(4))


def test_a_class_absent_from_the_training_split_has_no_cluster():
    embeddings = unit(np.random.default_rng(0), 5, 4)
    classes = np.array([0, 0, 2, 2, 2])
    found = cluster_by_class(embeddings, classes, class_count=4)
    assert sorted(set(found.classes.tolist())) == [0, 2]
    check_sound(found, embeddings, classes)


def test_a_class_never_has_more_clusters_than_clips():
    embeddings = unit(np.random.default_rng(0), 3, 4)
    found = cluster_by_class(embeddings, np.zeros(3, int), class_count=1, cluster_size=1, cluster_limit=32)
    assert len(found.classes) == 3
    check_sound(found, embeddings, np.zeros(3, int))


@pytest.mark.parametrize("distinct", [1, 2])
@pytest.mark.filterwarnings("error")
def test_clusters_that_stay_empty_are_dropped(distinct):
    # A collapsed embedding: 40 clips at one or two points, though five clusters were asked for.
    embeddings = np.eye(4)[np.arange(40) % distinct]
    found = cluster_by_class(embeddings, np.zeros(40, int), class_count=1, cluster_size=8)
    assert len(found.classes) == distinct
    check_sound(found, embeddings, np.zeros(40, int))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_embedding_that_is_no_number_stops_the_run(broken):
    embeddings = unit(np.random.default_rng(0), 6, 4)
    embeddings[2, 1] = embeddings[4, 0] = broken
    with pytest.raises(KwsembedError, match="2 of 6 clips"):
        cluster_by_class(embeddings, np.zeros(6, int), class_count=1)


def test_members_that_cancel_out_lend_their_own_direction():
    embeddings = np.array([[0.6, 0.8], [-0.6, -0.8]])
    found = cluster_by_class(embeddings, np.zeros(2, int), class_count=1)
    np.testing.assert_allclose(found.centroids, [[0.6, 0.8]], atol=1e-6)


def test_embeddings_of_norm_zero_give_a_finite_centroid():
    found = cluster_by_class(np.zeros((4, 3)), np.zeros(4, int), class_count=1)
    assert np.isfinite(found.centroids).all()


def test_the_seed_decides():
    random = np.random.default_rng(3)
    embeddings, classes = unit(random, 200, 8), np.zeros(200, int)
    first, second, other = (
        cluster_by_class(embeddings, classes, class_count=1, cluster_size=10, seed=seed) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.assignment, second.assignment)
    np.testing.assert_array_equal(first.centroids, second.centroids)
    assert np.any(first.assignment != other.assignment)


def test_a_clip_goes_to_the_nearest_cluster_of_its_class_though_a_strangers_is_nearer():
    random = np.random.default_rng(4)
    embeddings, centroids = unit(random, 50, 5), unit(random, 9, 5)
    owners = np.array([0, 0, 0, 1, 1, 2, -1, -1, 2])
    classes = random.integers(3, size=50)
    found = nearest_of_class(embeddings, classes, centroids=centroids, cluster_classes=owners)
    for clip, cluster in enumerate(found):
        own = np.flatnonzero(owners == classes[clip])
        distances = ((embeddings[clip] - centroids[own]) ** 2).sum(axis=1)
        assert cluster == own[np.argmin(distances)]
    assert np.any(np.argmax(embeddings @ centroids.T, axis=1) != found)


def test_permuted_clusters_take_the_same_clips():
    random = np.random.default_rng(5)
    embeddings, centroids, owners = unit(random, 30, 4), unit(random, 6, 4), np.array([0, 0, 1, 1, 1, 0])
    classes, order = random.integers(2, size=30), random.permutation(6)
    found = nearest_of_class(embeddings, classes, centroids=centroids, cluster_classes=owners)
    permuted = nearest_of_class(
        embeddings, classes, centroids=centroids[order], cluster_classes=owners[order]
    )
    np.testing.assert_array_equal(order[permuted], found)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_an_embedding_that_is_no_number_is_given_to_no_cluster(broken):
    embeddings = np.eye(3)
    embeddings[1, 2] = broken
    with pytest.raises(KwsembedError, match="1 of 3 clips"):
        nearest_of_class(embeddings, np.zeros(3, int), centroids=np.eye(3), cluster_classes=np.zeros(3, int))
