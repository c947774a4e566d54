"""Find the ink in a picture of handwriting, and prepare it like MNIST's images.

The paper's light and grain, printed lines, pale marks and specks are removed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mnist_nb.handwriting.blobs import blob_sizes
from mnist_nb.handwriting.pale_marks import find_pale_marks
from mnist_nb.handwriting.picture_files import WHOLE_PICTURE, Crop, Picture, load_grey
from mnist_nb.handwriting.preprocessing import (
    BOX,
    EIGHT_NEIGHBOURS,
    PEN_WIDTH,
    RASTER,
    EmptySketchError,
    Floats,
    Mask,
    Pixels,
    prepare,
    weighted_quantile,
)
from mnist_nb.handwriting.raster import discs
from mnist_nb.handwriting.ruled_lines import (
    find_box_lines,
    find_paper_rules,
    find_rules,
)

# The numbers below were tuned on pictures like those of benchmarks/pictures.py.
_NO_GRAIN = 0.5  # grey levels; a picture with less is a drawing by a program
_MIN_CONTRAST = 6  # of ink, in standard deviations of the paper's grain
_SMALL = 64  # pixels; in smaller pictures, digits look like boxes and rules
_NARROW = 0.05  # the window that shows both sides of a stroke, in longer sides of the picture
_MAINLY = 0.65  # more than this share of a mainly light window is light
_CLEAR_SURPLUS = 0.08  # of light windows over dark ones
_CLEAR_IN_SMALL = 0.2  # likewise in small pictures, whose windows are only a few pixels wide
_STROKES = 4  # the width of the window that finds the paper, in widths of a stroke
_HALO = 3  # pixels; sharpening leaves such a light edge around strokes
_BROAD = 5  # pixels; gaps between thinner strokes may be as narrow as halos
_DARKEST_PAPER = 0.25  # of the brightest; darker paper is a table
_SPECK = 10  # pixels; less connected ink is grain
_FREE_SHARE = 0.1  # of the strokes that do not follow the edge; with less, all are measured
_ALONG_EDGE = 0.6  # of height plus width of ink; with more of it at the edge, it follows the edge
_THINNEST = 1.0  # line of MNIST, in pixels of the 20x20 box


class PictureSteps(NamedTuple):
    """The stages of the preparation of a picture of one digit."""

    picture: Floats  # [H, W], grey values in 0..255, upright, neither side over 512
    ink: Floats  # [H, W], in (0, 1]; paper is exactly 0
    box: tuple[int, int, int, int]  # left, top, right, bottom of the ink, the last two exclusive
    image: Pixels  # [28, 28], thickened if necessary, and prepared


def from_image(source: Picture) -> Pixels:
    """Prepare a digit in a picture of any size like MNIST's images: uint8 `[28, 28]`.

    The picture may be dark on light or light on dark, and should show one digit and little else.
    A photo's uneven light, its grain, the lines of ruled paper, boxes, and things at its edge are
    removed, and so are strokes that reach in from outside next to a whole digit.
    Lines thinner than any of MNIST's are thickened to its pens.

    Args:
        source: a Pillow image, the path, the bytes or the open file of one, or an array `[H, W]`,
            `[H, W, 3]` or `[H, W, 4]` with values in 0..255, or floats in 0..1.

    Raises:
        EmptySketchError: if the picture is blank.
        ValueError: if it is not a picture, or has more than 90 million pixels.
    """
    return picture_steps(source).image


def find_ink(source: Picture, crop: Crop = WHOLE_PICTURE) -> Floats:
    """Find the ink in a picture of one or several digits: float64 `[H, W]`, in (0, 1], paper 0.

    Neither side is over 512 pixels. Shadows, rules, boxes and tables around digits, folds, pale
    stamps, specks and things at the edge are removed; digits may touch the edge, but not run along
    it. Arguments and errors are those of `from_image`.
    """
    return ink_of_grey(load_grey(source, crop))


def picture_steps(source: Picture, crop: Crop = WHOLE_PICTURE) -> PictureSteps:
    """Prepare a picture as `from_image` does, and return every stage. Errors are the same.

    Args:
        source: as for `from_image`.
        crop: left, top, right and bottom of the part to use, as shares of the upright picture.
    """
    grey = load_grey(source, crop)
    ink = _without_neighbours(ink_of_grey(grey))
    rows, columns = ndimage.find_objects((ink > 0).astype(np.int64))[0]
    box = (columns.start, rows.start, columns.stop, rows.stop)
    return PictureSteps(grey, ink, box, prepare(thicken(ink)))


def thicken(ink: Floats) -> Floats:
    """Redraw ink `[H, W]` with MNIST's pen if its lines are thinner than any in MNIST."""
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
    """A picture, bright on dark, separated into paper and ink."""

    paper: Floats  # [H, W], grey values
    ink: Floats  # [H, W], brightness above the paper
    low: float  # the 0.2 quantile of the ink
    grain: float  # standard deviation of the paper's noise
    is_photo: bool  # whether the paper has grain

    @property
    def above_paper(self) -> Floats:
        """The ink less the paper's usual grain: from the 0.2 quantile to the median."""
        return self.ink - (self.low + 0.84 * self.grain)


