"""From a photo or a file to a digit as MNIST has them: the paper's light and grain out, its ink
in."""

import io
import os
import warnings
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from mnist_nb.data.arguments import check_arguments
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

_PHOTO = 512  # a picture's sides are reduced to this
_MAX_PIXELS = 90_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # others, such as EPS, start programs
_THIN = 1.0  # pixels of the 20x20 box; thinner lines are not in MNIST

Picture = Image.Image | str | os.PathLike[str] | bytes | BinaryIO | ArrayLike


class PictureSteps(NamedTuple):
    """What becomes of a picture of one digit on its way to an image such as MNIST's."""

    picture: Floats  # [H, W], grey values in 0..255, upright, neither side over 512
    ink: Floats  # [H, W], in (0, 1]; paper is exactly 0
    box: tuple[int, int, int, int]  # left, top, right, bottom of the ink, the last two not included
    image: Pixels  # [28, 28], thickened if need be, and prepared


def from_image(source: Picture) -> Pixels:
    """A digit in a picture of any size, prepared as MNIST's makers did: uint8 `[28, 28]`.

    Dark on light or light on dark; a photo's uneven light, its grain, the lines of ruled paper and
    what lies at its edge are taken out, and lines thinner than any of MNIST's are thickened to its
    pens. The picture should show one digit and little else.

    Args:
        source: a Pillow image, the path, the bytes or the open file of one, or an array `[H, W]`,
            `[H, W, 3]` or `[H, W, 4]` with values in 0..255, or floats in 0..1.

    Raises:
        EmptySketchError: if the picture is blank.
        ValueError: if it is no picture, or one of more than 90 million pixels.
    """
    return picture_steps(source).image


def find_ink(source: Picture) -> Floats:
    """The ink in a picture of one digit or several: float64 `[H, W]`, ink in (0, 1], paper exactly
    0.

    Neither side is over 512 pixels. Shadows, rules, specks and what lies at the edge are taken out;
    digits may touch the edge, but not run along it. Takes and raises what `from_image` does.
    """
    return _find_ink(_grey(source))


def picture_steps(
    source: Picture, crop: tuple[float, float, float, float] = (0, 0, 1, 1)
) -> PictureSteps:
    """What `from_image` makes of a picture, with what lies between; it takes and raises the same.

    Args:
        crop: left, top, right and bottom of the part that is looked at, as shares of the upright
            picture.
    """
    grey = _grey(source, crop)
    ink = _find_ink(grey)
    rows, columns = ndimage.find_objects((ink > 0).astype(np.int64))[0]
    return PictureSteps(
        grey, ink, (columns.start, rows.start, columns.stop, rows.stop), prepare(_thicken(ink))
    )


@check_arguments
def _grey(source: Any, crop: tuple[float, float, float, float] = (0, 0, 1, 1)) -> Floats:
    """A picture as grey values `[H, W]` in 0..255, neither side over 512."""
    if not all(0 <= share <= 1 for share in crop):
        raise ValueError(f"crop must be four shares from 0 to 1, got {crop}")
    try:
        if isinstance(source, Image.Image):
            picture = source
        elif isinstance(source, str | os.PathLike | bytes | bytearray) or hasattr(source, "read"):
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", Image.DecompressionBombWarning
                )  # the limit below is ours
                file = io.BytesIO(source) if isinstance(source, bytes | bytearray) else source
                try:
                    picture = Image.open(file, formats=_FORMATS)
                except (
                    TypeError,
                    ValueError,
                ) as error:  # a closed file, a text file, a path that no file can have
                    raise OSError(str(error)) from error
            picture.draft(
                "RGB", (2 * _PHOTO, 2 * _PHOTO)
            )  # a JPEG file is decoded at about the size that is needed
        else:
            picture = _from_array(source)
        if not 0 < picture.width * picture.height <= _MAX_PIXELS:
            raise ValueError(
                f"a picture of {picture.width} x {picture.height} pixels cannot be read here: "
                f"expected at least one pixel and {_MAX_PIXELS // 10**6} million at most"
            )
        picture = ImageOps.exif_transpose(
            _first_frame(picture) if getattr(picture, "is_animated", False) else picture
        )
        left, top, right, bottom = (
            round(share * side) for share, side in zip(crop, 2 * picture.size, strict=True)
        )
        if crop != (0, 0, 1, 1):
            picture = picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        name = (
            str(getattr(source, "name", source))
            if not isinstance(source, bytes | bytearray)
            else ""
        )
        kind = bytes(source[4:11]) if isinstance(source, bytes | bytearray) else b""
        if name.lower().endswith((".heic", ".heif")) or kind in (
            b"ftyphei",
            b"ftyphev",
            b"ftypmif",
        ):
            raise ValueError(
                "this photo is in Apple's HEIC format, which cannot be read here: save it as JPEG first, or have the "
                "phone take JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)"
            ) from error
        why = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise ValueError(
            f"this is no picture that can be read{why}: choose a PNG, JPEG, WebP, GIF, BMP or TIFF file"
        ) from error
    if picture.mode.startswith(("I", "F")):  # converting these to 8 bits would cut them off at 255
        values = np.array(picture, np.float64)
        picture = _from_array(values / max(1.0, float(values.max())))
    if picture.mode == "LAB":
        picture = picture.getchannel("L")
    if picture.has_transparency_data:
        picture = _on_paper(picture.convert("RGBA"))
    picture = picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")
    picture.thumbnail((_PHOTO, _PHOTO), Image.Resampling.BOX)
    grey = np.asarray(picture.convert("L"), np.float64)
    colours = np.asarray(picture.convert("RGB"), np.float64).reshape(-1, 3)
    if (
        grey.var() < 0.01 * colours.var(axis=0).sum()
    ):  # red on green that is as light: along the colours' main axis
        off = colours - colours.mean(axis=0)
        along = off @ np.linalg.eigh(off.T @ off)[1][:, -1]
        grey = np.interp(along, (along.min(), along.max()), (0, 255)).reshape(grey.shape)
    return grey


