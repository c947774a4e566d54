"""The live chart: training losses and validation accuracies of several runs as SVG text.

It takes about two milliseconds, so it can be drawn five times a second.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from html import escape
from statistics import fmean

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mnist_nb.plots import COLOURS
from mnist_nb.plots.style import line_style
from mnist_nb.widgets.studio.records import RunRecord, State

Points = NDArray[np.float64]  # [point, (epoch, loss or accuracy)]

_DASHES = (  # as in the static figure
    "none",
    "6 3",
    "1.5 3",
    "7 3 1.5 3",
    "10 2",
    "4 2 1.5 2",
    "3 1.5",
)
_BLACK = "#000000"  # the text's colour, for dark themes
_FLOORS = (98, 95, 90, 80, 50, 0)  # per cent at which the axis of accuracies can begin
_GUESSING_LOSS = 2.4  # nats: the axis of losses before the first loss
_MAX_DOTS = 40  # a line with more epochs has no dots
_LABEL_HEIGHT, _LABEL_WIDTH = 11, 16  # pixels for a number at the end of a line
_BASELINE = 4  # pixels from the middle of a digit to its baseline


@dataclasses.dataclass(frozen=True)
class _Area:
    """The area of a plot, in pixels of its picture."""

    width: int = 230
    height: int = 150
    left: int = 34
    top: int = 24
    right_margin: int = 20
    bottom_margin: int = 36

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def view_box(self) -> str:
        return f"0 0 {self.right + self.right_margin} {self.bottom + self.bottom_margin}"


_AREA = _Area()


def style_of(number: int) -> tuple[str, str]:
    """Return the colour and the dashes of run 1, 2 and so on, for SVG."""
    colour, dashes = line_style(number - 1)
    if COLOURS[colour] == _BLACK:
        return "var(--text)", _DASHES[dashes]
    return COLOURS[colour], _DASHES[dashes]


def draw_chart(runs: Sequence[RunRecord]) -> str:
    """Return the training losses (left) and the validation accuracies (right) as HTML.

    A run's number determines its colour and dashes, and is written at the end of its line. The line
    of a running run is thicker.
    """
    losses = [run.loss_curve for run in runs]
    accuracies = [_accuracy_curve(run) for run in runs]
    drawn_losses = [line for line in losses if len(line)]
    drawn_accuracies = [line for line in accuracies if len(line)]
    ends = [line[-1, 0] for line in drawn_losses + drawn_accuracies]
    last_epoch = max([1.0, *ends])
    highest_loss = max((line[:, 1].max() for line in drawn_losses), default=_GUESSING_LOSS)
    lowest_accuracy = min((line[:, 1].min() for line in drawn_accuracies), default=0.0)
    floor = next(floor for floor in _FLOORS if floor <= lowest_accuracy)

    loss_plot = _Plot("Training loss (nats), smoothed", last_epoch, 0, highest_loss * 1.05)
    accuracy_plot = _Plot("Validation accuracy (%)", last_epoch, floor, 100)
    remark = _describe_emptiness(runs, drawn_accuracies)
    left = loss_plot.draw(runs, losses)
    right = accuracy_plot.draw(runs, accuracies, remark, has_dots=True)
    label = escape(_describe_chart(runs, losses))
    return f'<div class="studio-plots" role="img" aria-label="{label}">{left}{right}</div>'


def _accuracy_curve(run: RunRecord) -> Points:
    points = [(record.epoch, 100 * record.validation_accuracy) for record in run.records]
    return np.array(points).reshape(-1, 2)


def _describe_emptiness(runs: Sequence[RunRecord], accuracies: Sequence[Points]) -> str:
    if accuracies:
        return ""
    return "comes after the first epoch" if runs else "nothing trained yet"


class _Plot:
    """One of the two plots.

    Args:
        title: the text above the plot.
        last_epoch: the end of the horizontal axis, which begins at 0.
        low, high: the range that the vertical axis must include.
    """

    def __init__(self, title: str, last_epoch: float, low: float, high: float) -> None:
        self.title = title
        self.last_epoch = last_epoch
        self.ticks = _ticks(low, high)

    def x(self, epochs: Points) -> Points:
        """Return pixels from the left."""
        return _AREA.left + epochs / self.last_epoch * _AREA.width

    def y(self, values: Points) -> Points:
        """Return pixels from the top. Values beyond the axis are drawn at its end."""
        low, high = self.ticks[0], self.ticks[-1]
        shares: Points = (high - np.clip(values, low, high)) / (high - low)
        return _AREA.top + _AREA.height * shares

    def draw(
        self,
        runs: Sequence[RunRecord],
        lines: Sequence[Points],
        remark: str = "",
        *,
        has_dots: bool = False,
    ) -> str:
        """Return the plot as an SVG, with a line for each run with points."""
        middle = _AREA.left + _AREA.width / 2, _AREA.top + _AREA.height / 2
        parts = [self._draw_frame(), _text(*middle, remark, "remark")]
        ends: list[_LineEnd] = []
        for run, line in zip(runs, lines, strict=True):
            if len(line):
                pixels = np.stack([self.x(line[:, 0]), self.y(line[:, 1])], axis=1).round(1)
                parts.append(_draw_line(run, pixels, has_dots))
                last_x, last_y = pixels[-1].tolist()
                ends.append(_LineEnd(last_x, last_y, run.number))
        parts.extend(_draw_numbers(ends))
        return f'<svg aria-hidden="true" viewBox="{_AREA.view_box}">{"".join(parts)}</svg>'

    def _draw_frame(self) -> str:
        middle = _AREA.left + _AREA.width / 2
        parts = [
            _text(_AREA.left, 12, self.title, "title"),
            _text(middle, _AREA.bottom + 31, "epoch", "middle"),
        ]
        for value, y in zip(self.ticks, self.y(self.ticks), strict=True):
            parts.append(f'<path d="M{_AREA.left} {y:.1f}H{_AREA.right}"/>')
            parts.append(_text(_AREA.left - 6, y + _BASELINE, f"{value:g}", "end"))
        epochs = _ticks(0, self.last_epoch, integer=True)
        epochs = epochs[epochs <= self.last_epoch]
        for epoch, x in zip(epochs, self.x(epochs), strict=True):
            parts.append(_text(x, _AREA.bottom + 15, f"{epoch:g}", "middle"))
        return "".join(parts)


@dataclasses.dataclass(frozen=True, order=True)
class _LineEnd:
    """The end of a run's line, in pixels."""

    x: float
    y: float
    number: int


