"""Target `mobile`: the model as apps take it, MediaPipe's AudioClassifier on Android and iOS first of all."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from kwsembed import atomic
from kwsembed.bundle import Bundle
from kwsembed.bundle_files import LABELS_FILE, MODEL_FILE
from kwsembed.export_targets.output import writing


def run(args: argparse.Namespace) -> str:
    """Makes the target from parsed options; returns what to tell the user."""
    bundle = export(Path(args.run), Path(args.out))
    return f"{args.out}: {MODEL_FILE} of {len(bundle.model)} bytes for MediaPipe's AudioClassifier"


def export(run: Path, out: Path) -> Bundle:
    """Writes model, labels, thresholds and a README.

    Args:
        run: A run directory; only its bundle is read.
        out: Folder to make.

    Raises:
        BundleError: The run has no sound bundle.
    """
    bundle = Bundle.load(run / "bundle")
    # Operating points inside the model's metadata (MediaPipe's score calibration, a threshold per class)
    # would be written into `model` here; until then the app applies thresholds.json.
    model = bundle.model
    with writing(out, target="mobile", bundle=bundle) as folder:
        (folder / MODEL_FILE).write_bytes(model)
        (folder / LABELS_FILE).write_text("".join(f"{label}\n" for label in bundle.labels), encoding="utf-8")
        atomic.write_json(folder / "thresholds.json", bundle.thresholds)
        (folder / "README.md").write_text(_readme(bundle), encoding="utf-8")
    return bundle


def _readme(bundle: Bundle) -> str:
    text = resources.files("kwsembed.export_targets").joinpath("mobile.md").read_text(encoding="utf-8")
    return text.format(
        labels=", ".join(bundle.labels),
        rate=bundle.sample_rate_hz,
        samples=bundle.window_samples,
        window_s=f"{bundle.window_s:g}",
        hop_s=f"{bundle.post.hop_s:g}",
        smoothing=bundle.post.smoothing_windows,
        consecutive=bundle.post.min_consecutive,
        refractory=f"{bundle.post.refractory_s:g}",
        thresholds="\n".join(f"| {label} | {value:.6g} |" for label, value in bundle.thresholds.items()),
    )
