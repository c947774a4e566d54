"""The live chart: losses by batch and accuracies by epoch of several runs, as one SVG text, quick
to make."""

from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mnist_nb.plots import COLOURS
from mnist_nb.plots.style import line_style
from mnist_nb.widgets.studio.records import RunRecord, State

_DASHES = (
    "none",
    "6 3",
    "1.5 3",
    "7 3 1.5 3",
    "10 2",
    "4 2 1.5 2",
    "3 1.5",
)  # as in the static figure
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = (
    230,
    150,
    34,
    24,
    20,
    36,
)  # pixels of one of the two plots, and around

Points = NDArray[np.float64]


def style_of(number: int) -> tuple[str, str]:
    """Colour and dash pattern of a run, as SVG writes them; no two of the first 49 share both."""
    style, dashes = line_style(number)
    return "var(--text)" if COLOURS[style] == "#000000" else COLOURS[style], _DASHES[dashes]


def chart(runs: Sequence[RunRecord]) -> str:
    """Training loss on the left, validation accuracy on the right, one line for each run, a live
    run thicker.

    A run's place in the sequence chooses its colour and its dashes, and stands at the end of its
    line.
    """
    losses = [kept.loss_curve for kept in runs]
    accuracies = [
        np.array([(one.epoch, 100 * one.validation_accuracy) for one in kept.records]).reshape(
            -1, 2
        )
        for kept in runs
    ]
    last = max([1.0, *(line[-1, 0] for line in (*losses, *accuracies) if len(line))])
    highest = max((line[:, 1].max() for line in losses if len(line)), default=2.4)
    lowest = min((line[:, 1].min() for line in accuracies if len(line)), default=0.0)
    floor = next(limit for limit in (98, 95, 90, 80, 50, 0) if limit <= lowest)
    left = _Plot("Training loss (nats), smoothed", last, 0, highest * 1.05)
    right = _Plot("Validation accuracy (%)", last, floor, 100)
    nothing = (
        ""
        if any(map(len, accuracies))
        else "comes after the first epoch"
        if runs
        else "nothing trained yet"
    )
    plots = left.draw(runs, losses), right.draw(runs, accuracies, nothing, marked=True)
    return f'<div class="studio-plots" role="img" aria-label="{escape(_in_words(runs, losses))}">{"".join(plots)}</div>'


class _Plot:
    """One of the two plots: where it stands, and how numbers become pixels in it."""

    def __init__(self, title: str, last: float, low: float, high: float) -> None:
        self.title, self.last, self.ticks = title, last, _ticks(low, high)

    def x(self, values: Points) -> Points:
        return _LEFT + values / self.last * _WIDTH

    def y(self, values: Points) -> Points:
        low, high = self.ticks[0], self.ticks[-1]
        places: Points = _TOP + _HEIGHT * (high - np.clip(values, low, high)) / (high - low)
        return places

    def draw(
        self,
        runs: Sequence[RunRecord],
        lines: Sequence[Points],
        remark: str = "",
        marked: bool = False,
    ) -> str:
        """The plot with a line for each run; where two do not fit side by side, they stand one
        above the other."""
        parts = [self.frame(), _text(_LEFT + _WIDTH / 2, _TOP + _HEIGHT / 2, remark, "remark")]
        ends = []
        for number, (kept, line) in enumerate(zip(runs, lines, strict=True)):
            if len(line):
                xs, ys = self.x(line[:, 0]).round(1).tolist(), self.y(line[:, 1]).round(1).tolist()
                parts.append(
                    _line(number, xs, ys, kept.state is State.RUNNING, marked and len(xs) <= 40)
                )
                ends.append((ys[-1], xs[-1], number))
        free = _TOP - 4.0
        for y, x, number in sorted(
            ends
        ):  # numbers are pushed apart where they would lie on each other
            free = max(y + 4, free + 11)
            parts.append(_text(x + 6, free, str(number + 1), "number", style_of(number)[0]))
        size = f"{_LEFT + _WIDTH + _RIGHT} {_TOP + _HEIGHT + _BOTTOM}"
        return f'<svg aria-hidden="true" viewBox="0 0 {size}">{"".join(parts)}</svg>'

    def frame(self) -> str:
        bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
        parts = [
            _text(_LEFT, 12, self.title, "title"),
            _text(_LEFT + _WIDTH / 2, bottom + 31, "epoch", "middle"),
        ]
        for tick, y in zip(self.ticks, self.y(self.ticks), strict=True):
            parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}"/>')
            parts.append(_text(_LEFT - 6, y + 4, f"{tick:g}", "end"))
        epochs = _ticks(0, self.last, integer=True)
        for tick, x in zip(epochs, self.x(epochs), strict=True):
            if tick <= self.last:
                parts.append(_text(x, bottom + 15, f"{tick:g}", "middle"))
        return "".join(parts)


def _line(
    number: int, xs: Sequence[float], ys: Sequence[float], is_live: bool, marked: bool
) -> str:
    colour, dashes = style_of(number)
    places = list(zip(xs, ys, strict=True))
    path = " ".join(f"{x},{y}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="2.6" style="fill:{colour}"/>' for x, y in places if marked
    )
    return (
        f'<polyline points="{path}" fill="none" stroke-width="{2.4 if is_live else 1.7}" stroke-dasharray="{dashes}" '
        f'stroke-linejoin="round" style="stroke:{colour}"/>{dots}'
    )


def _text(x: float, y: float, words: str, kind: str, colour: str = "") -> str:
    """Words of a picture; the style sheet knows how each kind looks."""
    style = f' style="fill:{colour}"' if colour else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{style}>{escape(words)}</text>'


def _ticks(low: float, high: float, *, integer: bool = False) -> Points:
    """Round numbers from `low` to at least `high`, about five of them."""
    return np.asarray(
        MaxNLocator(5, steps=(1, 2, 2.5, 5, 10), integer=integer).tick_values(low, high)
    )


def _in_words(runs: Sequence[RunRecord], losses: Sequence[Points]) -> str:
    """The chart for those who do not see it."""
    if not runs:
        return "An empty chart: nothing has been trained yet."
    described = []
    for kept, line in zip(runs, losses, strict=True):
        loss = f"training loss {line[-1, 1]:.3f}" if len(line) else "no loss yet"
        accuracy = (
            f", validation accuracy {kept.records[-1].validation_accuracy:.1%}"
            if kept.records
            else ""
        )
        described.append(f"{kept.name}: {loss}{accuracy}")
    return "Training loss and validation accuracy by epoch. " + "; ".join(described) + "."
