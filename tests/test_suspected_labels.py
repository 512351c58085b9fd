"""Labels that are probably wrong: planted ones are found, and what cannot be judged is left alone."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytest.importorskip("sklearn")

from kwsembed.evaluation.suspected_labels import (
    nearest_of_label,
    out_of_fold_probabilities,
    suspected_labels,
)

CENTRES = np.eye(3, 8)


def clips(random: np.random.Generator, *, per_label=40, spread=0.15, counts=None):
    """Embeddings around one centre a label, two clips a recording."""
    counts = counts or [per_label] * 3
    labels = np.repeat(np.arange(3), counts)
    embeddings = CENTRES[labels] + spread * random.standard_normal((len(labels), 8))
    groups = [
        f"recording {label}-{number // 2}" for label, count in enumerate(counts) for number in range(count)
    ]
    return embeddings, labels, groups


def suspected_by_others(embeddings, labels, groups):
    """What other recordings say."""
    return suspected_labels(out_of_fold_probabilities(embeddings, labels, groups, labels=3), labels)


def test_a_clip_is_suspected_of_a_label_that_is_likelier_than_its_own_and_as_likely_as_is_usual_there():
    probabilities = np.array(
        [[0.9, 0.1, 0.0], [0.5, 0.4, 0.1], [0.1, 0.7, 0.2], [0.2, 0.6, 0.2], [0.3, 0.1, 0.6], [0.4, 0.2, 0.4]]
    )
    labels = np.array([0, 0, 1, 1, 2, 2])  # usual: 0.7, 0.65, 0.5
    assert suspected_labels(probabilities, labels) == []
    labels = np.array([0, 1, 1, 1, 2, 2])  # usual: 0.9, 0.57, 0.5; 0.5 of label 0 is less than usual
    assert suspected_labels(probabilities, labels) == []
    labels = np.array([0, 0, 1, 0, 2, 2])  # usual: 0.53, 0.7, 0.5
    assert suspected_labels(probabilities, labels) == []
    labels = np.array([1, 0, 1, 1, 2, 2])  # usual: 0.5, 0.47, 0.5
    (found,) = suspected_labels(probabilities, labels)
    assert (found.index, found.suggested, found.own_probability, found.suggested_probability) == (
        0,
        0,
        0.1,
        0.9,
    )
    assert found.margin == pytest.approx(-0.8)


def test_what_nobody_can_say_is_left_alone():
    probabilities = np.array([[0.1, 0.9], [np.nan, 0.9], [0.1, 0.9], [np.nan, np.nan]])
    found = suspected_labels(probabilities, np.array([0, 0, 1, 1]))
    assert [one.index for one in found] == [0]


def test_planted_labels_are_found_and_named_and_nothing_else_is():
    embeddings, truth, groups = clips(np.random.default_rng(1))
    labels = truth.copy()
    wrong = [0, 1, 50, 100]  # the first two are one recording, which cannot vouch for itself
    labels[wrong] = (truth[wrong] + 1) % 3
    found = suspected_by_others(embeddings, labels, groups)
    assert sorted(one.index for one in found) == wrong
    for one in found:
        assert one.suggested == truth[one.index]
        assert one.suggested_probability > 0.5 > one.own_probability
        nearest = nearest_of_label(one.index, one.suggested, embeddings, labels, groups)
        assert labels[nearest] == one.suggested
        assert groups[nearest] != groups[one.index]
    margins = [one.margin for one in found]
    assert margins == sorted(margins)


def test_the_nearest_clip_is_of_another_recording_where_there_is_one():
    embeddings = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [1.0, 1.0]])
    labels, groups = np.array([0, 1, 1, 1]), ["a", "a", "b", "c"]
    assert nearest_of_label(0, 1, embeddings, labels, groups) == 3
    assert nearest_of_label(0, 1, embeddings, labels, ["a"] * 4) is None


def test_a_rare_label_is_judged_like_a_common_one():
    embeddings, truth, groups = clips(np.random.default_rng(2), counts=[12, 300, 300])
    labels = truth.copy()
    labels[[0, 20]] = 1, 0  # one of the rare label taken for a common one, and the other way round
    assert {one.index for one in suspected_by_others(embeddings, labels, groups)} == {0, 20}


def test_a_label_of_two_recordings_is_judged_by_the_other_one():
    embeddings, truth, groups = clips(np.random.default_rng(6), counts=[4, 40, 40])
    labels = truth.copy()
    labels[[0, 30]] = 1, 0
    assert {one.index for one in suspected_by_others(embeddings, labels, groups)} == {0, 30}


def test_the_order_of_clips_and_the_length_of_embeddings_do_not_matter():
    random = np.random.default_rng(3)
    embeddings, labels, groups = clips(random)
    labels = labels.copy()
    labels[[3, 70]] = 2, 0
    before = {one.index: one.suggested for one in suspected_by_others(embeddings, labels, groups)}
    order = random.permutation(len(labels))
    lengths = random.uniform(0.1, 10.0, (len(labels), 1))
    found = suspected_by_others(
        (lengths * embeddings)[order], labels[order], [groups[index] for index in order]
    )
    assert {int(order[one.index]): one.suggested for one in found} == before


def test_a_label_of_one_recording_is_neither_suspected_nor_suggested():
    embeddings, labels, groups = clips(np.random.default_rng(4), counts=[20, 20, 2])
    assert suspected_by_others(embeddings, labels, groups) == []
    # Two labels of one recording each leave nothing to judge by.
    assert suspected_by_others(embeddings, labels, ["all"] * len(labels)) == []


def test_a_collapsed_embedding_suspects_nobody():
    embeddings, labels, groups = clips(np.random.default_rng(5))
    assert suspected_by_others(np.ones_like(embeddings), labels, groups) == []


def listed(tmp_path, store, *, learned=None):
    """The rows that a run with these clips and an untrained network writes."""
    keras = pytest.importorskip("keras")
    from toy_store import EVENT_COUNT, LABELS, classes_of

    from kwsembed import TrainConfig
    from kwsembed.models import build_embedder
    from kwsembed.training.data import TrainingData
    from kwsembed.training.label_suspects import COLUMNS, write_suspects
    from kwsembed.training.run_directory import RunDirectory

    config = TrainConfig(window_s=0.5)
    data = TrainingData(store, LABELS, EVENT_COUNT, config, classes_of(store))
    keras.utils.set_random_seed(0)
    embedder = build_embedder(
        "ds_cnn", frames=config.frontend.frame_count(config.window_samples), mels=64, width=0.25
    )
    count = write_suspects(RunDirectory(tmp_path), data, embedder, learned=learned)
    with (tmp_path / "details" / "suspected_labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(COLUMNS) == ["split", "path", "onset_s", "label", "suggested", *COLUMNS[5:]]
    assert len(rows) == count
    return rows


def test_a_run_lists_them_with_the_names_of_its_clips(tmp_path):
    from toy_store import tones

    store = tones()
    names = {clip.name: clip.label for clip in store.clips}
    for row in listed(tmp_path, store):
        assert names[row["path"]] == row["label"] != row["suggested"] == names[row["nearest"]]


def test_clips_that_were_trained_on_are_judged_by_how_they_were_learned_and_the_others_as_ever(tmp_path):
    from toy_store import LABELS, classes_of, tones

    store = tones(splits=("train", "validation"))
    classes = classes_of(store)[[clip.split == "train" for clip in store.clips]]
    learned = np.where(np.eye(len(LABELS))[classes] > 0, 0.7, 0.1)
    learned[4] = np.roll(learned[4], 1)  # taken for the next label, as surely as that label's own clips
    rows = listed(tmp_path, store, learned=learned)
    (row,) = [row for row in rows if row["split"] == "train"]
    clip = [clip for clip in store.clips if clip.split == "train"][4]
    following = LABELS[LABELS.index(clip.label) + 1]
    assert (row["path"], row["label"], row["suggested"]) == (clip.name, clip.label, following)
    assert (float(row["own_probability"]), float(row["suggested_probability"])) == (0.1, 0.7)
    # The most probable of validation comes first, then that of training, then the rest of validation.
    assert [row["split"] for row in rows] == ["validation", "train", *["validation"] * (len(rows) - 2)]
    others = [row for row in listed(tmp_path, store) if row["split"] == "validation"]
    assert [row for row in rows if row["split"] == "validation"] == others


def test_planted_labels_are_counted_by_split_and_by_rank(tmp_path):
    from benchmarks.planted_labels import counted, plant
    from kwsembed.manifest import Clip, Manifest

    clips = tuple(
        Clip(path=tmp_path / f"{n}.wav", name=f"{n}.wav", label="dog" if n % 2 else "noise", group=str(n))
        for n in range(1000)
    )
    manifest = Manifest(tmp_path, tmp_path, clips, labels=("dog", "noise"), background_labels=("noise",))
    planted, right = plant(manifest, share=0.1, seed=3)
    assert 60 < len(right) < 140
    for clip, was in zip(planted.clips, clips, strict=True):
        assert (clip.label != was.label) == (clip.name in right)
        assert right.get(clip.name, was.label) == was.label
    first, second, *_ = right
    sound = next(clip.name for clip in clips if clip.name not in right)
    splits = {clip.name: "train" for clip in clips} | {first: "test"}
    suspects = [
        {"path": first, "suggested": right[first], "split": "test"},
        {"path": sound, "suggested": "dog", "split": "train"},
        {"path": second, "suggested": "neither", "split": "train"},
    ]
    assert counted(suspects, right, splits) == [
        f"{len(right)} wrong labels planted, 3 clips suspected, 2 of them rightly (1 with the right label "
        "suggested)",
        f"train: {len(right) - 1} planted, 2 suspected, 1 rightly",
        "validation: 0 planted, 0 suspected, 0 rightly",
        "test: 1 planted, 1 suspected, 1 rightly",
    ]