def ink_of_grey(grey: Floats) -> Floats:
    """Find the ink `[H, W]` in (0, 1], paper 0, in grey values of either polarity.

    Raises:
        EmptySketchError: if there is none.
    """
    is_light = _is_light_paper(grey)
    layers = _separate(255 - grey if is_light else grey, is_light)
    grain = layers.grain
    ink = layers.above_paper
    full = _full_strength(layers)
    if full < max(10, _MIN_CONTRAST * grain):
        raise EmptySketchError(
            "there is no digit in this picture: nothing in it stands out from its background"
        )
    is_faint = ink > max(5 * grain, 0.25 * full)
    if max(ink.shape) > _SMALL:
        is_faint &= ~_printed_lines(layers, full, is_faint)
    if layers.is_photo:
        is_faint &= ~_pale_marks(is_faint, ink, full)
    is_strong = is_faint & (ink > 0.5 * full)
    is_line = ndimage.binary_propagation(is_strong, mask=is_faint)
    is_near = ndimage.binary_dilation(is_line, EIGHT_NEIGHBOURS)
    is_ink = is_near & (ink > max(2 * grain, 0.5))
    ink = np.where(is_ink, ink, 0).clip(0, full) / full
    if not ink.any():
        raise EmptySketchError("there is no digit in this picture: there are only lines in it")
    return np.where(writing_mask(ink), ink, 0)


def _pale_marks(is_faint: Mask, ink: Floats, full: float) -> Mask:
    """Find pale marks across strokes, but not in a table: `writing_mask` removes it as a whole."""
    groups, _ = ndimage.label(ndimage.maximum_filter(is_faint, 2 * _reach(ink) + 1))
    is_at_edge = _runs_along_edge(groups)[groups]
    return find_pale_marks(is_faint & ~is_at_edge, ink, full)


def _printed_lines(layers: _Layers, full: float, is_faint: Mask) -> Mask:
    """Find boxes and rules in the pixels with ink.

    Boxes come before rules, which would leave them open.
    """
    ink = layers.above_paper
    is_fainter = ink > max(4 * layers.grain, 0.1 * full)
    lines = find_box_lines(is_faint, ink)
    pale_lines = find_box_lines(is_fainter & ~lines, ink)
    # the lines of a pattern, such as a tablecloth's, are as dark as ink
    if np.count_nonzero(pale_lines & is_faint) < np.count_nonzero(pale_lines) / 2:
        lines |= pale_lines
    if layers.is_photo and min(ink.shape) > _SMALL:
        lines |= find_paper_rules(is_faint & ~lines, ink) | find_paper_rules(is_fainter, ink)
    return lines | find_rules(is_faint & ~lines, ink)


def _is_light_paper(grey: Floats) -> bool:
    """Return whether the paper is lighter than the ink.

    Paper is on both sides of a stroke, but on one side of a sheet's edge. If strokes are too wide
    to tell, paper surrounds most of the ink. If that is not clear, the ink is in fewer pieces.
    """
    surplus = _surplus_of_light(grey)
    clear = _CLEAR_SURPLUS if max(grey.shape) > _SMALL else _CLEAR_IN_SMALL
    if abs(surplus) > clear:
        return surplus > 0
    darkest, lightest, is_around_ink = _ink_in_windows(grey, 0.3)
    is_light = grey > (darkest + lightest) / 2
    light_share = is_light[is_around_ink].mean()
    if 1 - _MAINLY < light_share < _MAINLY:
        _, light_pieces = ndimage.label(is_around_ink & is_light, EIGHT_NEIGHBOURS)
        _, dark_pieces = ndimage.label(is_around_ink & ~is_light, EIGHT_NEIGHBOURS)
        if light_pieces != dark_pieces:
            return bool(light_pieces > dark_pieces)
    return bool(light_share > 0.5)


