"""Makes the folder of the page: its files, the bundle's model and settings, MediaPipe's runtime, licences."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from kwsembed import __version__, atomic
from kwsembed.bundle import Bundle
from kwsembed.errors import BundleError, MissingDependencyError
from kwsembed.export_targets.output import writing

PACKAGE = "@mediapipe/tasks-audio"
HERE = Path(__file__).parent
SETTINGS_FILE = "settings.json"
FORMAT = "kwsembed web page 1"

# The module's suffix becomes .js: many servers do not know .mjs as JavaScript, and browsers then refuse it.
_RUNTIME_FILES = {
    "audio_bundle.mjs": "tasks-audio.js",
    **{
        f"wasm/{name}.{suffix}": f"wasm/{name}.{suffix}"
        for name in ("audio_wasm_internal", "audio_wasm_nosimd_internal")
        for suffix in ("js", "wasm")
    },
}
_CALIBRATION_FILE = (
    "score_calibration.csv"  # as kwsembed.tflite.metadata names it; that module needs TensorFlow
)


def export_web(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    packages: str | os.PathLike[str] | None = None,
) -> Path:
    """Makes a folder of static files that listens, in the browser, with the model of a bundle.

    Args:
        source: A run directory or a bundle folder.
        out: The folder; it appears whole or not at all, in place of an older page.
        packages: The `node_modules` that holds `@mediapipe/tasks-audio`; if None, the one of this folder.

    Returns:
        `out`. Any web server can serve it; no file in it asks for anything from elsewhere.

    Raises:
        MissingDependencyError: The npm package is missing or of another version; says what to run.
        BundleError: The bundle cannot be used, or its model has no metadata for MediaPipe.
        RunError: `out` holds something else than such a page, untouched.

    Example:
        >>> export_web("RUN", "page")  # doctest: +SKIP
        PosixPath('page')
    """
    out = Path(out)
    bundle = Bundle.load(_bundle_folder(Path(source)))
    runtime = _runtime(Path(packages) if packages is not None else HERE / "node_modules")
    model = _without_thresholds(bundle.model)
    with writing(out, target="web", bundle=bundle) as folder:
        shutil.copytree(HERE / "page", folder, dirs_exist_ok=True)
        (folder / "model.tflite").write_bytes(model)
        atomic.write_json(folder / SETTINGS_FILE, page_settings(bundle))
        vendor = folder / "vendor" / "mediapipe"
        (vendor / "wasm").mkdir(parents=True)
        for name, copied_as in _RUNTIME_FILES.items():
            shutil.copyfile(runtime / name, vendor / copied_as)
        shutil.copyfile(HERE.parents[1] / "LICENSE", vendor / "LICENSE")
        (folder / "LICENCES.txt").write_text(_licences(), encoding="utf-8")
    return out


def made(page: Path) -> str:
    """What to tell the user about a page that was made."""
    size_mb = sum(path.stat().st_size for path in page.rglob("*") if path.is_file()) / 1e6
    return (
        f"{page}: {size_mb:.1f} MB. To try it: python -m http.server -d {page} 8000, http://localhost:8000\n"
        "Browsers give the microphone to pages on https:// or http://localhost only."
    )


def page_settings(bundle: Bundle) -> dict[str, Any]:
    """What the page must know of a bundle; names as JavaScript has them, units as everywhere."""
    return {
        "format": FORMAT,
        "labels": list(bundle.labels),
        "eventLabels": list(bundle.event_labels),
        "thresholds": bundle.thresholds,
        "sampleRateHz": bundle.sample_rate_hz,
        "windowSamples": bundle.window_samples,
        "hopSamples": bundle.hop_samples,
        "post": {
            "hopS": bundle.post.hop_s,
            "smoothingWindows": bundle.post.smoothing_windows,
            "minConsecutive": bundle.post.min_consecutive,
            "refractoryS": bundle.post.refractory_s,
            "onsetShiftS": bundle.post.onset_shift_s,
        },
    }


def _bundle_folder(source: Path) -> Path:
    inside = source / "bundle"
    return inside if (inside / "bundle.json").exists() else source


def _runtime(packages: Path) -> Path:
    """The npm package's folder, checked for the version that this page is tested with."""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"][PACKAGE]
    folder = packages / PACKAGE
    mend = f"npm ci --prefix {HERE}"
    if packages != HERE / "node_modules":
        mend = f"npm install --prefix {packages.parent} {PACKAGE}@{wanted}"
    if shutil.which("npm") is None:
        mend += " (npm comes with Node.js: https://nodejs.org, or apt-get install npm)"
    try:
        found = json.loads((folder / "package.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        raise MissingDependencyError(
            f"the npm package {PACKAGE} is not there", where=folder, fix=mend
        ) from None
    missing = [name for name in _RUNTIME_FILES if not (folder / name).is_file()]
    if found != wanted or missing:
        raise MissingDependencyError(
            f"the npm package {PACKAGE} is another one",
            expected=f"version {wanted}, whole",
            received=f"version {found}" + (f", without {', '.join(missing)}" if missing else ""),
            where=folder,
            fix=mend,
        )
    return folder


def _without_thresholds(model: bytes) -> bytes:
    """The model with plain scores: the page smooths scores before it compares them with the thresholds."""
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as files:
            names = files.namelist()
    except zipfile.BadZipFile:
        raise BundleError(
            "the model has no metadata for MediaPipe",
            expected="a model that kwsembed exported",
            fix="train again with this version",
        ) from None
    if _CALIBRATION_FILE not in names:
        return model
    try:
        from kwsembed.tflite import with_thresholds
    except ImportError as error:
        raise MissingDependencyError(
            "taking the thresholds out of the model's metadata needs TensorFlow",
            received=str(error),
            fix='python -m pip install "kwsembed[train]"',
        ) from None
    return with_thresholds(model, None)


def _licences() -> str:
    """What in the folder is whose."""
    version = json.loads((HERE / "package.json").read_text())["dependencies"][PACKAGE]
    return f"""This page: kwsembed {__version__}, Apache License 2.0 (vendor/mediapipe/LICENSE has its text).

model.tflite: trained by whoever made this page, on sounds whose licences are theirs to keep.

vendor/mediapipe: the npm package {PACKAGE} {version}, unchanged but for the name of one file.
Copyright The MediaPipe Authors, Apache License 2.0 (vendor/mediapipe/LICENSE). Its WebAssembly contains
further open-source libraries under their own licences, among them TensorFlow Lite (Apache 2.0), XNNPACK
(BSD), Abseil (Apache 2.0), Protocol Buffers (BSD), Eigen (MPL 2.0) and the Emscripten runtime (MIT). The
package comes without a list of them; its sources are at https://github.com/google-ai-edge/mediapipe.
MediaPipe sends usage metrics to Google. This page's Content-Security-Policy refuses every connection but to
the page's own folder, so none is sent.
"""
