"""Generate pictures of several digits from MNIST's images: forms, pages and photos.

    python tools/made_pages.py OUT.png [--kind KIND] [--seed SEED]

This draws a contact sheet of all kinds, or of one. `KINDS` lists the kinds of pages; a kind and a
seed give the same page on every run. `read_number` is fitted and tested on these pages.
"""

from __future__ import annotations

import argparse
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from mnist_nb import load_mnist
from mnist_nb.data import Split
from mnist_nb.handwriting.negatives import random_letters

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Shape = tuple[int, ...]  # height and width
Range = tuple[float, float]  # from which a number is drawn
Random = np.random.Generator

MAX_LETTERS = 30  # in a line of words
NOBODY = -1  # the owner of a pixel that is not a digit's ink
PEN = 0.12  # the width of MNIST's pen, in heights of a digit
OVERSAMPLING = 3  # digits are drawn this many times larger, then reduced


class Page(NamedTuple):
    """A generated picture and its text."""

    picture: Image.Image  # RGB
    text: str  # lines are joined by newlines; signs between digits are left out
    boxes: list[Box]  # of the digits, in the text's order, in pixels of the picture
    owners: NDArray[np.int64]  # [H, W], the index of the digit that has this ink, or NOBODY
    has_slashes: bool


# ---- Light: factors `[H, W]` that multiply the picture


def lit_evenly(shape: Shape, random: Random) -> Floats:
    """Return the same light everywhere."""
    return np.ones(shape)


def lit_by_day(shape: Shape, random: Random) -> Floats:
    """Return nearly the same light everywhere."""
    return lit_from_a_side(shape, random, darkest=0.9)


def lit_from_a_side(shape: Shape, random: Random, darkest: float = 0.45) -> Floats:
    """Return light that fades in one direction."""
    loss = random.uniform(0, 1 - darkest)
    factors: Floats = 1 - loss * _along(shape, random)
    return factors


def in_shadow(shape: Shape, random: Random) -> Floats:
    """Return a shadow with a soft edge over a part of the sheet."""
    along = _along(shape, random)
    edge, softness = random.uniform(0.25, 0.75), random.uniform(0.02, 0.15)
    shadow = 1 / (1 + np.exp((edge - along) / softness))
    factors: Floats = 1 - random.uniform(0.25, 0.55) * shadow
    return factors


def dark_corners(shape: Shape, random: Random) -> Floats:
    """Return light that is brightest in the middle, as with a flash or a simple lens."""
    height, width = shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    radius = random.uniform(0.3, 0.6)
    outside = np.clip((np.hypot(x, y) - radius) / 0.8, 0, 1)
    factors: Floats = 1 - random.uniform(0.3, 0.7) * outside**1.5
    return factors


def _along(shape: Shape, random: Random) -> Floats:
    """Return the position of each pixel in a random direction, 0 to 1: `[H, W]`."""
    height, width = shape
    angle = random.uniform(0, 2 * np.pi)
    across = np.cos(angle) * np.arange(width)
    down = np.sin(angle) * np.arange(height)
    distance = np.add.outer(down, across)
    return np.asarray((distance - distance.min()) / max(np.ptp(distance), 1))


@dataclass(frozen=True)
class Camera:
    """The settings that turn a sheet into a picture.

    Attributes:
        paper, ink: grey values.
        tint: the largest difference between a colour channel and its grey value.
        light: the function that lights the sheet.
        grain: standard deviation of the noise, in grey values.
        blur: standard deviation, in pixels.
        sharpening: how much the picture is sharpened afterwards, as by a phone; 0 is not at all.
        turn: the largest rotation, in degrees.
        has_table: whether the sheet's edges and the table around it are in the picture.
        is_bilevel: whether every pixel is black or white.
        is_negative: whether the ink is light and the paper dark.
        quality: of the JPEG file.
    """

    paper: Range = (150, 240)
    ink: Range = (20, 90)
    tint: float = 25
    light: Callable[[Shape, Random], Floats] = lit_by_day
    grain: Range = (0.5, 3)
    blur: Range = (0.3, 0.9)
    sharpening: float = 0
    turn: float = 2
    has_table: bool = False
    is_bilevel: bool = False
    is_negative: bool = False
    quality: Range = (60, 95)


PHOTO = Camera()
DRAWING = Camera(
    paper=(255, 255),
    ink=(0, 0),
    tint=0,
    light=lit_evenly,
    grain=(0, 0),
    blur=(0, 0.5),
    turn=0,
    quality=(100, 100),
)
SCAN = replace(DRAWING, turn=1, is_bilevel=True)
FORM = Camera(paper=(200, 245), tint=20, blur=(0.3, 0.8))


