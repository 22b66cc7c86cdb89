"""The notebooks run from start to end, and are kept without their outputs."""

import html
import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
EVERY_NOTEBOOK = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The notebooks in a project of their own, where they and Jupyter may write."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "pytorch").symlink_to(PROJECT / "pytorch")
    return shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks")


def outputs(notebook):
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]


def test_there_are_four_notebooks_to_read_in_order():
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4"]


@EVERY_NOTEBOOK
def test_a_notebook_is_valid_and_has_no_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)

    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert outputs(notebook) == []
    assert not any(cell.get("execution_count") for cell in notebook.cells)


@EVERY_NOTEBOOK
def test_a_notebook_runs_from_start_to_end_and_shows_pictures_and_tables(path, folder):
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()

    warnings = [output.text for output in outputs(notebook) if output.get("name") == "stderr"]
    assert warnings == []
    pages = [
        html.unescape(output.get("data", {}).get("text/html", "")) for output in outputs(notebook)
    ]
    assert any("<img" in page for page in pages)
    assert any("<table" in page for page in pages)
