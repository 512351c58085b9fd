"""Networks: one backbone a module, and the classifier that joins a backbone with a head."""

from __future__ import annotations

from kwsembed.models.build import BACKBONES, build_classifier, build_embedder, embedder_of
from kwsembed.models.inference import forward

__all__ = ["BACKBONES", "build_classifier", "build_embedder", "embedder_of", "forward"]
