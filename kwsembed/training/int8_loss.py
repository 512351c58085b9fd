"""What the int8 model that ships loses against the float one, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kwsembed.clip_scores import probabilities_of
from kwsembed.evaluation.judge import Judgement
from kwsembed.report.intervals import gain_interval


def int8_loss(
    of_float: Mapping[str, Judgement], of_int8: Mapping[str, Judgement], *, bias: np.ndarray, bound: float
) -> dict[str, Any]:
    """Loss of macro average precision by quantisation, on test if there is one, else on validation.

    With a dozen clips of an event two of them that change places move its average precision by hundredths.
    So the bound counts as broken only if the loss is above it **and** above what chance can do: if the 95 %
    interval of the paired bootstrap over recordings lies above zero.

    Args:
        of_float: Judgements of the float model by split.
        of_int8: Those of the int8 model, of the same clips.
        bias: `(labels,)` of clip probabilities, see `probabilities_of`.
        bound: Loss that still counts as none.

    Returns:
        `split`; `<split>_macro_average_precision`, the loss, None if no event has clips to compare on; its
        95 % bounds `low` and `high`; `bound`; `within_bound`.
    """
    split = "test" if "test" in of_float else "validation"
    audio = of_float[split].audio
    events = slice(0, audio.event_count)
    loss = gain_interval(
        np.array(audio.labels)[audio.classes],
        probabilities_of(of_float[split].evidence, bias=bias)[:, events],
        probabilities_of(of_int8[split].evidence, bias=bias)[:, events],
        labels=audio.labels[events],
        groups=[audio.store.clips[clip].group for clip in audio.clips],
    )
    return {
        "split": split,
        f"{split}_macro_average_precision": None if loss is None else loss.estimate,
        "low": None if loss is None else loss.low,
        "high": None if loss is None else loss.high,
        "bound": bound,
        "within_bound": None if loss is None else loss.estimate <= bound or loss.low <= 0,
    }