def _surplus_of_light(grey: Floats) -> float:
    """Return the share of narrow windows that are mainly light, less that of mainly dark ones."""
    darkest, lightest, is_around_ink = _ink_in_windows(grey, _NARROW)
    mean = ndimage.uniform_filter(grey, _window(grey, _NARROW))
    lightness = (mean - darkest) / np.maximum(lightest - darkest, 1)
    is_light = lightness[is_around_ink] > _MAINLY
    is_dark = lightness[is_around_ink] < 1 - _MAINLY
    return float(is_light.mean() - is_dark.mean())


def _ink_in_windows(grey: Floats, share: float) -> tuple[Floats, Floats, Mask]:
    """Return each window's darkest and lightest grey `[H, W]`, and whether both are far apart."""
    window = _window(grey, share)
    darkest = ndimage.minimum_filter(grey, window)
    lightest = ndimage.maximum_filter(grey, window)
    contrast = lightest - darkest
    is_around_ink = contrast >= min(np.ptp(grey) / 2, contrast.max())  # never empty
    return darkest, lightest, is_around_ink


def _window(grey: Floats, share: float) -> int:
    """Return the side of a window that is this share of the picture, in pixels."""
    longer_side: int = max(grey.shape)
    return max(3, round(share * longer_side))


def _separate(grey: Floats, is_light: bool) -> _Layers:
    """Separate a picture, ink bright on dark paper, into layers.

    A drawing by a program has no grain: its window may be wide, and everything outside the picture
    is paper. A photo's window is only a few strokes wide, so that shadows and dark corners are
    paper; its paper is as bright outside as at the edge, and in shadows there is less light for
    the ink to absorb than on the brightest tenth of the picture. Its median may be a table. There
    is no ink where it is far darker than any shadow on paper.

    Args:
        grey: `[H, W]` in 0..255.
        is_light: whether the paper was light before the picture was inverted.
    """
    drawing = _open_with_window(grey, 0.5, "constant")
    if drawing.grain <= _NO_GRAIN:
        return drawing
    photo = _open_with_window(grey, 0.3, "nearest")
    if _full_strength(photo) < _MIN_CONTRAST * photo.grain:  # lost in shadows
        photo = _open_with_window(grey, 0.1, "nearest")
    is_photo = photo.is_photo
    stroke_width = _stroke_width(photo)
    share = min(_STROKES * stroke_width / max(grey.shape), 0.3)
    photo = _open_with_window(grey, share, "nearest")
    if photo.grain <= _NO_GRAIN and stroke_width >= _BROAD:
        photo = _without_halos(photo, grey, share)
    photo = photo._replace(is_photo=is_photo)
    if photo.grain <= _NO_GRAIN or not is_light:
        return photo
    light = np.maximum(255 - photo.paper, 1)
    full_light = 255 - np.quantile(photo.paper, 0.1)
    gain = np.minimum(full_light / light, 3)
    gain[light < _DARKEST_PAPER * full_light] = 0
    return photo._replace(ink=photo.ink * gain)


def _without_halos(photo: _Layers, grey: Floats, share: float) -> _Layers:
    """Find the paper again, without the halos of a sharpened picture.

    Halos are lighter than the paper, so that the paper between strokes would be taken for ink. In
    a picture with grain, its darkest pixels would be filled too.
    """
    filled = ndimage.grey_closing(grey, _HALO, mode="nearest")
    paper = _open_with_window(filled, share, "nearest").paper
    return photo._replace(paper=paper, ink=np.maximum(grey - paper, 0))


def _full_strength(layers: _Layers) -> float:
    """Return the strength of ink that covers a pixel: the median of the stronger half."""
    ink = layers.above_paper
    return float(np.quantile(ink[ink >= ink.max() / 2], 0.5))


def _stroke_width(layers: _Layers) -> float:
    """Measure the width of the strokes, in pixels: nine tenths of the ink are in thinner ones.

    Shadows and dark edges are wider than any stroke: if possible, ink that runs along the picture's
    edge is ignored. Rules that end there count, because digits may touch them.
    """
    mask = layers.above_paper > max(5 * layers.grain, 0.25 * _full_strength(layers))
    blobs, _ = ndimage.label(mask, EIGHT_NEIGHBOURS)
    is_at_edge = _runs_along_edge(blobs)[blobs]
    is_speck = np.bincount(blobs.ravel())[blobs] < _SPECK
    padded = np.pad(mask, 1)
    depth = ndimage.distance_transform_cdt(padded, "chessboard")[1:-1, 1:-1]
    is_ridge = mask & (depth == ndimage.maximum_filter(depth, 3))
    is_free_ridge = is_ridge & ~is_at_edge & ~is_speck
    if is_free_ridge.sum() > _FREE_SHARE * is_ridge.sum():
        is_ridge = is_free_ridge
    if not is_ridge.any():
        return float(max(mask.shape))
    widths = 2 * depth[is_ridge] - 1
    return weighted_quantile(widths, widths, 0.9)


