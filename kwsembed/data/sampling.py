"""Which windows make up a training batch: a schedule that depends on seed and step alone, so that a resumed
run draws exactly what an undisturbed one would have drawn."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from kwsembed.config import SAMPLINGS
from kwsembed.data.cache import ClipStore
from kwsembed.errors import ConfigError

_GROUP_WINDOWS = 120.0
"""What a group holds beyond so much counts as further groups: hours of one place are not one sound."""


@dataclass(frozen=True)
class Draw:
    """One training batch before any audio is read.

    Attributes:
        items: `(batch,)` index into the items of the schedule (see `WindowSchedule.clips`).
        classes: `(batch,)` class of each example.
        starts: `(batch,)` first sample of the window within its clip; may be negative or reach past the end.
        mix_items: `(batch,)` background item to mix in.
        mix_starts: `(batch,)` first sample of the window of that background.
        speeds: `(batch,)` in [0, 1), see `kwsembed.data.speed.SpeedChange`.
        backwards: `(batch,)` row of an event in the same batch, whose window is heard backwards instead of
            this one's, as background; -1 for none.
        seed: Two int64 for the random numbers of augmentation.
    """

    items: np.ndarray
    classes: np.ndarray
    starts: np.ndarray
    mix_items: np.ndarray
    mix_starts: np.ndarray
    speeds: np.ndarray
    backwards: np.ndarray
    seed: np.ndarray


def class_probabilities(windows_per_class: np.ndarray, event: np.ndarray, *, sampling: str) -> np.ndarray:
    """How often each class is drawn.

    Args:
        windows_per_class: `(classes,)` windows that the training split holds of each class.
        event: `(classes,)` bool, True for events, False for background classes.
        sampling: `natural`, in proportion to the windows; `square_root`, to their square root; `balanced`,
            every class alike; `oversampled`, events raised to the size of the largest class, backgrounds
            natural; `undersampled:RATIO`, backgrounds cut down to RATIO windows for each event window, else
            natural; `power:P`, to the windows to the power of P, which is for remedies that count on it.

    Returns:
        `(classes,)` float64 that sums to 1; 0 for a class without windows.

    Raises:
        ConfigError: Unknown sampling, or a ratio or power that is not a positive number.

    Example:
        >>> class_probabilities(np.array([10, 990]), np.array([True, False]), sampling="undersampled:4")
        array([0.2, 0.8])
    """
    windows = np.asarray(windows_per_class, np.float64)
    if sampling == "natural":
        weight = windows
    elif sampling == "square_root":
        weight = np.sqrt(windows)
    elif sampling == "balanced":
        weight = (windows > 0).astype(float)
    elif sampling == "oversampled":
        weight = np.where(event & (windows > 0), windows.max(), windows)
    elif sampling.startswith("undersampled:"):
        ratio = _number(sampling, "the negative:positive ratio", "undersampled:RATIO, as undersampled:10")
        events, backgrounds = windows[event].sum(), windows[~event].sum()
        weight = np.where(event, windows, windows * min(1.0, ratio * events / max(backgrounds, 1e-9)))
    elif sampling.startswith("power:"):
        weight = windows ** _number(sampling, "the power of class size", "power:P, as power:0.5")
    else:
        raise ConfigError(
            "unknown sampling", expected=f"one of {', '.join(SAMPLINGS)}", received=f"sampling={sampling}"
        )
    return weight / weight.sum()


def _number(sampling: str, meaning: str, expected: str) -> float:
    try:
        number = float(sampling.partition(":")[2])
    except ValueError:
        number = -1.0
    if not (number > 0 and np.isfinite(number)):
        raise ConfigError(
            f"{meaning} must be a positive number", expected=expected, received=f"sampling={sampling}"
        )
    return number


class WindowSchedule:
    """Draws batches of windows from the training clips.

    A batch takes its classes by systematic sampling (their counts differ from the expected ones by less than
    one), a clip within a class in proportion to the windows it holds, or so that its groups are drawn more
    evenly, and a window within the clip where the event is; background windows lie anywhere.

    Args:
        store: Decoded clips.
        clips: `(items,)` indices of the training clips in the store.
        classes: `(items,)` class of each.
        event: `(classes,)` bool, True for events.
        window_samples: Length of a window.
        batch_size: Examples per batch.
        sampling: See `class_probabilities`.
        backwards_share: How many of the windows of background, of the background label that holds most, are
            events played backwards, 0 to 1.
        even_groups: How evenly the groups (recordings, speakers) of a class are drawn, 0 to 1: a group with n
            times the windows of another is drawn n ** (1 - even_groups) times as often; of more than 120
            windows every 120 count as a group. Within a group, clips are drawn in proportion to their
            windows.
        seed: Seed of the run.
        stage: Name of the training stage; stages of one run draw differently.
    """

    def __init__(
        self,
        store: ClipStore,
        clips: np.ndarray,
        classes: np.ndarray,
        event: np.ndarray,
        *,
        window_samples: int,
        batch_size: int,
        sampling: str = "natural",
        backwards_share: float = 0.0,
        even_groups: float = 0.0,
        seed: int = 0,
        stage: str = "train",
    ) -> None:
        self.clips = np.asarray(clips)
        self.classes = np.asarray(classes)
        self.event = np.asarray(event)
        self.window_samples = window_samples
        self.batch_size = batch_size
        self._lengths = np.asarray(store.samples)[self.clips]
        self._segments = [store.segments[clip] for clip in self.clips]
        self._key = np.array([seed % 2**64, zlib.crc32(stage.encode())], np.uint64)
        windows = np.array([self._windows_of(item) for item in range(len(self.clips))])
        self.windows_per_class = np.bincount(self.classes, windows, minlength=len(self.event))
        self.backwards_share = backwards_share
        self.backwards_class = int(np.argmax(np.where(self.event, -1.0, self.windows_per_class)))
        self.probabilities = class_probabilities(self.windows_per_class, self.event, sampling=sampling)
        self._members = [np.flatnonzero(self.classes == index) for index in range(len(self.event))]
        groups = np.array([store.clips[clip].group or store.clips[clip].name for clip in self.clips])
        self._member_edges = [
            np.cumsum(windows[members] * _evened(windows[members], groups[members], even_groups))
            for members in self._members
        ]
        self._backgrounds = np.flatnonzero(~self.event[self.classes])
        self._background_edges = np.cumsum(windows[self._backgrounds])

    def draw(self, step: int) -> Draw:
        """The batch of one step; the same for the same seed, stage and step, whatever was drawn before."""
        random = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, step]))
        position = (np.arange(self.batch_size) + random.random()) / self.batch_size
        edges = np.cumsum(self.probabilities)
        classes = np.searchsorted(edges / edges[-1], position, side="right")
        classes = random.permutation(classes)
        within_class, items = random.random(self.batch_size), np.empty(self.batch_size, np.int64)
        for index in np.unique(classes):
            chosen = classes == index
            items[chosen] = _pick(self._members[index], self._member_edges[index], within_class[chosen])
        mix_items = _pick(self._backgrounds, self._background_edges, random.random(self.batch_size))
        return Draw(
            items=items,
            classes=classes,
            starts=self._starts(items, random),
            mix_items=mix_items,
            mix_starts=self._anywhere(mix_items, random.random(self.batch_size)),
            speeds=random.random(self.batch_size),
            seed=random.integers(0, 2**62, size=2, dtype=np.int64),
            # Last, so that the rest of a batch is the same with it and without.
            backwards=self._backwards(classes, random),
        )

    def anchor_starts(self) -> np.ndarray:
        """`(items,)` one window per clip, on an event's longest active region or a background's middle."""
        starts = np.empty(len(self.clips), np.int64)
        for item, length in enumerate(self._lengths):
            onset, offset = 0, int(length)
            if self.event[self.classes[item]]:
                onset, offset = max(self._segments[item], key=lambda span: span[1] - span[0])
            starts[item] = (onset + offset - self.window_samples) // 2
        return starts

    def _backwards(self, classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Rows of events that are heard backwards in place of background, `(batch,)`; see `Draw`."""
        rows = np.full(self.batch_size, -1)
        events = np.flatnonzero(self.event[classes])
        if self.backwards_share > 0 and len(events):
            chosen = random.random(self.batch_size) < self.backwards_share
            chosen &= classes == self.backwards_class
            rows[chosen] = random.choice(events, int(chosen.sum()))
        return rows

    def _windows_of(self, item: int) -> float:
        """How many windows a clip holds: of its active regions if it is an event, else of all of it."""
        covered = self._lengths[item]
        if self.event[self.classes[item]]:
            covered = sum(offset - onset for onset, offset in self._segments[item])
        return max(1.0, covered / self.window_samples)

    def _starts(self, items: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """First samples `(batch,)`; an event takes two random numbers: for its region and for its place."""
        event = self.event[self.classes[items]]
        ends = np.cumsum(1 + event)
        numbers = random.random(int(ends[-1]))
        starts = self._anywhere(items, numbers[ends - 1])
        for place in np.flatnonzero(event):
            starts[place] = self._around_event(items[place], *numbers[ends[place] - 2 : ends[place]])
        return starts

    def _around_event(self, item: int, region: float, position: float) -> int:
        segments = self._segments[item]
        edges = np.cumsum(segments[:, 1] - segments[:, 0])
        onset, offset = segments[np.searchsorted(edges, region * edges[-1], side="right")]
        # A short event lies wholly inside, up to a tenth cut off; a long one fills at least three quarters.
        slack = 0.1 if offset - onset <= self.window_samples else 0.25
        first, last = offset - self.window_samples, onset
        low, high = min(first, last), max(first, last)
        slack_samples = slack * min(self.window_samples, offset - onset)
        return int(np.floor(low - slack_samples + position * (high - low + 2 * slack_samples)))

    def _anywhere(self, items: np.ndarray, positions: np.ndarray) -> np.ndarray:
        room = self._lengths[items] - self.window_samples
        return np.floor(np.minimum(room, 0) + positions * (np.abs(room) + 1)).astype(np.int64)


def _evened(windows: np.ndarray, groups: np.ndarray, even_groups: float) -> np.ndarray:
    """`(members,)` factors on the clips of one class; 1 for all where groups are not to be evened."""
    _, group = np.unique(groups, return_inverse=True)
    held = np.bincount(group, windows)[group] if len(groups) else np.ones(0)
    return np.minimum(held, _GROUP_WINDOWS) ** -even_groups


def _pick(members: np.ndarray, edges: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Members, drawn in proportion to the steps of `edges`."""
    return members[np.searchsorted(edges, positions * edges[-1], side="right")]
