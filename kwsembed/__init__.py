"""kwsembed: detectors for rare sounds and keywords, from a folder of clips to a quantised model on a device.

Importing this package loads no TensorFlow. What a device needs (`Bundle`, `Classifier`, `Detector`) works
with NumPy and an interpreter; training names load TensorFlow when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_DEVICE_NAMES = {
    "Bundle": "kwsembed.bundle",
    "Classifier": "kwsembed.runtime",
    "Detection": "kwsembed.detection.events",
    "Detector": "kwsembed.runtime",
    "FrontendConfig": "kwsembed.frontend",
    "KwsembedError": "kwsembed.errors",
    "Manifest": "kwsembed.manifest",
    "TrainConfig": "kwsembed.config",
    "assign_splits": "kwsembed.manifest",
    "calibrate": "kwsembed.calibration",
    "check_data": "kwsembed.manifest.check",
    "log_mel": "kwsembed.frontend",
    "mine": "kwsembed.mining",
    "read_manifest": "kwsembed.manifest",
    "set_thresholds": "kwsembed.calibration",
}
_TRAINING_NAMES = {
    "add_class": "kwsembed.training.add_class",
    "compare": "kwsembed.comparison.compare",
    "evaluate_clips": "kwsembed.evaluation.evaluate",
    "evaluate_recordings": "kwsembed.evaluation.evaluate",
    "refit": "kwsembed.training.refit",
    "run_demo": "kwsembed.demo.guided",
    "train": "kwsembed.training.train",
    "tune": "kwsembed.tuning.tune",
    "write_report": "kwsembed.report",
}

__all__ = ["__version__", *sorted({**_DEVICE_NAMES, **_TRAINING_NAMES})]

if TYPE_CHECKING:
    from kwsembed.bundle import Bundle as Bundle
    from kwsembed.calibration import calibrate as calibrate
    from kwsembed.calibration import set_thresholds as set_thresholds
    from kwsembed.comparison.compare import compare as compare
    from kwsembed.config import TrainConfig as TrainConfig
    from kwsembed.demo.guided import run_demo as run_demo
    from kwsembed.detection.events import Detection as Detection
    from kwsembed.errors import KwsembedError as KwsembedError
    from kwsembed.evaluation.evaluate import evaluate_clips as evaluate_clips
    from kwsembed.evaluation.evaluate import evaluate_recordings as evaluate_recordings
    from kwsembed.frontend import FrontendConfig as FrontendConfig
    from kwsembed.frontend import log_mel as log_mel
    from kwsembed.manifest import Manifest as Manifest
    from kwsembed.manifest import assign_splits as assign_splits
    from kwsembed.manifest import read_manifest as read_manifest
    from kwsembed.manifest.check import check_data as check_data
    from kwsembed.mining import mine as mine
    from kwsembed.report import write_report as write_report
    from kwsembed.runtime import Classifier as Classifier
    from kwsembed.runtime import Detector as Detector
    from kwsembed.training.add_class import add_class as add_class
    from kwsembed.training.refit import refit as refit
    from kwsembed.training.train import train as train
    from kwsembed.tuning.tune import tune as tune


def __getattr__(name: str) -> Any:
    if name in _DEVICE_NAMES:
        return getattr(importlib.import_module(_DEVICE_NAMES[name]), name)
    if name in _TRAINING_NAMES:
        from kwsembed.cpu_kernels import prefer_onednn

        prefer_onednn()
        try:
            return getattr(importlib.import_module(_TRAINING_NAMES[name]), name)
        except ModuleNotFoundError as error:
            from kwsembed.errors import MissingDependencyError

            raise MissingDependencyError(
                f"kwsembed.{name} needs {error.name}, which is not installed",
                fix="python -m pip install 'kwsembed[train]'",
            ) from error
    raise AttributeError(f"module 'kwsembed' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