def _open_with_window(grey: Floats, share: float, mode: str) -> _Layers:
    """Separate paper and ink by a morphological opening.

    The opening removes everything that is brighter than its surroundings and narrower than the
    window, which is this share of the picture. The rest is paper.
    """
    window = _window(grey, share)
    outside = np.quantile(grey, 0.1)
    paper = ndimage.grey_opening(grey, window, mode=mode, cval=outside)
    ink = grey - paper
    # both are paper, even if most of a tight crop is ink
    least, low = np.quantile(ink, (0.02, 0.2)).tolist()
    grain = (low - least) / 1.2  # the quantiles of a normal distribution are 1.2 deviations apart
    return _Layers(paper, ink, low, grain, grain > _NO_GRAIN)


# ---- specks, edges and neighbours


def _without_neighbours(ink: Floats) -> Floats:
    """Remove strokes that reach in from outside, unless the largest part of the ink does too."""
    reach = _reach(ink)
    groups, _ = ndimage.label(ndimage.maximum_filter(ink, 2 * reach + 1))
    amount = np.bincount(groups.ravel(), weights=ink.ravel())
    reaches_in = np.zeros(len(amount), np.bool_)
    reaches_in[groups[(ink > 0) & _rim(ink.shape)]] = True
    if reaches_in[amount.argmax()]:
        return ink
    return np.where(reaches_in[groups], 0, ink)


def _reach(ink: Floats) -> int:
    """Return half the distance, in pixels, within which ink belongs together."""
    longer_side: int = max(ink.shape)
    return max(1, round(longer_side / 50))


def writing_mask(ink: Floats) -> Mask:
    """Return the pixels of handwriting, without specks, frames or things at the picture's edge.

    Args:
        ink: `[H, W]` in [0, 1], some of it above 0.
    """
    longest = max(ink.shape)
    reach = _reach(ink)
    groups, count = ndimage.label(ndimage.maximum_filter(ink, 2 * reach + 1))
    labels = np.arange(count + 1)  # 0 is the background
    amount = ndimage.sum_labels(ink, groups, labels)
    contact = ndimage.sum_labels((ink > 0) & _rim(ink.shape), groups, labels)
    heights, widths = blob_sizes(groups)

    runs_along_edge = contact > _ALONG_EDGE * (heights + widths - 4 * reach)
    is_frame = np.isin(labels, groups[_frames(ink)])
    is_edge = runs_along_edge | is_frame
    is_large = np.maximum(heights, widths) > 0.08 * longest + 2 * reach
    is_free = ~is_edge & (contact == 0) & is_large
    if 2 * amount[is_free].sum() > amount[~is_edge].sum():
        amount[is_edge] = 0
    tall = np.where(amount > 0, np.maximum(heights - 2 * reach, 1), 0)
    is_writing = amount > 0.05 * _typical(amount)
    is_writing |= tall > 0.2 * _typical(tall)  # a thin 1 beside touching digits is little ink
    return np.asarray(is_writing[groups])


def _frames(ink: Floats) -> Mask:
    """Find connected ink that is nearly as tall and as wide as the picture."""
    blobs, _ = ndimage.label(ink, EIGHT_NEIGHBOURS)
    heights, widths = blob_sizes(blobs)
    is_frame = (heights > 0.8 * ink.shape[0]) & (widths > 0.8 * ink.shape[1])
    return np.asarray(is_frame[blobs])


def _typical(amounts: Floats) -> float:
    """Return the amount of ink of a typical group: half of all ink is in larger groups."""
    return weighted_quantile(amounts, amounts)


def _runs_along_edge(blobs: NDArray[np.int32]) -> Mask:
    """Return for each label whether its ink follows the picture's edge."""
    heights, widths = blob_sizes(blobs)
    at_rim = blobs[_rim(blobs.shape)]
    contact = np.bincount(at_rim, minlength=len(heights))
    return np.asarray(contact > _ALONG_EDGE * (heights + widths))


def _rim(shape: tuple[int, ...]) -> Mask:
    """Return the pixels at the edge of a picture."""
    is_rim = np.ones(shape, np.bool_)
    is_rim[1:-1, 1:-1] = False
    return is_rim