@dataclass(frozen=True)
class Kind:
    """The content of a page. Lengths are in heights of a digit unless another unit is given.

    Attributes:
        lines, digits: the minimum and maximum of lines, and of digits in each.
        height: of a digit, in pixels.
        sizes: of each digit, as multiples of that height.
        gap: between the boxes of consecutive digits.
        pitch: between the centres of consecutive digits; used instead of a gap.
        spread: the largest distance of a digit from its line, up or down.
        leading: between lines.
        pen: the width of the pen, as a multiple of MNIST's.
        margin: around the digits.
        draw: the functions that draw everything else on the sheet.
        camera: the settings that turn it into a picture.
    """

    lines: tuple[int, int] = (1, 1)
    digits: tuple[int, int] = (3, 9)
    height: Range = (22, 60)
    sizes: Range = (0.85, 1.1)
    gap: Range = (0.1, 0.6)
    pitch: Range | None = None
    spread: float = 0.08
    leading: Range = (1.4, 2.2)
    pen: Range = (0.7, 1.3)
    margin: Range = (0.3, 1.5)
    draw: tuple[Callable[[Sheet, Random], None], ...] = ()
    camera: Camera = PHOTO


class Digit(NamedTuple):
    """A digit on a sheet."""

    label: int
    box: Box
    slot: Box  # its place, where the box of a form may be printed


class Sheet:
    """A sheet of paper with ink and print, before it is photographed.

    Attributes:
        ink, print: darkness, `[H, W]` in 0..1.
        owners: `[H, W]`, the index of the digit that has this ink, or NOBODY.
        lines: of digits.
        height: of a digit in pixels.
        pen: the width of the pen in pixels.
        has_slashes: whether there are slashes between digits.
    """

    def __init__(self, width: int, height: int) -> None:
        self.ink: Floats = np.zeros((height, width))
        self.print: Floats = np.zeros((height, width))
        self.owners = np.full((height, width), NOBODY)
        self.lines: list[list[Digit]] = []
        self.height = 1.0
        self.pen = 1.0
        self.has_slashes = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.ink.shape
        return width, height

    @property
    def digits(self) -> list[Digit]:
        """The digits of all lines."""
        return list(itertools.chain.from_iterable(self.lines))

    @property
    def slots(self) -> list[Box]:
        """The places of all digits."""
        return [digit.slot for digit in self.digits]

    def write(self, points: list[tuple[float, float]], width: float) -> None:
        """Draw a line with the pen of the digits."""
        self.ink = np.maximum(self.ink, self._line(points, width))

    def rule(self, points: list[tuple[float, float]], width: float) -> None:
        """Draw a printed line."""
        self.print = np.maximum(self.print, self._line(points, width))

    def erase(self, points: list[tuple[float, float]], width: float) -> None:
        """Remove ink along a line."""
        kept = 1 - self._line(points, width)
        self.ink *= kept
        self.owners[kept < 0.5] = NOBODY

    def frame(self, box: Box, width: float) -> None:
        """Draw a printed rectangle."""
        left, top, right, bottom = box
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        self.rule(corners, width)

    def _line(self, points: list[tuple[float, float]], width: float) -> Floats:
        image = Image.new("L", self.size)
        pixels = max(1, round(width))
        ImageDraw.Draw(image).line(points, 255, pixels, joint="curve")
        return np.asarray(image, float) / 255

    def stamp(self, mask: Floats, left: int, top: int, owner: int = NOBODY) -> None:
        """Put written ink `[H, W]` on the sheet. Ink beyond its edges is cut off."""
        cut_left, cut_top = max(-left, 0), max(-top, 0)
        mask = mask[cut_top:, cut_left:]
        height, width = mask.shape
        left, top = max(left, 0), max(top, 0)
        place = (slice(top, top + height), slice(left, left + width))
        ink = self.ink[place]
        visible = mask[: ink.shape[0], : ink.shape[1]]
        np.maximum(ink, visible, out=ink)
        self.owners[place][visible > 0.5] = owner


# ---- Everything on the sheet besides the digits


def boxes(sheet: Sheet, random: Random) -> None:
    """Print a box around each digit."""
    width = random.uniform(0.03, 0.1) * sheet.height
    inset_x = random.uniform(-0.02, 0.2) * sheet.height
    inset_y = random.uniform(-0.02, 0.12) * sheet.height
    for left, top, right, bottom in sheet.slots:
        sheet.frame((left + inset_x, top + inset_y, right - inset_x, bottom - inset_y), width)