def _on_paper(picture: Image.Image) -> Image.Image:
    """A picture that one can see through laid on paper: its own where most of it is opaque, else
    black or white."""
    grey, opacity = (
        np.array(channel) for channel in (picture.convert("L"), picture.getchannel("A"))
    )
    solid = opacity > 127
    if solid.mean() > 0.5:
        level = round(float(np.median(grey[solid])))
    else:
        level = 0 if opacity.any() and np.average(grey, weights=opacity) > 127 else 255
    return Image.alpha_composite(Image.new("RGBA", picture.size, (level, level, level)), picture)


def _first_frame(picture: Image.Image) -> Image.Image:
    """A copy of the first frame of an animation that is not blank, among fifty; of the first if all
    are."""
    start = picture.tell()
    try:
        for frame in range(start, min(getattr(picture, "n_frames", 1), start + 50)):
            picture.seek(frame)
            if np.asarray(picture.convert("RGBA").reduce(4)).std(axis=(0, 1)).any():
                return picture.copy()
    finally:
        picture.seek(start)
    return picture


def _from_array(source: ArrayLike) -> Image.Image:
    """A Pillow image of an array of pixels."""
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"expected a picture as an array [H, W], [H, W, 3] or [H, W, 4]: {error}"
        ) from error
    if (
        array.ndim not in (2, 3)
        or array.shape[2:] not in ((), (3,), (4,))
        or array.dtype.kind not in "buif"
    ):
        raise ValueError(
            f"expected a picture as an array [H, W], [H, W, 3] or [H, W, 4], got {array.dtype} {list(array.shape)}"
        )
    if array.size and not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 255):
        raise ValueError(
            "expected an array of pixels in 0..255, or floats in 0..1, but some lie outside"
        )
    if (
        array.max(initial=0) <= 1
    ):  # floats in 0..1, bool, or integers that only say whether there is ink
        array = array * 255.0
    return Image.fromarray(np.rint(array).astype(np.uint8))


def _find_ink(grey: Floats) -> Floats:
    """Ink `[H, W]` in 0..1 on paper at exactly 0, from grey values in which either may be the
    darker one.

    Ink is what an opening wipes out: what is brighter, once the paper is dark, than all around it
    and narrower than a window. A drawing by a program has no grain: its window may be wide, and
    what is outside it is paper.
    """
    if light := _is_light(grey):
        grey = 255 - grey
    for share, mode in ((0.5, "constant"), (0.3, "nearest")):
        window = max(3, round(share * max(grey.shape)))
        paper = ndimage.grey_opening(grey, window, mode=mode, cval=np.quantile(grey, 0.1))
        ink = grey - paper
        least, low = np.quantile(
            ink, (0.02, 0.2)
        )  # of the paper, even if most of a tight crop is ink
        grain = (
            float(low - least) / 1.2
        )  # a standard deviation: so far apart are a normal variable's quantiles
        if grain <= 0.5:
            break
        if (
            light and mode == "nearest"
        ):  # ink takes a share of the light, of which there is less in a shadow
            ink *= np.minimum((255 - np.median(paper)) / np.maximum(255 - paper, 1), 3)
    ink -= low + 0.84 * grain
    full = float(np.quantile(ink[ink >= ink.max() / 2], 0.5))
    if full < max(10, 6 * grain):
        raise EmptySketchError(
            "there is no digit in this picture: nothing in it stands out from its background"
        )
    faint = ink > max(5 * grain, 0.25 * full)
    if grain > 0.5 and min(ink.shape) > 64:
        for mask in (faint.copy(), ink > max(4 * grain, 0.1 * full)):
            if (rules := _rules(mask)).any():
                faint &= ~rules & ~_rules(mask.T).T
    strong = ndimage.binary_propagation(faint & (ink > 0.5 * full), mask=faint)
    near = ndimage.binary_dilation(strong, np.ones((3, 3)))
    ink = np.where(near & (ink > max(2 * grain, 0.5)), ink, 0).clip(0, full) / full
    if not ink.any():
        raise EmptySketchError("there is no digit in this picture: there are only lines in it")
    return np.where(_wanted(ink), ink, 0)


