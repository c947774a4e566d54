"""Every number in the notebooks' text is printed by a cell, is in a cell's code, follows from the
saved experiments, or is listed here with its source. Whole numbers up to ten are not checked: most
are names of digits."""

import json
import re
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
PATHS = sorted(
    path for path in NOTEBOOKS.rglob("[0-9]*.ipynb") if ".ipynb_checkpoints" not in path.parts
)
NUMBER = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)(?!\w)( %| points)?")
NOT_PROSE = re.compile(
    r"\]\([^)]*\)|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|^#.*?$|^\d+\. |\*\*Time:\*\* about "
    r"\d+|[Nn]otebooks? \d\d( to \d\d)?"
    r"|\b0\d ·|Hint for \d",
    re.MULTILINE | re.DOTALL,
)

LISTED = {
    "01_explore_data": {
        "1990": "history: the writers",
        "500": "history: the writers",
        "2019": "history: Yadav and Bottou",
        "13.5": "14 less half a pixel",
        "14.5": "14 and half a pixel",
        "60,000": "55,000 and 5,000 together",
        "2,500": "half of 5,000",
    },
    "02_train": {"860": "55,000 / 64, rounded up"},
    "03_evaluate": {
        "1947": "history: McNemar",
        "2021": "history: Northcutt",
        "19": "of 20: what 95 % means",
        "99.85": "100 % less 15 of 10,000",
        "9,830": "9,800 + 30",
        "0.3": "98.3 less 98.0, and 30 of 10,000",
        "5,000": "the validation images",
    },
    "04_draw": {
        "46.7": "benchmarks/README.md: the mlp with affine augmentation, shrunk",
        "30": "benchmarks/README.md: writers",
        "20": "the box that digits are shrunk to",
        "99": "the shipped cnn, asked about signs that a rule draws",
        "512": "half of 2 to the tenth power",
    },
    "05_trust": {
        "2020": "history: Liu and others",
        "15": "the default of expected_calibration_error",
        "64": "the second hidden layer",
        "128": "the first hidden layer",
        "99.5": "chosen in an exercise",
        "0.995": "the same as a share",
        "97": "the default of load_or_train",
    },
    "06_what_makes_it_good": {
        "2015": "history: He and others",
        "2017": "history: Zhang and others",
        "125": "5 to the third power",
        "255": "values of 8 bits, without one",
        "438": "kept experiments: the bytes of float32, in thousands",
        "5,000": "the validation images",
    },
    "07_backpropagation": {"109,386": "weights, printed in notebook 02"},
    "08_look_inside": {
        "109,386": "weights, printed in notebook 02",
        "128": "the first hidden layer",
        "64": "the second hidden layer",
        "150": "the default of activation_maximization",
        "5,000": "the validation images",
    },
    "09_convolution": {
        "2015": "history: Ioffe and Szegedy",
        "22": "2 * (2 * (2 + 2) + 2) + 2: pooling sees two pixels, a convolution one more a side",
    },
    "solutions/01_explore_data": {"2.48": "printed in notebook 01: 4 and 9"},
    "solutions/02_train": {"0.81": "0.9 squared", "81": "0.9 squared, in hundredths"},
    "solutions/04_draw": {
        "300": "thirty of each digit",
        "45": "below the least angle that is printed",
    },
    "solutions/05_trust": {"1.5": "pixels of blur, for the reader to try"},
    "solutions/07_backpropagation": {"0.01": "the notebook's first rate"},
    "solutions/09_convolution": {
        "1970": "history: Sobel and Prewitt",
        "16": "twice 8",
        "20": "the box that digits are shrunk to",
    },
}


def name_of(path: Path) -> str:
    return path.relative_to(NOTEBOOKS).with_suffix("").as_posix()


def numbers(text: str) -> list[tuple[str, bool]]:
    """Return each number in a text, and whether it is a share or a difference of shares."""
    return [(number.rstrip(","), bool(unit)) for number, unit in NUMBER.findall(text)]


@cache
def experiments() -> set[float]:
    """Return median, minimum and maximum of each row of the saved experiments, as they are, in per
    cent, and subtracted from 100 %."""
    found = set()
    for experiment in json.loads(
        (NOTEBOOKS / "experiments.json").read_text(encoding="utf-8")
    ).values():
        for values in experiment["results"].values() if isinstance(experiment, dict) else ():
            found |= {
                float(value)
                for row in rows(values)
                for value in (np.median(row), min(row), max(row))
            }
    return found | {100 * value for value in found} | {100 - 100 * value for value in found}


def rows(values: object) -> list[list[float]]:
    """Return the innermost lists of numbers, and all single numbers as lists of one."""
    if isinstance(values, dict):
        return [row for value in values.values() for row in rows(value)]
    if isinstance(values, list):
        if values and all(isinstance(value, int | float) for value in values):
            return [values, *([value] for value in values)]
        return [row for value in values for row in rows(value)]
    return [[float(values)]] if isinstance(values, int | float) else []


def told(path: Path) -> set[float]:
    """Return the numbers that cells print or contain, shares also in per cent."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    texts = [re.sub(r"(?<=\d)_(?=\d)", "", cell.source) for cell in cells]
    outputs = [output for cell in cells for output in cell.outputs]
    texts += [
        output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs
    ]
    values = {float(number.replace(",", "")) for text in texts for number, _ in numbers(text)}
    return values | {100 * value for value in values if value <= 1}


def claimed(path: Path) -> list[str]:
    """Return the numbers of the text cells that need a source."""
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n\n".join(
        NOT_PROSE.sub("]", cell.source) for cell in cells if cell.cell_type == "markdown"
    )
    return [
        n
        for n, is_share in numbers(prose)
        if is_share or "." in n or float(n.replace(",", "")) > 10
    ]


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_every_number_in_the_text_has_a_source(path: Path) -> None:
    sources = told(path) | (
        experiments() if "experiments.json" in path.read_text(encoding="utf-8") else set()
    )
    listed, unsupported = LISTED.get(name_of(path), {}), []
    for number in dict.fromkeys(claimed(path)):
        digits = len(number.partition(".")[2])
        value = float(number.replace(",", ""))
        if number not in listed and not any(
            abs(round(one, digits) - value) < 1e-9 for one in sources
        ):
            unsupported.append(number)
    assert unsupported == [], (
        "print these in a cell, correct them, or list them with where they come from"
    )


@pytest.mark.parametrize("name", LISTED)
def test_the_list_has_only_numbers_of_the_text(name: str) -> None:
    assert set(LISTED[name]) <= set(claimed(NOTEBOOKS / f"{name}.ipynb")), (
        "take these out of the list"
    )


@pytest.mark.parametrize("name", LISTED)
def test_figures_listed_from_benchmarks_are_in_them(name: str) -> None:
    benchmarks = (NOTEBOOKS.parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
    in_benchmarks = {number for number, _ in numbers(benchmarks)}
    for number, source in LISTED[name].items():
        if source.startswith("benchmarks/README.md"):
            assert number in in_benchmarks, number