def comb(sheet: Sheet, random: Random) -> None:
    """Print cells with common walls around each line; the walls may be lower than the cells."""
    width = random.uniform(0.03, 0.06) * sheet.height
    is_open = random.random() < 0.3
    for line in sheet.lines:
        left, top, _, bottom = line[0].slot
        _, _, right, _ = line[-1].slot
        wall_top = top
        if is_open:
            wall_top = bottom - random.uniform(0.2, 0.6) * (bottom - top)
            sheet.rule([(left, bottom), (right, bottom)], width)
        else:
            sheet.frame((left, top, right, bottom), width)
        for digit in line:
            sheet.rule([(digit.slot[0], wall_top), (digit.slot[0], bottom)], width)
        sheet.rule([(right, wall_top), (right, bottom)], width)


def table(sheet: Sheet, random: Random) -> None:
    """Print lines between all rows and all columns, across the whole sheet."""
    sheet_width, sheet_height = sheet.size
    width = random.uniform(0.02, 0.06) * sheet.height
    edges = np.array(sheet.slots)
    for x in np.unique(edges[:, [0, 2]].round()):
        sheet.rule([(x, 0), (x, sheet_height)], width)
    for y in np.unique(edges[:, [1, 3]].round()):
        sheet.rule([(0, y), (sheet_width, y)], width)


def squared_paper(sheet: Sheet, random: Random) -> None:
    """Print squares on the whole sheet, as wide as a digit's slot or half of it."""
    left, top, right, _ = sheet.slots[0]
    pitch = (right - left) / random.integers(1, 3)
    sheet_width, sheet_height = sheet.size
    for x in np.arange(left % pitch, sheet_width, pitch):
        sheet.rule([(x, 0), (x, sheet_height)], 1)
    for y in np.arange(top % pitch, sheet_height, pitch):
        sheet.rule([(0, y), (sheet_width, y)], 1)


def ruled_paper(sheet: Sheet, random: Random) -> None:
    """Print horizontal lines on the whole sheet, which digits may cross."""
    sheet_width, sheet_height = sheet.size
    pitch = random.uniform(1.1, 1.8) * sheet.height
    width = random.uniform(0.02, 0.06) * sheet.height
    first = sheet.lines[0][0].box[3] + random.uniform(-0.15, 0.3) * sheet.height
    for y in np.arange(first % pitch, sheet_height, pitch):
        sheet.rule([(0, y), (sheet_width, y)], width)


def underline(sheet: Sheet, random: Random) -> None:
    """Print a line below each line of digits, which some digits touch."""
    width = random.uniform(0.04, 0.08) * sheet.height
    for line in sheet.lines:
        feet = [digit.box[3] for digit in line]
        y = np.median(feet) + random.uniform(-0.05, 0.15) * sheet.height
        reach = random.uniform(0.1, 0.6) * sheet.height
        sheet.rule([(line[0].box[0] - reach, y), (line[-1].box[2] + reach, y)], width)


def dashes(sheet: Sheet, random: Random) -> None:
    """Print remains of a form above and below each line, as if it was cut out, and a bracket."""
    width = random.uniform(0.05, 0.1) * sheet.height
    for line in sheet.lines:
        above, below = random.uniform(0.15, 0.4, 2) * sheet.height
        top = min(digit.box[1] for digit in line) - above
        bottom = max(digit.box[3] for digit in line) + below
        left, right = line[0].box[0], line[-1].box[2]
        for y in (top, bottom):
            for x in random.uniform(left, right, random.integers(1, 4)):
                length = random.uniform(0.5, 1.8) * sheet.height
                sheet.rule([(x, y), (x + length, y)], width)
        x = right + random.uniform(0.3, 0.8) * sheet.height
        foot_x = x - random.uniform(0, 0.4) * sheet.height
        sheet.rule([(foot_x, top), (x, top), (x, bottom), (foot_x, bottom)], width)


def strip(sheet: Sheet, random: Random) -> None:
    """Print a dark strip along a part of an edge of the picture."""
    sheet_width, sheet_height = sheet.size
    width = random.uniform(0.03, 0.3) * sheet.height
    start, end = random.uniform(-0.2, 1.2, 2)
    if random.random() < 0.5:
        y = random.choice([0, sheet_height - 1])
        sheet.rule([(start * sheet_width, y), (end * sheet_width, y)], width)
    else:
        x = random.choice([0, sheet_width - 1])
        sheet.rule([(x, start * sheet_height), (x, end * sheet_height)], width)


