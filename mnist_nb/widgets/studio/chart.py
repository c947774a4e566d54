"""The live chart: losses by batch and accuracies by epoch of several runs, as one SVG text, quick to make."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from mnist_nb.plots import COLOURS, smooth
from mnist_nb.plots.style import line_style
from mnist_nb.training import EpochRecord

MAX_POINTS = 600
"""Points of a loss curve: about two for each pixel of its width."""

_SMOOTHING = 16  # points that the mean of a smoothed point is taken over
_DASHES = ("none", "6 3", "1.5 3", "7 3 1.5 3", "10 2", "4 2 1.5 2", "3 1.5")  # as in the static figure
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 230, 150, 34, 24, 20, 36  # pixels of one of the two plots, and around
TEXT, SOFT = "var(--jp-ui-font-color1, #212121)", "var(--jp-ui-font-color2, #616161)"
LINE = "var(--jp-border-color2, #d0d0d0)"

Points = NDArray[np.float64]


class LossCurve:
    """The loss of a run in blocks of batches, so that a long run is as quick to draw as a short one.

    Args:
        first: the epoch that the run began after.
        batches_per_epoch: steps in an epoch.
    """

    def __init__(self, first: int, batches_per_epoch: int) -> None:
        self._block = 1  # batches that a point is the mean of; doubled when the points become too many
        self._first, self._batches_per_epoch = first, batches_per_epoch
        self._means = np.empty(0)

    def points(self, batch_losses: Sequence[float]) -> Points:
        """`[n, 2]`: epochs done, and the smoothed loss in nats. Only what is new since the last call is read."""
        whole = len(batch_losses) // self._block
        new = np.asarray(batch_losses[len(self._means) * self._block : whole * self._block], dtype=np.float64)
        self._means = np.concatenate([self._means, new.reshape(-1, self._block).mean(1)])
        while len(self._means) > MAX_POINTS:
            self._means = self._means[: len(self._means) // 2 * 2].reshape(-1, 2).mean(1)
            self._block *= 2
        epochs = self._first + np.arange(1, len(self._means) + 1) * self._block / self._batches_per_epoch
        return np.stack([epochs, smooth(self._means, _SMOOTHING)], axis=1)


@dataclass(frozen=True)
class Curve:
    """One run as it is drawn; `number` chooses its colour and its dashes, and stands at the end of its line."""

    number: int
    name: str
    losses: Points  # [n, 2]
    records: Sequence[EpochRecord]
    is_live: bool = False


def style_of(number: int) -> tuple[str, str]:
    """Colour and dash pattern of a run, as SVG writes them; no two of the first 49 share both."""
    style, dashes = line_style(number)
    return TEXT if COLOURS[style] == "#000000" else COLOURS[style], _DASHES[dashes]


def sample(number: int) -> str:
    """A short piece of a run's line, for the table and the legend."""
    colour, dashes = style_of(number)
    return (
        '<svg width="34" height="10" aria-hidden="true" style="vertical-align:middle"><line x1="1" x2="33" y1="5" '
        f'y2="5" stroke-width="2.5" stroke-dasharray="{dashes}" style="stroke:{colour}"/></svg>'
    )


def chart(curves: Sequence[Curve]) -> str:
    """Training loss on the left, validation accuracy on the right, one line for each run, a live run thicker."""
    accuracies = [np.array([[r.epoch, 100 * r.validation_accuracy] for r in curve.records]) for curve in curves]
    last = max(
        [1.0, *(float(c.losses[-1, 0]) for c in curves if len(c.losses)), *(a[-1, 0] for a in accuracies if len(a))]
    )
    highest = max((float(curve.losses[:, 1].max()) for curve in curves if len(curve.losses)), default=2.4)
    lowest = min((float(accuracy[:, 1].min()) for accuracy in accuracies if len(accuracy)), default=0.0)
    left = _Plot("Training loss (nats), smoothed", last, _ticks(0, highest * 1.05))
    floor = next(limit for limit in (98, 95, 90, 80, 50, 0) if limit <= lowest)
    right = _Plot("Validation accuracy (%)", last, _ticks(floor, 100), top=100.0)
    losses = left.draw(curves, [curve.losses for curve in curves])
    nothing = "" if any(map(len, accuracies)) else "comes after the first epoch" if curves else "nothing trained yet"
    shares = right.draw(curves, accuracies, nothing, marked=True)
    return f'<div class="studio-plots" role="img" aria-label="{escape(_in_words(curves))}">{losses}{shares}</div>'


