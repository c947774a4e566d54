"""Damaged model files, and arguments that are none, by the hundred thousand: a result or an error
in words.

    python benchmarks/fuzz.py [--count 100000]
    python benchmarks/fuzz.py --arguments [--minutes 10]

A damaged file is a CheckpointError or a finite model, quickly, and nothing else. A public function
that is given an argument of another type, NaN, another shape, size or range gives a result, or a
ValueError or TypeError that this package raised itself, not one from inside of it, and whose text
names the argument.

Where the tests try some thousand variants in seconds, this takes its time. Flipped bits, cut and
stretched files, blocks copied elsewhere, headers rewritten as JSON with other shapes, types,
offsets and names, and files of other formats; half of them have no checksum, as those of other
programs have none. It prints how many were refused, how many loaded, the slowest, and the most
memory that the process held.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import operator
import os
import random
import re
import reprlib
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from measure import peak_memory, say

import mnist_nb
from mnist_nb import CheckpointError, build_model, load_checkpoint, save_checkpoint
from mnist_nb.data import Mnist, Split, load_sample

MAGIC = [
    b"PK\x03\x04",
    b"\x89PNG\r\n\x1a\n",
    b"\x80\x05\x95",
    b"\x1f\x8b\x08",
    b"\x93NUMPY",
    b"{",
    b"",
]
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I8", "U8", "BOOL", "F8_E4M3", "", "X"]


def flipped(content: bytearray, chance: random.Random) -> bytearray:
    """A few bits the other way, mostly in the header."""
    reach = len(content) if chance.random() < 0.3 else min(len(content), 900)
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return content


def cut(content: bytearray, chance: random.Random) -> bytearray:
    """The file's beginning, or the file and something behind it."""
    if chance.random() < 0.7:
        return content[: chance.randrange(len(content))]
    return content + chance.randbytes(chance.randint(1, 5000))


def moved(content: bytearray, chance: random.Random) -> bytearray:
    """A block of the file in another's place."""
    size = chance.randint(1, 4096)
    source, target = (chance.randrange(len(content) - size) for _ in range(2))
    content[target : target + size] = content[source : source + size]
    return content


