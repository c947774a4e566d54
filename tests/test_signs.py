"""Signs drawn by rules, and the shipped networks' answers to kinds that they were never taught."""

import numpy as np
import pytest
import signs as kept_apart
import torch
from test_pretrained import sketch_of
from tree import shown

from mnist_nb import DrawingPad, load_pretrained
from mnist_nb.handwriting.refusal import digit_score, is_refused
from mnist_nb.handwriting.signs import CURVES, FORMS, KINDS, PLACES, random_signs


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_sign_is_drawn(kind: str) -> None:
    images = random_signs(50, torch.Generator().manual_seed(1), [kind])
    assert images.shape == (50, 28, 28)
    assert bool(((images >= 0) & (images <= 1)).all())
    assert bool((images.sum((1, 2)) > 2).all())
    assert float(images.std(0).max()) > 0.1  # all differ
    again = random_signs(50, torch.Generator().manual_seed(1), [kind])
    assert torch.equal(images, again)


def test_forms_name_places_of_the_lattice() -> None:
    for forms in FORMS.values():
        names = forms.replace(",", " ").replace("~", "").split()
        assert set("".join(names)) <= set(PLACES)


def test_no_dash_is_upright() -> None:
    points = CURVES["dash"](torch.rand(200, 49, 2, generator=torch.Generator().manual_seed(1)))
    step = (points[:, -1] - points[:, 0]).abs()  # [sign, (x, y)]
    assert bool((step[:, 0] > 1.5 * step[:, 1]).all())


def test_no_held_out_kind_is_taught() -> None:
    assert not set(KINDS) & {*kept_apart.FORMS, *kept_apart.CURVES}
    taught = {form.strip() for forms in FORMS.values() for form in forms.split(",")}
    apart = {form.strip() for forms in kept_apart.FORMS.values() for form in forms.split(",")}
    assert not taught & apart


@pytest.mark.parametrize(("name", "least"), [("mlp", 0.88), ("cnn", 0.95)])
def test_signs_of_kinds_never_taught_are_refused(name: str, least: float) -> None:
    model = load_pretrained(name)
    kinds = kept_apart.draw_kinds(kept_apart.FORMS, kept_apart.CURVES, seed=1, count=20)
    images = np.concatenate(list(kinds.values()))
    assert float(is_refused(model, digit_score(model, images)).float().mean()) >= least


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("kind", ["tree", "hash"])
def test_most_signs_of_a_kind_never_taught_are_refused(kind: str, name: str) -> None:
    model = load_pretrained(name)
    images = kept_apart.draw_kinds({kind: kept_apart.FORMS[kind]}, {}, seed=1, count=50)[kind]
    assert float(is_refused(model, digit_score(model, images)).float().mean()) >= 0.84


@pytest.mark.promise("refusal")
@pytest.mark.parametrize("slip", [0, 3, 7])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_tap_is_not_a_digit(name: str, slip: float) -> None:
    model = load_pretrained(name)
    image = sketch_of([[(140, 140), (140, 140 + slip)]], width=16).to_mnist()
    assert is_refused(model, digit_score(model, image[None])).all()


@pytest.mark.promise("refusal")
def test_the_pad_says_that_a_dot_is_not_a_digit(pad: DrawingPad) -> None:
    guess = pad.replay([[(100, 100)]])
    assert guess is not None
    assert guess.refused
    assert "I do not think this is a digit" in shown(pad)
