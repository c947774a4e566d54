"""Find the ink in a picture of handwriting, and prepare it as MNIST was.

The paper's light and grain, rules and specks are removed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mnist_nb.handwriting.picture_files import WHOLE_PICTURE, Crop, Picture, load_grey
from mnist_nb.handwriting.preprocessing import (
    BOX,
    PEN_WIDTH,
    RASTER,
    EmptySketchError,
    Floats,
    Pixels,
    prepare,
)
from mnist_nb.handwriting.raster import discs

Mask = NDArray[np.bool_]

# The numbers below were chosen on pictures such as those of benchmarks/pictures.py.
_NO_GRAIN = 0.5  # grey levels; a picture with less is a drawing by a program
_SMALLEST_RULED = 64  # pixels; no rules are looked for in smaller pictures
_THINNEST = 1.0  # line of MNIST, in pixels of the 20x20 box
_SQUARE = np.ones((3, 3))  # neighbours include the diagonal ones


class PictureSteps(NamedTuple):
    """The stages of a picture of one digit on its way to an image such as MNIST's."""

    picture: Floats  # [H, W], grey values in 0..255, upright, neither side over 512
    ink: Floats  # [H, W], in (0, 1]; paper is exactly 0
    box: tuple[int, int, int, int]  # left, top, right, bottom of the ink, the last two exclusive
    image: Pixels  # [28, 28], thickened if need be, and prepared


def from_image(source: Picture) -> Pixels:
    """Prepare a digit in a picture of any size as MNIST's makers did: uint8 `[28, 28]`.

    The picture may be dark on light or light on dark, and should show one digit and little else.
    A photo's uneven light, its grain, the lines of ruled paper and things at its edge are removed.
    Lines thinner than any of MNIST's are thickened to its pens.

    Args:
        source: a Pillow image, the path, the bytes or the open file of one, or an array `[H, W]`,
            `[H, W, 3]` or `[H, W, 4]` with values in 0..255, or floats in 0..1.

    Raises:
        EmptySketchError: if the picture is blank.
        ValueError: if it is not a picture, or has more than 90 million pixels.
    """
    return picture_steps(source).image


def find_ink(source: Picture) -> Floats:
    """Find the ink in a picture of one or several digits: float64 `[H, W]`, in (0, 1], paper 0.

    Neither side is over 512 pixels. Shadows, rules, specks and things at the edge are removed;
    digits may touch the edge, but not run along it. Arguments and errors are those of `from_image`.
    """
    return _ink_of(load_grey(source))


def picture_steps(source: Picture, crop: Crop = WHOLE_PICTURE) -> PictureSteps:
    """Do what `from_image` does and return every stage; errors are the same.

    Args:
        source: as `from_image` takes it.
        crop: left, top, right and bottom of the part to use, as shares of the upright picture.
    """
    grey = load_grey(source, crop)
    ink = _ink_of(grey)
    rows, columns = ndimage.find_objects((ink > 0).astype(np.int64))[0]
    box = (columns.start, rows.start, columns.stop, rows.stop)
    return PictureSteps(grey, ink, box, prepare(thicken(ink)))


def thicken(ink: Floats) -> Floats:
    """Redraw ink `[H, W]` with MNIST's pen if its lines are thinner than MNIST's ever are."""
    is_solid = ink >= ink.max() / 2
    padded = np.pad(is_solid, 1)
    horizontal_edges = np.count_nonzero(np.diff(padded, axis=0))
    vertical_edges = np.count_nonzero(np.diff(padded, axis=1))
    outline = horizontal_edges + vertical_edges
    rows, columns = np.nonzero(ink > ink.max() / 2)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    # a line's area over half its outline; 4/pi because the outline is measured along the axes
    thickness = 2 * (4 / np.pi) * is_solid.sum() / outline * BOX / side
    if thickness >= _THINNEST:
        return ink
    radius = (PEN_WIDTH - thickness) / 2 * RASTER / BOX
    x = columns - columns.min() + 0.5
    y = rows - rows.min() + 0.5
    centres = np.stack([x, y], axis=1) * (RASTER / side) + radius
    canvas_side = RASTER + 2 * int(np.ceil(radius))
    return discs(centres, radius, canvas_side).astype(np.float64)


# ---- ink and paper


class _Layers(NamedTuple):
    """A picture, bright on dark, as paper and the ink on it."""

    paper: Floats  # [H, W], grey values
    ink: Floats  # [H, W], how much brighter than the paper
    low: float  # the 0.2 quantile of the ink
    grain: float  # standard deviation of the paper's noise


def _ink_of(grey: Floats) -> Floats:
    """Find the ink `[H, W]` in (0, 1], paper 0, in grey values of either polarity.

    Raises:
        EmptySketchError: if there is none.
    """
    is_light = _is_light_paper(grey)
    layers = _separate(255 - grey if is_light else grey, is_light)
    grain = layers.grain
    ink = layers.ink - (layers.low + 0.84 * grain)  # from the 0.2 quantile to the median
    full = float(np.quantile(ink[ink >= ink.max() / 2], 0.5))
    if full < max(10, 6 * grain):
        raise EmptySketchError(
            "there is no digit in this picture: nothing in it stands out from its background"
        )
    is_faint = ink > max(5 * grain, 0.25 * full)
    if grain > _NO_GRAIN and min(ink.shape) > _SMALLEST_RULED:
        is_fainter = ink > max(4 * grain, 0.1 * full)
        is_faint = is_faint & ~_rules(is_faint) & ~_rules(is_fainter)
    is_strong = is_faint & (ink > 0.5 * full)
    is_line = ndimage.binary_propagation(is_strong, mask=is_faint)
    is_near = ndimage.binary_dilation(is_line, _SQUARE)
    is_ink = is_near & (ink > max(2 * grain, 0.5))
    ink = np.where(is_ink, ink, 0).clip(0, full) / full
    if not ink.any():
        raise EmptySketchError("there is no digit in this picture: there are only lines in it")
    return np.where(writing_mask(ink), ink, 0)


