"""The batches of training: the same from any step on, labelled rightly, and never read ahead of need."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toy_store import EVENT_COUNT, LABELS, classes_of, clip_of, store_of, tones

tf = pytest.importorskip("tensorflow")

from kwsembed.config import AugmentConfig
from kwsembed.data.pipeline import anchor_features, augmented_waveforms, read_windows, training_dataset
from kwsembed.data.sampling import WindowSchedule
from kwsembed.frontend import FrontendConfig, log_mel

FRONTEND = FrontendConfig()
WINDOW = 8000
DEFAULT = AugmentConfig()
PLAIN = AugmentConfig(
    speed_change=0.0,
    gain_db=(0.0, 0.0),
    background_probability=0.0,
    reverberation_probability=0.0,
    span_probability=0.0,
    time_masks=0,
    mel_masks=0,
)


@pytest.fixture(scope="module")
def store():
    return tones()


def schedule_of(store, *, batch_size=6, sampling="balanced", backwards_share=0.0):
    return WindowSchedule(
        store,
        np.arange(len(store.clips)),
        classes_of(store),
        np.arange(len(LABELS)) < EVENT_COUNT,
        window_samples=WINDOW,
        batch_size=batch_size,
        sampling=sampling,
        backwards_share=backwards_share,
        seed=11,
    )


def batches(store, first_step, last_step, *, augment=DEFAULT, seed=0):
    dataset = training_dataset(
        store,
        schedule_of(store),
        frontend=FRONTEND,
        augment=augment,
        first_step=first_step,
        last_step=last_step,
        seed=seed,
    )
    return [(features.numpy(), {k: v.numpy() for k, v in labels.items()}) for features, labels in dataset]


# ---- windows


def test_what_lies_outside_a_clip_is_zero():
    store = store_of([(clip_of("hiss", 0), np.arange(1, 6) / 32768, None)])
    found = read_windows(store, [0] * 6, [-2, 0, 3, -4, 5, -9], 4)
    assert found.tolist() == [
        [0, 0, 1, 2],
        [1, 2, 3, 4],
        [4, 5, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]
    assert read_windows(store, [0], [-1], 7).tolist() == [[0, 1, 2, 3, 4, 5, 0]]
    assert found.dtype == np.int16


# ---- batches


def test_a_resumed_run_sees_what_an_undisturbed_one_sees(store):
    whole, resumed = batches(store, 0, 5), batches(store, 2, 5)
    assert (len(whole), len(resumed)) == (5, 3)
    for (features, labels), (features_again, labels_again) in zip(whole[2:], resumed, strict=True):
        np.testing.assert_array_equal(features, features_again)
        for name in ("class", "item"):
            np.testing.assert_array_equal(labels[name], labels_again[name])
    assert np.any(whole[0][0] != whole[1][0])


def test_unaugmented_batches_are_the_log_mel_of_the_windows_drawn(store):
    schedule = schedule_of(store)
    for step, (features, labels) in enumerate(batches(store, 0, 2, augment=PLAIN)):
        draw = schedule.draw(step)
        np.testing.assert_array_equal(labels["item"], draw.items)
        np.testing.assert_array_equal(labels["class"], draw.classes)
        pcm = read_windows(store, draw.items, draw.starts, WINDOW)
        expected = np.stack([log_mel(window.astype(np.float32) / 32768, FRONTEND) for window in pcm])
        np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3)


def test_labels_are_those_of_the_clips(store):
    for _, labels in batches(store, 0, 3):
        np.testing.assert_array_equal(classes_of(store)[labels["item"]], labels["class"])


def test_augmentation_changes_features_not_labels(store):
    (plain, labels), (augmented, labels_again) = (
        batches(store, 0, 1, augment=PLAIN)[0],
        batches(store, 0, 1)[0],
    )
    np.testing.assert_array_equal(labels["item"], labels_again["item"])
    assert np.all(np.any(plain != augmented, axis=(1, 2)))
    assert np.isfinite(augmented).all()


def test_an_event_that_is_heard_backwards_is_background_from_its_end_to_its_start(store):
    schedule = schedule_of(store, batch_size=32, backwards_share=0.5)
    settings = {"frontend": FRONTEND, "augment": PLAIN}
    waveforms = next(iter(augmented_waveforms(store, schedule, last_step=1, **settings))).numpy()
    ((_, labels),) = training_dataset(store, schedule, first_step=0, last_step=1, **settings)
    draw = schedule.draw(0)
    heard = draw.backwards >= 0
    assert heard.any()
    assert not heard.all()
    np.testing.assert_array_equal(waveforms[heard], waveforms[draw.backwards[heard], ::-1])
    np.testing.assert_array_equal(labels["backwards"], heard)
    assert np.all(labels["class"].numpy()[heard] == schedule.backwards_class)
    plain = schedule_of(store, batch_size=32)
    before = next(iter(augmented_waveforms(store, plain, last_step=1, **settings))).numpy()
    np.testing.assert_array_equal(waveforms[~heard], before[~heard])
    assert np.all(np.any(waveforms[heard] != before[heard], axis=1))


@pytest.mark.parametrize("speed_change", [0.0, 0.15, 0.99])
def test_any_change_of_speed_finds_enough_audio(speed_change):
    random = np.random.default_rng(0)
    pieces = [(clip_of("tone_1k", 0), 0.5 + 0 * np.arange(40000), [[14000, 22000]])]
    pieces += [(clip_of(label, 0), 0.1 * random.standard_normal(9000), None) for label in ("hiss", "quiet")]
    augment = dataclasses.replace(PLAIN, speed_change=speed_change)
    features, labels = batches(store_of(pieces), 0, 1, augment=augment)[0]
    # A constant has the same spectrum in every frame; were zeros reached, a frame would differ.
    tone = features[labels["class"] == 0]
    np.testing.assert_allclose(tone, np.broadcast_to(tone[:, :1], tone.shape), atol=2e-2)


def test_only_what_is_needed_is_read(store):
    endless = training_dataset(
        store, schedule_of(store), frontend=FRONTEND, augment=PLAIN, first_step=0, last_step=10**12
    )
    store.reads.clear()
    features, _ = next(iter(endless))
    assert features.shape == (6, FRONTEND.frame_count(WINDOW), FRONTEND.mel_count)
    assert len(store.reads) <= 20 * 2 * 6  # some batches ahead, two windows for each example


def test_shapes_are_known_before_anything_is_read(store):
    dataset = training_dataset(
        store, schedule_of(store), frontend=FRONTEND, augment=PLAIN, first_step=0, last_step=1
    )
    features, labels = dataset.element_spec
    assert features.shape == (6, FRONTEND.frame_count(WINDOW), FRONTEND.mel_count)
    assert (labels["class"].shape, labels["item"].dtype) == ((6,), tf.int32)


def test_anchors_are_plain_features_of_one_window_per_clip(store):
    starts = schedule_of(store).anchor_starts()
    found = anchor_features(
        store, np.arange(len(store.clips)), starts, frontend=FRONTEND, window_samples=WINDOW
    )
    window = read_windows(store, [2], [starts[2]], WINDOW)[0].astype(np.float32) / 32768
    np.testing.assert_array_equal(found[2], log_mel(window, FRONTEND))
    assert len(found) == len(store.clips)
