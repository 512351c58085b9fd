"""Fetching one archive: resumed where it was cut, and verified before it gets its name."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from data_pipelines.corpus import Remote, file_digest
from kwsembed.errors import DataError, UserError
from kwsembed.progress import Progress, ProgressLine

_BLOCK_BYTES = 1 << 18
_MIB = 1 << 20
# Worth another try: timeouts, throttling and a server's own faults. Any other 4xx stays what it is.
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
# Not OSError as a whole: a full disk is no reason to try again.
_CONNECTION_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
)


def download(
    remote: Remote,
    folder: Path,
    *,
    base_url: str | None = None,
    attempts: int = 5,
    first_wait_s: float = 1.0,
    timeout_s: float = 30.0,
    progress: Progress | None = None,
) -> Path:
    """Fetches `remote` into `folder` and returns the verified file.

    A cut download goes on from its `.part` file, also in a later run, if the server can and still has the
    same file (`If-Range` with its ETag; the checksum decides in the end). Each failure doubles the pause.

    Args:
        remote: What to fetch.
        folder: Where to put it.
        base_url: A mirror: `base_url/filename` is fetched in place of the publisher's address.
        attempts: How many times in a row may bring nothing new before it gives up.
        first_wait_s: The pause after the first failure.
        timeout_s: How long the server may stay silent.
        progress: Called with mebibytes done and in total; a progress line if None.

    Raises:
        UserError: The address is no web address, or the server cannot be reached or refuses.
        DataError: What came does not match its checksum; it is deleted.

    Example:
        >>> download(CORPUS.remote, Path("ESC50"))  # doctest: +SKIP
    """
    url = remote.url if base_url is None else f"{base_url.rstrip('/')}/{remote.filename}"
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UserError(
            "the address cannot be fetched", expected="http:// or https://", received=f"url={url}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / remote.filename
    if target.is_file():
        verify(remote, target)
        return target

    part = _Part(folder / f"{remote.filename}.part")
    show = progress or ProgressLine(f"fetching {remote.filename}", unit="MiB")
    furthest_bytes, failures = part.size_bytes, 0
    while True:
        try:
            _fetch(url, part, remote, timeout_s=timeout_s, progress=show)
            break
        except _CONNECTION_ERRORS as error:
            status = error.code if isinstance(error, urllib.error.HTTPError) else None
            failures = failures + 1 if part.size_bytes <= furthest_bytes else 1
            furthest_bytes = max(furthest_bytes, part.size_bytes)
            if failures >= attempts or (status is not None and status not in _PASSING_STATUS):
                raise UserError(
                    f"{url} could not be fetched: {error if status else getattr(error, 'reason', error)}",
                    fix=f"run again to go on from {part.size_bytes} bytes, name a mirror with --base-url, "
                    f"or put {remote.filename} into {folder} yourself",
                ) from error
            time.sleep(first_wait_s * 2 ** (failures - 1))
    try:
        verify(remote, part.path)
    except DataError:
        part.discard()
        raise
    part.path.replace(target)
    part.discard()
    return target


def verify(remote: Remote, path: Path) -> None:
    """Raises DataError unless `path` has the size and SHA-256 of `remote`; passes where none is published."""
    if remote.sha256 is None:
        return
    size_bytes = path.stat().st_size
    received = f"size_bytes={size_bytes}"
    if size_bytes == remote.size_bytes:
        digest = file_digest(path, "sha256")
        if digest == remote.sha256:
            return
        received = f"sha256={digest}"
    raise DataError(
        f"{remote.filename} does not match its checksum",
        expected=f"{remote.size_bytes} bytes with sha256 {remote.sha256}",
        received=received,
        where=path,
        fix="delete it if it is still there and fetch it again; "
        "if that ends the same way, the server has another file",
    )


class _Part:
    """An unfinished download and, beside it, the ETag that says which version of the file it is a part of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._etag_path = path.with_name(f"{path.name}.etag")

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def etag(self) -> str:
        return self._etag_path.read_text(encoding="ascii") if self._etag_path.is_file() else ""

    def restart(self, etag: str) -> None:
        self.discard()
        if etag.startswith('"') and etag.isascii():  # If-Range accepts strong tags only
            self._etag_path.write_text(etag, encoding="ascii")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._etag_path.unlink(missing_ok=True)


def _fetch(url: str, part: _Part, remote: Remote, *, timeout_s: float, progress: Progress) -> None:
    """One request for what is missing of `part`; raises if the body ends early, for another try."""
    start = part.size_bytes
    if remote.sha256 is not None and start == remote.size_bytes:
        return
    headers = {"User-Agent": "kwsembed data_pipelines", "Accept-Encoding": "identity"}
    if start and (part.etag or remote.sha256):
        headers["Range"] = f"bytes={start}-"
        if part.etag:
            headers["If-Range"] = part.etag
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # The part is no prefix of what the server has now.
        part.discard()
        raise http.client.HTTPException("the server has no such range") from error
    with response:
        if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            received = start
        else:
            part.restart(response.headers.get("ETag", ""))
            received = 0
            if response.status != 200:
                raise http.client.HTTPException(f"an unexpected answer, status {response.status}")
        length = response.headers.get("Content-Length")
        total = received + int(length) if length else None
        with part.path.open("ab") as file:
            while block := response.read(_BLOCK_BYTES):
                file.write(block)
                received += len(block)
                progress(received // _MIB, max(total or remote.size_bytes, received + 1) // _MIB + 1)
        if total is not None and received < total:
            raise http.client.HTTPException(f"the connection ended after {received} of {total} bytes")
    progress(received // _MIB + 1, received // _MIB + 1)