def _is_light_paper(grey: Floats) -> bool:
    """Return whether the paper is lighter than the ink.

    Most of what surrounds ink is paper. If it is not clear which that is, ink is in fewer pieces.
    """
    window = max(3, round(0.3 * max(grey.shape)))
    darkest = ndimage.minimum_filter(grey, window)
    lightest = ndimage.maximum_filter(grey, window)
    is_around_ink = lightest - darkest >= np.ptp(grey) / 2
    is_light = grey > (darkest + lightest) / 2
    light_share = is_light[is_around_ink].mean()
    if 0.35 < light_share < 0.65:
        _, light_pieces = ndimage.label(is_around_ink & is_light, _SQUARE)
        _, dark_pieces = ndimage.label(is_around_ink & ~is_light, _SQUARE)
        if light_pieces != dark_pieces:
            return bool(light_pieces > dark_pieces)
    return bool(light_share > 0.5)


def _separate(grey: Floats, is_light: bool) -> _Layers:
    """Separate a picture, ink bright on dark paper, into layers.

    A drawing by a program has no grain: its window may be wide, and everything outside the picture
    is paper. A photo's paper is as bright outside as at the edge, and in shadows there is less
    light for the ink to absorb.

    Args:
        grey: `[H, W]` in 0..255.
        is_light: whether the paper was light before the picture was inverted.
    """
    drawing = _open_with_window(grey, 0.5, "constant")
    if drawing.grain <= _NO_GRAIN:
        return drawing
    photo = _open_with_window(grey, 0.3, "nearest")
    if photo.grain <= _NO_GRAIN or not is_light:
        return photo
    light = np.maximum(255 - photo.paper, 1)
    usual_light = 255 - np.median(photo.paper)
    gain = np.minimum(usual_light / light, 3)
    return photo._replace(ink=photo.ink * gain)


def _open_with_window(grey: Floats, share: float, mode: str) -> _Layers:
    """Take as paper what a morphological opening leaves, and the rest as ink.

    The opening removes whatever is brighter than its surroundings and narrower than the window,
    which is this share of the picture.
    """
    window = max(3, round(share * max(grey.shape)))
    outside = np.quantile(grey, 0.1)
    paper = ndimage.grey_opening(grey, window, mode=mode, cval=outside)
    ink = grey - paper
    # both are paper, even if most of a tight crop is ink
    least, low = np.quantile(ink, (0.02, 0.2)).tolist()
    grain = (low - least) / 1.2  # the quantiles of a normal distribution are 1.2 deviations apart
    return _Layers(paper, ink, low, grain)


# ---- rules, specks and edges


def _rules(mask: Mask) -> Mask:
    """Find the lines of ruled or squared paper; strokes that cross them are left out."""
    level = _level_rules(mask)
    if not level.any():
        return level
    return level | _level_rules(mask.T).T


def _level_rules(mask: Mask) -> Mask:
    """Find several nearly level lines, each over more than half of the width."""
    width = mask.shape[1]
    thickened = ndimage.maximum_filter1d(mask, 3, axis=0)
    level_parts = ndimage.grey_opening(thickened, (1, width // 16))
    lines, _ = ndimage.label(level_parts, _SQUARE)
    is_long = [False]  # by label; 0 is the background
    for _, columns in ndimage.find_objects(lines):
        is_long.append(columns.stop - columns.start > width / 2)
    if sum(is_long) < 2:  # a single one may be the bar of a 7
        return np.zeros_like(mask)
    crossing = ndimage.grey_opening(mask, (3 + max(mask.shape) // 80, 1))
    rules: Mask = np.array(is_long)[lines] & ~crossing
    return rules


def writing_mask(ink: Floats) -> Mask:
    """Return where ink is writing, not specks, a frame or things at the picture's edge.

    Args:
        ink: `[H, W]` in [0, 1], some of it above 0.
    """
    longest = max(ink.shape)
    reach = max(1, round(longest / 50))  # ink nearer than two of these belongs together
    groups, count = ndimage.label(ndimage.maximum_filter(ink, 2 * reach + 1))
    labels = np.arange(count + 1)  # 0 is the background
    amount = ndimage.sum_labels(ink, groups, labels)
    contact = ndimage.sum_labels((ink > 0) & _rim(ink.shape), groups, labels)
    heights, widths = _group_sizes(groups)

    runs_along_edge = contact > 0.6 * (heights + widths - 4 * reach)
    is_tall = heights > 0.8 * ink.shape[0]
    is_wide = widths > 0.8 * ink.shape[1]
    is_edge = runs_along_edge | (is_tall & is_wide)
    is_large = np.maximum(heights, widths) > 0.08 * longest + 2 * reach
    is_free = ~is_edge & (contact == 0) & is_large
    if 2 * amount[is_free].sum() > amount[~is_edge].sum():
        amount[is_edge] = 0
    is_writing = amount > 0.05 * amount.max()
    return np.asarray(is_writing[groups])


def _rim(shape: tuple[int, ...]) -> Mask:
    """The pixels at the edge of a picture."""
    is_rim = np.ones(shape, np.bool_)
    is_rim[1:-1, 1:-1] = False
    return is_rim


def _group_sizes(groups: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return height and width of each labelled group, by label; 0 for the background."""
    heights, widths = [0], [0]
    for rows, columns in ndimage.find_objects(groups):
        heights.append(rows.stop - rows.start)
        widths.append(columns.stop - columns.start)
    return np.array(heights), np.array(widths)
