"""Event detection: hand-worked sequences, a hop-by-hop oracle, and independence of the chunking."""

from __future__ import annotations

import time

import numpy as np
import pytest

from kwsembed.detection.events import Detection, EventDetector, PostProcessing, find_runs, smooth
from kwsembed.detection.post_processing import moving_average
from kwsembed.errors import ConfigError

PLAIN = PostProcessing(hop_s=0.5, smoothing_windows=1, min_consecutive=1, refractory_s=0.0)


def detect(scores, *, post=PLAIN, threshold=0.5, window_s=1.0, chunks=None):
    """All detections of one label, `scores` fed in pieces of the given lengths."""
    scores = np.asarray(scores, dtype=np.float32).reshape(-1, 1)
    detector = EventDetector(["dog"], {"dog": threshold}, post, window_s)
    found = []
    for piece in np.split(scores, np.cumsum(chunks)[:-1] if chunks else []):
        found += detector.process(piece)
    return found + detector.flush()


def oracle_runs(scores, threshold, post):
    """First and last hop of each detection, by a state machine that looks at one hop at a time."""
    runs, begin, hits, ready = [], None, 0, 0
    for hop in range(len(scores) + 1):
        recent = scores[max(0, hop - post.smoothing_windows + 1) : hop + 1]
        hit = hop < len(scores) and hop >= ready and sum(recent) / len(recent) >= threshold
        if hit:
            hits += 1
            if hits == 1:
                begin = hop
        else:
            if hits >= post.min_consecutive:
                runs.append((begin, hop - 1))
                ready = hop + round(post.refractory_s / post.hop_s)
            hits = 0
    return runs


def test_smoothing_averages_what_is_there_at_the_start():
    assert smooth(np.array([0.6, 0.0, 0.3, 0.9]), 3) == pytest.approx([0.6, 0.3, 0.3, 0.4])
    assert smooth(np.array([[1.0, 0.0], [0.0, 1.0]]), 2).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_a_detection_spans_the_centres_of_its_first_and_last_hit():
    # Windows of 1 s every 0.5 s: hops 2 and 3 cover 1.0-2.0 s and 1.5-2.5 s, centres 1.5 s and 2.0 s.
    assert detect([0.1, 0.2, 0.5, 0.75, 0.2]) == [Detection("dog", 1.5, 2.0, 0.75)]


def test_a_smoothed_score_stands_at_the_centre_of_all_that_it_averages():
    post = PostProcessing(hop_s=0.5, smoothing_windows=2, refractory_s=0.0)
    # Smoothed: 0, 0, .5, .5, 0. Hop 2 averages 0.5-2.0 s (centre 1.25 s), hop 3 averages 1.0-2.5 s.
    assert detect([0, 0, 1, 0, 0], post=post) == [Detection("dog", 1.25, 1.75, 0.5)]


def test_the_onset_shift_moves_both_ends_inwards_but_leaves_a_hop():
    scores = [0, 0, 1, 1, 1, 1, 1, 0]  # centres 1.5 s to 3.5 s
    shifted = PostProcessing(hop_s=0.5, smoothing_windows=1, refractory_s=0.0, onset_shift_s=0.25)
    assert [(d.onset_s, d.offset_s) for d in detect(scores, post=shifted)] == [(1.75, 3.25)]
    far = PostProcessing(hop_s=0.5, smoothing_windows=1, refractory_s=0.0, onset_shift_s=9.0)
    assert [(d.onset_s, d.offset_s) for d in detect(scores, post=far)] == [(2.25, 2.75)]
    outwards = PostProcessing(hop_s=0.5, smoothing_windows=1, refractory_s=0.0, onset_shift_s=-9.0)
    assert [(d.onset_s, d.offset_s) for d in detect(scores, post=outwards)] == [(0.0, 12.5)]


def test_hits_must_be_consecutive():
    post = PostProcessing(hop_s=0.5, smoothing_windows=1, min_consecutive=2, refractory_s=0.0)
    assert detect([1, 0, 1, 0, 1, 0], post=post) == []
    assert [(d.onset_s, d.offset_s) for d in detect([1, 0, 1, 1, 0], post=post)] == [(1.5, 2.0)]


