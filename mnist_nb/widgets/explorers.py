"""Small panels that show the inside of a network: its layers, single pixels, and pruned weights.

Tab moves between sliders, fields, lists and buttons. Arrow keys change a slider or a number by one,
and Enter presses a button.
"""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ipywidgets import HTML, BoundedIntText, Button, Dropdown, HBox, IntSlider
from matplotlib.colors import Colormap
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor, nn

from mnist_nb.data import SIDE, Mnist
from mnist_nb.labs import inside
from mnist_nb.labs.pruning import prune
from mnist_nb.models import Network, loss_and_accuracy
from mnist_nb.plots.style import SIGNED
from mnist_nb.widgets.callbacks import LOCK
from mnist_nb.widgets.common import Panel, make_button, on_change, page_parts, page_script
from mnist_nb.widgets.markup import message, picture_tag, probability_bars
from mnist_nb.widgets.model_catalog import GIVEN, ModelCatalog, Option
from mnist_nb.widgets.pad.paper import PAPER_SCRIPT
from mnist_nb.widgets.prediction import Prediction, read, with_article
from mnist_nb.widgets.squares import Place, Squares, colours_of, mosaic

FIRST_NETWORK = "shipped:mlp"
WRAPPED_ROW = {"flex_flow": "row wrap", "grid_gap": "0 16px"}
CONTROL_WIDTH, NUMBER_WIDTH = "345px", "180px"
UNITS_A_ROW = 8
UNIT_SIDE, PIXEL_SIDE = 12, 11  # the side of a square, in pixels of the page
MAX_WEIGHT_IMAGES = 24  # units of the first layer in the pruning explorer


class _Explorer(Panel):
    """The base of the panels: a network, a test image, a page about both, and a line for messages.

    A subclass makes its sliders and buttons before this constructor runs, and implements `_show`.
    The list of networks has those that its `_check` accepts.

    Args:
        data: the source of the images.
        model: the first network; None means the shipped fully connected one.
        path: your own network's file.
        number: the index of the first test image.
        sliders: the sliders of the subclass.
        squares: squares to the left of the page, if any.
        buttons: buttons below the page.

    Attributes:
        network: the list of networks to choose from.
        number: the index of the test image.
        model: the current network.
    """

    model: nn.Module

    def __init__(
        self,
        data: Mnist,
        model: nn.Module | None,
        path: str | Path,
        number: int,
        *,
        sliders: list[IntSlider],
        squares: Squares | None = None,
        buttons: list[Button] | None = None,
    ) -> None:
        self._data = data
        self._catalog = ModelCatalog(model, path)
        self.network = Dropdown(
            description="Network",
            layout={"width": CONTROL_WIDTH},
            tooltip="The network to look into",
        )
        self.number = BoundedIntText(
            number,
            min=0,
            max=len(data.test) - 1,
            description="Test image",
            tooltip="Index of the test image",
            layout={"width": NUMBER_WIDTH},
        )
        self._page = HTML(layout={"flex": "1 1 400px"})
        self._message = HTML()
        self.network.options = [
            option for option in self._catalog.options() if self._can_show(option)
        ]
        refusal = self._accept_first(FIRST_NETWORK if model is None else GIVEN)
        on_change(self.attempt, self.network, self._change_network)
        on_change(self.attempt, self.number, self._change_image)
        for slider in sliders:
            on_change(self.attempt, slider, self._update)
        head = HBox([self.network, self.number], layout=WRAPPED_ROW)
        page = HBox([self._page], layout=WRAPPED_ROW)
        if squares is not None:
            page.children = (squares.widget, self._page, page_script(PAPER_SCRIPT))
        rows = [*page_parts(), head, HBox(sliders, layout=WRAPPED_ROW), page]
        if buttons:
            rows.append(HBox(buttons))
        super().__init__([*rows, self._message])
        self.add_class("mnist-pad")
        self._change_image()
        if refusal:
            self.show_message(refusal, is_error=True)

    @property
    def image(self) -> Tensor:
        """The test image, uint8 `[28, 28]`."""
        return self._data.test.images[self.number.value]

    @property
    def label(self) -> int:
        """The digit that the test image shows."""
        return int(self._data.test.labels[self.number.value])

    @property
    def guess(self) -> Prediction:
        """The network's reading of the current image."""
        return read(self.model, self.image.numpy())

    def show_message(self, text: str, *, is_error: bool = False) -> None:
        """Show a sentence below the panel. An empty one removes it."""
        self._message.value = message(text, is_error=is_error) if text else ""

    def _accept_first(self, key: str) -> str:
        """Use the network with this key, or the shipped one, and return the reason for that."""
        refusal = ""
        try:
            self._accept(self._catalog.load(key))
        except ValueError as error:
            refusal = str(error)
            key = FIRST_NETWORK
            self._accept(self._catalog.load(key))
        self._key = key
        self.network.value = key
        return refusal

    def _can_show(self, option: Option) -> bool:
        _, key = option
        try:
            self._check(self._catalog.load(key))
        except ValueError:
            return False
        return True

    def _accept(self, model: nn.Module) -> None:
        """Use a network. Raises ValueError as `_check` does."""
        self.model = self._check(model)

    def _check(self, model: nn.Module) -> nn.Module:
        """Return the network, or raise ValueError if the panel cannot show it."""
        return model

    def _show(self) -> None:
        """Show the current network and image."""
        raise NotImplementedError

    def _update(self) -> None:
        self.show_message("")
        self._show()

    def _change_image(self) -> None:
        self._update()

    def _change_network(self) -> None:
        if self.network.value == self._key:
            return
        try:
            self._accept(self._catalog.load(self.network.value))
        except Exception:
            self.network.value = self._key  # the panel keeps its current network
            raise
        self._key = self.network.value
        self._update()