def _is_light(grey: Floats) -> bool:
    """Whether the paper is lighter than the ink: around ink, most is paper; else, ink is in fewer
    pieces."""
    window = max(3, round(0.3 * max(grey.shape)))
    low, high = ndimage.minimum_filter(grey, window), ndimage.maximum_filter(grey, window)
    light, around = grey > (low + high) / 2, high - low >= np.ptp(grey) / 2
    share = light[around].mean()
    if 0.35 < share < 0.65:
        pieces = [ndimage.label(around & where, np.ones((3, 3)))[1] for where in (light, ~light)]
        if pieces[0] != pieces[1]:
            return bool(pieces[0] > pieces[1])
    return bool(share > 0.5)


def _rules(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where lines of ruled paper lie: nearly level, over half of the picture, several; strokes that
    cross them stay."""
    wide = ndimage.maximum_filter1d(mask, 3, axis=0)
    level, _ = ndimage.label(ndimage.grey_opening(wide, (1, mask.shape[1] // 16)), np.ones((3, 3)))
    long = np.array(
        [False, *(2 * (x.stop - x.start) > mask.shape[1] for _, x in ndimage.find_objects(level))]
    )
    crossing = ndimage.grey_opening(mask, (3 + max(mask.shape) // 80, 1))
    return np.asarray(long[level] & ~crossing & (long.sum() > 1))  # one alone may be the bar of a 7


def _wanted(ink: Floats) -> NDArray[np.bool_]:
    """Where ink is what was written, not specks, a frame or what lies at the edge of the
    picture."""
    reach = max(1, round(max(ink.shape) / 50))
    groups, count = ndimage.label(ndimage.maximum_filter(ink, 2 * reach + 1))
    sums = ndimage.sum_labels(ink, groups, np.arange(count + 1))
    rim = np.ones(ink.shape, np.bool_)
    rim[1:-1, 1:-1] = False
    contact = ndimage.sum_labels((ink > 0) & rim, groups, np.arange(count + 1))
    sizes = np.array(
        [(0, 0), *((y.stop - y.start, x.stop - x.start) for y, x in ndimage.find_objects(groups))]
    )
    hugs = (contact > 0.6 * (sizes.sum(axis=1) - 4 * reach)) | (
        sizes > 0.8 * np.array(ink.shape)
    ).all(axis=1)
    free = ~hugs & (contact == 0) & (sizes.max(axis=1) > 0.08 * max(ink.shape) + 2 * reach)
    if 2 * sums[free].sum() > sums[~hugs].sum():
        sums[hugs] = 0
    return np.asarray((sums > 0.05 * sums.max())[groups])


def _thicken(ink: Floats) -> Floats:
    """Ink `[H, W]` drawn with MNIST's pen if its lines are thinner than MNIST's ever are."""
    rows, columns = np.nonzero(ink > ink.max() / 2)
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    solid = np.pad(ink >= ink.max() / 2, 1)
    outline = np.count_nonzero(np.diff(solid, axis=0)) + np.count_nonzero(np.diff(solid, axis=1))
    thickness = (
        2 * (4 / np.pi) * solid.sum() / outline * BOX / side
    )  # 4/pi: the outline is measured along the axes
    if thickness >= _THIN:
        return ink
    radius = (PEN_WIDTH - thickness) / 2 * RASTER / BOX
    centres = (np.stack([columns - columns.min(), rows - rows.min()], axis=1) + 0.5) * (
        RASTER / side
    ) + radius
    return discs(centres, radius, RASTER + 2 * int(np.ceil(radius))).astype(np.float64)
