"""The notebook of examples/ runs in Jupyter's kernel, and leaves no process."""

from pathlib import Path

import pytest
from launching import processes_mentioning

nbformat = pytest.importorskip("nbformat", reason="the extra dev has nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("sklearn", minversion="1.6")

pytestmark = [pytest.mark.mpi, pytest.mark.slow]

NOTEBOOK = Path(__file__).parents[2] / "examples" / "estimators.ipynb"


def test_the_notebook_says_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    shown = nbformat.read(NOTEBOOK, as_version=4)
    run = nbformat.from_dict(shown)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(run, timeout=300, kernel_name="python3", resources=resources).execute()
    said = [[each.output_type for each in cell.get("outputs", [])] for cell in run.cells]
    assert said == [[each.output_type for each in cell.get("outputs", [])] for cell in shown.cells]
    accuracy = float(run.cells[3].outputs[0].data["text/plain"].split()[1])
    assert accuracy > 0.95
    assert processes_mentioning(str(tmp_path)) == []
