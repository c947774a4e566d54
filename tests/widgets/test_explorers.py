"""The explorers show the network's results for the chosen image and settings."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ipycanvas import Canvas
from networks import ConvDropout, OneLayer, fully_connected
from PIL import Image
from tree import part

from mnist_nb import build_model, load_pretrained, predict, save_checkpoint
from mnist_nb.data import Mnist
from mnist_nb.labs.inside import activations
from mnist_nb.models import layer_parameters, loss_and_accuracy
from mnist_nb.widgets.explorers import LayerExplorer, PixelEditor, PruningExplorer

KINDS = (LayerExplorer, PixelEditor, PruningExplorer)
pytestmark = pytest.mark.usefixtures("workplace")


def press(explorer: Any, label: str) -> None:
    """Press the button with this label, as Enter does."""
    part(explorer, label).click()


def click(explorer: Any, row: int, column: int) -> None:
    """Click the centre of a square, as the page reports it."""
    canvas = part(explorer, Canvas)
    side = canvas.width / (28 if isinstance(explorer, PixelEditor) else 8)
    place = {"x": (column + 0.5) * side, "y": (row + 0.5) * side}
    canvas._handle_frontend_event(None, {"event": "mouse_down", **place}, [])


def page(explorer: Any) -> str:
    return str(explorer._page.value)


def message(explorer: Any) -> str:
    return str(explorer._message.value)


@pytest.mark.parametrize("kind", KINDS)
class TestAll:
    def test_another_image_is_read_again(self, kind: Any, tiny: Mnist) -> None:
        explorer = kind(tiny)
        for number in (0, 5, 199):
            explorer.number.value = number
            expected = predict(load_pretrained("mlp"), tiny.test.images[number][None])[0].numpy()
            assert explorer.guess.probabilities == pytest.approx(expected, abs=1e-6)
            assert explorer.guess.sentence.replace("'", "&#x27;") in page(explorer)
            assert f"Image {number} is a" in page(explorer)

    def test_the_readers_own_network_can_be_chosen(self, kind: Any, tiny: Mnist) -> None:
        own = build_model("mlp", seed=1, hidden=(20, 12))
        save_checkpoint(own, "model.safetensors")
        explorer = kind(tiny)
        explorer.network.value = str(Path("model.safetensors").absolute())
        assert message(explorer) == ""
        assert explorer.guess.probabilities == pytest.approx(
            predict(own, tiny.test.images[:1])[0].numpy(), abs=1e-6
        )
        assert kind(tiny, own).model is own, "and one that is given comes first"

    def test_a_broken_file_is_reported_and_the_network_kept(self, kind: Any, tiny: Mnist) -> None:
        save_checkpoint(build_model("mlp", seed=1), "model.safetensors")
        explorer = kind(tiny)
        before, shown = explorer.model, page(explorer)
        Path("model.safetensors").write_bytes(b"no model")
        explorer.network.value = str(Path("model.safetensors").absolute())
        assert "wrong" in message(explorer)
        assert "model.safetensors" in message(explorer)
        assert (explorer.model, explorer.network.value, page(explorer)) == (
            before,
            "shipped:mlp",
            shown,
        )
        explorer.number.value = 3
        assert message(explorer) == ""

    @pytest.mark.parametrize("network", [OneLayer, ConvDropout])
    def test_your_own_network_is_shown_or_clearly_rejected(
        self, kind: Any, network: Any, tiny: Mnist
    ) -> None:
        shown_by = {PixelEditor: (OneLayer, ConvDropout), PruningExplorer: (OneLayer,)}
        if network in shown_by.get(kind, ()):
            explorer = kind(tiny, network())
            assert explorer.guess.sentence.replace("'", "&#x27;") in page(explorer)
        else:
            explorer = kind(tiny, network())
            assert re.search("fully connected network|hidden layers", message(explorer))
            assert explorer.network.value == "shipped:mlp"


class TestLayers:
    @pytest.mark.parametrize("hidden", [(16,), (16, 12, 9)])
    def test_shows_any_number_of_hidden_layers(self, hidden: tuple[int, ...], tiny: Mnist) -> None:
        explorer = LayerExplorer(tiny, fully_connected(*hidden))
        assert "of 16 units fire" in page(explorer)
        for number, units in enumerate(hidden[1:], start=2):
            assert re.search(rf"layer {number}: \d+ of {units} fire", page(explorer))

    def test_shows_how_many_units_fire(self, tiny: Mnist) -> None:
        explorer = LayerExplorer(tiny, number=4)
        values = activations(explorer.model, tiny.test.images[4:5])
        assert f"{int((values['linear1'] > 0).sum())} of 128 units fire" in page(explorer)
        assert f"{int((values['linear2'] > 0).sum())} of 64 fire" in page(explorer)

    def test_writes_out_the_sum_of_active_and_silent_units(self, tiny: Mnist) -> None:
        explorer = LayerExplorer(tiny)
        answers = activations(explorer.model, tiny.test.images[:1])["linear1"][0]
        explorer.unit.value = int(answers.argmax())
        assert explorer.sum.answer == pytest.approx(float(answers.max()), abs=1e-4)
        assert f"passes on {answers.max():.2f}" in page(explorer)
        explorer.unit.value = silent = int((answers == 0).nonzero()[0])
        assert f"Unit {silent}:" in page(explorer)
        assert "stays silent" in page(explorer)

    def test_has_a_slider_for_every_unit_of_the_network(self, tiny: Mnist) -> None:
        save_checkpoint(build_model("mlp", seed=1, hidden=(20, 12)), "model.safetensors")
        explorer = LayerExplorer(tiny, build_model("mlp", seed=1))
        explorer.unit.value = 127
        explorer.network.value = str(Path("model.safetensors").absolute())
        assert (explorer.unit.max, explorer.unit.value) == (19, 19)
        assert "of 20 units fire" in page(explorer)
        assert message(explorer) == ""

    @pytest.mark.parametrize("kind", [LayerExplorer, PruningExplorer])
    def test_networks_that_it_cannot_show_are_not_offered(self, kind: Any, tiny: Mnist) -> None:
        save_checkpoint(build_model("cnn", seed=1), "model.safetensors")
        explorer = kind(tiny)
        assert [key for _, key in explorer.network.options] == ["shipped:mlp"]
        assert message(explorer) == ""

    def test_a_click_chooses_a_unit_if_there_is_one(self, tiny: Mnist) -> None:
        explorer = LayerExplorer(tiny)
        click(explorer, 3, 5)
        assert explorer.unit.value == 29
        assert "weights of unit 29" in page(explorer)
        explorer = LayerExplorer(tiny, build_model("mlp", seed=1, hidden=(20, 12)))
        click(explorer, 2, 3)
        assert explorer.unit.value == 19
        click(explorer, 2, 4)  # the last row has four units
        click(explorer, 9, 4)  # below all squares
        assert explorer.unit.value == 19

    def test_the_strongest_unit_is_found_by_a_button(self, tiny: Mnist) -> None:
        explorer = LayerExplorer(tiny, number=3)
        press(explorer, "Strongest unit")
        answers = activations(explorer.model, tiny.test.images[3:4])["linear1"][0]
        assert explorer.unit.value == int(answers.argmax())


class TestPixels:
    def test_a_first_click_chooses_a_pixel_and_a_second_flips_it(self, tiny: Mnist) -> None:
        editor = PixelEditor(tiny)
        click(editor, 7, 27)
        assert (editor.row.value, editor.column.value, editor.flipped) == (7, 27, [])
        assert f"row 7, column 27: {int(tiny.test.images[0][7, 27])} of 255" in page(editor)
        click(editor, 7, 27)
        assert editor.flipped == [(7, 27)]

    def test_a_flip_is_read_and_a_second_one_takes_it_back(self, tiny: Mnist) -> None:
        editor = PixelEditor(tiny, number=2)
        image = tiny.test.images[2]
        grey = torch.nonzero((image > 20) & (image < 100))[0].tolist()
        editor.row.value, editor.column.value = grey
        press(editor, "Flip this pixel")
        assert editor.flipped == [tuple(grey)]
        assert int(editor.image[tuple(grey)]) == 255
        expected = predict(editor.model, editor.image[None])[0].numpy()
        assert editor.guess.probabilities == pytest.approx(expected)
        assert "1 pixel flipped" in page(editor)
        press(editor, "Flip this pixel")
        assert torch.equal(editor.image, image)
        assert "0 pixels flipped" in page(editor)

    def test_the_test_images_stay_as_they_are(self, tiny: Mnist) -> None:
        before = tiny.test.images.clone()
        editor = PixelEditor(tiny)
        for _ in range(3):
            press(editor, "Flip the worst pixel")
        assert torch.equal(tiny.test.images, before)

    def test_the_worst_pixels_lower_the_digits_probability(self, tiny: Mnist) -> None:
        editor = PixelEditor(tiny, build_model("mlp", seed=0))
        label = int(tiny.test.labels[0])
        before = editor.guess.probabilities[label]
        for count in range(1, 5):
            press(editor, "Flip the worst pixel")
            assert len(editor.flipped) == count
            assert (editor.row.value, editor.column.value) in editor.flipped
            assert f"hurt the {label} most" in message(editor)
        assert editor.guess.probabilities[label] < before

    def test_start_over_and_another_image_forget_the_flips(self, tiny: Mnist) -> None:
        editor = PixelEditor(tiny)
        press(editor, "Flip this pixel")
        press(editor, "Start over")
        assert editor.flipped == []
        press(editor, "Flip this pixel")
        editor.number.value = 1
        assert torch.equal(editor.image, tiny.test.images[1])


class TestPruning:
    @pytest.mark.parametrize("percent", [0, 60, 100])
    def test_says_how_well_the_thinned_network_reads(self, percent: int, tiny: Mnist) -> None:
        explorer = PruningExplorer(tiny)
        explorer.percent.value = percent
        thinned = explorer.thinned
        reading = [weight for weight in layer_parameters(thinned) if weight.ndim == 2]
        weights = torch.cat([weight.flatten() for weight in reading])
        assert float((weights == 0).float().mean()) == pytest.approx(percent / 100, abs=1e-4)
        expected = loss_and_accuracy(thinned, tiny.validation.images, tiny.validation.labels)[1]
        assert explorer.accuracy == pytest.approx(expected)
        assert f"{percent} % of the weights are 0: {100 * expected:.1f} %" in page(explorer)

    def test_a_network_of_few_units_fits_in(self, tiny: Mnist) -> None:
        explorer = PruningExplorer(tiny, build_model("mlp", seed=0, hidden=(3, 2)))
        assert "3 units" in page(explorer)


def test_grey_gaps_separate_the_pictures_of_weights(tiny: Mnist) -> None:
    explorer = PruningExplorer(tiny, load_pretrained("mlp"))
    explorer.percent.value = 90
    [encoded] = re.findall(r'base64,([^"]+)" alt="the weights of', page(explorer))
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    pixels = np.asarray(picture)  # [y, x, (r, g, b)]
    assert (pixels[-1] == 204).all()  # the gap below the last row
    assert (pixels[0] == 255).all(axis=1).mean() > 0.5  # weights of 0 are white
