"""Paths that do not lead to the expected file."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mnist_nb
from mnist_nb import Hyperparameters, MnistNbError, build_model
from mnist_nb.data import Mnist
from mnist_nb.widgets.pad import DrawingPad
from mnist_nb.widgets.studio import TrainingStudio


def test_a_run_is_not_saved_over_a_folder(workplace: Path, tiny: Mnist) -> None:
    run = mnist_nb.TrainingRun(build_model("mlp", seed=0), tiny, Hyperparameters())
    Path("folder").mkdir()
    for path in ("folder", ""):
        with pytest.raises(mnist_nb.CheckpointError, match="it is a folder"):
            mnist_nb.save_run(run, path)
    assert [path.name for path in workplace.rglob("*")] == ["folder"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_a_missing_folder_is_refused(workplace: Path, tiny: Mnist) -> None:
    run, link = (
        mnist_nb.TrainingRun(build_model("mlp", seed=0), tiny, Hyperparameters()),
        Path("model.safetensors"),
    )
    link.symlink_to("gone/model.safetensors")
    with pytest.raises(
        mnist_nb.CheckpointError, match=r"cannot be written: the folder .*gone does not exist"
    ):
        mnist_nb.save_run(run, link)
    with pytest.raises(
        mnist_nb.DigitsError, match=r"cannot be written: the folder .*gone does not exist"
    ):
        mnist_nb.MyDigits(link).add(tiny.test.images[0], 7)
    assert list(workplace.iterdir()) == [link.absolute()]


@pytest.mark.promise("other kinds")
def test_a_file_of_another_kind_is_not_replaced(workplace: Path, tiny: Mnist) -> None:
    mnist_nb.MyDigits("digits.safetensors").add(tiny.test.images[0], 7)
    model = build_model("mlp", seed=0)
    run = mnist_nb.TrainingRun(model, tiny, Hyperparameters())
    run.step()
    mnist_nb.save_run(run, "run.safetensors")
    before = {path.name: path.read_bytes() for path in workplace.iterdir()}
    for save in (
        lambda: mnist_nb.save_checkpoint(model, "digits.safetensors"),
        lambda: mnist_nb.save_run(run, "digits.safetensors"),
        lambda: mnist_nb.save_checkpoint(model, "run.resume.safetensors"),
        lambda: mnist_nb.export_page(model, "digits.safetensors"),
        lambda: mnist_nb.export_page(model, "run.safetensors"),
    ):
        with pytest.raises(mnist_nb.CheckpointError, match="is not overwritten"):
            save()
    diverged = mnist_nb.TrainingRun(build_model("mlp", seed=1), tiny, Hyperparameters())
    diverged.diverged = True
    mnist_nb.save_checkpoint(model, "z.resume.safetensors")
    with pytest.raises(mnist_nb.CheckpointError, match=r"is no.* training state"):
        mnist_nb.save_run(diverged, "z.safetensors")
    assert {name: (workplace / name).read_bytes() for name in before} == before


@pytest.mark.promise("other kinds")
def test_a_file_of_another_program_is_not_replaced(workplace: Path, tiny: Mnist) -> None:
    model = build_model("mlp", seed=0)
    run = mnist_nb.TrainingRun(model, tiny, Hyperparameters())
    for name in ("notes.ipynb", "photo.png", "notes"):
        Path(name).write_text("somebody's own")
        for save in (mnist_nb.save_checkpoint, mnist_nb.export_page):
            with pytest.raises(
                mnist_nb.CheckpointError, match=rf"{name} is no.*is not overwritten"
            ):
                save(model, name)
        with pytest.raises(
            mnist_nb.CheckpointError, match=f"{name} is no.* model|{name} is no.* network"
        ):
            mnist_nb.save_run(run, name)
        assert Path(name).read_text() == "somebody's own"
    assert len(list(workplace.iterdir())) == 3
    for name, save in (
        ("model.safetensors", mnist_nb.save_checkpoint),
        ("page.html", mnist_nb.export_page),
    ):
        save(model, name)
        save(model, name)  # over its own


@pytest.mark.skipif(os.name == "nt", reason="permissions")
@pytest.mark.parametrize(
    "call",
    [
        lambda path, data: mnist_nb.save_checkpoint(build_model(), path),
        lambda path, data: mnist_nb.continue_run(path, data, Hyperparameters()),
        lambda path, data: mnist_nb.export_page(build_model(), path),
        lambda path, data: mnist_nb.MyDigits(path),
        lambda path, data: mnist_nb.MyDigits("mine.safetensors").import_(path),
        lambda path, data: mnist_nb.MyDigits("mine.safetensors").export(path),
    ],
)
@pytest.mark.promise("failed write")
def test_a_folder_without_permission_is_a_clear_error(
    call: Callable[..., object], workplace: Path, tiny: Mnist
) -> None:
    Path("locked").mkdir(mode=0)
    workplace.chmod(0o755)
    with (
        as_a_plain_user(),
        pytest.raises(MnistNbError, match=r"cannot be (read|written): Permission denied"),
    ):
        call("locked/x.safetensors", tiny)


@pytest.mark.skipif(os.name == "nt", reason="permissions")
def test_panels_open_in_a_folder_without_permission(workplace: Path, tiny: Mnist) -> None:
    Path("locked").mkdir(mode=0)
    workplace.chmod(0o755)
    with as_a_plain_user():
        studio, pad = (
            TrainingStudio(tiny, "locked/x.safetensors"),
            DrawingPad(tiny, path="locked/x.safetensors"),
        )
        sentence = mnist_nb.load_or_train("locked/x.safetensors", tiny)[1]
        with pytest.raises(MnistNbError, match="Permission denied"):
            studio.train()
    studio.close()
    pad.close()
    assert "was trained" in sentence


@contextlib.contextmanager
def as_a_plain_user() -> Iterator[None]:
    """Drop the rights of root, who may access everything."""
    before = os.geteuid()
    os.seteuid(before or 65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_circular_link_is_replaced_by_the_file(workplace: Path, tiny: Mnist) -> None:
    os.symlink("model.safetensors", "model.safetensors")
    with pytest.raises(MnistNbError, match="cannot be read"):
        mnist_nb.load_checkpoint("model.safetensors")
    run, _ = mnist_nb.continue_run("model.safetensors", tiny, Hyperparameters())
    mnist_nb.save_run(run, "model.safetensors")
    assert mnist_nb.load_checkpoint("model.safetensors").name == "mlp"


@pytest.mark.skipif(os.name == "nt", reason="pipes")
@pytest.mark.promise("bounded reading")
def test_a_pipe_or_a_device_is_not_waited_for(workplace: Path) -> None:
    os.mkfifo("pipe.safetensors")
    for path in ("pipe.safetensors", "/dev/zero"):
        for read in (mnist_nb.load_checkpoint, mnist_nb.read_metadata, mnist_nb.MyDigits):
            with pytest.raises(MnistNbError, match="it is a device or a pipe"):
                read(path)
