"""Small panels that look inside a network while a slider moves: its layers, single pixels, pruned weights.

Every slider, list and button is reached with Tab; arrow keys move a slider by one, and Enter presses a button.
"""

from pathlib import Path
from typing import Any

import torch
from ipywidgets import HTML, Dropdown, HBox, IntSlider
from torch import Tensor, nn

from mnist_nb.data import SIDE, Mnist
from mnist_nb.models import loss_and_accuracy
from mnist_nb.studies import inside
from mnist_nb.studies.pruning import prune
from mnist_nb.widgets.canvas import LOCK
from mnist_nb.widgets.common import Panel, button, discard, on_change
from mnist_nb.widgets.explorers import html as explorer_page
from mnist_nb.widgets.html import stylesheet
from mnist_nb.widgets.model_catalog import GIVEN, ModelCatalog
from mnist_nb.widgets.pad import html as pad_page
from mnist_nb.widgets.prediction import Guess, read, with_article

_FIRST = "shipped:mlp"
_MIDDLE = SIDE // 2


def _slider(description: str, tooltip: str, highest: int, value: int = 0) -> IntSlider:
    slider = IntSlider(value, 0, highest, description=description, tooltip=tooltip, layout={"width": "345px"})
    slider.style.description_width = "76px"
    return slider


