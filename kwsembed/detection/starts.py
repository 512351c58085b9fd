"""When events begin: an alarm or a wake word should not wait until the sound is over."""

from __future__ import annotations

from collections.abc import Iterable

from kwsembed.detection.events import Detection


class Starts:
    """Tells of each event of a stream once, as soon as it is certain to be reported.

    `EventDetector` reports an event when it ends; its property `hearing` names those under way. Fed with
    both after every chunk, this gives the labels of the events that are new: over a stream as many of each
    label as there are detections, each no later than its detection.

    Example:
        >>> starts = Starts()
        >>> starts.update([], hearing=["dog_bark"])
        ['dog_bark']
        >>> starts.update([Detection("dog_bark", 0.5, 1.0, 0.9)], hearing=[])
        []
    """

    def __init__(self) -> None:
        self._told: set[str] = set()  # labels of events under way

    def update(self, ended: Iterable[Detection], *, hearing: Iterable[str]) -> list[str]:
        """Takes what the last chunk gave; returns the labels of new events, in the order of their ends.

        Args:
            ended: The detections that closed.
            hearing: Labels of the events that are under way after the chunk.
        """
        new = []
        for detection in ended:
            if detection.label in self._told:
                self._told.remove(detection.label)
            else:
                new.append(detection.label)
        begun = [label for label in hearing if label not in self._told]
        self._told.update(begun)
        return new + begun