def specks(sheet: Sheet, random: Random) -> None:
    """Add dirt: dots and short scratches anywhere."""
    for _ in range(random.integers(3, 12)):
        x, y = random.uniform(0, sheet.size)
        length = random.choice([0, 0.05, 0.2]) * sheet.height
        along = length * random.normal(size=2)
        width = random.uniform(0.04, 0.12) * sheet.height
        sheet.write([(x, y), (x + along[0] + 1, y + along[1])], width)


def creases(sheet: Sheet, random: Random) -> None:
    """Wear off ink along folds, so that digits are in several pieces."""
    sheet_width, sheet_height = sheet.size
    for line in sheet.lines:
        width = random.uniform(0.02, 0.08) * sheet.height
        top, bottom = line[0].box[1], line[0].box[3]
        y, end_y = random.uniform(top, bottom, 2)
        sheet.erase([(0, y), (sheet_width, end_y)], width)
    x, end_x = random.uniform(0, sheet_width, 2)
    sheet.erase([(x, 0), (end_x, sheet_height)], 2)


def words(sheet: Sheet, random: Random) -> None:
    """Write lines of letters above the digits, as many as fit."""
    generator = torch.Generator().manual_seed(int(random.integers(2**31)))
    side = round(random.uniform(0.7, 1.2) * sheet.height)
    first_top = min(digit.box[1] for digit in sheet.lines[0])
    top = round(first_top - random.uniform(1.4, 1.8) * side)
    while top > 0:
        letters = random_letters(MAX_LETTERS, generator).numpy()
        for place, letter in enumerate(letters):
            left = round((0.2 + 0.8 * place) * side)
            is_space = random.random() < 0.2
            if left + side < sheet.size[0] and not is_space:
                image = Image.fromarray(letter).resize((side, side))
                sheet.stamp(np.asarray(image, float), left, top)
        top -= round(1.3 * side)


def comma(sheet: Sheet, random: Random) -> None:
    """Write a decimal comma in each line."""
    for line in sheet.lines:
        x, foot = _after_a_digit(line, random)
        length = random.uniform(0.15, 0.55) * sheet.height
        start = foot - random.uniform(0, 0.2) * sheet.height
        slant = random.uniform(0.2, 0.6) * length
        sheet.write([(x, start), (x - slant, start + length)], sheet.pen)


def point(sheet: Sheet, random: Random) -> None:
    """Write a decimal point in each line."""
    for line in sheet.lines:
        x, foot = _after_a_digit(line, random)
        width = random.uniform(1, 1.6) * sheet.pen
        y = foot - random.uniform(0, 0.1) * sheet.height
        sheet.write([(x, y), (x, y + width)], width)


def slashes(sheet: Sheet, random: Random) -> None:
    """Write a slash after the second and the fourth digit of each line, as in a date."""
    sheet.has_slashes = True
    for line in sheet.lines:
        for before, after in (line[1:3], line[3:5]):
            x = (before.box[2] + after.box[0]) / 2
            y = (before.box[1] + after.box[3]) / 2 + random.uniform(-0.1, 0.1) * sheet.height
            reach = random.uniform(0.5, 0.85) * sheet.height
            slant = random.uniform(0.15, 0.6) * reach
            sheet.write([(x + slant, y - reach), (x - slant, y + reach)], sheet.pen)


def brackets(sheet: Sheet, random: Random) -> None:
    """Write brackets around the first digits of each line, as in a telephone number."""
    for line in sheet.lines:
        count = int(random.integers(2, len(line)))
        reach = random.uniform(0.6, 0.75) * sheet.height
        bow = random.uniform(0.2, 0.4) * reach
        gap = random.uniform(0.2, 0.3) * sheet.height + bow
        y = (line[0].box[1] + line[0].box[3]) / 2
        for x, side in ((line[0].box[0] - gap, -1), (line[count - 1].box[2] + gap, 1)):
            heights = np.linspace(-1, 1, 15)
            columns = x + side * bow * (1 - heights**2)
            sheet.write(list(zip(columns, y + reach * heights, strict=True)), sheet.pen)


def _after_a_digit(line: list[Digit], random: Random) -> tuple[float, float]:
    """Return a point between two digits, at their baseline."""
    place = int(random.integers(len(line) - 1))
    before, after = line[place], line[place + 1]
    return (before.box[2] + after.box[0]) / 2, before.box[3]


def minus(sheet: Sheet, random: Random) -> None:
    """Write a minus sign before each line."""
    for line in sheet.lines:
        left, top, _, bottom = line[0].box
        y = (top + bottom) / 2 + random.uniform(-0.1, 0.15) * sheet.height
        end = left - random.uniform(0.15, 0.35) * sheet.height
        length = random.uniform(0.35, 0.6) * sheet.height
        tilt = random.uniform(-0.05, 0.05) * sheet.height
        sheet.write([(end - length, y), (end, y + tilt)], sheet.pen)


