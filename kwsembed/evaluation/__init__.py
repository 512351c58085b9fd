"""Judging a model on clips and on streams, with the same windows and the same event code as the device."""

from __future__ import annotations

from kwsembed.evaluation.clip_metrics import clip_metrics
from kwsembed.evaluation.scoring import Scorer, bundle_scorer, network_scorer, score_clips
from kwsembed.evaluation.streams import background_streams, event_streams

__all__ = [
    "Scorer",
    "background_streams",
    "bundle_scorer",
    "clip_metrics",
    "event_streams",
    "network_scorer",
    "score_clips",
]
