"""How far a sound lies from what a label was trained on: distances to the centroids of its clusters."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kwsembed.errors import BundleError

RECORD = "unknown"
"""Where `Bundle.extra` holds them."""


@dataclass(frozen=True)
class Centroids:
    """The centroids of the training clips of each label, and the distance within which its sounds lie.

    Args:
        by_label: `(clusters, dim)` float32 of unit norm, for each label.
        limits: The cosine distance that 95 % of the label's validation clips keep, for each label, above 0.

    Example:
        >>> centroids = Centroids({"dog": np.array([[1.0, 0.0]], np.float32)}, {"dog": 0.5})
        >>> centroids.distance("dog", np.array([[0.0, 1.0], [1.0, 0.0]]))
        array([2., 0.])
    """

    by_label: Mapping[str, np.ndarray]
    limits: Mapping[str, float]

    def distance(self, label: str, embeddings: np.ndarray) -> np.ndarray:
        """Distances to the nearest centroid of a label, in units of its limit: above 1 is unknown.

        Args:
            label: One of the labels.
            embeddings: `(windows, dim)` of unit norm.

        Returns:
            `(windows,)` float64, at least 0.
        """
        nearest = (np.asarray(embeddings, np.float64) @ self.by_label[label].T.astype(np.float64)).max(axis=1)
        return np.maximum(1.0 - nearest, 0.0) / self.limits[label]

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON: centroids as base64 of little-endian float16, near enough for a distance."""
        return {
            "dimensions": next(iter(self.by_label.values())).shape[1],
            "limits": dict(self.limits),
            "centroids": {
                label: base64.b64encode(values.astype("<f2").tobytes()).decode("ascii")
                for label, values in self.by_label.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Centroids:
        """The inverse of `to_dict`.

        Raises:
            BundleError: The values describe no centroids.
        """
        try:
            dimensions = int(values["dimensions"])
            by_label = {
                label: np.frombuffer(base64.b64decode(text, validate=True), "<f2")
                .astype(np.float32)
                .reshape(-1, dimensions)
                for label, text in values["centroids"].items()
            }
            limits = {label: float(values["limits"][label]) for label in by_label}
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
            raise BundleError("the bundle's centroids are damaged", fix="copy the bundle again") from None
        usable = all(len(rows) and np.isfinite(rows).all() for rows in by_label.values())
        if not (by_label and usable and all(limit > 0 for limit in limits.values())):
            raise BundleError("the bundle's centroids are damaged", fix="copy the bundle again")
        return cls(by_label, limits)