def addition(sheet: Sheet, random: Random) -> None:
    """Write a plus sign before the second line of an addition, and a long line below it."""
    summand, total = sheet.lines[1:3]
    left, top, _, bottom = summand[0].box
    x, y = left - random.uniform(0.6, 0.8) * sheet.height, (top + bottom) / 2
    reach = random.uniform(0.15, 0.3) * sheet.height
    sheet.write([(x - reach, y), (x + reach, y)], sheet.pen)
    sheet.write([(x, y - reach), (x, y + reach)], sheet.pen)
    foot = np.mean([digit.box[3] for digit in summand])
    head = np.mean([digit.box[1] for digit in total])
    y = random.uniform(foot, (foot + head) / 2)
    right = max(summand[-1].box[2], total[-1].box[2]) + reach
    tilt = random.uniform(-0.1, 0.1) * sheet.height
    sheet.write([(x - reach, y), (right, y + tilt)], sheet.pen)


# ---- The kinds of pages

SLOTS = (1.0, 1.6)  # the pitch of digits in boxes
KINDS = {
    "line": Kind(),
    "drawing": Kind(camera=DRAWING),
    "few digits": Kind(digits=(1, 3), camera=DRAWING),
    "few digits on a photo": Kind(digits=(1, 3), margin=(0.3, 3)),
    "blackboard": Kind(camera=replace(DRAWING, is_negative=True)),
    "scan": Kind(camera=SCAN),
    "touching": Kind(gap=(-0.1, 0.05), digits=(2, 6)),
    "touching in a drawing": Kind(gap=(-0.1, 0.05), digits=(3, 6), camera=DRAWING),
    "uneven": Kind(sizes=(0.35, 1.1), digits=(3, 6), camera=DRAWING),
    "lines": Kind(lines=(2, 5), digits=(2, 8)),
    "close lines": Kind(lines=(2, 4), leading=(1.1, 1.35), pitch=(1, 1.3), camera=DRAWING),
    "small sheet": Kind(
        lines=(3, 5),
        digits=(5, 10),
        height=(16, 20),
        pitch=(1.4, 1.7),
        leading=(1.4, 1.6),
        camera=DRAWING,
    ),
    "columns": Kind(lines=(2, 5), digits=(2, 5), pitch=(1.5, 3), leading=(1.5, 3)),
    "raised": Kind(spread=0.5, digits=(4, 7), gap=(0.2, 0.6)),
    "boxes": Kind(pitch=SLOTS, digits=(4, 6), draw=(boxes,), camera=FORM),
    "tight boxes": Kind(pitch=(0.9, 1.1), digits=(4, 8), draw=(boxes,), camera=FORM),
    "comb": Kind(pitch=(0.9, 1.3), digits=(5, 10), draw=(comb,), camera=FORM),
    "table": Kind(lines=(2, 5), digits=(3, 8), pitch=SLOTS, leading=(1.3, 1.6), draw=(table,)),
    "squared paper": Kind(
        lines=(1, 3), pitch=(0.9, 1.4), leading=(1.3, 1.6), draw=(squared_paper,)
    ),
    "ruled paper": Kind(lines=(1, 3), margin=(1, 4), draw=(ruled_paper,)),
    "underlined": Kind(draw=(underline,)),
    "form remains": Kind(digits=(5, 10), height=(16, 40), draw=(dashes, strip), camera=SCAN),
    "edge strip": Kind(draw=(strip, strip)),
    "specks": Kind(draw=(specks,)),
    "words": Kind(margin=(2, 5), digits=(6, 10), draw=(words,)),
    "comma": Kind(digits=(2, 6), gap=(0.35, 0.7), draw=(comma,)),
    "comma in a drawing": Kind(digits=(2, 4), gap=(0.35, 0.9), draw=(comma,), camera=DRAWING),
    "point": Kind(digits=(2, 6), gap=(0.35, 0.7), draw=(point,)),
    "date": Kind(digits=(6, 6), gap=(0.4, 0.7), margin=(0.6, 1.5), draw=(slashes,)),
    "date in a drawing": Kind(
        digits=(8, 8), gap=(0.4, 0.7), margin=(0.6, 1.5), draw=(slashes,), camera=DRAWING
    ),
    "brackets": Kind(
        digits=(5, 9), gap=(1, 1.2), margin=(1.2, 2), spread=0, sizes=(0.95, 1.05), draw=(brackets,)
    ),
    "minus": Kind(margin=(1.2, 2), draw=(minus,)),
    "addition": Kind(
        lines=(3, 3),
        digits=(2, 5),
        pitch=(0.9, 1.2),
        leading=(1.3, 1.7),
        margin=(1.6, 2.5),
        draw=(addition,),
    ),
    "side light": Kind(lines=(1, 3), margin=(1, 3), camera=replace(PHOTO, light=lit_from_a_side)),
    "shadow": Kind(lines=(1, 3), margin=(1, 3), camera=replace(PHOTO, light=in_shadow)),
    "dark corners": Kind(margin=(1, 3), camera=replace(PHOTO, light=dark_corners)),
    "red pen in dark corners": Kind(
        margin=(1, 3), camera=replace(PHOTO, ink=(90, 140), light=dark_corners)
    ),
    "sharpened": Kind(
        lines=(2, 3),
        digits=(3, 5),
        height=(34, 46),
        margin=(1, 3),
        camera=replace(
            PHOTO,
            ink=(10, 30),
            light=lit_from_a_side,
            grain=(0, 0),
            blur=(0.3, 0.5),
            sharpening=3,
            quality=(30, 50),
        ),
    ),
    "page on a table": Kind(lines=(1, 5), margin=(0.8, 2), camera=replace(PHOTO, has_table=True)),
    "columns on a table": Kind(
        lines=(3, 5),
        digits=(3, 5),
        pitch=(2, 3),
        leading=(2, 3),
        pen=(0.4, 0.9),
        camera=replace(PHOTO, has_table=True, light=lit_from_a_side),
    ),
    "small on a page": Kind(
        height=(14, 24), digits=(4, 9), margin=(4, 9), camera=replace(PHOTO, light=in_shadow)
    ),
    "cut close": Kind(digits=(2, 7), margin=(-0.25, 0), camera=DRAWING),
    "photo cut close": Kind(digits=(1, 7), margin=(-0.25, 0.1)),
    "few pixels": Kind(height=(11, 17), margin=(-0.1, 1), camera=FORM),
    "blurred": Kind(camera=replace(PHOTO, blur=(1, 2))),
    "creased": Kind(draw=(creases,)),
    "bold": Kind(pen=(1.5, 2), gap=(0.15, 0.5)),
    "thin": Kind(pen=(0.25, 0.5), height=(40, 80)),
    "pencil": Kind(pen=(0.3, 0.6), height=(40, 70), camera=replace(PHOTO, ink=(110, 150), tint=5)),
}


