"""Generated pages are reproducible, and have ink in the box of each digit of their text."""

from pathlib import Path

import made_pages
import numpy as np
import pytest
from made_pages import KINDS, make_page

from mnist_nb.data import Mnist


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_the_same_for_a_seed_and_says_its_digits(kind: str, sample: Mnist) -> None:
    page, again = (make_page(kind, 5, sample.train) for _ in range(2))
    other = make_page(kind, 6, sample.train)
    assert page.picture.tobytes() == again.picture.tobytes()
    assert page.picture.tobytes() != other.picture.tobytes()
    assert len(page.text.replace("\n", "")) == len(page.boxes)
    assert page.owners.shape == page.picture.size[::-1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_box_of_a_page_has_ink(kind: str, sample: Mnist) -> None:
    page = make_page(kind, 5, sample.train)
    grey = np.asarray(page.picture.convert("L"), float)
    for number, box in enumerate(page.boxes):
        left, top, right, bottom = np.round(box).astype(int)
        place = (slice(max(top, 0), bottom), slice(max(left, 0), right))
        assert np.ptp(grey[place]) > 30
        assert number in page.owners[place]


def test_digits_that_the_edge_cuts_off_stay_legible(sample: Mnist) -> None:
    for seed in range(8):
        page = make_page("cut close", seed, sample.train)
        for number, (_, top, _, bottom) in enumerate(page.boxes):
            rows, _ = np.nonzero(page.owners == number)
            assert np.ptp(rows) > 0.6 * (bottom - top)


def test_a_contact_sheet_is_drawn(
    tmp_path: Path, sample: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made_pages, "load_mnist", lambda: sample)
    made_pages.main([str(tmp_path / "sheet.png"), "--kind", "boxes"])
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
