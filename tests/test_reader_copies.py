"""Copies of the notebooks do not give away answers, and never overwrite your own work."""

import shutil
from functools import partial
from pathlib import Path

import nbformat
import pytest
from faults import full_disk
from reader_copies import SERIES, copy_missing, main


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_copies_have_the_sources_and_no_outputs(tmp_path: Path) -> None:
    original = SERIES / "01_explore_data.ipynb"
    before = original.read_bytes()
    copy_missing(tmp_path / "mine")
    copied, kept = code_cells(tmp_path / "mine" / original.name), code_cells(original)
    assert [cell.source for cell in copied] == [cell.source for cell in kept]
    assert all(not cell.outputs and cell.execution_count is None for cell in copied)
    assert original.read_bytes() == before


def test_data_files_are_copied_and_solutions_keep_outputs(
    tmp_path: Path,
) -> None:
    copy_missing(tmp_path)
    names = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert {"experiments.json", "handwriting.json", "glossary.md"} <= names
    assert any(
        cell.outputs for cell in code_cells(tmp_path / "solutions" / "01_explore_data.ipynb")
    )


def test_a_changed_copy_stays_and_a_deleted_one_is_recreated(
    tmp_path: Path,
) -> None:
    copy_missing(tmp_path)
    (tmp_path / "02_train.ipynb").write_text("mine")
    (tmp_path / "03_evaluate.ipynb").unlink()
    assert [path.name for path in copy_missing(tmp_path)] == ["03_evaluate.ipynb"]
    assert (tmp_path / "02_train.ipynb").read_text() == "mine"


def test_a_model_next_to_the_notebooks_is_copied(tmp_path: Path) -> None:
    series = tmp_path / "notebooks"
    series.mkdir()
    (series / "model.safetensors").write_bytes(b"weights")
    copy_missing(tmp_path / "mine", series)
    assert (tmp_path / "mine" / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.promise("failed write")
def test_a_full_disk_leaves_no_half_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series, mine = tmp_path / "notebooks", tmp_path / "mine"
    series.mkdir()
    (series / "model.safetensors").write_bytes(b"weights" * 100)
    shutil.copy(SERIES / "draw.ipynb", series)
    with monkeypatch.context() as patch:
        for place in ("os.fsync", "shutil.copyfileobj", "shutil._fastcopy_sendfile"):
            patch.setattr(place, full_disk)
        patch.setattr("sys.argv", ["reader_copies", str(mine)])
        patch.setattr("reader_copies.copy_missing", partial(copy_missing, series=series))
        with pytest.raises(
            SystemExit, match=r"not complete \(No space left on device\): free some space"
        ):
            main()
    assert not [path for path in mine.iterdir() if path.is_file()]
    assert len(copy_missing(mine, series)) == 2
