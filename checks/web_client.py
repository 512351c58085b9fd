"""Classifies windows with MediaPipe's web package in headless Chromium, for `checks.clients`."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kwsembed.bundle import Bundle

MOST_S = 1800


def classify(models: Sequence[Path], windows: np.ndarray, bundle: Bundle, work: Path) -> dict[str, Any]:
    """What the clients of `checks.clients` print: scores and reported labels, per model and window.

    Args:
        models: TensorFlow Lite files.
        windows: `(windows, window_samples)` float32.
        bundle: The models' rate.
        work: For npm packages and the folder that is served.
    """
    packages = npm_packages(work / "npm")
    site = work / "site"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir()
    (site / "runtime").symlink_to(packages / "@mediapipe" / "tasks-audio")
    (site / "index.html").write_text("<!DOCTYPE html><title>windows</title>")
    (site / "windows.f32").write_bytes(windows.astype("<f4").tobytes())
    for number, model in enumerate(models):
        shutil.copyfile(model, site / f"{number}.tflite")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {
        "url": f"http://127.0.0.1:{server.server_port}/",
        "packages": str(packages),
        "chromium": shutil.which("chromium"),
        "models": len(models),
        "windowSamples": bundle.window_samples,
        "sampleRateHz": bundle.sample_rate_hz,
    }
    script = Path(__file__).with_name("web_audio_classifier.mjs")
    command = ["node", str(script), json.dumps(options)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False)
    finally:
        server.shutdown()
    if done.returncode:
        raise SystemExit(f"MediaPipe web: the driver failed: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    version = json.loads((packages / "@mediapipe" / "tasks-audio" / "package.json").read_text())["version"]
    return {**answer, "client": f"{answer['client']} {version}"}


def npm_packages(folder: Path) -> Path:
    """A node_modules with MediaPipe's web package and the driver of the browser."""
    packages = folder.resolve() / "node_modules"
    here = Path(__file__).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(here / "web_packages" / name, folder / name)
    subprocess.run(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=folder, check=True)
    return packages


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""
