"""Your own digits are saved, changed and shared, and never lost."""

import csv
import functools
import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from faults import full_disk
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import mnist_nb.handwriting.digit_files
import mnist_nb.handwriting.my_digits
from mnist_nb.handwriting.my_digits import DigitsError, MyDigits
from mnist_nb.handwriting.sketch import EmptySketchError, Sketch


def image(number: int = 0) -> np.ndarray:
    """Return an image that differs for each number."""
    return np.random.default_rng(number).integers(1, 256, (28, 28), dtype=np.uint8)


def drawing(slant: float = 0.0) -> Sketch:
    sketch = Sketch(300)
    sketch.add_stroke([(50, 50), (150, 50 + slant), (100, 250)], width=12)
    sketch.add_stroke([(70, 150), (130, 150)], width=7.5)
    sketch.add_stroke([(145, 20), (146, 80)], width=9, erase=True)
    return sketch


def filled(path: Path, per_digit: int = 3) -> MyDigits:
    digits = MyDigits(path)
    for number in range(10 * per_digit):
        digits.add(image(number), number % 10)
    return digits


# ---- Saving


def test_images_and_drawings_with_their_strokes_come_back(workplace: Path) -> None:
    digits = MyDigits()
    assert len(digits) == 0
    assert digits.images.shape == (0, 28, 28)
    ids = [digits.add(image(1), 1), digits.add(drawing(), 2), digits.add(torch.tensor(image(3)), 3)]
    ids.append(digits.add(drawing(slant=40), np.int32(4)))  # type: ignore[arg-type]
    found = MyDigits()  # as after a restart
    assert found.path == workplace / "my_digits.safetensors"
    assert (found.ids, found.labels.tolist()) == (ids, [1, 2, 3, 4])
    assert found.images.dtype == torch.uint8
    assert (found.images[0].numpy() == image(1)).all()
    assert (found.images[3].numpy() == drawing(slant=40).to_mnist()).all()
    assert [found.sketch(id) is None for id in ids] == [True, False, True, False]
    sketch = found.sketch(ids[1])
    assert sketch is not None
    assert sketch.size == 300
    for stroke, original in zip(sketch.strokes, drawing().strokes, strict=True):
        assert (stroke.points == original.points).all()
        assert (stroke.width, stroke.erase) == (original.width, original.erase)


@pytest.mark.parametrize("label", [-1, 10, 2.0, "7", None, True])
def test_a_label_is_a_digit(workplace: Path, label: Any) -> None:
    digits = MyDigits()
    with pytest.raises(DigitsError, match="0 to 9"):
        digits.add(drawing(), label)
    id = digits.add(drawing(), 3)
    with pytest.raises(DigitsError, match="0 to 9"):
        digits.relabel(id, label)
    assert MyDigits().labels.tolist() == [3]


@pytest.mark.parametrize(
    "wrong",
    [
        np.ones((28, 28)),
        np.ones((1, 28, 28), np.uint8),
        np.ones((280, 280), np.uint8),
        "a picture",
        None,
    ],
)
def test_only_images_as_the_network_sees_them_are_kept(workplace: Path, wrong: Any) -> None:
    with pytest.raises(DigitsError, match=r"must be uint8 \[28, 28\]"):
        MyDigits().add(wrong, 1)
    with pytest.raises(DigitsError, match="no ink"):
        MyDigits().add(np.zeros((28, 28), np.uint8), 1)
    with pytest.raises(EmptySketchError):
        MyDigits().add(Sketch(), 1)
    assert not list(workplace.iterdir())


def test_a_drawing_that_could_not_be_read_again_is_refused(workplace: Path) -> None:
    digits = filled(workplace / "d.safetensors", 1)
    endless = Sketch(1e300)  # overflows in the number format of the file
    endless.add_stroke([(1, 1), (2, 2)], 1.0)
    with pytest.raises(DigitsError, match="this drawing cannot be saved"):
        digits.add(endless, 1)
    assert len(MyDigits(digits.path)) == 10