# ---- Making a page


def make_page(kind: str, seed: int, split: Split) -> Page:
    """Make a page of a kind.

    Args:
        kind: a key of `KINDS`.
        seed: determines everything else.
        split: the digits to use.
    """
    random = np.random.default_rng([seed, *kind.encode()])
    recipe = KINDS[kind]
    sheet = write_sheet(recipe, split, random)
    for draw in recipe.draw:
        draw(sheet, random)
    return photograph(sheet, recipe.camera, random)


class Layout(NamedTuple):
    """The measures of one sheet, in pixels except for the sizes and the pen."""

    height: float  # of a digit
    sizes: Range  # of each digit, as multiples of the height
    pen: float  # a multiple of MNIST's
    margin: float
    leading: float
    gap: float
    pitch: float | None
    spread: float

    @classmethod
    def drawn(cls, kind: Kind, random: Random) -> Layout:
        """Draw measures from the ranges of a kind."""
        height = random.uniform(*kind.height)
        return cls(
            height=height,
            sizes=kind.sizes,
            pen=random.uniform(*kind.pen),
            margin=(random.uniform(*kind.margin) + kind.spread + 0.1) * height,
            leading=random.uniform(*kind.leading) * height,
            gap=random.uniform(*kind.gap) * height,
            pitch=None if kind.pitch is None else random.uniform(*kind.pitch) * height,
            spread=kind.spread * height,
        )