class _Plot:
    """One of the two plots: where it stands, and how numbers become pixels in it."""

    def __init__(self, title: str, last: float, ticks: Sequence[float], top: float | None = None) -> None:
        self.title, self.last, self.ticks = title, last, ticks
        self._low, self._high = ticks[0], ticks[-1] if top is None else top

    def x(self, values: Points) -> Points:
        return _LEFT + values / self.last * _WIDTH

    def y(self, values: Points) -> Points:
        share = (values - self._low) / (self._high - self._low)
        return _TOP + _HEIGHT * (1 - np.clip(share, 0, 1))

    def draw(self, curves: Sequence[Curve], lines: Sequence[Points], remark: str = "", *, marked: bool = False) -> str:
        """The plot with a line for each curve; where two do not fit side by side, they stand one above the other."""
        parts = [self.frame(), *(self.line(curve, line, marked) for curve, line in zip(curves, lines, strict=True))]
        parts += [self.numbers(curves, lines)]
        parts += [text(_LEFT + _WIDTH / 2, _TOP + _HEIGHT / 2, remark, more='text-anchor="middle" font-style="italic"')]
        return (
            f'<svg aria-hidden="true" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {_TOP + _HEIGHT + _BOTTOM}">'
            f"{''.join(parts)}</svg>"
        )

    def frame(self) -> str:
        bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
        parts = [text(_LEFT, 12, self.title, fill=TEXT, more='font-weight="600"')]
        for tick in self.ticks:
            y = float(self.y(np.array([tick]))[0])
            parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" style="stroke:{LINE}" stroke-width="1"/>')
            parts.append(text(_LEFT - 6, y + 4, f"{tick:g}", more='text-anchor="end"'))
        for tick in _ticks(0, self.last, whole=True):
            if tick <= self.last:
                x = float(self.x(np.array([tick]))[0])
                parts.append(text(x, bottom + 15, f"{tick:g}", more='text-anchor="middle"'))
        parts.append(text(_LEFT + _WIDTH / 2, bottom + 31, "epoch", more='text-anchor="middle"'))
        return "".join(parts)

    def line(self, curve: Curve, points: Points, marked: bool) -> str:
        if not len(points):
            return ""
        colour, dashes = style_of(curve.number)
        xs, ys = self.x(points[:, 0]).round(1).tolist(), self.y(points[:, 1]).round(1).tolist()
        places = list(zip(xs, ys, strict=True))
        path = " ".join(f"{x},{y}" for x, y in places)
        width = 2.4 if curve.is_live else 1.7
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="2.6" style="fill:{colour}"/>' for x, y in places)
        return (
            f'<polyline points="{path}" fill="none" stroke-width="{width}" stroke-dasharray="{dashes}" '
            f'stroke-linejoin="round" style="stroke:{colour}"/>{dots if marked and len(places) <= 40 else ""}'
        )

    def numbers(self, curves: Sequence[Curve], lines: Sequence[Points]) -> str:
        """Each run's number at the end of its line, pushed apart where they would lie on each other."""
        ends = [
            (float(self.y(line[-1:, 1])[0]), float(self.x(line[-1:, 0])[0]), curve.number)
            for curve, line in zip(curves, lines, strict=True)
            if len(line)
        ]
        parts, free = [], _TOP - 4.0
        for y, x, number in sorted(ends):
            free = max(y + 4, free + 11)
            colour, _ = style_of(number)
            parts.append(text(x + 6, free, str(number + 1), fill=colour, more='font-weight="700"'))
        return "".join(parts)


def text(x: float, y: float, words: str, *, fill: str = SOFT, more: str = "") -> str:
    """Words of a picture, in one of the page's own colours."""
    return f'<text x="{x:.1f}" y="{y:.1f}" style="fill:{fill}" {more}>{escape(words)}</text>'


def _ticks(low: float, high: float, *, whole: bool = False, about: int = 5) -> list[float]:
    """Round numbers from `low` to at least `high`, about as many as asked for."""
    raw = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    if whole:
        step = max(1.0, math.ceil(step))
    return [low + step * place for place in range(math.ceil((high - low) / step - 1e-9) + 1)]


def _in_words(curves: Sequence[Curve]) -> str:
    """The chart for those who do not see it."""
    if not curves:
        return "An empty chart: nothing has been trained yet."
    described = []
    for curve in curves:
        loss = f"training loss {curve.losses[-1, 1]:.3f}" if len(curve.losses) else "no loss yet"
        accuracy = f", validation accuracy {curve.records[-1].validation_accuracy:.1%}" if curve.records else ""
        described.append(f"{curve.name}: {loss}{accuracy}")
    return "Training loss and validation accuracy by epoch. " + "; ".join(described) + "."
