import warnings
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.mark.parametrize("name", ["restore", "errors"])
def test_a_notebook_runs_from_top_to_bottom(name, run, archives, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter's own
        import nbclient
        import nbformat

        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        monkeypatch.setenv("AGEJAX_RUN", str(run))
        monkeypatch.setenv("AGEJAX_FACES", str(archives))
        client = nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": NOTEBOOKS}}
        )
        client.execute()
    printed = [o.get("text", "") for cell in notebook.cells for o in cell.get("outputs", [])]
    assert "largest difference from the evaluation" in "".join(printed)


def test_notebooks_are_committed_without_outputs():
    import nbformat

    for file in NOTEBOOKS.glob("*.ipynb"):
        cells = nbformat.read(file, as_version=4).cells
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