class LayerExplorer(_Explorer):
    """A test image in each layer of a fully connected network, and the sum of one unit in detail.

    Args:
        data: the source of the images.
        model: the first network; None means the shipped fully connected one.
        path: your own network's file.
        number: the index of the first test image.

    Attributes:
        unit: the selected unit of the first layer.
    """

    def __init__(
        self,
        data: Mnist,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        number: int = 0,
    ) -> None:
        self.unit = _slider("Unit", "Number of the unit in the first hidden layer", highest=0)
        self._squares = Squares(UNIT_SIDE, self._click, self._leave_squares)
        tooltip = "Choose the unit of the first layer that answers this image most strongly"
        self._button = make_button(self.attempt, "Strongest unit", tooltip, self._choose_strongest)
        super().__init__(
            data,
            model,
            path,
            number,
            sliders=[self.unit],
            squares=self._squares,
            buttons=[self._button],
        )

    @property
    def sum(self) -> inside.WeightedSum:
        """The sum of the chosen unit for the chosen image."""
        return inside.weighted_sum(self.model, self.unit.value, self.image)

    def _accept(self, model: nn.Module) -> None:
        super()._accept(model)
        first_layer, *_ = inside.as_fully_connected(model).linear_layers
        self.unit.max = first_layer.out_features - 1

    def _check(self, model: nn.Module) -> nn.Module:
        network = inside.as_fully_connected(model)
        if len(network.linear_layers) < 2:
            raise ValueError(
                "This panel shows hidden layers, and this network has none: "
                "choose another, such as the shipped mlp."
            )
        return network

    def _click(self, row: int, column: int) -> None:
        unit = row * UNITS_A_ROW + column
        if unit <= self.unit.max:  # the last row may be incomplete
            self.unit.value = unit

    def _leave_squares(self, back: bool) -> None:
        """Move the focus on when Tab is pressed on the squares."""
        (self.network if back else self._button).focus()

    def _choose_strongest(self) -> None:
        first_layer, *_ = inside.activations(self.model, self.image[None]).values()
        self.unit.value = int(first_layer.argmax())

    def _show(self) -> None:
        outputs = inside.activations(self.model, self.image[None])
        *hidden, _ = [output[0] for output in outputs.values()]
        self._show_first_layer(hidden[0])
        guess = self.guess
        fire = _describe_firing(hidden[0])
        layers = [_digit(self.image, 6, "784 pixels")]
        for number, units in enumerate(hidden[1:], start=2):
            layers.append(_layer(units, f"layer {number}: {_describe_firing(units)} fire"))
        self._page.value = "".join(
            [
                _words(
                    f"Image {self.number.value} is {with_article(self.label)}. {guess.sentence}"
                ),
                _words(f"At the left the first layer: {fire} units fire. Click one to choose it."),
                _row(*layers, probability_bars(guess.probabilities)),
                self._written_sum(),
            ]
        )

    def _show_first_layer(self, units: Tensor) -> None:
        squares = inside.in_rows(units, UNITS_A_ROW)
        colours = colours_of(squares, "viridis", 0, _brightest(squares))
        chosen = divmod(self.unit.value, UNITS_A_ROW)
        self._squares.show(colours, chosen)

    def _written_sum(self) -> str:
        """Return the sum of the chosen unit: its parts as pictures, and a sentence."""
        unit = self.unit.value
        parts = self.sum
        pictures = _row(
            _digit(self.image, 5, "pixels"),
            "×",
            _figure(parts.weights, 5, f"weights of unit {unit}"),
            "=",
            _figure(parts.products, 5, "products: blue for, orange against"),
        )
        result = f"it passes on {parts.answer:.2f}"
        if parts.total <= 0:
            result = "below 0, so it stays silent: 0"
        sentence = (
            f"Unit {unit}: the products add up to {parts.total - parts.bias:+.2f}, "
            f"its bias is {parts.bias:+.2f}; together {parts.total:+.2f}, {result}."
        )
        return pictures + _words(sentence.replace("-", "−"), "explorer-sum")