def test_relabel_delete_and_bring_back(workplace: Path) -> None:
    digits = MyDigits()
    first, second = digits.add(image(1), 1), digits.add(drawing(), 2)
    digits.relabel(first, 7)
    assert MyDigits().labels.tolist() == [7, 2]
    digits.delete(second)
    assert MyDigits().ids == [first]
    assert digits.undo_delete() == second
    assert digits.undo_delete() is None
    assert MyDigits().ids == [first, second]
    assert MyDigits().sketch(second) is not None
    for change in (digits.delete, digits.sketch, lambda id: digits.relabel(id, 1)):
        with pytest.raises(DigitsError, match="no digit with the id"):
            change(-5)


def test_every_third_drawing_is_held_out_permanently(workplace: Path) -> None:
    digits = filled(workplace / "d.safetensors")
    teaching, held_out = digits.split()
    assert (len(teaching), len(held_out)) == (20, 10)
    assert sorted(held_out.labels.tolist()) == list(range(10))
    apart = {one.id for one in digits if one.held_out}
    digits.delete(next(one.id for one in digits if not one.held_out))
    for number in range(100, 140):
        digits.add(image(number), number % 10)
    after = {one.id: one.held_out for one in MyDigits(digits.path)}
    assert all(after[id] for id in apart)
    assert [sum(one.held_out for one in digits if one.label == label) for label in range(10)] == [
        2
    ] * 10  # of 6 or 7


# ---- Damaged files


def written(records: Any, images: Any = None, **more: np.ndarray) -> bytes:
    """Return a file of digits with these records, as JSON or bytes, and an image for each."""
    text = records if isinstance(records, bytes) else json.dumps(records).encode()
    images = np.ones((len(records), 28, 28), np.uint8) if images is None else images
    return safetensors.numpy.save(
        {"images": images, "records": np.frombuffer(text, np.uint8), **more}
    )