def write_sheet(kind: Kind, split: Split, random: Random) -> Sheet:
    """Write lines of digits on a sheet that is as large as they need."""
    layout = Layout.drawn(kind, random)
    line_count = int(random.integers(kind.lines[0], kind.lines[1] + 1))
    count = int(random.integers(kind.digits[0], kind.digits[1] + 1))
    counts = [count] * line_count
    if line_count > 1 and random.random() < 0.3:
        counts[-1] = int(random.integers(1, count + 1))
    lines, masks = [], []
    for number, count in enumerate(counts):
        middle = layout.margin + number * layout.leading + layout.height / 2
        line, of_line = write_line(layout, middle, count, split, random)
        lines.append(line)
        masks += of_line
    right = max(line[-1].slot[2] for line in lines)
    sheet = Sheet(round(right + layout.margin), round(middle + layout.height / 2 + layout.margin))
    sheet.height = layout.height
    sheet.pen = max(1.0, PEN * layout.pen * layout.height)
    sheet.lines = lines
    for number, (digit, mask) in enumerate(zip(sheet.digits, masks, strict=True)):
        sheet.stamp(mask, round(digit.box[0]), round(digit.box[1]), number)
    return sheet


def write_line(
    layout: Layout, middle: float, count: int, split: Split, random: Random
) -> tuple[list[Digit], list[Floats]]:
    """Choose the digits of a line around y = `middle`. Return them and the ink of each."""
    slot_height = 1.3 * layout.height
    if layout.pitch is not None:
        slot_height = min(layout.leading, 1.5 * layout.height)
    digits, masks = [], []
    x = layout.margin
    for _ in range(count):
        index = int(random.integers(len(split)))
        tall = layout.height * random.uniform(*layout.sizes)
        mask = digit_mask(split.images[index].numpy(), tall, layout.pen)
        mask_height, mask_width = mask.shape
        step = mask_width + layout.gap
        slot_width = max(step, mask_width)
        if layout.pitch is not None:
            step = slot_width = layout.pitch
        left = x + (slot_width - mask_width) / 2
        top = middle - mask_height / 2 + random.uniform(-layout.spread, layout.spread)
        box = (left, top, left + mask_width, top + mask_height)
        slot = (x, middle - slot_height / 2, x + slot_width, middle + slot_height / 2)
        digits.append(Digit(int(split.labels[index]), box, slot))
        masks.append(mask)
        x += step
    return digits, masks


def digit_mask(image: NDArray[np.uint8], height: float, pen: float) -> Floats:
    """Crop an image `[28, 28]` to its ink, scale it to a height in pixels, and redraw it with a pen
    `pen` times as thick: darkness `[H, W]` in 0..1."""
    small = _cut_to_ink(image, image > 60)
    scale = OVERSAMPLING * height / small.shape[0]
    large = _resize(small, scale, Image.Resampling.BICUBIC)
    is_ink = _with_pen(np.pad(large > 127, OVERSAMPLING), pen)
    drawn = _cut_to_ink(255 * is_ink.astype(np.uint8), is_ink)
    return _resize(drawn, 1 / OVERSAMPLING, Image.Resampling.BOX) / 255


def _cut_to_ink(image: NDArray[np.uint8], is_ink: NDArray[np.bool_]) -> NDArray[np.uint8]:
    rows, columns = ndimage.find_objects(is_ink.astype(np.int64))[0]
    return np.asarray(image[rows, columns])


def _resize(image: NDArray[np.uint8], scale: float, way: Image.Resampling) -> Floats:
    height, width = image.shape
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, way), float)


def _with_pen(is_ink: NDArray[np.bool_], pen: float) -> NDArray[np.bool_]:
    """Thicken or thin ink by the distances of its pixels from the outline."""
    inside = ndimage.distance_transform_edt(is_ink)
    half_width = 2 * inside[is_ink].mean()
    if pen > 1:
        reach = round((pen - 1) * half_width)
        outside = ndimage.distance_transform_edt(~np.pad(is_ink, reach))
        return np.asarray(outside <= reach)
    deepest = ndimage.maximum_filter(inside, 2 * round(half_width) + 1)
    thin = is_ink & (inside >= (1 - pen) * deepest)
    return np.asarray(ndimage.binary_closing(thin, iterations=OVERSAMPLING))


# ---- Taking its picture


def photograph(sheet: Sheet, camera: Camera, random: Random) -> Page:
    """Turn a sheet into a picture."""
    angle = random.uniform(-camera.turn, camera.turn)
    edge = 0
    if camera.has_table:
        edge = round(random.uniform(0.3, 1) * sheet.height)
    ink, printed = _turn(sheet.ink, edge, angle), _turn(sheet.print, edge, angle)
    owners = _turn(sheet.owners, edge, angle, NOBODY, nearest=True).astype(np.int64)
    table_mask = 1 - _turn(np.ones_like(sheet.ink), edge, angle)
    boxes = [_turn_box(digit.box, edge, angle, ink.shape) for digit in sheet.digits]
    colours = _colour(ink, printed, table_mask, camera, random)
    pixels = _expose(colours, camera, random)
    text = "\n".join(_text_of(line) for line in sheet.lines)
    picture = _through_jpeg(pixels, random.uniform(*camera.quality))
    return Page(picture, text, boxes, owners, sheet.has_slashes)


