"""The installed package as a wheel, for a device that it is copied to."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import Distribution, distributions
from pathlib import Path

import kwsembed
from kwsembed.errors import MissingDependencyError

_LICENCES = ("LICENSE", "licenses/LICENSE")
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that zip knows; the same package is the same wheel


def write_wheel(folder: Path) -> Path:
    """Packs the package that is running, also from an editable installation; returns the file.

    Raises:
        MissingDependencyError: It is run without being installed, so that nothing says what it needs.
    """
    installed = _distribution()
    version = kwsembed.__version__
    package = Path(kwsembed.__file__).parent
    files = {
        path.relative_to(package.parent).as_posix(): path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    info = f"kwsembed-{version}.dist-info"
    for name in ("METADATA", "entry_points.txt", *_LICENCES):
        text = installed.read_text(name)
        if text is not None:
            files[f"{info}/{name}"] = text.encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: kwsembed {version}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ).encode()
    record = f"{info}/RECORD"
    lines = [f"{name},sha256={_hash(content)},{len(content)}\n" for name, content in files.items()]
    files[record] = ("".join(lines) + f"{record},,\n").encode()
    wheel = folder / f"kwsembed-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return wheel


def _distribution() -> Distribution:
    # In a clone, its kwsembed.egg-info may come first; that has no METADATA.
    found = [each for each in distributions(name="kwsembed") if each.read_text("METADATA") is not None]
    for each in found:
        if each.version == kwsembed.__version__:
            return each
    raise MissingDependencyError(
        "kwsembed is not installed, so that nothing says what it needs on the device",
        expected=f"version {kwsembed.__version__}, which is running",
        received=f"installed={[each.version for each in found]}",
        fix="python -m pip install . in the clone (or -e .)",
    )


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
