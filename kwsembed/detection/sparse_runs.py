"""Finding the runs of hits of a long stream at many thresholds, looking at high scores only."""

from __future__ import annotations

import numpy as np

from kwsembed.detection.events import find_runs
from kwsembed.detection.post_processing import PostProcessing

_MORE = 4  # how many times more hops are kept than the threshold asks for, so that the next ones find them


class SparseRuns:
    """`find_runs` of one stream at any threshold, in time that grows with the hits and not with the hours.

    Hops below the lowest threshold asked for so far are left out; of a gap between the others only as much
    is kept as the refractory time can feel. The result is that of `find_runs`, exactly.

    Args:
        smoothed: (hops,), what `smooth` returned for the label; -inf where nothing is to be found.
        post: Consecutive hits and refractory time.

    Example:
        >>> SparseRuns(np.array([0.1, 0.9, 0.8, 0.1]), PostProcessing()).find(0.5)
        (array([1]), array([2]))
    """

    def __init__(self, smoothed: np.ndarray, post: PostProcessing) -> None:
        self._smoothed = smoothed
        self._post = post
        self._levels = np.sort(smoothed)
        self._floor = np.inf
        self._values, self._hops = np.zeros(0), np.zeros(0, np.int64)

    def find(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """First and last hop of each detection, two integer arrays (detections,) in order."""
        if threshold < self._floor:
            self._keep_from(threshold)
        first, last = find_runs(self._values, threshold, self._post)
        return self._hops[first], self._hops[last]

    def _keep_from(self, threshold: float) -> None:
        reached = len(self._levels) - int(np.searchsorted(self._levels, threshold))
        more = max(len(self._levels) - _MORE * (reached + 16), 0)
        self._floor = min(threshold, self._levels[more]) if len(self._levels) else threshold
        hops = np.flatnonzero(self._smoothed >= self._floor)
        gaps = np.diff(hops, prepend=-1) - 1  # hops left out before each that is kept
        # At least one of a gap must stay, to end the run before it; refractory_hops more can be felt.
        places = np.cumsum(np.minimum(gaps, self._post.refractory_hops + 1) + 1) - 1
        self._values = np.full(int(places[-1]) + 1 if len(places) else 0, -np.inf)
        self._hops = np.full(len(self._values), -1, np.int64)
        self._values[places], self._hops[places] = self._smoothed[hops], hops