def reworded(content: bytearray, chance: random.Random) -> bytearray:
    """The header's JSON with an entry changed: shape, type, offsets, name or metadata."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    numbers = [0, 1, -1, 10, 64, 128, 784, 2**31, 2**53, 2**63, 0.5, None, "1", [], {}]
    name = chance.choice(list(header))
    entry = header[name]
    match chance.randrange(6):
        case 0 if "shape" in entry:
            entry["shape"] = [chance.choice(numbers) for _ in range(chance.randint(0, 4))]
        case 1 if "dtype" in entry:
            entry["dtype"] = chance.choice(DTYPES)
        case 2 if "data_offsets" in entry:
            entry["data_offsets"] = [chance.choice(numbers) for _ in range(chance.randint(0, 3))]
        case 3:
            header[chance.choice(["linear1.weight", "x" * 10_000, "", "conv1.weight"])] = (
                header.pop(name)
            )
        case 4:
            header["__metadata__"] = chance.choice(
                [{"a": 1}, [], "x", {"sha256": "0"}, {"model": "cnn"}, None]
            )
        case _:
            header[name] = chance.choice(numbers)
    text = json.dumps(header).encode()
    return bytearray(len(text).to_bytes(8, "little")) + text + content[8 + length :]


def foreign(content: bytearray, chance: random.Random) -> bytearray:
    """The beginning of another format, with anything behind."""
    magic = chance.choice(
        [
            b"PK\x03\x04",
            b"\x89PNG\r\n\x1a\n",
            b"\x80\x05\x95",
            b"\x1f\x8b\x08",
            b"\x93NUMPY",
            b"{",
            b"",
        ]
    )
    return bytearray(magic + chance.randbytes(chance.randint(0, 2000)))


# ---- arguments

NAN, INFINITY = float("nan"), float("inf")


def hostile(chance: random.Random, others: list[Any]) -> Any:
    """Something that hardly any argument should be: an array, or one of the others."""
    if chance.random() > 0.2:
        return chance.choice(others)
    shape = tuple(chance.choice([0, 1, 2, 3, 10, 28]) for _ in range(chance.randint(0, 4)))
    kind = chance.choice(["u1", "i8", "f4", "f8", "?", "c8", "U3", "O", "M8[s]"])
    array = np.full(shape, chance.choice([0, 1, 255]), "i8").astype(kind)
    if kind in ("f4", "f8") and array.size and chance.random() < 0.7:
        array.flat[chance.randrange(array.size)] = chance.choice(
            [NAN, INFINITY, -1, 1e-320, 1e300 if kind == "f8" else 0]
        )
    return array


def hostile_values(data: Mnist, folder: Path) -> list[Any]:
    """Of many types and sizes."""
    nested: list[Any] = []
    for _ in range(3000):
        nested = [nested]
    split = data.test
    return [
        None, True, False, 0, 1, -1, 2**31, 2**63, 2**70, 0.5, -0.0, NAN, INFINITY, -INFINITY, 1e-320, 1e308, 1j,
        "", "3", "x", "nan", "\0", "\ud800", "a" * 5000, "../x", "nowhere/x.safetensors", "cnn", "mlp", "cpu",
        b"", b"x", b"\x89PNG\r\n\x1a\n", str(folder), folder, folder / "new", Path("/dev/null"), [], {}, (), set(),
        [1], ["a"], [[1, 2], [3]], {"a": 1}, {1: "a"}, {"\ud800": "a"}, (1, 2), (0, 0), range(3), object(), len, int,
        lambda *_: None, io.BytesIO(b"x"), io.StringIO("x"), nested, np.float64(NAN), np.int8(3),
        torch.zeros(3), torch.zeros(2, 28, 28), torch.zeros(2, 28, 28, dtype=torch.uint8), torch.tensor(NAN),
        torch.zeros(0, 28, 28, dtype=torch.uint8), torch.nn.Identity(), torch.nn.Linear(3, 3),
        build_model("mlp").double(), build_model("cnn", seed=1), split, split.take(0), data,
        Mnist(split.take(0), split, split, "x"), Mnist(split, split.take(0), split, "x"),
        Mnist(split, split, split.take(0), "x"), mnist_nb.Sketch(), mnist_nb.Hyperparameters(epochs=1),
    ]  # fmt: skip


def calls(data: Mnist, folder: Path) -> list[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Each public function with arguments that are right."""
    model, images = build_model("mlp", seed=0), data.test.images
    settings = mnist_nb.Hyperparameters(epochs=1)
    sketch = mnist_nb.Sketch()
    sketch.add_stroke([(50, 50), (100, 200)], 16)
    save_checkpoint(model, folder / "model.safetensors")
    mine = mnist_nb.MyDigits(folder / "digits.safetensors")
    for digit in range(4):
        mine.add(images[digit], digit % 2)

    def train(**arguments: Any) -> Any:
        return list(mnist_nb.train(**arguments))

    def stroke(**arguments: Any) -> Any:
        drawing = mnist_nb.Sketch()
        drawing.add_stroke(**arguments)
        return drawing.to_mnist() if drawing else None

    def new_sketch(size: Any) -> Any:
        drawing = mnist_nb.Sketch(size)
        drawing.add_stroke([(0, 0), (9, 9)], 3)
        return drawing.to_mnist() if drawing else None

    def save_run(**arguments: Any) -> Any:
        run = mnist_nb.TrainingRun(build_model("mlp", seed=0), data, settings)
        mnist_nb.save_run(**({"run": run} | arguments))

    path = folder / "model.safetensors"
    digits = {"images": images[:9].numpy(), "labels": data.test.labels[:9].numpy()}
    return [
        ("load_mnist", mnist_nb.load_mnist, {"root": folder}),
        ("Hyperparameters", mnist_nb.Hyperparameters, {field: getattr(settings, field) for field in vars(settings)}),
        ("build_model", build_model, {"name": "mlp", "seed": 0, "hidden": (3, 4)}),
        ("predict", mnist_nb.predict, {"model": model, "images": images, "batch_size": 100}),
        ("Split", Split, {"images": images, "labels": data.test.labels, "name": "x"}),
        ("Split.take", data.test.take, {"count": 3}),
        ("Split.subset", data.test.subset, {"indices": torch.tensor([1])}),
        ("Mnist", Mnist, {"train": data.test, "validation": data.test, "test": data.test, "source": "x"}),
        ("evaluate", mnist_nb.evaluate, {"model": model, "split": data.test}),
        ("wilson_interval", mnist_nb.wilson_interval, {"correct": 3, "total": 9}),
        ("train", train, {
            "model": build_model("mlp"), "data": data, "hyperparameters": settings, "device": "cpu",
            "on_batch": None,
        }),
        ("TrainingRun", mnist_nb.TrainingRun, {
            "model": model, "data": data, "hyperparameters": settings, "device": "cpu",
        }),
        ("save_checkpoint", save_checkpoint, {
            "model": model, "path": folder / "saved.safetensors", "metadata": {"a": "b"}, "tell": None,
        }),
        ("load_checkpoint", load_checkpoint, {"source": path, "name": ""}),
        ("read_metadata", mnist_nb.read_metadata, {"path": path}),
        ("load_pretrained", mnist_nb.load_pretrained, {"name": "mlp"}),
        ("load_or_train", mnist_nb.load_or_train, {"path": path, "data": data, "at_least": 0.0}),
        ("save_run", save_run, {"path": folder / "run.safetensors", "tell": print}),
        ("continue_run", mnist_nb.continue_run, {
            "path": path, "data": data, "hyperparameters": settings, "fresh": False, "device": None,
        }),
        ("Sketch", new_sketch, {"size": 280}),
        ("add_stroke", stroke, {"points": [(5, 5), (99, 99)], "width": 16, "erase": False}),
        ("to_mnist", sketch.to_mnist, {"pen_width": 2.5}),
        ("from_arrays", mnist_nb.Sketch.from_arrays, dict(sketch.to_arrays())),
        ("prepare", mnist_nb.handwriting.prepare, {"grey": images[0].numpy()}),
        ("from_image", mnist_nb.from_image, {"source": images[0].numpy()}),
        ("find_ink", mnist_nb.find_ink, {"source": images[0].numpy()}),
        ("picture_steps", mnist_nb.handwriting.picture_steps, {"source": images[0].numpy(), "crop": (0, 0, 1, 1)}),
        ("read_number", mnist_nb.read_number, {"source": images[0].numpy(), "model": model}),
        ("digit_score", mnist_nb.digit_score, {"model": model, "images": images}),
        ("check", mnist_nb.check, {"exercise": "02.3", "answer": 3}),
        ("MyDigits", mnist_nb.MyDigits, {"path": folder / "digits.safetensors"}),
        ("MyDigits.add", mine.add, {"drawing": images[0], "label": 3}),
        ("MyDigits.relabel", mine.relabel, {"id": mine.ids[0], "label": 3}),
        ("MyDigits.delete", mine.delete, {"id": 1}),
        ("MyDigits.sketch", mine.sketch, {"id": mine.ids[0]}),
        ("MyDigits.next_to_draw", mine.next_to_draw, {"per_digit": 3}),
        ("MyDigits.import_", mine.import_, {"source": folder / "digits.safetensors", "name": "x"}),
        ("MyDigits.export", mine.export, {"path": folder / "none" / "export"}),
        ("adapt", mnist_nb.adapt, {
            "model": model, "digits": Split(torch.from_numpy(digits["images"]), torch.from_numpy(digits["labels"])),
            "data": data, "steps": 2, "learning_rate": 0.002, "max_forgetting": 1.0, "seed": 0, "device": None,
            "on_step": None,
        }),
        ("export_page", mnist_nb.export_page, {"model": model, "path": folder / "page.html", "title": "x"}),
        ("DrawingPad", closed(mnist_nb.DrawingPad), {
            "data": data, "model": model, "path": path, "digits": folder / "d",
        }),
        ("TrainingStudio", closed(mnist_nb.TrainingStudio), {
            "data": data, "path": path, "hyperparameters": settings, "device": "cpu",
        }),
        ("DrawingPad.replay", on_a_pad("replay"), {"strokes": [[(5, 5), (99, 99)]], "width": 16}),
        ("DrawingPad.pick", on_a_pad("pick"), {"picture": images[0].numpy()}),
        ("DrawingPad.draw", on_a_pad("draw"), {"sketch": sketch}),
        ("DrawingPad.choose", on_a_pad("choose"), {"model": "shipped:mlp"}),
        ("DrawingPad.numbers.replay", on_a_pad("numbers.replay"), {"strokes": [[(5, 5), (99, 99)]], "width": 16}),
        ("TrainingStudio.pin", on_a_studio("pin", data), {"image": images[0].numpy(), "caption": "x"}),
        ("TrainingStudio.restore", on_a_studio("restore", data), {"run": None}),
    ]  # fmt: skip


