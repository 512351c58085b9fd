"""Target `raspberry_pi`: a folder to copy to a small computer with Linux, with services and an installer."""

from __future__ import annotations

import argparse
import json
from importlib import resources
from pathlib import Path

from kwsembed import __version__
from kwsembed.bundle import Bundle
from kwsembed.bundle_files import DESCRIPTION_FILE, LABELS_FILE, MODEL_FILE
from kwsembed.export_targets.device_wheel import write_wheel
from kwsembed.export_targets.output import writing

FILES = (
    "install.sh",
    "kwsembed-detect.service",
    "kwsembed-wyoming.service",
    "kwsembed-wyoming.avahi",
    "environment",
)


def run(args: argparse.Namespace) -> str:
    """Makes the target from parsed options; returns what to tell the user."""
    export(Path(args.run), Path(args.out))
    return f"{args.out}: copy it to the device and run there: sudo sh install.sh detect wyoming"


def export(run: Path, out: Path) -> Bundle:
    """Writes the bundle, the package as a wheel, an installer with its services, and a README.

    Args:
        run: A run directory; only its bundle is read.
        out: Folder to make.

    Raises:
        BundleError: The run has no sound bundle.
        MissingDependencyError: kwsembed itself is not installed.
    """
    source = run / "bundle"
    bundle = Bundle.load(source)
    sources = resources.files("kwsembed.export_targets")
    with writing(out, target="raspberry_pi", bundle=bundle) as folder:
        (folder / "bundle").mkdir()
        for name in (MODEL_FILE, LABELS_FILE, DESCRIPTION_FILE):
            (folder / "bundle" / name).write_bytes((source / name).read_bytes())
        Bundle.load(folder / "bundle")  # a run that was changed meanwhile is no bundle
        for name in FILES:
            (folder / name).write_bytes(sources.joinpath("raspberry_pi_files", name).read_bytes())
        (folder / "install.sh").chmod(0o755)
        write_wheel(folder)
        text = sources.joinpath("raspberry_pi.md").read_text(encoding="utf-8")
        (folder / "README.md").write_text(_filled(text, bundle), encoding="utf-8")
    return bundle


def _filled(text: str, bundle: Bundle) -> str:
    event = {
        "filename": "mic",
        "onset": 71.125,
        "offset": 71.875,
        "event_label": bundle.event_labels[0],
        "score": 0.9717,
    }
    return text.format(
        labels=", ".join(bundle.event_labels),
        version=__version__,
        example=json.dumps(event, ensure_ascii=False),
        thresholds="\n".join(f"| {label} | {value:.6g} |" for label, value in bundle.thresholds.items()),
    )
