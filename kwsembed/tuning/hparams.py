"""Trials for TensorBoard's HParams page: the settings of each and what it reached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api

from kwsembed.tuning.search_folder import Trial
from kwsembed.tuning.space import Choice, Setting

_METRICS = ("objective", "recall", "macro_average_precision")


def write_space(logs: Path, space: Sequence[Setting]) -> None:
    """Declares what is searched and what is measured, once for all trials."""
    with _writer(logs).as_default():
        api.hparams_config(
            hparams=[api.HParam(setting.name, _domain(setting)) for setting in space],
            metrics=[api.Metric(name) for name in _METRICS],
        )


def write_trial(logs: Path, trial: Trial, values: dict[str, float | str]) -> None:
    """Writes a finished trial.

    Args:
        logs: Folder of all trials.
        trial: A completed trial.
        values: Its settings; of trial 0 too.
    """
    name = f"{trial.number:04d}"
    with _writer(logs / name).as_default():
        api.hparams(values, trial_id=name)
        for metric in _METRICS:
            tf.summary.scalar(metric, getattr(trial, metric), step=0)


def _writer(folder: Path) -> tf.summary.SummaryWriter:
    return tf.summary.create_file_writer(str(folder))


def _domain(setting: Setting) -> api.Discrete | api.RealInterval:
    if isinstance(setting, Choice):
        return api.Discrete(list(setting.values))
    return api.RealInterval(setting.low, setting.high)
