"""The quickstart notebook: stored without outputs, and it runs from top to bottom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "quickstart.ipynb"


def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_it_is_stored_without_outputs() -> None:
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_the_install_pins_nothing() -> None:
    assert "==" not in next("".join(cell["source"]) for cell in cells() if "%pip" in "".join(cell["source"]))


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "what runs notebooks is missing: python -m pip install nbclient ipykernel"
    nbclient = pytest.importorskip("nbclient", reason=missing)
    pytest.importorskip("ipykernel", reason=missing)
    nbformat = pytest.importorskip("nbformat", reason=missing)
    pytest.importorskip("tensorflow")
    # The kernel finds kwsembed where this process does, so that nothing is installed.
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parent.parent))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "detected" in shown
    assert (tmp_path / "bundle.zip").exists()
    assert (tmp_path / "RUN/report.html").exists()
