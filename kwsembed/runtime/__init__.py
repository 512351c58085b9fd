"""What runs on the device, without TensorFlow: interpreter, classifier of clips, detector of events."""

from __future__ import annotations

from kwsembed.runtime.classifier import Classifier
from kwsembed.runtime.detector import Detector
from kwsembed.runtime.interpreter import LoadedModel, load_interpreter

__all__ = ["Classifier", "Detector", "LoadedModel", "load_interpreter"]
