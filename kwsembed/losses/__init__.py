"""Losses on embeddings: each module holds a pure function that returns one value per example."""

from __future__ import annotations

from kwsembed.losses.contrastive import contrastive
from kwsembed.losses.triple_header import triple_header_softmax

__all__ = ["contrastive", "triple_header_softmax"]