class PixelEditor(_Explorer):
    """A test image whose pixels can be flipped between paper and ink, and the ten probabilities.

    Args:
        data, model, path, number: as for `LayerExplorer`, but with any network.

    Attributes:
        row, column: the selected pixel, counted from 0 at the top left.
    """

    def __init__(
        self,
        data: Mnist,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        number: int = 0,
    ) -> None:
        middle = SIDE // 2
        self.row = _slider("Row", "Row of the pixel, from the top", SIDE - 1, middle)
        self.column = _slider("Column", "Column of the pixel, from the left", SIDE - 1, middle)
        self._squares = Squares(PIXEL_SIDE, self._click, self._leave_squares)
        self._buttons = [
            self._button("Flip this pixel", "Turn paper into ink, or ink into paper", self._flip),
            self._button(
                "Flip the worst pixel",
                "Flip the pixel that lowers its digit's probability most",
                self._flip_worst,
            ),
            self._button("Start over", "Undo all changes", self._change_image, "refresh"),
        ]
        super().__init__(
            data,
            model,
            path,
            number,
            sliders=[self.row, self.column],
            squares=self._squares,
            buttons=self._buttons,
        )

    def _button(self, label: str, tooltip: str, action: Any, icon: str = "") -> Button:
        return make_button(self.attempt, label, tooltip, action, icon=icon)

    @property
    def image(self) -> Tensor:
        """The current image, uint8 `[28, 28]`."""
        return self._edited

    @property
    def flipped(self) -> list[Place]:
        """The pixels (row, column) that differ from the test image, in order of rows."""
        differs = self.image != super().image
        return [(row, column) for row, column in torch.nonzero(differs).tolist()]

    def flip(self, row: int, column: int) -> Prediction:
        """Flip one pixel, and return the new reading.

        A second flip of the same pixel restores the grey value of the test image.
        """
        with LOCK:
            original = super().image
            edited = inside.flip(self.image, row, column)
            if self.image[row, column] != original[row, column]:
                edited[row, column] = original[row, column]
            self._edited = edited
            self._show()
            return self.guess

    def _click(self, row: int, column: int) -> None:
        """Select a pixel, or flip it if it is already selected."""
        self.attempt(lambda: self._choose_or_flip(row, column))

    def _choose_or_flip(self, row: int, column: int) -> None:
        if (row, column) == (self.row.value, self.column.value):
            self._flip()
        self.row.value = row
        self.column.value = column

    def _leave_squares(self, back: bool) -> None:
        """Move the focus on when Tab is pressed on the squares."""
        (self.network if back else self._buttons[0]).focus()

    def _flip(self) -> None:
        self.flip(self.row.value, self.column.value)
        self.show_message("")

    def _flip_worst(self) -> None:
        """Flip the pixel that lowers the probability of the image's digit most."""
        probabilities = inside.flip_each(self.model, self.image)[..., self.label]  # [row, column]
        for row, column in self.flipped:
            probabilities[row, column] = torch.inf  # flipping a pixel back is no progress
        row, column = divmod(int(probabilities.argmin()), SIDE)
        self.flip(row, column)
        self.row.value = row
        self.column.value = column
        self.show_message(f"Row {row}, column {column} hurt the {self.label} most.")

    def _change_image(self) -> None:
        self._edited = super().image
        self._update()

    def _show(self) -> None:
        row, column = self.row.value, self.column.value
        flipped = self.flipped
        colours = colours_of(self.image, "gray_r", 0, 255)
        self._squares.show(colours, (row, column), flipped)
        changes = "1 pixel flipped" if len(flipped) == 1 else f"{len(flipped)} pixels flipped"
        guess = self.guess
        shown = f"Image {self.number.value} is {with_article(self.label)}; {changes}."
        ink = f"row {row}, column {column}: {int(self.image[row, column])} of 255"
        hint = f"In the frame: {ink}. Click a pixel to choose it, again to flip it."
        bars = probability_bars(guess.probabilities, guess.sentence)
        self._page.value = _words(f"{guess.sentence} {shown}") + _words(hint) + _row(bars)


