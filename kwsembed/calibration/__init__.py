"""New operating points for a bundle from the user's own long audio: no retraining, no TensorFlow."""

from __future__ import annotations

from kwsembed.calibration.by_hand import set_thresholds
from kwsembed.calibration.from_audio import Calibration, calibrate

__all__ = ["Calibration", "calibrate", "set_thresholds"]
