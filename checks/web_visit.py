"""Serves a folder to this machine and lets Chromium visit a page of it."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder for as long as the block runs; gives its address, which ends with a slash."""
    server = _Server(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def visit_page(
    url: str, name: str, *, packages: Path, chromium: str | None, screenshots: Path, **options: object
) -> dict[str, Any]:
    """One visit to the exported page by `web_page.mjs`, which says what the page did.

    Args:
        url: Where it is.
        name: Of the visit, and of its screenshot.
        packages: Folder of npm packages.
        chromium: Its executable; None if there is none on the path.
        screenshots: Folder of the screenshot.
        options: What to do there, as the script has it.

    Raises:
        SystemExit: The visit failed.
    """
    command = json.dumps(
        {
            "url": url,
            "packages": str(packages),
            "chromium": chromium,
            **options,
            "screenshot": str(screenshots / f"{name}.png"),
        }
    )
    script = Path(__file__).with_name("web_page.mjs")
    done = subprocess.run(["node", script, command], capture_output=True, text=True, timeout=900)
    if done.returncode:
        sys.exit(f"{name}: the driver failed: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing: the driver lists every request."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Says nothing when a browser that is closed hangs up in the midst of a file."""