def _text_of(line: list[Digit]) -> str:
    return "".join(str(digit.label) for digit in line)


def _turn(
    layer: Floats | NDArray[np.int64],
    edge: int,
    angle: float,
    beyond: float = 0,
    nearest: bool = False,
) -> Floats:
    """Rotate a layer by degrees, with a table `edge` pixels wide around it. With `nearest`, values
    are not interpolated."""
    padded = np.pad(layer, edge, constant_values=beyond)
    order = 0 if nearest else 1
    return np.asarray(ndimage.rotate(padded, angle, reshape=False, order=order, mode="nearest"))


def _turn_box(box: Box, edge: int, angle: float, shape: Shape) -> Box:
    """Move the box of a digit as `_turn` moves the digit."""
    low, high = np.array(box).reshape(2, 2) + edge  # (x, y)
    middle = np.array([shape[1] - 1, shape[0] - 1]) / 2
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    centre = rotation @ ((low + high) / 2 - middle) + middle
    half = (high - low) / 2
    left, top = (centre - half).tolist()
    right, bottom = (centre + half).tolist()
    return left, top, right, bottom


def _colour(
    ink: Floats, printed: Floats, table_mask: Floats, camera: Camera, random: Random
) -> Floats:
    """Colour paper, print, ink and table: `[H, W, RGB]`."""
    tint = camera.tint
    paper = random.uniform(*camera.paper) + random.uniform(-tint, tint, 3) / 2
    ink_colour = random.uniform(*camera.ink) + random.uniform(-tint, tint, 3)
    print_colour = ink_colour
    if not camera.is_bilevel:
        darkness = random.uniform(0.25, 1)  # of the print, relative to the ink
        print_colour = paper + darkness * (ink_colour - paper) + random.uniform(-3, 3, 3) * tint
    table_colour = random.uniform(0.1, 0.6) * paper + random.uniform(-tint, tint, 3)
    colours = np.broadcast_to(paper, (*ink.shape, 3))
    for mask, colour in ((printed, print_colour), (ink, ink_colour), (table_mask, table_colour)):
        share = mask[..., None]
        colours = (1 - share) * colours + share * colour
    return colours


def _expose(colours: Floats, camera: Camera, random: Random) -> Image.Image:
    """Add light, blur and grain, and the effects of a scanner."""
    shape = colours.shape[:2]
    lit = colours * camera.light(shape, random)[..., None]
    blur = random.uniform(*camera.blur)
    pixels = ndimage.gaussian_filter(lit, (blur, blur, 0))
    pixels += camera.sharpening * (pixels - ndimage.gaussian_filter(pixels, (1, 1, 0)))
    pixels += random.normal(0, random.uniform(*camera.grain), (*shape, 1))
    if camera.is_bilevel:
        is_light = pixels.mean(axis=2, keepdims=True) > 128
        pixels = np.where(is_light, 255.0, 0.0).repeat(3, axis=2)
    if camera.is_negative:
        pixels = 255 - pixels
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _through_jpeg(picture: Image.Image, quality: float) -> Image.Image:
    if quality >= 100:
        return picture
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=round(quality))
    return Image.open(file).convert("RGB")


# ---- The contact sheet


def contact_sheet(pages: list[tuple[str, Page]], columns: int = 6) -> Image.Image:
    """Draw pages side by side, with names and boxes."""
    width, height = 300, 210
    rows = -(-len(pages) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "grey")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for place, (name, page) in enumerate(pages):
        left, top = place % columns * width, place // columns * height
        shown = page.picture.copy()
        outlines = ImageDraw.Draw(shown)
        for box in page.boxes:
            outlines.rectangle(box, outline=(60, 160, 255))
        shown.thumbnail((width - 10, height - 30))
        sheet.paste(shown, (left + 5, top + 22))
        words_shown = f"{name}: {page.text}".replace("\n", "/")
        pen.text((left + 5, top + 4), words_shown[:42], "white", font)
    return sheet


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the picture to write")
    parser.add_argument("--kind", choices=KINDS, help="default: one page of each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    split = load_mnist().train
    if options.kind:
        seeds = range(options.seed, options.seed + 30)
        pages = [(options.kind, make_page(options.kind, seed, split)) for seed in seeds]
    else:
        pages = [(kind, make_page(kind, options.seed, split)) for kind in KINDS]
    contact_sheet(pages).save(options.output)


if __name__ == "__main__":
    main()