def test_a_label_rests_for_the_refractory_time_after_it_closed():
    post = PostProcessing(hop_s=0.5, smoothing_windows=1, refractory_s=1.0)
    # Closes at hop 1, so hops 1 and 2 are dead: the hit at hop 2 is lost, the one at hop 4 counts.
    assert [d.onset_s for d in detect([1, 0, 1, 0, 1, 0], post=post)] == [0.25, 2.25]
    # A run that began in the dead time counts from its end.
    assert [d.onset_s for d in detect([1, 0, 1, 1, 1, 0], post=post)] == [0.25, 2.0]


def test_refractory_hops_are_not_fooled_by_rounding():
    assert PostProcessing(hop_s=0.1, refractory_s=0.3).refractory_hops == 3
    assert PostProcessing(hop_s=0.1, refractory_s=0.31).refractory_hops == 4


def test_labels_do_not_disturb_each_other():
    scores = np.array([[0.9, 0.1], [0.9, 0.9], [0.1, 0.9], [0.1, 0.1]])
    detector = EventDetector(["dog", "cry"], {"dog": 0.5, "cry": 0.5}, PLAIN, 1.0)
    assert [(d.label, d.onset_s, d.offset_s) for d in detector.process(scores)] == [
        ("dog", 0.5, 1.0),
        ("cry", 1.0, 1.5),
    ]


def test_flush_closes_what_is_open_and_starts_anew():
    detector = EventDetector(["dog"], {"dog": 0.5}, PLAIN, 1.0)
    assert detector.process(np.ones((3, 1))) == []
    assert detector.flush() == [Detection("dog", 0.5, 1.5, 1.0)]
    assert detector.process(np.array([[1.0], [0.0]])) == [Detection("dog", 0.25, 0.75, 1.0)]
    assert detector.flush() == []


def test_flush_never_reports_beyond_the_end_of_the_stream():
    detector = EventDetector(["dog"], {"dog": 0.5}, PLAIN, 1.0)
    detector.process(np.ones((1, 1)))
    assert detector.flush(end_s=0.25) == [Detection("dog", 0.0, 0.25, 1.0)]


def test_a_threshold_above_one_silences_its_label():
    assert detect([1.0, 1.0, 0.0], threshold=1.5) == []


@pytest.mark.parametrize("seed", range(40))
def test_runs_equal_those_of_the_hop_by_hop_oracle_for_any_chunking(seed):
    random = np.random.default_rng(seed)
    post = PostProcessing(
        hop_s=0.25,
        smoothing_windows=int(random.integers(1, 5)),
        min_consecutive=int(random.integers(1, 4)),
        refractory_s=0.25 * int(random.integers(0, 6)),
    )
    scores = np.round(random.random(120) * 8) / 8  # a coarse grid: scores that equal the threshold occur
    threshold = float(random.choice([0.25, 0.5, 0.75]))
    first_hops, last_hops = find_runs(smooth(scores, post.smoothing_windows), threshold, post)
    assert list(zip(first_hops, last_hops, strict=True)) == oracle_runs(scores, threshold, post)

    whole = detect(scores, post=post, threshold=threshold)
    assert len(whole) == len(first_hops)
    cuts = random.integers(0, 9, size=200)
    cuts = cuts[: np.searchsorted(np.cumsum(cuts), len(scores))].tolist()
    assert detect(scores, post=post, threshold=threshold, chunks=[*cuts, len(scores) - sum(cuts)]) == whole
    assert all(d.offset_s > d.onset_s >= 0 and d.score >= threshold for d in whole)


def test_the_score_is_the_peak_even_when_the_peak_lay_in_an_earlier_chunk():
    assert detect([0.6, 0.75, 0.6, 0.6, 0.0], chunks=[2, 1, 2])[0].score == 0.75


def test_an_hour_is_replayed_at_fifty_thresholds_within_seconds():
    smoothed = smooth(np.random.default_rng(0).random(14_400), 2)
    began_s = time.perf_counter()
    for threshold in np.linspace(0.05, 0.95, 50):
        find_runs(smoothed, float(threshold), PostProcessing())
    assert time.perf_counter() - began_s < 3.0


