"""A detector from either kind of folder: a bundle, or what the streaming target made of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kwsembed.bundle import Bundle
from kwsembed.bundle_files import STREAMING_FILE
from kwsembed.errors import ConfigError
from kwsembed.runtime.detector import Detector
from kwsembed.runtime.streaming import StreamingDetector
from kwsembed.stream_bundle import StreamBundle


def load_bundle(path: str | os.PathLike[str]) -> Bundle | StreamBundle:
    """Loads a bundle, or a streaming export if the folder holds one.

    Raises:
        BundleError: A file is missing or changed, or the parts do not fit together.
    """
    return StreamBundle.load(path) if (Path(path) / STREAMING_FILE).exists() else Bundle.load(path)


def new_detector(
    bundle: Bundle | StreamBundle,
    sample_rate_hz: int,
    *,
    thresholds: Mapping[str, float] | None = None,
    veto_unknown: bool = False,
    runtime: str | None = None,
) -> Detector | StreamingDetector:
    """Makes the detector that a bundle needs; the arguments are those of `Detector`.

    Raises:
        ConfigError: A veto is asked of a streaming model, which gives no embedding.
    """
    if isinstance(bundle, StreamBundle):
        if veto_unknown:
            raise ConfigError("a streaming model cannot tell unknown sounds", expected="a bundle of training")
        return StreamingDetector(bundle, sample_rate_hz, thresholds=thresholds, runtime=runtime)
    return Detector(bundle, sample_rate_hz, thresholds=thresholds, veto_unknown=veto_unknown, runtime=runtime)
