"""The documents: their code runs and prints what they say, their links lead somewhere, their commands exist.

`python tests/test_docs.py --update` renews the outputs that are printed in the pages.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data_pipelines/README.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

# `varies` marks a block whose output has as many words as a network, trained on this machine, makes of it.
RUNNABLE = re.compile(
    r"^```python runnable(?P<varies> varies)?\n(?P<code>.*?)^```\n(?:\n```text\n.*?^```\n)?", re.M | re.S
)
VARYING = re.compile(r"^```python runnable varies\n.*?^```\n\n```text\n(?P<output>.*?)^```\n", re.M | re.S)
OURS = re.compile("kwsembed|data_pipelines")
DECIMALS = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def headings_of(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", prose_of(page), re.M)
    }


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def run_blocks(page: Path) -> list[str]:
    """Runs the page's runnable blocks one after the other, in one namespace; returns what each printed."""
    names: dict[str, object] = {"__name__": "__main__"}
    outputs = []
    for block in RUNNABLE.finditer(page.read_text(encoding="utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block["code"], f"<{page.name}>", "exec"), names)
        outputs.append(printed.getvalue())
    return outputs


def with_outputs(text: str, outputs: list[str]) -> str:
    """The page with each runnable block followed by what it printed."""
    left = iter(outputs)

    def renewed(block: re.Match[str]) -> str:
        output = next(left)
        opening = f"```python runnable{block['varies'] or ''}\n"
        return f"{opening}{block['code']}```\n" + (f"\n```text\n{output}```\n" if output else "")

    return RUNNABLE.sub(renewed, text)


def fixed_words(text: str) -> list[str]:
    """What must not change: the page's words without decimals and without the outputs that vary."""
    kept = VARYING.sub(lambda block: block[0].replace(block["output"], ""), text)
    return DECIMALS.sub("#", kept).split()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if RUNNABLE.search(page.read_text(encoding="utf-8"))], ids=name_of
)
def test_a_page_prints_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorflow")
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    now = with_outputs(text, run_blocks(page))
    # Words and whole numbers (shapes, counts, samples) must agree; the decimals of a trained network differ
    # between versions of TensorFlow and between processors.
    hint = "renew the page with: python tests/test_docs.py --update"
    assert fixed_words(now) == fixed_words(text), hint


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", prose_of(page))
    lost = []
    for path, heading in links:
        target = page.parent / path if path else page
        if not target.exists() or (heading and heading not in headings_of(target)):
            lost.append(f"{path}#{heading}")
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_understood(page: Path) -> None:
    from kwsembed.cli.main import build_parser

    for line in re.findall(r"^(?:\$ )?(kwsembed [a-z].*)$", page.read_text(encoding="utf-8"), re.M):
        arguments = shlex.split(line, comments=True)[1:]
        stop = next((at for at, word in enumerate(arguments) if word in (">", "|", "&&")), len(arguments))
        build_parser().parse_args(arguments[:stop])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_in_python_blocks_exist(page: Path) -> None:
    pytest.importorskip("tensorflow")
    for block in re.findall(r"^```python.*?\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and OURS.match(node.module):
                exec(compile(ast.Module([node], []), page.name, "exec"), {})


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [record.name for record in records if f"decisions/{record.name}" not in index] == []


def update() -> None:
    """Runs every page and writes what its blocks print into it."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if RUNNABLE.search(text):
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                page.write_text(with_outputs(text, run_blocks(page)), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python tests/test_docs.py --update")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    update()