STROKES = {"points": [[1, 1], [2, 2]], "lengths": [2], "widths": [3], "erase": [0], "size": 280}
RECORD = {"label": 3, "id": 5, "held_out": False, "strokes": STROKES}
SPOILT = {
    "another label": written([RECORD | {"label": 10}]),
    "a label that is no number": written([RECORD | {"label": "3"}]),
    "one id twice": written([RECORD, RECORD]),
    "no id": written([{"label": 3, "held_out": False, "strokes": None}]),
    "lengths that do not add up": written([RECORD | {"strokes": STROKES | {"lengths": [3]}}]),
    "points nowhere": written([RECORD | {"strokes": STROKES | {"points": [[1, 1], [None, 2]]}}]),
    "no width": written([RECORD | {"strokes": STROKES | {"widths": [0]}}]),
    "a width without end": written([RECORD | {"strokes": STROKES | {"widths": [10**400]}}]),
    "a point at a number without end": written(
        [RECORD | {"strokes": STROKES | {"points": [[10**400, 1], [2, 2]]}}]
    ),
    "no canvas": written([RECORD | {"strokes": STROKES | {"size": 0}}]),
    "strokes of another kind": written([RECORD | {"strokes": "a line"}]),
    "empty strokes": written([RECORD | {"strokes": {}}]),
    "fewer images than records": written([RECORD], np.ones((0, 28, 28), np.uint8)),
    "small images": written([RECORD], np.ones((1, 14, 14), np.uint8)),
    "float images": written([RECORD], np.ones((1, 28, 28), np.float32)),
    "no list": written({}),
    "no JSON": written(b"{", np.ones((1, 28, 28), np.uint8)),
    "nested without end": written(b"[" * 100_000, np.ones((1, 28, 28), np.uint8)),
    "another tensor": written([RECORD], extra=np.ones(1, np.float32)),
    "empty": b"",
    "png": b"\x89PNG\r\n",
    "pickle": pickle.dumps([1]),
    "endless header": b"\xff" * 8 + b"{}",
    "terabytes": (2**40).to_bytes(8, "little") + b"{" * 100,
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_a_file_with_wrong_contents_is_refused_and_left_alone(
    workplace: Path, content: bytes
) -> None:
    digits = MyDigits()
    digits.add(image(), 1)
    digits.add(drawing(), 2)
    digits.path.write_bytes(content)
    with pytest.raises(
        DigitsError, match=r"my_digits\.safetensors is not a complete file of digits .*rename it"
    ):
        MyDigits()
    with pytest.raises(
        DigitsError, match="rename it"
    ):  # a kernel that knew the old file does not overwrite it either
        digits.add(image(2), 2)
    assert digits.path.read_bytes() == content
    assert len(digits) == 2


def test_a_truncated_file_is_refused_wherever_it_is_cut(workplace: Path) -> None:
    content = filled(workplace / "whole.safetensors", 1).path.read_bytes()
    for length in range(0, len(content), 97):
        Path("cut.safetensors").write_bytes(content[:length])
        with pytest.raises(DigitsError, match=r"cut\.safetensors"):
            MyDigits("cut.safetensors")


@settings(max_examples=300, deadline=None)
@given(
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=4
    )
)
@pytest.mark.promise("damaged digits")
def test_flipped_bits_give_digits_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[float, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    content = bytearray(small_file())
    for place, bit in flips:
        content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = MyDigits(path)
    except DigitsError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert found.images.shape == (1, 28, 28)
        assert found.labels[0] in range(10)
        found.sketch(found.ids[0])


@functools.cache
def small_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        digits = MyDigits(Path(folder, "small.safetensors"))
        digits.add(drawing(), 2)
        return digits.path.read_bytes()


def test_a_file_that_is_too_large_is_not_read(workplace: Path) -> None:
    with Path("my_digits.safetensors").open("wb") as file:
        file.truncate(2**40)  # a sparse file takes no space
    with pytest.raises(DigitsError, match="is longer than"):
        MyDigits()


def test_no_file_holds_more_digits_than_it_should(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_nb.handwriting.digit_files, "MAX_DIGITS", 10)
    digits = filled(workplace / "d.safetensors", 1)
    with pytest.raises(DigitsError, match="more than 10"):
        digits.add(image(99), 1)
    assert len(digits) == len(MyDigits(digits.path)) == 10


# ---- Read-only places, and other writers


def test_a_path_that_is_a_folder_or_has_no_folder_is_refused(workplace: Path) -> None:
    Path("folder").mkdir()
    Path("file").write_text("")
    for path in ("folder", "file/d.safetensors"):
        with pytest.raises(DigitsError, match=f"{path} cannot be read"):
            MyDigits(path)
    digits = MyDigits("missing/d.safetensors")
    with pytest.raises(DigitsError, match=r"cannot be written.*folder"):
        digits.add(image(), 1)
    assert len(digits) == 0
    assert not Path("missing").exists()


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="permissions do not stop this user"
)
def test_a_folder_without_permission(workplace: Path) -> None:
    digits = filled(workplace / "d.safetensors", 1)
    workplace.chmod(0o500)
    try:
        with pytest.raises(DigitsError, match="cannot be written"):
            digits.add(image(99), 1)
        assert len(MyDigits(digits.path)) == 10
    finally:
        workplace.chmod(0o700)