def never_called(every: list[tuple[str, Callable[..., Any], dict[str, Any]]]) -> set[str]:
    """The public functions and classes that are not among these."""
    public = {name for name in mnist_nb.__all__ if callable(getattr(mnist_nb, name))}
    errors = {name for name in public if name.endswith("Error")}
    return (
        public
        - errors
        - {name.partition(".")[0] for name, _, _ in every}
        - {"Sketch", "EpochRecord"}
    )


def closed(panel: type) -> Callable[..., Any]:
    """Makes the panel, and closes it."""
    return lambda **arguments: panel(**arguments).close()


def on_a_pad(method: str) -> Callable[..., Any]:
    """Calls the method of a new pad."""

    def call(**arguments: Any) -> None:
        pad = mnist_nb.DrawingPad(path="nowhere.safetensors", digits="nowhere.digits")
        try:
            operator.attrgetter(method)(pad)(**arguments)
        finally:
            pad.close()

    return call


def on_a_studio(method: str, data: Mnist) -> Callable[..., Any]:
    """Calls the method of a new studio."""

    def call(**arguments: Any) -> None:
        studio = mnist_nb.TrainingStudio(data, None)
        try:
            getattr(studio, method)(**arguments)
        finally:
            studio.close()

    return call


PLAIN = {
    "images": "image",
    "image": "picture",
    "picture": "image",
    "source": "picture|array|file|digits|ink|number|export",
    "drawing": "image|sketch|digit|ink",
    "digits": "image|label",
    "indices": "index",
    "hyperparameters": "settings|network",
    "data": "split",
    "name": "exercise",
    "path": "file|model|exists already",
    "id": "digit with the id",
    "strokes": "points",
    "size": "canvas",
    "pen_width": "pen",
    "grey": "image",
    "lengths": "fit together",
    "widths": "width",
    "model": "network|Mlp|file|read",
    "labels": "label",
}
"""Words that name an argument as well as its own name does."""

