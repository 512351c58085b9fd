"""Losses on embeddings: each module holds a pure function that returns one value per example."""

from __future__ import annotations

from kwsembed.losses.center import center
from kwsembed.losses.contrastive import contrastive
from kwsembed.losses.magnet import magnet
from kwsembed.losses.normalised_softmax import normalised_softmax
from kwsembed.losses.prototypical import prototypical
from kwsembed.losses.proxy_anchor import proxy_anchor
from kwsembed.losses.quintuplet import quintuplet
from kwsembed.losses.soft_triple import center_spread, soft_triple
from kwsembed.losses.supervised_contrastive import supervised_contrastive
from kwsembed.losses.triple_header import triple_header_softmax
from kwsembed.losses.triple_header_logistic import triple_header_logistic
from kwsembed.losses.triplet_batch_hard import triplet_batch_hard
from kwsembed.losses.triplet_semi_hard import triplet_semi_hard

__all__ = [
    "center",
    "center_spread",
    "contrastive",
    "magnet",
    "normalised_softmax",
    "prototypical",
    "proxy_anchor",
    "quintuplet",
    "soft_triple",
    "supervised_contrastive",
    "triple_header_logistic",
    "triple_header_softmax",
    "triplet_batch_hard",
    "triplet_semi_hard",
]
