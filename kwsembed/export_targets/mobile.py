"""Target `mobile`: the model as apps take it, MediaPipe's AudioClassifier on Android and iOS first of all."""

from __future__ import annotations

import argparse
import importlib
from importlib import resources
from pathlib import Path
from typing import Any

import kwsembed
from kwsembed import atomic
from kwsembed.bundle import Bundle
from kwsembed.bundle_files import LABELS_FILE, MODEL_FILE
from kwsembed.errors import ConfigError, RunError
from kwsembed.export_targets.output import writing

APP = "android"
"""Name of the app's project in the target's folder."""


def run(args: argparse.Namespace) -> str:
    """Makes the target from parsed options; returns what to tell the user."""
    bundle = export(Path(args.run), Path(args.out), app=args.app)
    made = f"{args.out}: {MODEL_FILE} of {len(bundle.model)} bytes for MediaPipe's AudioClassifier"
    return f"{made}\n{Path(args.out, APP)}: an app's project for Android Studio" if args.app else made


def export(run: Path, out: Path, *, app: bool = False) -> Bundle:
    """Writes model, labels, thresholds and a README.

    Args:
        run: A run directory; only its bundle is read.
        out: Folder to make.
        app: Whether to add the project of an Android app, which only a clone has.

    Raises:
        BundleError: The run has no sound bundle.
        ConfigError: `app`, but this is no clone.
        RunError: `out` holds something else, or an app's project, which may have been worked on.
    """
    android = _android() if app else None
    if (out / APP).exists():
        raise RunError(
            "the output folder holds an app's project, which may have been worked on",
            received=f"out={out}",
            fix=f"choose another --out; a new model is three files in {APP}/app/src/main/assets",
        )
    bundle = Bundle.load(run / "bundle")
    with writing(out, target="mobile", bundle=bundle) as folder:
        (folder / MODEL_FILE).write_bytes(bundle.model)
        (folder / LABELS_FILE).write_text("".join(f"{label}\n" for label in bundle.labels), encoding="utf-8")
        atomic.write_json(folder / "thresholds.json", bundle.thresholds)
        (folder / "README.md").write_text(_readme(bundle), encoding="utf-8")
        if android is not None:
            (folder / APP).mkdir()
            android.write_project(folder / APP, run / "bundle")
    return bundle


def _android() -> Any:
    """The module that makes the app's project; it is beside the package in a clone, not in the wheel."""
    if not (Path(kwsembed.__file__).parents[1] / "export" / "android" / "project.py").exists():
        raise ConfigError(
            "the app's project comes with a clone of the repository, not with the installed package",
            received="--app",
            fix="python -m pip install -e . in a clone",
        )
    return importlib.import_module("export.android.project")


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