@pytest.mark.parametrize(
    "settings", [{"hop_s": 0.0}, {"smoothing_windows": 0}, {"min_consecutive": 1.5}, {"refractory_s": -1.0}]
)
def test_settings_out_of_range_are_named(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        PostProcessing(**settings)


def test_settings_survive_a_round_trip_and_unknown_ones_are_refused():
    post = PostProcessing(hop_s=0.1, smoothing_windows=3, onset_shift_s=-0.05)
    assert PostProcessing.from_dict(post.to_dict()) == post
    with pytest.raises(ConfigError, match=r"smoothing_windows.*smoothing_window'"):
        PostProcessing.from_dict({"smoothing_window": 2})


def test_thresholds_must_fit_the_labels():
    with pytest.raises(ConfigError, match="do not match the labels"):
        EventDetector(["dog"], {"cat": 0.5}, PLAIN, 1.0)
    with pytest.raises(ConfigError, match="above 0"):
        EventDetector(["dog"], {"dog": 0.0}, PLAIN, 1.0)
    with pytest.raises(ConfigError, match=r"\(hops, 1 labels\)"):
        EventDetector(["dog"], {"dog": 0.5}, PLAIN, 1.0).process(np.zeros((3, 2)))


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("windows", [2, 17, 50])
def test_hops_one_by_one_are_averaged_as_all_at_once_to_the_last_bit(labels: int, windows: int) -> None:
    scores = np.random.default_rng(0).random((60, labels)).astype(np.float32)
    expected = smooth(scores, windows)
    history, found = np.zeros((windows - 1, labels)), []
    for hop in range(60):
        found.append(moving_average(history, scores[hop : hop + 1], first_hop=hop)[0])
        history = np.concatenate([history, scores[hop : hop + 1]])[1:]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(30))
def test_of_several_labels_in_any_chunks_each_has_the_runs_of_its_own_smoothed_scores(seed: int) -> None:
    # Long quiet stretches, in which nothing is smoothed, beside scores around each label's own threshold.
    random = np.random.default_rng(seed)
    labels = ("dog", "cry", "car")
    thresholds = dict(zip(labels, (0.3, 0.6, 0.9), strict=True))
    post = PostProcessing(
        hop_s=0.25,
        smoothing_windows=int(random.integers(1, 20)),
        min_consecutive=int(random.integers(1, 4)),
        refractory_s=0.25 * int(random.integers(0, 6)),
    )
    loud = np.repeat(random.random((40, 3)) < 0.2, 10, axis=0)
    scores = np.where(loud, 1.0, 0.25).astype(np.float32) * random.random((400, 3)).astype(np.float32) ** 0.1
    expected = {}
    for column, label in enumerate(labels):
        first_hops, last_hops = find_runs(
            smooth(scores, post.smoothing_windows)[:, column], thresholds[label], post
        )
        onsets_s, offsets_s = post.span_s(first_hops, last_hops, window_s=1.0)
        expected[label] = list(zip(onsets_s.tolist(), offsets_s.tolist(), strict=True))
    assert sum(map(len, expected.values()))
    for longest in (1, 30, 400):
        detector = EventDetector(labels, thresholds, post, 1.0)
        cuts = np.cumsum(random.integers(1, longest + 1, size=400))
        found = [d for chunk in np.split(scores, cuts[cuts < 400]) for d in detector.process(chunk)]
        found += detector.flush()
        spans = {label: [(d.onset_s, d.offset_s) for d in found if d.label == label] for label in labels}
        assert spans == expected


@pytest.mark.parametrize("chunk", [1, 40])
def test_a_mean_that_rounding_lifts_above_all_of_its_scores_counts(chunk: int) -> None:
    scores, mean = next(
        (scores, mean)
        for value in np.random.default_rng(0).random(1000)
        if (mean := smooth(scores := np.full((40, 1), value), 17).max()) > value
    )
    post = PostProcessing(hop_s=0.25, smoothing_windows=17)
    detector = EventDetector(["dog"], {"dog": float(mean)}, post, 1.0)
    found = [d for first in range(0, 40, chunk) for d in detector.process(scores[first : first + chunk])]
    assert found + detector.flush()


def test_scores_may_be_overwritten_once_they_were_taken() -> None:
    post = PostProcessing(hop_s=0.5, smoothing_windows=2, refractory_s=0.0)
    detector, scores = EventDetector(["dog"], {"dog": 0.5}, post, 1.0), np.zeros((1, 1))
    found = []
    for score in (0.0, 0.0, 1.0, 0.0, 0.0):
        scores[:] = score
        found += detector.process(scores)
    assert found == [Detection("dog", 1.25, 1.75, 0.5)]


def test_a_long_quiet_stream_is_forgotten() -> None:
    detector = EventDetector(["dog"], {"dog": 0.5}, PostProcessing(smoothing_windows=3), 1.0)
    for _ in range(1000):
        detector.process(np.zeros((1, 1)))
    assert sum(map(len, detector._recent)) < 100
    detector.process(np.zeros((10_000, 1)))
    assert sum(map(len, detector._recent)) == 2
