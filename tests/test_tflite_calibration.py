"""After calibration 0.5 is the threshold of every label, by the arithmetic of the clients."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kwsembed.errors import ConfigError
from kwsembed.tflite.calibration import (
    Sigmoid,
    calibrated,
    calibration_file,
    parse_calibration_file,
    sigmoids_for,
    uncalibrated,
)

LABELS = ("dog", "cat", "other")


def of_a_client(score: float, line: str) -> float:
    """One score as MediaPipe's ScoreCalibrationCalculator computes it, INVERSE_LOGISTIC, in float32."""
    scale, slope, offset = (np.float32(part) for part in line.split(","))
    least = np.float32(1e-16)

    def clamped_log(x: np.float32) -> np.float32:
        if x < least:
            return np.float32(2 * math.log(least) - math.log(2 * float(least) - x))
        return np.float32(math.log(x))

    shifted = (clamped_log(np.float32(score)) - clamped_log(np.float32(1 - score))) * slope + offset
    if shifted >= 0:
        return float(np.float32(scale / (1 + math.exp(-shifted))))
    return float(np.float32(scale * math.exp(shifted) / (1 + math.exp(shifted))))


@pytest.mark.parametrize("threshold", [1e-6, 0.02, 0.3, 0.5, 0.85, 0.9990446310379936, 1 - 1e-6, 1.0])
def test_a_client_reaches_a_half_where_the_score_reaches_its_threshold(threshold: float) -> None:
    line = calibration_file(sigmoids_for(["dog", "other"], {"dog": threshold})).split("\n")[0]
    near = np.float32(threshold) * np.float32([1 - 1e-6, 1 + 1e-6])
    below, above = np.float32([0, threshold * 0.9, near[0]]), np.float32([min(near[1], 1), 1])
    assert max(of_a_client(score, line) for score in below) < 0.5
    assert min(of_a_client(score, line) for score in above) >= 0.5


def test_calibrated_is_what_the_clients_compute() -> None:
    sigmoids = sigmoids_for(LABELS, {"dog": 0.9, "cat": 1.5})
    lines = calibration_file(sigmoids).split("\n")
    scores = np.float32([[0, 0.4, 0.6], [1, 0, 0], [0.95, 0.04, 0.01], [1e-9, 1 - 1e-6, 1e-9]])
    expected = [[of_a_client(x, line) for x, line in zip(row, lines, strict=True)] for row in scores]
    np.testing.assert_allclose(calibrated(scores, sigmoids), expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("threshold", [1e-3, 0.5, 0.98, 0.9999, 1.0, 1.5])
def test_scores_come_back_from_what_a_client_reports(threshold: float) -> None:
    sigmoids = sigmoids_for(["dog", "other"], {"dog": threshold})
    dog = np.linspace(0, 1, 101)
    reported = calibrated(np.stack([dog, 1 - dog], axis=1), sigmoids).astype(np.float32)
    np.testing.assert_allclose(uncalibrated(reported, sigmoids)[:, 0], dog, atol=1e-4)


def test_no_label_changes_its_order() -> None:
    scores = np.sort(np.random.default_rng(0).uniform(size=(1000, 1)), axis=0)
    for threshold in (0.01, 0.5, 0.999, 2.0):
        assert (np.diff(calibrated(scores, sigmoids_for(["dog"], {"dog": threshold}))[:, 0]) >= 0).all()


def test_a_threshold_above_one_silences() -> None:
    assert calibrated(np.array([[1.0]]), sigmoids_for(["dog"], {"dog": 1.01})).max() < 0.5


@pytest.mark.parametrize("thresholds", [{"dog": 0.2, "cat": 0.9}, {"dog": 0.99, "cat": 0.999}])
def test_background_gives_way_to_every_event(thresholds: dict[str, float]) -> None:
    scores = np.random.default_rng(1).dirichlet([0.2, 0.2, 0.2], size=2000)
    got = calibrated(scores, sigmoids_for(LABELS, thresholds))
    events = (scores[:, :2] >= list(thresholds.values())).any(axis=1)
    assert events.any()
    assert (~events).any()
    assert (got[events, 2] < 0.5).all()
    assert (got[~events, :2] < 0.5).all()


def test_the_file_has_a_line_per_label_and_none_too_many() -> None:
    sigmoids = sigmoids_for(LABELS, {"dog": 0.5, "cat": 2.0})
    assert calibration_file(sigmoids) == "1,1,0\n0.49,1,0\n1,1,0"
    assert parse_calibration_file(calibration_file(sigmoids)) == sigmoids
    assert parse_calibration_file("1,2,-3") == (Sigmoid(1.0, 2.0, -3.0),)


def test_thresholds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="has not"):
        sigmoids_for(LABELS, {"bird": 0.5})
    for threshold in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="above 0"):
            sigmoids_for(LABELS, {"dog": threshold})
