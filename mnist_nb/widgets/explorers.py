"""Small panels that look inside a network while a slider moves: its layers, single pixels, pruned
weights.

Every slider, list and button is reached with Tab; arrow keys move a slider by one, and Enter
presses a button.
"""

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ipywidgets import HTML, Dropdown, HBox, IntSlider
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor, nn

from mnist_nb.data import SIDE, Mnist
from mnist_nb.labs import inside
from mnist_nb.labs.pruning import prune
from mnist_nb.models import loss_and_accuracy
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.common import Panel, make_button, on_change
from mnist_nb.widgets.markup import message, picture_tag, probability_bars, stylesheet
from mnist_nb.widgets.model_catalog import GIVEN, ModelCatalog
from mnist_nb.widgets.prediction import Prediction, read, with_article
from mnist_nb.widgets.squares import Squares, colours_of, mosaic

_FIRST = "shipped:mlp"
_MIDDLE = SIDE // 2
_WRAP = {"flex_flow": "row wrap", "grid_gap": "0 16px"}


def _slider(description: str, tooltip: str, highest: int, value: int = 0) -> IntSlider:
    return IntSlider(
        value, 0, highest, description=description, tooltip=tooltip, layout={"width": "345px"}
    )


class _Explorer(Panel):
    """What the panels have in common: a network, a test image, a page that shows both, and a line
    for messages.

    Attributes:
        network: the list of networks to choose from.
        number: which test image it is about.
        model: the network that was chosen.
    """

    model: nn.Module
    _squares: Squares  # beside the page, in panels with buttons below
    _buttons: tuple[Any, ...] = ()

    def __init__(
        self,
        data: Mnist,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        number: int = 0,
    ) -> None:
        sliders = self._sliders()
        self._data, self._catalog = data, ModelCatalog(model, path)
        self.network = Dropdown(
            description="Network", layout={"width": "345px"}, tooltip="Which network to look into"
        )
        self.number = _slider("Test image", "Number of the test image", len(data.test) - 1, number)
        self._page, self._message = HTML(layout={"flex": "1 1 400px"}), HTML()
        self.network.options = self._catalog.options()
        self._key = self.network.value = _FIRST if model is None else GIVEN
        self._accept(self._catalog.load(self._key))
        on_change(self.attempt, self.network, self._chosen)
        on_change(self.attempt, self.number, self._another)
        for slider in sliders:
            on_change(self.attempt, slider, self._changed)
        head = HBox([self.network, self.number], layout=_WRAP)
        page = HBox(
            [self._squares.widget, self._page] if self._buttons else [self._page], layout=_WRAP
        )
        super().__init__(
            [
                HTML(stylesheet()),
                head,
                HBox(sliders, layout=_WRAP),
                page,
                *self._buttons,
                self._message,
            ]
        )
        self.add_class("mnist-pad")
        self._another()

    @property
    def image(self) -> Tensor:
        """The test image, uint8 `[28, 28]`."""
        return self._data.test.images[self.number.value]

    @property
    def guess(self) -> Prediction:
        """What the network reads in the image that is shown now."""
        return read(self.model, self.image.numpy())

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Show a sentence under the panel; an empty one takes it away."""
        self._message.value = message(text, is_error=is_error) if text else ""

    def _sliders(self) -> list[IntSlider]:
        """What stands between the lists and the page."""
        raise NotImplementedError

    def _choose(self, row: int, column: int) -> None:
        """One of the squares was clicked."""
        raise NotImplementedError

    def _click(self, row: int, column: int) -> None:
        self.attempt(lambda: self._choose(row, column))

    def _leave(self, back: bool) -> None:
        """Tab on the squares leads to what stands before or behind them."""
        behind = self._buttons[0]
        (self.network if back else getattr(behind, "children", (behind,))[0]).focus()

    def _accept(self, model: nn.Module) -> None:
        """Take a network; raises what keeps the panel from showing it, and then the one before
        stays."""
        self.model = model

    def _view(self) -> str:
        """The page that shows the network and the image as they are now."""
        raise NotImplementedError

    def _show(self) -> None:
        self._page.value = self._view()

    def _another(self) -> None:
        """Another image was chosen."""
        self._changed()

    def _changed(self) -> None:
        self.show_message("")
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
        self._changed()

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

    def _sliders(self) -> list[IntSlider]:
        self.unit = _slider("Unit", "Number of the unit in the first hidden layer", 0)
        self._squares = Squares(12, self._click, self._leave)
        tooltip = "Choose the unit of the first layer that answers this image most strongly"
        self._buttons = (
            make_button(self.attempt, "Strongest unit", tooltip, self._choose_strongest),
        )
        return [self.unit]

    def _choose(self, row: int, column: int) -> None:
        if row * _UNITS_A_ROW + column <= self.unit.max:  # the last row need not be full
            self.unit.value = row * _UNITS_A_ROW + column

    def _choose_strongest(self) -> None:
        self.unit.value = int(inside.activations(self.model, self.image[None]).hidden1.argmax())

    @property
    def sum(self) -> inside.WeightedSum:
        """The sum of the chosen unit for the chosen image."""
        return inside.weighted_sum(self.model, self.unit.value, self.image)

    def _accept(self, model: nn.Module) -> None:
        self.unit.max = inside.as_mlp(model).linear1.out_features - 1
        super()._accept(model)

    def _view(self) -> str:
        """The image on its way through the network, and below it the sum of the chosen unit of the
        first layer."""
        unit, parts, values = (
            self.unit.value,
            self.sum,
            inside.activations(self.model, self.image[None]),
        )
        first, second = (_in_rows(layer[0]) for layer in values[:2])
        fire, second_fire = (
            f"{int((layer > 0).sum())} of {layer.shape[1]}" for layer in values[:2]
        )
        strongest, second_strongest = (max(float(layer.max()), 1e-6) for layer in (first, second))
        self._squares.show(colours_of(first, "viridis", 0, strongest), divmod(unit, _UNITS_A_ROW))
        guess = self.guess
        words = f"Image {self.number.value} is {self._about}. {guess.sentence}"
        left = f"At the left the first layer: {fire} units fire. Click one to choose it."
        second_layer = _figure(
            second, 11, f"second layer: {second_fire} fire", "viridis", second_strongest
        )
        way = _row(
            _digit(self.image, 6, "784 pixels"), second_layer, probability_bars(guess.probabilities)
        )
        weights = _figure(parts.weights, 5, f"weights of unit {unit}")
        products = _figure(parts.products, 5, "products: dark blue against, yellow for")
        silent = (
            "below 0, so it stays silent: 0"
            if parts.total <= 0
            else f"it passes on {parts.answer:.2f}"
        )
        total = (
            f"Unit {unit}: the products add up to {parts.total - parts.bias:+.2f}, its bias is {parts.bias:+.2f}; "
            f"together {parts.total:+.2f}, {silent}."
        ).replace("-", "−")
        sums = _row(_digit(self.image, 5, "pixels"), "×", weights, "=", products)
        return f"{_words(words)}{_words(left)}{way}{sums}{_words(total, 'explorer-sum')}"


class PixelEditor(_Explorer):
    """Single pixels of a test image, flipped between paper and ink, and what that does to the ten
    probabilities.

    Args:
        data, model, path, number: as for `LayerExplorer`; any network will do.

    Attributes:
        row, column: the pixel that the button flips, 0 at the top and at the left.
    """

    def _sliders(self) -> list[IntSlider]:
        self.row = _slider("Row", "Row of the pixel, from the top", SIDE - 1, _MIDDLE)
        self.column = _slider("Column", "Column of the pixel, from the left", SIDE - 1, _MIDDLE)
        new = partial(make_button, self.attempt)
        buttons = [
            new("Flip this pixel", "Make ink of paper, or paper of ink", self._flip),
            new(
                "Flip the worst pixel", "Flip the pixel that hurts its digit most", self._flip_worst
            ),
            new("Start over", "Take all changes back", self._another, icon="refresh"),
        ]
        self._squares = Squares(11, self._click, self._leave)
        self._buttons = (HBox(buttons),)
        return [self.row, self.column]

    @property
    def image(self) -> Tensor:
        """The image as it is now, uint8 `[28, 28]`."""
        return self._edited

    @property
    def flipped(self) -> list[tuple[int, int]]:
        """The places, (row, column), that differ from the test image, from the top."""
        return [
            (row, column) for row, column in torch.nonzero(self.image != super().image).tolist()
        ]

    def flip(self, row: int, column: int) -> Prediction:
        """Flip one pixel; what is read then."""
        with LOCK:
            original, now = super().image, self.image
            changed = inside.flip(now, row, column)
            if (
                now[row, column] != original[row, column]
            ):  # a second flip gives the grey of the test image back
                changed[row, column] = original[row, column]
            self._edited = changed
            self._show()
            return self.guess

    def _choose(self, row: int, column: int) -> None:
        """A click chooses a pixel, and another on the same one flips it."""
        if (row, column) == (self.row.value, self.column.value):
            self._flip()
        self.row.value, self.column.value = row, column

    def _flip(self) -> None:
        self.flip(self.row.value, self.column.value)
        self.show_message("")

    def _flip_worst(self) -> None:
        """Flip the pixel after which the digit that the image shows is least probable."""
        label = int(self._data.test.labels[self.number.value])
        shares = inside.flip_each(self.model, self.image)[..., label]
        for row, column in self.flipped:
            shares[row, column] = 2  # flipping back is no progress
        row, column = divmod(int(shares.argmin()), SIDE)
        self.flip(row, column)
        self.row.value, self.column.value = row, column
        self.show_message(f"Row {row}, column {column} hurt the {label} most.")

    def _another(self) -> None:
        self._edited = super().image
        self._changed()

    def _view(self) -> str:
        count = len(self.flipped)
        changes = f"{count} pixel{'' if count == 1 else 's'} flipped"
        guess, place = self.guess, (self.row.value, self.column.value)
        words = f"{guess.sentence} Image {self.number.value} is {self._about}; {changes}."
        self._squares.show(colours_of(self.image, "gray", 0, 255), place, self.flipped)
        ink = f"row {place[0]}, column {place[1]}: {int(self.image[place])} of 255"
        frame = f"In the frame: {ink}. Click a pixel to choose it, again to flip it."
        bars = probability_bars(guess.probabilities, guess.sentence)
        return f"{_words(words)}{_words(frame)}{_row(bars)}"


class PruningExplorer(_Explorer):
    """The smallest weights of a network set to 0 while a slider moves: what remains, and how well
    it still reads.

    Args:
        data, model, path, number: as for `LayerExplorer`.

    Attributes:
        percent: how many of a hundred weights are 0.
        accuracy: the share of the validation images that are still read right, in [0, 1].
    """

    def _sliders(self) -> list[IntSlider]:
        self.percent = _slider(
            "Percent", "Percent of the weights, the smallest ones, that are set to 0", 100
        )
        self.accuracy = 0.0
        return [self.percent]

    @property
    def thinned(self) -> nn.Module:
        """The network without its smallest weights."""
        return prune(self.model, self.percent.value / 100)

    @property
    def guess(self) -> Prediction:
        """What the thinned network reads in the image."""
        return read(self.thinned, self.image.numpy())

    def _accept(self, model: nn.Module) -> None:
        super()._accept(inside.as_mlp(model))

    def _view(self) -> str:
        """What is left of the weights of some units of the first layer, above the image and its ten
        bars."""
        thinned, validation, guess = self.thinned, self._data.validation, self.guess
        self.accuracy = loss_and_accuracy(thinned, validation.images, validation.labels)[1]
        words = (
            f"{self.percent.value} % of the weights are 0: {100 * self.accuracy:.1f} % of {len(validation):,} "
            f"validation images are read right. Image {self.number.value} is {self._about}. {guess.sentence}"
        )
        weights = (
            inside.as_mlp(thinned)
            .linear1.weight.detach()
            .view(-1, SIDE, SIDE)[:_WEIGHT_IMAGES]
            .numpy()
        )
        images = mosaic(weights, min(8, len(weights)), gap=2)
        below = _row(_digit(self.image, 5), probability_bars(guess.probabilities, guess.sentence))
        return (
            _words(words)
            + _row(_figure(images, 2, f"the weights of {len(weights)} units of the first layer"))
            + below
        )


# ---- how it looks: pictures of numbers as HTML

_UNITS_A_ROW = 8
_WEIGHT_IMAGES = 24


def _figure(
    numbers: ArrayLike,
    scale: int,
    caption: str,
    colours: str = "cividis",
    high: float | None = None,
) -> str:
    """Numbers `[h, w]` as squares of so many pixels, over a caption.

    Signed numbers are dark blue below 0, grey at 0 and yellow above; with `high` the colours go
    from 0 to it.
    """
    largest = float(np.abs(np.asarray(numbers)).max()) or 1.0
    low, high = (-largest, largest) if high is None else (0, high)
    picture = picture_tag(Image.fromarray(colours_of(numbers, colours, low, high)), caption, scale)
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _digit(image: ArrayLike, scale: int, caption: str = "the image") -> str:
    """An image uint8 `[28, 28]`, ink white on black as in MNIST."""
    return _figure(image, scale, caption, "gray", 255)


def _in_rows(answers: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(answers, dtype=np.float64)
    return np.pad(numbers, (0, -len(numbers) % _UNITS_A_ROW)).reshape(-1, _UNITS_A_ROW)


def _row(*parts: str) -> str:
    return f'<div class="explorer-row">{"".join(parts)}</div>'


def _words(text: str, name: str = "explorer-words") -> str:
    return f'<p class="{name}" role="status" aria-live="polite">{escape(text)}</p>'