class _Explorer(Panel):
    """What the panels have in common: a network, a test image, a page that shows both, and a line for messages.

    Attributes:
        network: the list of networks to choose from.
        number: which test image it is about.
        model: the network that was chosen.
    """

    model: nn.Module

    def __init__(
        self, data: Mnist, model: nn.Module | None, path: str | Path, number: int, controls: list[Any]
    ) -> None:
        self._data, self._catalog = data, ModelCatalog(model, path)
        self.network = Dropdown(description="Network", layout={"width": "345px"}, tooltip="Which network to look into")
        self.network.style.description_width = "76px"
        self.number = _slider("Test image", "Number of the test image", len(data.test) - 1, number)
        self._page, self._message = HTML(), HTML()
        options = self._catalog.options()
        self.network.options = options
        self._key = self.network.value = _FIRST if model is None else GIVEN
        self._accept(self._catalog.load(self._key))
        on_change(self.attempt, self.network, self._chosen)
        on_change(self.attempt, self.number, self._another)
        head = HBox([self.network, self.number], layout={"flex_flow": "row wrap"})
        super().__init__([HTML(stylesheet()), head, *controls, self._page, self._message])
        self.add_class("mnist-pad")
        self._another()

    @property
    def image(self) -> Tensor:
        """The test image, uint8 `[28, 28]`."""
        return self._data.test.images[self.number.value]

    @property
    def guess(self) -> Guess:
        """What the network reads in the image that is shown now."""
        return read(self.model, self.image.numpy())

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show a sentence under the panel; an empty one takes it away."""
        self._message.value = pad_page.sentence(text, wrong=wrong) if text else ""

    def close(self) -> None:
        """Take the panel and all that is in it out of the page."""
        discard(self)

    def _accept(self, model: nn.Module) -> None:
        """Take a network; raises what keeps the panel from showing it, and then the one before stays."""
        self.model = model

    def _show(self) -> None:
        """Show the network and the image as they are now."""
        raise NotImplementedError

    def _another(self) -> None:
        """Another image was chosen."""
        self.say("")
        self._show()

    def _changed(self) -> None:
        self.say("")
        self._show()

    def _chosen(self) -> None:
        if self.network.value == self._key:
            return
        try:
            self._accept(self._catalog.load(self.network.value))
        except Exception:
            self.network.value = self._key  # the one that goes on being looked into
            raise
        self._key = self.network.value
        self.say("")
        self._show()

    @property
    def _about(self) -> str:
        """ "a 7": what the image is, by its label."""
        return with_article(int(self._data.test.labels[self.number.value]))


class LayerExplorer(_Explorer):
    """A test image on its way through a fully connected network, and one unit's sum written out.

    Args:
        data: where the images come from.
        model: the network to look into first; without it the shipped fully connected one.
        path: where the reader's own network lies.
        number: the test image to begin with.

    Attributes:
        unit: which unit of the first layer is looked at.
    """

    def __init__(
        self, data: Mnist, model: nn.Module | None = None, path: str | Path = "model.safetensors", number: int = 0
    ) -> None:
        self.unit = _slider("Unit", "Number of the unit in the first hidden layer", 0)
        on_change(self.attempt, self.unit, self._changed)
        super().__init__(data, model, path, number, [self.unit])

    @property
    def sum(self) -> inside.WeightedSum:
        """The sum of the chosen unit for the chosen image."""
        return inside.weighted_sum(self.model, self.unit.value, self.image)

    def _accept(self, model: nn.Module) -> None:
        self.unit.max = inside.as_mlp(model).linear1.out_features - 1
        super()._accept(model)

    def _show(self) -> None:
        values = inside.activations(self.model, self.image[None])
        words = f"Image {self.number.value} is {self._about}. {self.guess.in_words}"
        self._page.value = explorer_page.layers(self.image.numpy(), values, words, self.unit.value, self.sum)


class PixelEditor(_Explorer):
    """Single pixels of a test image, flipped between paper and ink, and what that does to the ten probabilities.

    Args:
        data, model, path, number: as for `LayerExplorer`; any network will do.

    Attributes:
        row, column: the pixel that the button flips, 0 at the top and at the left.
    """

    def __init__(
        self, data: Mnist, model: nn.Module | None = None, path: str | Path = "model.safetensors", number: int = 0
    ) -> None:
        self.row = _slider("Row", "Row of the pixel, from the top", SIDE - 1, _MIDDLE)
        self.column = _slider("Column", "Column of the pixel, from the left", SIDE - 1, _MIDDLE)
        for place in (self.row, self.column):
            on_change(self.attempt, place, self._changed)
        self._worst = button(
            self.attempt, "Flip the worst pixel", "Flip the pixel that hurts its digit most", self._flip_worst
        )
        buttons = [
            button(self.attempt, "Flip this pixel", "Make ink of paper, or paper of ink", self._flip),
            self._worst,
            button(self.attempt, "Start over", "Take all changes back", self._another, icon="refresh"),
        ]
        self._edited: Tensor | None = None
        super().__init__(data, model, path, number, [HBox([self.row, self.column]), HBox(buttons)])

    @property
    def image(self) -> Tensor:
        """The image as it is now, uint8 `[28, 28]`."""
        return super().image if self._edited is None else self._edited

    @property
    def flipped(self) -> list[tuple[int, int]]:
        """The places, (row, column), that differ from the test image, from the top."""
        return [(row, column) for row, column in torch.nonzero(self.image != super().image).tolist()]

    def flip(self, row: int, column: int) -> Guess:
        """Flip one pixel; what is read then."""
        with LOCK:
            original, now = super().image, self.image
            changed = inside.flip(now, row, column)
            if now[row, column] != original[row, column]:  # a second flip gives the grey of the test image back
                changed[row, column] = original[row, column]
            self._edited = changed
            self._show()
            return self.guess

    def _flip(self) -> None:
        self.flip(self.row.value, self.column.value)
        self.say("")

    def _flip_worst(self) -> None:
        """Flip the pixel after which the digit that the image shows is least probable."""
        label = int(self._data.test.labels[self.number.value])
        shares = inside.flip_each(self.model, self.image)[..., label]
        for row, column in self.flipped:
            shares[row, column] = 2  # flipping back is no progress
        row, column = divmod(int(shares.argmin()), SIDE)
        self.flip(row, column)
        self.row.value, self.column.value = row, column
        self.say(f"Row {row}, column {column} hurt the {label} most.")

    def _another(self) -> None:
        self._edited = None
        self.say("")
        self._show()

    def _show(self) -> None:
        count = len(self.flipped)
        changes = f"{count} pixel{'' if count == 1 else 's'} flipped"
        guess, place = self.guess, (self.row.value, self.column.value)
        words = f"{guess.in_words} Image {self.number.value} is {self._about}; {changes}."
        self._page.value = explorer_page.pixels(self.image.numpy(), guess, words, place, self.flipped)


class PruningExplorer(_Explorer):
    """The smallest weights of a network set to 0 while a slider moves: what remains, and how well it still reads.

    Args:
        data, model, path, number: as for `LayerExplorer`.

    Attributes:
        percent: how many of a hundred weights are 0.
        accuracy: the share of the validation images that are still read right, in [0, 1].
    """

    def __init__(
        self, data: Mnist, model: nn.Module | None = None, path: str | Path = "model.safetensors", number: int = 0
    ) -> None:
        self.percent = _slider("Percent", "Percent of the weights, the smallest ones, that are set to 0", 100)
        on_change(self.attempt, self.percent, self._changed)
        self.accuracy = 0.0
        super().__init__(data, model, path, number, [self.percent])

    @property
    def thinned(self) -> nn.Module:
        """The network without its smallest weights."""
        return prune(self.model, self.percent.value / 100)

    @property
    def guess(self) -> Guess:
        """What the thinned network reads in the image."""
        return read(self.thinned, self.image.numpy())

    def _accept(self, model: nn.Module) -> None:
        super()._accept(inside.as_mlp(model))

    def _show(self) -> None:
        thinned, validation = self.thinned, self._data.validation
        self.accuracy = loss_and_accuracy(thinned, validation.images, validation.labels)[1]
        words = (
            f"{self.percent.value} % of the weights are 0: {100 * self.accuracy:.1f} % of {len(validation):,} "
            f"validation images are read right. Image {self.number.value} is {self._about}. {self.guess.in_words}"
        )
        weights = inside.as_mlp(thinned).linear1.weight.detach().numpy()
        self._page.value = explorer_page.pruned(self.image.numpy(), self.guess, words, weights)