def test_an_export_succeeds_though_its_temporary_folder_stays(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = filled(workplace / "d.safetensors", 1)
    monkeypatch.setattr(os, "rmdir", full_disk)
    for name in ("out", "out.zip"):
        assert (
            MyDigits(workplace / f"{name}.safetensors").import_(digits.export(workplace / name))
            == 10
        )


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.promise("failed write")
def test_a_disk_that_fails_loses_nothing(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    digits = filled(workplace / "d.safetensors", 1)
    before = digits.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(f"mnist_nb.files.os.{call}", full_disk)
        for change in (lambda: digits.add(image(99), 1), lambda: digits.delete(digits.ids[0])):
            with pytest.raises(
                DigitsError, match=r"cannot be written: No space left.*free some space"
            ):
                change()
    assert digits.path.read_bytes() == before
    assert len(digits) == 10
    assert digits.undo_delete() is None
    assert not [path for path in workplace.iterdir() if path.suffix == ".part"]
    digits.add(image(99), 1)  # once there is space again
    assert len(MyDigits(digits.path)) == 11


ADDER = """
import sys
import numpy as np
from mnist_nb.handwriting.my_digits import MyDigits
digits, who = MyDigits(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    digits.add(np.full((28, 28), 1 + 50 * who + number, np.uint8), number % 10)
"""


@pytest.mark.slow
@pytest.mark.promise("two programs")
def test_two_kernels_that_add_at_once_lose_nothing(workplace: Path) -> None:
    command = [sys.executable, "-c", ADDER, "shared.safetensors"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    kernels = [subprocess.Popen([*command, str(who)], **pipes) for who in range(2)]
    for kernel in kernels:
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate(timeout=60)
        assert kernel.returncode == 0
    digits = MyDigits("shared.safetensors")
    assert len(set(digits.ids)) == 50
    assert sorted(digits.images[:, 0, 0].tolist()) == [*range(1, 26), *range(51, 76)]


def test_threads_that_share_a_store_lose_nothing(workplace: Path) -> None:
    digits = MyDigits()
    threads = [
        threading.Thread(target=lambda: [digits.add(image(), 3) for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digits) == len(set(MyDigits().ids)) == 40


def test_changes_by_another_kernel_are_merged_and_seen(workplace: Path) -> None:
    here, there = MyDigits(), MyDigits()
    first = here.add(image(1), 1)
    second = there.add(image(2), 2)
    assert there.ids == [first, second]
    there.relabel(first, 8)
    assert here.labels.tolist() == [1]
    here.reload()
    assert here.labels.tolist() == [8, 2]
    there.delete(first)
    with pytest.raises(DigitsError, match="another notebook"):
        here.relabel(first, 3)
    assert here.ids == [second]


def test_a_lock_that_is_never_released_is_named(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = filled(workplace / "d.safetensors", 1)
    monkeypatch.setattr(mnist_nb.handwriting.my_digits, "LOCK_TIMEOUT", 0.05)
    with (
        FileLock(workplace / ".d.safetensors.lock"),
        pytest.raises(DigitsError, match=r"d\.safetensors has been locked"),
    ):
        digits.add(image(99), 1)
    digits.add(image(99), 1)


def test_a_link_stays_a_link(workplace: Path) -> None:
    Path("real").mkdir()
    filled(workplace / "real" / "ziffern ü.safetensors", 1)
    Path("link.safetensors").symlink_to("real/ziffern ü.safetensors")
    MyDigits("link.safetensors").add(image(99), 1)
    assert Path("link.safetensors").is_symlink()
    assert len(MyDigits("real/ziffern ü.safetensors")) == 11


def test_a_change_of_folder_leaves_the_digits_where_they_are(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = MyDigits("mine.safetensors")
    digits.add(image(1), 1)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    digits.add(image(2), 2)
    assert len(MyDigits(workplace / "mine.safetensors")) == 2
    assert not list(Path.cwd().iterdir())


# ---- Sharing


def zipped(folder: Path, packing: int = zipfile.ZIP_STORED, inside: str = "") -> Path:
    """Return a zip of the files in a folder."""
    with zipfile.ZipFile(f"{folder}.zip", "w", packing) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}{file.name}")
    return Path(f"{folder}.zip")


def test_the_same_picture_is_imported_once(workplace: Path) -> None:
    folder = filled(workplace / "mine.safetensors", 1).export("folder")
    table = folder / "labels.csv"
    table.write_text(table.read_text() + "00003-3.png,3\n" * 500)
    digits = MyDigits("new.safetensors")
    assert digits.import_(folder) == 10
    assert digits.counts() == [1] * 10


def test_an_import_of_too_many_digits_is_refused(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = filled(workplace / "many.safetensors", 2)
    many.export("many.zip")
    monkeypatch.setattr(mnist_nb.handwriting.digit_files, "MAX_IMPORTED", 19)
    digits = MyDigits("new.safetensors")
    for source in (many.path, "many.zip"):
        with pytest.raises(DigitsError, match=r"20 .*at most 19.*Nothing was imported"):
            digits.import_(source)
    assert len(digits) == 0


def test_an_import_is_undone_as_one(workplace: Path) -> None:
    digits = filled(workplace / "mine.safetensors", 1)
    before = digits.ids
    assert digits.undo_import() == 0
    filled(workplace / "friend.safetensors", 2).export("friend.zip")
    assert digits.import_("friend.zip") == 10
    digits.delete(digits.ids[-1])
    later = digits.add(image(99), 9)
    assert digits.undo_import() == 9
    assert digits.ids == MyDigits(digits.path).ids == [*before, later]
    assert digits.undo_import() == 0


@pytest.mark.parametrize("name", ["export", "export.zip"])
def test_an_export_can_be_looked_at_and_imported(workplace: Path, name: str) -> None:
    digits = filled(workplace / "mine.safetensors", 2)
    digits.add(image(40), 3)
    assert digits.export(name) == Path(name)
    folder: Any = Path(name) if Path(name).is_dir() else zipfile.Path(name)
    rows = list(csv.DictReader((folder / "labels.csv").read_text().splitlines()))
    assert [int(row["label"]) for row in rows] == digits.labels.tolist()
    with (folder / rows[5]["file"]).open("rb") as file:
        assert (np.asarray(Image.open(file)) == digits.images[5].numpy()).all()
    with pytest.raises(DigitsError, match="never overwrites"):
        digits.export(name)

    assert digits.import_(name) == 0  # all exist already
    other = MyDigits("other.safetensors")
    only = other.add(image(5), 9)
    assert other.import_(name) == 20
    assert other.import_(name) == 0
    assert other.ids[0] == only
    assert other.labels[0] == 9  # the label given here is kept
    fresh = MyDigits("fresh.safetensors")
    assert fresh.import_(name) == 21
    assert torch.equal(fresh.images, digits.images)
    assert torch.equal(fresh.labels, digits.labels)


def test_a_table_as_a_german_spreadsheet_saves_it(workplace: Path) -> None:
    table = filled(workplace / "mine.safetensors", 1).export("class") / "labels.csv"
    table.write_text(table.read_text().replace(",", ";"))
    assert MyDigits("new.safetensors").import_("class") == 10
    table.write_text(table.read_text(), encoding="utf-16")
    with pytest.raises(DigitsError, match="not UTF-8 text: save it as CSV UTF-8"):
        MyDigits("newer.safetensors").import_("class")


def test_two_exports_at_once_and_a_blank_image_are_named(workplace: Path) -> None:
    digits = filled(workplace / "mine.safetensors", 1)
    Path("both").mkdir()
    for name in ("a", "b"):
        digits.export(f"both/{name}")
    with pytest.raises(DigitsError, match="both contains 2 exports"):
        MyDigits("new.safetensors").import_("both")
    Image.new("L", (28, 28)).save("both/a/00003-3.png")
    with pytest.raises(DigitsError, match=r"00003-3\.png.*no ink"):
        MyDigits("new.safetensors").import_("both/a")
    assert (
        MyDigits("new.safetensors").import_(Path("mine.safetensors").read_bytes(), name="upload")
        == 10
    )


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_with_flipped_bits_is_digits_or_one_clear_error(
    packing: int, workplace: Path
) -> None:
    folder = filled(workplace / "mine.safetensors", 1).export("folder")
    whole, chance = zipped(folder, packing).read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in chance.integers(0, len(whole), 3):
            damaged[place] ^= 1 << chance.integers(8)
        try:
            MyDigits(workplace / "none.safetensors").import_(bytes(damaged), name="a.zip")
        except DigitsError:
            refused += 1
    assert refused > 200


@pytest.mark.skipif(os.name == "nt", reason="pipes")
def test_a_pipe_in_place_of_an_image_is_named(
    workplace: Path,
) -> None:
    filled(workplace / "mine.safetensors", 1).export("folder")
    image = next(Path("folder").glob("*.png"))
    image.write_bytes(b"no picture")
    with pytest.raises(DigitsError, match=f"{image.name}': it is not a PNG"):
        MyDigits("new.safetensors").import_("folder")
    image.unlink()
    os.mkfifo(image)
    with pytest.raises(DigitsError, match=f"{image.name}': it is not a regular file"):
        MyDigits("new.safetensors").import_("folder")


def test_digits_of_a_newer_version_are_left_alone(workplace: Path) -> None:
    filled(workplace / "mine.safetensors", 1)
    tensors = safetensors.numpy.load(Path("mine.safetensors").read_bytes())
    newer = safetensors.numpy.save(tensors, {"format": "mnist_nb digits", "version": "3"})
    Path("mine.safetensors").write_bytes(newer)
    with pytest.raises(
        DigitsError,
        match=r"mine\.safetensors was written by a newer version of this package: update it",
    ):
        MyDigits("mine.safetensors")
    assert Path("mine.safetensors").read_bytes() == newer


def test_a_friends_file_includes_its_strokes(workplace: Path) -> None:
    mine, friends = filled(workplace / "mine.safetensors"), MyDigits("friend.safetensors")
    friends.add(drawing(), 4)
    assert mine.import_("friend.safetensors") == 1
    assert mine.sketch(mine.ids[-1]) is not None
    assert mine.labels[-1] == 4


def test_a_folder_zipped_by_another_program(workplace: Path) -> None:
    folder = filled(workplace / "mine.safetensors", 1).export("class 5b")
    assert MyDigits("new.safetensors").import_(zipped(folder, inside="class 5b/")) == 10


def png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (side, side), 1).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize("in_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("labels.csv", b"file,label\n00000-0.png,0\n00001-1.png,eleven\n", "0 to 9"),
        ("labels.csv", b"name;digit\n00000-0.png;0\n", "columns file and label"),
        ("labels.csv", b"file,label\n../secret.png,0\n", "names without folders"),
        ("labels.csv", None, r"no labels\.csv"),
        ("00001-1.png", png(5000), "5000x5000"),
        ("00001-1.png", b"GIF89a", "00001-1.png"),
        ("00001-1.png", png(28)[:50], "00001-1.png"),
        ("00001-1.png", b"\x89PNG\r\n\x1a\n" + bytes(10**6), "is longer than"),
        ("00001-1.png", None, "00001-1.png"),
    ],
    ids=[
        "label",
        "columns",
        "place",
        "no table",
        "size",
        "format",
        "cut short",
        "length",
        "no file",
    ],
)
def test_a_failed_import_adds_nothing(
    workplace: Path, name: str, content: bytes | None, reason: str, in_zip: bool
) -> None:
    digits = filled(workplace / "mine.safetensors", 1)
    before = digits.path.read_bytes()
    path = digits.export("export")
    if content is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(content)
    if in_zip:
        path = zipped(path)
    with pytest.raises(DigitsError, match=rf"{path}.*{reason}"):
        digits.import_(path)
    assert digits.path.read_bytes() == before


def test_other_files_cannot_be_imported(workplace: Path) -> None:
    Path("notes.txt").write_text("hello")
    Path("broken.zip").write_bytes(
        filled(workplace / "m.safetensors", 1).export("e.zip").read_bytes()[30:]
    )
    digits = MyDigits()
    for name in ("nowhere", "notes.txt", "broken.zip"):
        with pytest.raises(DigitsError, match=name):
            digits.import_(name)


def test_a_failed_export_leaves_nothing_behind(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = filled(workplace / "mine.safetensors", 1)
    here = set(workplace.iterdir())
    with pytest.raises(DigitsError, match="cannot be written"):
        digits.export("missing/export")
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(DigitsError, match="No space left"):
        digits.export("export")
    assert set(workplace.iterdir()) == here
