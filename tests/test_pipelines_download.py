"""Downloads are resumed, verified, and refused with a line that says what to do."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_corpora import LoopbackServer, loopback

from data_pipelines.corpus import Remote
from data_pipelines.download import download
from kwsembed.errors import DataError, UserError
from kwsembed.progress import silent

CONTENT = np.random.default_rng(0).bytes(1_000_000)
REMOTE = Remote(
    url="http://127.0.0.1:9/never-asked",
    filename="corpus.zip",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)
UNVERIFIED = replace(REMOTE, sha256=None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with loopback(CONTENT) as running:
        yield running


def fetch(remote: Remote, folder: Path, server: LoopbackServer, *, attempts: int = 3) -> Path:
    return download(
        remote,
        folder,
        base_url=server.url,
        attempts=attempts,
        first_wait_s=0.0,
        timeout_s=5.0,
        progress=silent,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("remote", [REMOTE, UNVERIFIED], ids=["with checksum", "without"])
def test_a_cut_connection_is_resumed_where_it_ended(remote, server, tmp_path):
    server.cuts, server.cut_after = 1, 400_000
    path = fetch(remote, tmp_path, server)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=400000-"]
    assert names(tmp_path) == ["corpus.zip"]


def test_a_later_run_goes_on_from_the_part_that_is_there(server, tmp_path):
    server.cuts, server.cut_after = 1, 300_000
    with pytest.raises(UserError, match="run again to go on from 300000 bytes"):
        fetch(REMOTE, tmp_path, server, attempts=1)
    assert (tmp_path / "corpus.zip.part").read_bytes() == CONTENT[:300_000]
    assert fetch(REMOTE, tmp_path, server).read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=300000-"


def test_any_number_of_cuts_is_survived_as_long_as_each_answer_brings_something(server, tmp_path):
    server.cuts, server.cut_after = 9, 100_000
    assert fetch(REMOTE, tmp_path, server, attempts=2).read_bytes() == CONTENT
    assert len(server.requests) == 10


def test_a_server_that_ignores_ranges_is_read_from_the_start(server, tmp_path):
    server.ranges = False
    server.cuts, server.cut_after = 1, 400_000
    assert fetch(REMOTE, tmp_path, server).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=400000-"]


def test_a_server_that_always_cuts_and_ignores_ranges_is_given_up(server, tmp_path):
    server.ranges = False
    server.cuts, server.cut_after = 100, 400_000
    with pytest.raises(UserError, match="ended after 400000 of 1000000 bytes"):
        fetch(REMOTE, tmp_path, server, attempts=3)
    assert len(server.requests) <= 5


@pytest.mark.parametrize("remote", [REMOTE, UNVERIFIED], ids=["with checksum", "without"])
def test_a_file_that_changed_on_the_server_is_not_glued_to_the_old_part(remote, server, tmp_path):
    server.content = CONTENT[::-1]
    server.cuts, server.cut_after = 1, 300_000
    with pytest.raises(UserError):
        fetch(remote, tmp_path, server, attempts=1)
    server.content = CONTENT
    assert fetch(remote, tmp_path, server).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "corpus.zip.part").write_bytes(CONTENT + b"too much")
    assert fetch(REMOTE, tmp_path, server).read_bytes() == CONTENT


def test_a_part_of_unknown_origin_is_not_trusted_without_a_checksum(server, tmp_path):
    (tmp_path / "corpus.zip.part").write_bytes(b"something else")
    assert fetch(UNVERIFIED, tmp_path, server).read_bytes() == CONTENT
    assert server.requests == [None]


def test_a_complete_part_needs_no_request(server, tmp_path):
    (tmp_path / "corpus.zip.part").write_bytes(CONTENT)
    assert fetch(REMOTE, tmp_path, server).read_bytes() == CONTENT
    assert server.requests == []


def test_a_file_that_is_there_is_verified_and_not_fetched(server, tmp_path):
    (tmp_path / "corpus.zip").write_bytes(CONTENT)
    assert fetch(REMOTE, tmp_path, server) == tmp_path / "corpus.zip"
    assert server.requests == []
    (tmp_path / "corpus.zip").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"size_bytes=999999"):
        fetch(REMOTE, tmp_path, server)
    assert names(tmp_path) == ["corpus.zip"], "a file of the user's is never deleted"


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x"], ids=["other bytes", "longer"])
def test_a_wrong_checksum_is_refused_and_leaves_nothing(content, server, tmp_path):
    server.content = content
    with pytest.raises(
        DataError, match=r"does not match its checksum .*Expected 1000000 bytes with sha256"
    ) as caught:
        fetch(REMOTE, tmp_path, server)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_passing_faults_are_tried_again_and_lasting_ones_are_not(server, tmp_path):
    server.failures = [503, 429]
    assert fetch(REMOTE, tmp_path, server).read_bytes() == CONTENT
    (tmp_path / "corpus.zip").unlink()
    server.requests.clear()
    server.failures = [404, 404]
    with pytest.raises(UserError, match="404"):
        fetch(REMOTE, tmp_path, server)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(
        UserError, match=r"http://127\.0\.0\.1:9/corpus\.zip could not be fetched: .*--base-url"
    ):
        download(
            REMOTE, tmp_path, base_url="http://127.0.0.1:9", attempts=2, first_wait_s=0.0, progress=silent
        )


@pytest.mark.parametrize("base_url", ["file:///etc", "ftp://127.0.0.1", "mirror"])
def test_only_web_addresses_are_fetched(base_url, tmp_path):
    with pytest.raises(UserError, match="http:// or https://"):
        download(REMOTE, tmp_path, base_url=base_url, progress=silent)