def _draw_line(run: RunRecord, pixels: Points, has_dots: bool) -> str:
    colour, dashes = style_of(run.number)
    width = 2.4 if run.state is State.RUNNING else 1.7
    points = " ".join(f"{x},{y}" for x, y in pixels.tolist())
    line = (
        f'<polyline points="{points}" fill="none" stroke-width="{width}" '
        f'stroke-dasharray="{dashes}" stroke-linejoin="round" style="stroke:{colour}"/>'
    )
    if not has_dots or len(pixels) > _MAX_DOTS:
        return line
    dots = [
        f'<circle cx="{x}" cy="{y}" r="2.6" style="fill:{colour}"/>' for x, y in pixels.tolist()
    ]
    return line + "".join(dots)


def _draw_numbers(ends: Iterable[_LineEnd]) -> list[str]:
    """Write each run's number at the end of its line, without overlaps."""
    neighbours: list[list[_LineEnd]] = []
    for end in sorted(ends):
        if not neighbours or end.x - neighbours[-1][-1].x > _LABEL_WIDTH:
            neighbours.append([])
        neighbours[-1].append(end)
    parts: list[str] = []
    for group in neighbours:
        by_height = sorted(group, key=lambda end: end.y)
        heights = spread_labels([end.y for end in by_height])
        for end, height in zip(by_height, heights, strict=True):
            parts.append(_draw_number(end, height))
    return parts


def _draw_number(end: _LineEnd, height: float) -> str:
    colour, _ = style_of(end.number)
    number = _text(end.x + 7, height + _BASELINE, str(end.number), "number", colour)
    leader = (
        f'<line x1="{end.x}" y1="{end.y}" x2="{end.x + 6}" y2="{height:.1f}" '
        f'style="stroke:{colour}"/>'
    )
    return leader + number


def spread_labels(heights: Sequence[float]) -> list[float]:
    """Move labels apart, as little as possible by the sum of squares and within the plot.

    Args:
        heights: of the labels' middles in pixels from the top, ascending.
    """
    # after subtracting the heights of the labels above, positions must not decrease: this is
    # isotonic regression, solved by pooling adjacent violators
    pools: list[list[float]] = []
    for index, height in enumerate(heights):
        pools.append([height - index * _LABEL_HEIGHT])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            last = pools.pop()
            pools[-1].extend(last)
    lowest_first = max(_AREA.top, _AREA.bottom - (len(heights) - 1) * _LABEL_HEIGHT)
    spread: list[float] = []
    for pool in pools:
        offset = min(max(fmean(pool), _AREA.top), lowest_first)
        for _ in pool:
            spread.append(offset + len(spread) * _LABEL_HEIGHT)
    return spread


def _text(x: float, y: float, words: str, kind: str, colour: str = "") -> str:
    """Return an SVG text. The style sheet has a rule for each kind."""
    style = f' style="fill:{colour}"' if colour else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{style}>{escape(words)}</text>'


def _ticks(low: float, high: float, *, integer: bool = False) -> Points:
    """Return about five round numbers from `low` to at least `high`."""
    locator = MaxNLocator(5, steps=(1, 2, 2.5, 5, 10), integer=integer)
    return np.asarray(locator.tick_values(low, high))


def _describe_chart(runs: Sequence[RunRecord], losses: Sequence[Points]) -> str:
    """Describe the chart for screen readers."""
    if not runs:
        return "An empty chart: no network has been trained yet."
    lines: list[str] = []
    for run, line in zip(runs, losses, strict=True):
        words = f"{run.name}: "
        words += f"training loss {line[-1, 1]:.3f}" if len(line) else "no loss yet"
        if run.records:
            words += f", validation accuracy {run.records[-1].validation_accuracy:.1%}"
        lines.append(words)
    return f"Training loss and validation accuracy by epoch. {'; '.join(lines)}."
