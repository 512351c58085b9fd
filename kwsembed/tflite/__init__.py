"""Conversion to TensorFlow Lite: models that phones, browsers and small computers run (needs TensorFlow)."""

from __future__ import annotations

from kwsembed.tflite.clients import ModelFacts, check_clients, describe
from kwsembed.tflite.convert import ExportedModel, export_model
from kwsembed.tflite.metadata import AudioMetadata, read_metadata, with_thresholds, write_metadata

__all__ = [
    "AudioMetadata",
    "ExportedModel",
    "ModelFacts",
    "check_clients",
    "describe",
    "export_model",
    "read_metadata",
    "with_thresholds",
    "write_metadata",
]