class PruningExplorer(_Explorer):
    """A network with its smallest weights set to 0, and its accuracy.

    Args:
        data, model, path, number: as for `LayerExplorer`.

    Attributes:
        percent: the percentage of weights that are 0.
        accuracy: the accuracy on the validation images, in [0, 1].
    """

    def __init__(
        self,
        data: Mnist,
        model: nn.Module | None = None,
        path: str | Path = "model.safetensors",
        number: int = 0,
    ) -> None:
        tooltip = "Percent of the weights, the smallest ones, that are set to 0"
        self.percent = _slider("Percent", tooltip, highest=100)
        self.accuracy = 0.0
        super().__init__(data, model, path, number, sliders=[self.percent])

    @property
    def thinned(self) -> nn.Module:
        """The pruned network."""
        return prune(self.model, self.percent.value / 100)

    @property
    def guess(self) -> Prediction:
        """The pruned network's reading of the image."""
        return read(self.thinned, self.image.numpy())

    def _check(self, model: nn.Module) -> nn.Module:
        return inside.as_fully_connected(model)

    def _show(self) -> None:
        thinned = inside.as_fully_connected(self.thinned)
        validation = self._data.validation
        _, self.accuracy = loss_and_accuracy(thinned, validation.images, validation.labels)
        guess = read(thinned, self.image.numpy())
        sentence = (
            f"{self.percent.value} % of the weights are 0: {100 * self.accuracy:.1f} % of "
            f"{len(validation):,} validation images are read right. "
            f"Image {self.number.value} is {with_article(self.label)}. {guess.sentence}"
        )
        bars = probability_bars(guess.probabilities, guess.sentence)
        below = _row(_digit(self.image, 5), bars)
        self._page.value = _words(sentence) + _row(_first_weights(thinned)) + below


# ---- HTML


def _slider(description: str, tooltip: str, highest: int, value: int = 0) -> IntSlider:
    """Return a slider that begins at 0."""
    return IntSlider(
        value,
        0,
        highest,
        description=description,
        tooltip=tooltip,
        layout={"width": CONTROL_WIDTH},
    )


def _figure(
    numbers: ArrayLike,
    scale: int,
    caption: str,
    colours: str | Colormap = SIGNED,
    high: float | None = None,
) -> str:
    """Return numbers `[h, w]` as coloured squares with a caption.

    Signed numbers are orange below 0, white at 0 and blue above. With `high`, the colours go
    from 0 to `high`.
    """
    low = 0.0
    if high is None:
        high = float(np.nanmax(np.abs(np.asarray(numbers)))) or 1.0
        low = -high
    picture = Image.fromarray(colours_of(numbers, colours, low, high))
    tag = picture_tag(picture, caption, scale)
    return f"<figure>{tag}<figcaption>{escape(caption)}</figcaption></figure>"


def _digit(image: ArrayLike, scale: int, caption: str = "the image") -> str:
    """Return an image uint8 `[28, 28]` as dark ink on white paper."""
    return _figure(image, scale, caption, "gray_r", 255)


def _layer(units: Tensor, caption: str) -> str:
    """Return the activations of a layer's units as squares."""
    squares = inside.in_rows(units, UNITS_A_ROW)
    return _figure(squares, 11, caption, "viridis", _brightest(squares))


def _first_weights(network: Network) -> str:
    """Return the weights of some units of the first layer as small images."""
    weights = network.linear_layers[0].weight.detach()[:MAX_WEIGHT_IMAGES]
    images = weights.view(-1, SIDE, SIDE).numpy()
    sheet = mosaic(images, min(UNITS_A_ROW, len(images)), gap=2, fill=np.nan)
    return _figure(sheet, 2, f"the weights of {len(images)} units of the first layer")


def _brightest(activations: ArrayLike) -> float:
    """Return the number of the brightest colour, which is above 0 even for a silent layer."""
    return max(float(np.max(activations)), 1e-6)


def _describe_firing(units: Tensor) -> str:
    """Return the number of units above 0 as text, such as "30 of 64"."""
    return f"{int((units > 0).sum())} of {len(units)}"


def _row(*parts: str) -> str:
    return f'<div class="explorer-row">{"".join(parts)}</div>'


def _words(text: str, name: str = "explorer-words") -> str:
    return f'<p class="{name}" role="status" aria-live="polite">{escape(text)}</p>'
