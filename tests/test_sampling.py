"""Which windows a batch holds: classes as asked, events inside, and only seed and step decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_store import EVENT_COUNT, LABELS, classes_of, clip_of, store_of, tones

pytest.importorskip("tensorflow", reason="the package of the clip store imports it")

from kwsembed.data.sampling import WindowSchedule, class_probabilities
from kwsembed.errors import ConfigError

EVENT = np.arange(len(LABELS)) < EVENT_COUNT
WINDOW = 1000


def schedule_of(store, *, window_samples=WINDOW, batch_size=16, **settings):
    return WindowSchedule(
        store,
        np.arange(len(store.clips)),
        classes_of(store),
        EVENT,
        window_samples=window_samples,
        batch_size=batch_size,
        **settings,
    )


def silent_store(*clips):
    """Clips of `(label, samples, segments)`; what they sound like does not matter here."""
    return store_of(
        (clip_of(label, number), np.zeros(samples), segments)
        for number, (label, samples, segments) in enumerate(clips)
    )


def with_event(samples, segments):
    """One event clip and the backgrounds that every data set has."""
    return silent_store(("tone_1k", samples, segments), ("hiss", 5000, None), ("quiet", 5000, None))


def drawn(schedule, label, *, steps=150):
    """First samples of all windows of a label in many batches."""
    draws = [schedule.draw(step) for step in range(steps)]
    chosen = [draw.starts[draw.classes == LABELS.index(label)] for draw in draws]
    return np.concatenate(chosen)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


# ---- how often each class is drawn


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("natural", [10 / 400, 30 / 400, 60 / 400, 300 / 400]),
        ("square_root", np.sqrt([10, 30, 60, 300]) / np.sqrt([10, 30, 60, 300]).sum()),
        ("balanced", [1 / 4, 1 / 4, 1 / 4, 1 / 4]),
        ("oversampled", [300 / 960, 300 / 960, 60 / 960, 300 / 960]),  # events as many as the largest class
        (
            "undersampled:3",
            [10 / 160, 30 / 160, 20 / 160, 100 / 160],
        ),  # 40 event windows leave 120 of background
        ("undersampled:0.5", [10 / 60, 30 / 60, 20 / 360, 100 / 360]),
        (
            "undersampled:100",
            [10 / 400, 30 / 400, 60 / 400, 300 / 400],
        ),  # there is no more background than there is
        ("power:0.5", np.sqrt([10, 30, 60, 300]) / np.sqrt([10, 30, 60, 300]).sum()),
        ("power:2", [1 / 946, 9 / 946, 36 / 946, 900 / 946]),
    ],
)
def test_class_probabilities_on_paper(sampling, expected):
    found = class_probabilities(np.array([10, 30, 60, 300]), EVENT, sampling=sampling)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("sampling", ["natural", "balanced", "oversampled", "undersampled:2", "power:0.1"])
def test_a_class_without_windows_is_never_drawn(sampling):
    found = class_probabilities(np.array([10, 0, 50, 0]), EVENT, sampling=sampling)
    assert found[[1, 3]].tolist() == [0, 0]
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("sampling", ["fair", "", "undersampled", "undersampled:", "undersampled:many"])
def test_unknown_samplings_are_refused(sampling):
    with pytest.raises(ConfigError, match="undersampled:"):
        class_probabilities(np.array([10, 30, 60, 300]), EVENT, sampling=sampling)


@pytest.mark.parametrize("kind", ["undersampled", "power"])
@pytest.mark.parametrize("number", ["0", "-3", "nan", "inf", "", "much"])
def test_a_ratio_or_power_is_a_positive_number(kind, number):
    with pytest.raises(ConfigError, match=f"positive number.*{kind}:"):
        class_probabilities(np.array([10, 30, 60, 300]), EVENT, sampling=f"{kind}:{number}")


@pytest.mark.parametrize("sampling", ["natural", "balanced", "undersampled:3"])
def test_every_batch_keeps_the_proportions_to_the_last_example(sampling):
    schedule = schedule_of(tones(events=2, backgrounds=9), batch_size=37, sampling=sampling)
    for step in range(50):
        counts = np.bincount(schedule.draw(step).classes, minlength=len(LABELS))
        assert np.all(np.abs(counts - 37 * schedule.probabilities) < 1)


def test_windows_of_an_event_are_those_of_its_sound():
    # 2500 samples of sound make 2.5 windows, less than a window makes one; of background all of it counts.
    store = silent_store(
        ("tone_1k", 9000, [[0, 1500], [5000, 6000]]),
        ("tone_3k", 9000, [[5, 10]]),
        ("hiss", 9000, None),
        ("quiet", 7, None),
    )
    assert schedule_of(store).windows_per_class.tolist() == [2.5, 1.0, 9.0, 1.0]


def test_long_background_is_drawn_more_often_than_short():
    store = silent_store(("tone_1k", 1000, None), ("hiss", 9000, None), ("hiss", 1000, None))
    schedule = schedule_of(store, sampling="balanced")
    items = np.concatenate([schedule.draw(step).items for step in range(200)])
    assert np.mean(items[items > 0] == 1) == pytest.approx(0.9, abs=0.03)


def recordings_of_two_sizes():
    """One recording with nine clips of a tone, another with one, and background."""
    clips = [(replace(clip_of("tone_1k", number), group="long"), np.zeros(1000), None) for number in range(9)]
    clips.append((replace(clip_of("tone_1k", 9), group="short"), np.zeros(1000), None))
    clips += [(clip_of("hiss", 10), np.zeros(5000), None), (clip_of("quiet", 11), np.zeros(5000), None)]
    return store_of(clips)


@pytest.mark.parametrize(("even_groups", "share_of_long"), [(0.0, 9 / 10), (0.5, 3 / 4), (1.0, 1 / 2)])
def test_a_group_is_drawn_by_a_power_of_what_it_holds(even_groups, share_of_long):
    schedule = schedule_of(recordings_of_two_sizes(), sampling="balanced", even_groups=even_groups)
    items = np.concatenate([schedule.draw(step).items for step in range(500)])
    counts = np.bincount(items[items < 10], minlength=10) / (items < 10).sum()
    assert counts[:9].sum() == pytest.approx(share_of_long, abs=0.03)
    # Within the recording all clips are alike, as they are of one length.
    np.testing.assert_allclose(counts[:9], share_of_long / 9, atol=0.03)


def test_hours_of_one_place_are_drawn_as_often_as_several_groups():
    """600 windows of one recording count as five groups of 120, beside two short ones."""
    store = silent_store(
        ("tone_1k", 1000, None), ("hiss", 600 * WINDOW, None), ("hiss", 1000, None), ("hiss", 5000, None)
    )
    schedule = schedule_of(store, sampling="natural", even_groups=1.0)
    items = np.concatenate([schedule.draw(step).items for step in range(500)])
    counts = np.bincount(items[items > 0], minlength=4)[1:] / (items > 0).sum()
    np.testing.assert_allclose(counts, np.array([5, 1, 1]) / 7, atol=0.03)


def test_a_clip_without_a_group_is_a_group_of_its_own():
    clips = [(replace(clip_of("tone_1k", number), group=""), np.zeros(1000), None) for number in range(2)]
    clips.append((replace(clip_of("tone_1k", 2), group=""), np.zeros(4000), None))
    clips += [(clip_of("hiss", 3), np.zeros(5000), None), (clip_of("quiet", 4), np.zeros(5000), None)]
    schedule = schedule_of(store_of(clips), sampling="balanced", even_groups=1.0)
    items = np.concatenate([schedule.draw(step).items for step in range(500)])
    counts = np.bincount(items[items < 3], minlength=3) / (items < 3).sum()
    np.testing.assert_allclose(counts, 1 / 3, atol=0.03)


# ---- nothing but seed, stage and step


def test_a_batch_does_not_depend_on_what_was_drawn_before():
    first, second = schedule_of(tones(), seed=3), schedule_of(tones(), seed=3)
    for step in range(20):
        first.draw(step)
    assert same(first.draw(20), second.draw(20))


@pytest.mark.parametrize("other", [{"seed": 4}, {"stage": "pretrain"}])
def test_seed_and_stage_draw_differently(other):
    store, settings = tones(), {"seed": 3, "stage": "train"}
    schedule = schedule_of(store, **settings)
    assert not same(schedule.draw(0), schedule_of(store, **{**settings, **other}).draw(0))
    assert not same(schedule.draw(0), schedule.draw(1))


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_any_seed_of_the_settings_will_do(seed):
    draw = schedule_of(tones(), seed=seed).draw(10**9)
    assert draw.seed.shape == (2,)
    assert draw.seed.dtype == np.int64


def one_by_one(schedule, store, draw, step):
    """Items, starts, and those of the backgrounds, by a loop that takes one random number at a time."""
    random = np.random.Generator(np.random.Philox(key=schedule._key, counter=[0, 0, 0, step]))
    random.random(), random.permutation(len(draw.classes))

    def pick(members, sizes):
        edges = np.cumsum(sizes)
        return members[np.searchsorted(edges, random.random() * edges[-1], side="right")]

    def anywhere(item):
        room = int(store.samples[item]) - WINDOW
        return np.floor(min(room, 0) + random.random() * (abs(room) + 1))

    def start(item):
        if not EVENT[schedule.classes[item]]:
            return anywhere(item)
        onset, offset = pick(store.segments[item], [b - a for a, b in store.segments[item]])
        low, high = sorted((offset - WINDOW, onset))
        slack = (0.1 if offset - onset <= WINDOW else 0.25) * min(WINDOW, offset - onset)
        return np.floor(low - slack + random.random() * (high - low + 2 * slack))

    sizes = np.array([schedule._windows_of(item) for item in range(len(schedule.clips))])
    members = [np.flatnonzero(schedule.classes == index) for index in range(len(LABELS))]
    backgrounds = np.flatnonzero(~EVENT[schedule.classes])
    items = [pick(members[index], sizes[members[index]]) for index in draw.classes]
    mix_items = [pick(backgrounds, sizes[backgrounds]) for _ in items]
    return items, [start(item) for item in items], mix_items, [anywhere(item) for item in mix_items]


def test_a_batch_is_what_a_loop_over_its_examples_draws():
    store = silent_store(
        ("tone_1k", 9000, [[500, 900], [2000, 5000]]),
        ("tone_1k", 2500, [[0, 2500]]),
        ("tone_3k", 700, [[100, 300], [350, 420]]),
        ("hiss", 5000, None),
        ("hiss", 400, None),
        ("quiet", 12000, None),
    )
    schedule = schedule_of(store, sampling="balanced", seed=5)
    for step in range(20):
        draw = schedule.draw(step)
        found = (draw.items, draw.starts, draw.mix_items, draw.mix_starts)
        np.testing.assert_array_equal(found, one_by_one(schedule, store, draw, step))


# ---- events played backwards as background


def backgrounds_of_two_sizes():
    return silent_store(
        ("tone_1k", 3000, None), ("tone_3k", 3000, None), ("hiss", 40000, None), ("quiet", 9000, None)
    )


def test_events_are_heard_backwards_in_place_of_the_largest_background():
    schedule = schedule_of(
        backgrounds_of_two_sizes(), batch_size=64, sampling="balanced", backwards_share=0.25
    )
    hiss, seen = LABELS.index("hiss"), []
    for step in range(200):
        draw = schedule.draw(step)
        heard = draw.backwards >= 0
        assert np.all(draw.classes[heard] == hiss)
        assert np.all(EVENT[draw.classes[draw.backwards[heard]]])
        seen.append(heard[draw.classes == hiss])
    assert np.concatenate(seen).mean() == pytest.approx(0.25, abs=0.02)


def test_all_else_is_drawn_as_without_them():
    plain, share = (schedule_of(tones(), seed=3, backwards_share=share) for share in (0.0, 1.0))
    for step in range(20):
        one, other = vars(plain.draw(step)), vars(share.draw(step))
        assert np.all(one.pop("backwards") == -1)
        assert np.any(other.pop("backwards") >= 0)
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_a_batch_without_events_is_left_alone():
    store = silent_store(("tone_1k", 1000, None), ("hiss", 10_000_000, None))
    schedule = schedule_of(store, sampling="natural", backwards_share=1.0)
    draws = [schedule.draw(step) for step in range(5)]
    assert not any(EVENT[draw.classes].any() or np.any(draw.backwards >= 0) for draw in draws)


# ---- windows


def test_classes_and_items_agree():
    store = tones()
    schedule = schedule_of(store)
    for step in range(20):
        draw = schedule.draw(step)
        np.testing.assert_array_equal(classes_of(store)[schedule.clips[draw.items]], draw.classes)
        assert not EVENT[classes_of(store)[draw.mix_items]].any()


# ---- where a window lies


@pytest.mark.parametrize("length", [1, 40, 700, 1000])
def test_a_short_event_lies_inside_its_window(length):
    onset, offset = 3000, 3000 + length
    starts = drawn(schedule_of(with_event(8000, [[onset, offset]]), sampling="balanced"), "tone_1k")
    inside = np.minimum(offset, starts + WINDOW) - np.maximum(onset, starts)
    assert inside.min() >= 0.9 * length - 1
    # and it lies at every place within
    room = WINDOW - length
    assert starts.min() <= offset - WINDOW + 0.1 * room
    assert starts.max() >= onset - 0.1 * room


def test_a_long_event_fills_three_quarters_of_its_window():
    onset, offset = 2000, 6000
    starts = drawn(schedule_of(with_event(8000, [[onset, offset]]), sampling="balanced"), "tone_1k")
    inside = np.minimum(offset, starts + WINDOW) - np.maximum(onset, starts)
    assert inside.min() >= 0.75 * WINDOW - 1
    assert starts.min() < 2100
    assert starts.max() > 4900


def test_an_event_of_several_parts_is_found_in_all_of_them():
    starts = drawn(schedule_of(with_event(9000, [[500, 900], [6000, 6800]]), sampling="balanced"), "tone_1k")
    first = np.mean(starts < 3000)
    assert first == pytest.approx(400 / 1200, abs=0.06)
    assert not np.any((starts > 900) & (starts < 4900))


def test_background_is_cut_anywhere():
    starts = drawn(schedule_of(with_event(800, None), sampling="balanced"), "hiss")
    assert 0 <= starts.min() < 100
    assert 3900 < starts.max() <= 4000


def test_background_shorter_than_the_window_moves_within_it():
    store = silent_store(("tone_1k", 800, None), ("hiss", 300, None), ("quiet", 300, None))
    schedule = schedule_of(store, sampling="balanced")
    starts = drawn(schedule, "hiss")
    assert -700 <= starts.min() < -650
    assert -50 < starts.max() <= 0


def test_an_anchor_is_the_middle_of_what_is_heard():
    store = silent_store(
        ("tone_1k", 8000, [[100, 200], [3000, 3600]]),  # its longest part is centred on 3300
        ("tone_3k", 600, None),
        ("hiss", 5000, None),
        ("quiet", 400, None),
    )
    assert schedule_of(store).anchor_starts().tolist() == [2800, -200, 2000, -300]