EXPECTED = re.compile(
    r"must|expected|choose|such as|from .* to|at (most|least)|more than|fit together|first\b|cannot be|could not"
    r"|between|\b(has|have)\b|\b(is|are) (a|an|one of|numbers|finite|text|positive)\b|there is no|another|not a whole"
    r"|rename|holds finite"
)
"""What a sentence says that tells what would have been right."""


def problem(name: str, error: BaseException, changed: dict[str, Any]) -> str:
    """What is wrong with an error: empty if it is one in words about one of the arguments, and what
    was expected."""
    if isinstance(error, MemoryError) or not isinstance(
        error, ValueError | TypeError | mnist_nb.MnistNbError
    ):
        return f"{name} raises {type(error).__name__}: {str(error)[:90]}"
    text = str(error)
    words = "|".join(f"{key}|{key.replace('_', ' ')}|{PLAIN.get(key, key)}" for key in changed)
    named = re.search(words, text, re.IGNORECASE) or any(
        isinstance(value, str | Path) and value and str(value) in text for value in changed.values()
    )
    if not named or not EXPECTED.search(text):
        return f"{name}({', '.join(changed)}) does not say {'what is expected' if named else 'which'}: {text[:120]}"
    raised_in = traceback.extract_tb(error.__traceback__)[-1]
    package = str(Path(mnist_nb.__file__).parent)
    if not raised_in.filename.startswith(package) or "raise" not in (raised_in.line or ""):
        where = f"{Path(raised_in.filename).name} {raised_in.name}"
        return f"{name}, {where}: raw {type(error).__name__}: {str(error)[:90]}"
    return ""


