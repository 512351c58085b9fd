"""From nothing to a verified corpus folder: its archive is fetched if asked, checked, and unpacked."""

from __future__ import annotations

from pathlib import Path

from data_pipelines.archives import extract
from data_pipelines.corpus import RECORDED_INDEX, Corpus, check_files, read_md5_list, write_md5_list
from data_pipelines.download import download, verify
from kwsembed.atomic import replacing_folder
from kwsembed.progress import ProgressLine


def obtain(corpus: Corpus, root: Path, *, fetch: bool = False, base_url: str | None = None) -> Path:
    """Returns the corpus folder under `root`, unpacking its archive first if that is all there is.

    Args:
        corpus: Which corpus; it must have a remote.
        root: Where it is or shall be. A folder that already holds the corpus is left as it is.
        fetch: Whether the archive may be downloaded. Without it there is no network call.
        base_url: A mirror to fetch from.

    Raises:
        DataError: It is not there and `fetch` is False, or a checksum does not match.
    """
    remote = corpus.remote
    if corpus.locate(root) is not None or remote is None:
        return corpus.require(root)
    archive = root / remote.filename
    if archive.is_file():
        verify(remote, archive)
    elif fetch:
        archive = download(remote, root, base_url=base_url)
    else:
        return corpus.require(root)  # which says how to get it

    with replacing_folder(root / corpus.folder) as unpacked:
        entries = extract(archive, unpacked, progress=ProgressLine(f"unpacking {archive.name}", unit="parts"))
        if corpus.published_index is None:
            write_md5_list(unpacked / RECORDED_INDEX, entries)
        else:
            report = check_files(unpacked, read_md5_list(corpus.published_index))
            report.require_ok(f"delete {archive} and fetch it again; it is not the published {corpus.name}")
    return corpus.require(root)