def fuzz_arguments(minutes: float, chance: random.Random) -> int:
    """Give the public functions what they cannot use; the number of different problems found."""
    problems: collections.Counter[str] = collections.Counter()
    results = refused = 0
    whole = load_sample()
    data = Mnist(whole.train.take(60), whole.validation.take(20), whole.test.take(30), "fuzz")
    os.environ["MNIST_NB_SOURCE"] = "cache"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.chdir(folder)
        every, values = calls(data, folder), hostile_values(data, folder)
        assert not never_called(every), never_called(every)
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            name, call, right = chance.choice(every)
            wrong = chance.sample(sorted(right), min(len(right), chance.choice([1, 1, 1, 2])))
            changed = {key: hostile(chance, values) for key in wrong}
            if any(
                key in ("on_batch", "on_step", "tell") and callable(value)
                for key, value in changed.items()
            ):
                continue  # what the caller's own function raises is the caller's
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    call(**(right | changed))
                results += 1
            except BaseException as error:
                refused += 1
                if isinstance(error, KeyboardInterrupt):
                    raise
                if what := problem(name, error, changed):
                    problems[what] += 1
                    if problems[what] == 1:
                        say(
                            f"{what}  [{', '.join(f'{key}={reprlib.repr(value)}' for key, value in changed.items())}]"
                        )
    print(
        f"{results + refused:,} calls: {results:,} results, {refused:,} errors in words, {len(problems)} others"
    )
    return len(problems)


def main() -> None:
    """Try the variants, and print what came of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--arguments", action="store_true", help="of public functions, in place of files"
    )
    parser.add_argument(
        "--minutes", type=float, default=10, help="how long, for --arguments (%(default)s)"
    )
    options = parser.parse_args()
    chance = random.Random(options.seed)
    if options.arguments:
        sys.exit(min(1, fuzz_arguments(options.minutes, chance)))
    refused, loaded, slowest = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        whole = []
        for name in ("mlp", "cnn"):
            model = build_model(name, seed=0)
            save_checkpoint(model, path)
            whole.append(path.read_bytes())
            plain = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
            whole.append(safetensors.torch.save(plain))  # as another program writes it: no checksum
        before = peak_memory()
        for number in range(options.count):
            damage = chance.choice([flipped, flipped, cut, moved, reworded, reworded, foreign])
            path.write_bytes(damage(bytearray(chance.choice(whole)), chance))
            started = time.process_time()
            try:
                model = load_checkpoint(path)
                assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())
                loaded += 1
            except CheckpointError:
                refused += 1
            slowest = max(slowest, time.process_time() - started)
            if number % 10_000 == 9_999:
                say(f"{number + 1:,}: {refused:,} refused, {loaded:,} loaded")
    print(
        f"{options.count:,} variants: {refused:,} refused, {loaded:,} loaded as finite models, nothing else"
    )
    print(
        f"slowest {1000 * slowest:.0f} ms of processor time; memory grew from {before:.0f} to {peak_memory():.0f} MB "
        "at its most"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
