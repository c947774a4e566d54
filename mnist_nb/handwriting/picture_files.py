"""Load a picture from a file, a Pillow image or an array, as grey values."""

import io
import os
import warnings
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist_nb.handwriting.preprocessing import Floats

Picture = Image.Image | str | os.PathLike[str] | bytes | BinaryIO | ArrayLike
Crop = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the picture
WHOLE_PICTURE: Crop = (0, 0, 1, 1)

_LARGEST_SIDE = 512  # larger pictures are reduced to this size
_SMALLEST_SIDE = 10  # of a reduced picture: half the height of MNIST's digits
_MAX_PIXELS = 90_000_000
_FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
)  # other formats, such as EPS, start programs
_HEIC_BRANDS = (b"ftyphei", b"ftyphev", b"ftypmif")  # bytes 4 to 10 of a HEIC file
_MAX_FRAMES = 50  # frames of an animation to search for one that is not blank


def load_grey(source: Picture, crop: Crop = WHOLE_PICTURE) -> Floats:
    """Load a picture as grey values `[H, W]` in 0..255, upright, with sides of at most 512.

    Args:
        source: a Pillow image; the path, the bytes or the open file of a picture; or an array
            `[H, W]`, `[H, W, 3]` or `[H, W, 4]` with values in 0..255, or floats in 0..1.
        crop: left, top, right and bottom of the part to use, as shares of the upright picture.

    Raises:
        ValueError: if the source is not a picture, has more than 90 million pixels, or is too long
            and narrow for that, or `crop` is not four shares from 0 to 1.
    """
    if len(crop) != 4 or not all(0 <= share <= 1 for share in crop):
        raise ValueError(f"crop must be four shares from 0 to 1, got {crop}")
    picture = _open(source)
    try:
        picture = _upright(picture)  # frees the opened file
        picture = _crop(picture, crop)
        width, height = picture.size
        picture = _to_8_bits(_reduce(picture))
    except Exception as error:  # Pillow raises many types for a damaged file or a rare mode
        raise _unreadable(source, error) from error
    picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.BOX)
    if min(picture.size) < min(_SMALLEST_SIDE, width, height):
        raise ValueError(
            f"a picture of {width} x {height} pixels is too long and narrow to find digits in: "
            "crop it, or cut it into several"
        )
    return _to_grey(picture)


def _open(source: Any) -> Image.Image:
    if isinstance(source, Image.Image):
        picture = source
    elif isinstance(source, str | os.PathLike | bytes | bytearray) or hasattr(source, "read"):
        picture = _open_file(source)
    else:
        picture = _from_array(source)
    if not 0 < picture.width * picture.height <= _MAX_PIXELS:
        raise ValueError(
            f"a picture of {picture.width} x {picture.height} pixels cannot be read here: "
            f"expected at least one pixel and {_MAX_PIXELS // 10**6} million at most"
        )
    return picture


def _open_file(source: Any) -> Image.Image:
    file = io.BytesIO(source) if isinstance(source, bytes | bytearray) else source
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", Image.DecompressionBombWarning
        )  # _open checks a different limit
        try:
            picture = Image.open(file, formats=_FORMATS)
        except Exception as error:  # also for a closed file or an invalid path
            raise _unreadable(source, error) from error
    # a JPEG file is decoded at about the required size
    picture.draft("RGB", (2 * _LARGEST_SIDE, 2 * _LARGEST_SIDE))
    return picture


def _from_array(source: ArrayLike) -> Image.Image:
    expected = "expected a picture as an array [H, W], [H, W, 3] or [H, W, 4]"
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{expected}: {error}") from error
    is_grey = array.ndim == 2
    is_colour = array.ndim == 3 and array.shape[2] in (3, 4)
    is_number = array.dtype.kind in "buif"
    if not is_number or not (is_grey or is_colour):
        raise ValueError(f"{expected}, got {array.dtype} {list(array.shape)}")
    if not ((array >= 0) & (array <= 255)).all():
        raise ValueError("expected an array of pixels in 0..255, or floats in 0..1, got others")
    if array.max(initial=0) <= 1:  # floats in 0..1, or 0 and 1 for paper and ink
        array = array * 255.0
    return Image.fromarray(np.rint(array).astype(np.uint8))


def _unreadable(source: Any, error: Exception) -> ValueError:
    if _is_heic(source):
        return ValueError(
            "this photo is in Apple's HEIC format, which cannot be read here: save it as JPEG "
            "first, or have the phone take JPEG (on an iPhone: Settings, Camera, Formats, "
            "Most Compatible)"
        )
    reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
    return ValueError(
        f"this is not a readable picture{reason}: choose a PNG, JPEG, WebP, GIF, BMP or TIFF file"
    )


def _is_heic(source: Any) -> bool:
    if isinstance(source, bytes | bytearray):
        return bytes(source[4:11]) in _HEIC_BRANDS
    name = str(getattr(source, "name", source))
    return name.lower().endswith((".heic", ".heif"))


def _upright(picture: Image.Image) -> Image.Image:
    """Return a copy rotated according to its EXIF data; of an animation, one frame."""
    if getattr(picture, "is_animated", False):
        picture = _first_frame(picture)
    return ImageOps.exif_transpose(picture)


def _first_frame(picture: Image.Image) -> Image.Image:
    """Return the first frame of an animation that is not blank, or the first if all are blank."""
    start = picture.tell()
    stop = min(getattr(picture, "n_frames", 1), start + _MAX_FRAMES)
    try:
        for number in range(start, stop):
            picture.seek(number)
            small = np.asarray(picture.convert("RGBA").reduce(4))
            if small.std(axis=(0, 1)).any():
                return picture.copy()
    finally:
        picture.seek(start)
    return picture


def _crop(picture: Image.Image, crop: Crop) -> Image.Image:
    if crop == WHOLE_PICTURE:
        return picture
    left, top, right, bottom = crop
    left_pixel = round(left * picture.width)
    top_pixel = round(top * picture.height)
    right_pixel = max(round(right * picture.width), left_pixel + 1)
    bottom_pixel = max(round(bottom * picture.height), top_pixel + 1)
    return picture.crop((left_pixel, top_pixel, right_pixel, bottom_pixel))


def _reduce(picture: Image.Image) -> Image.Image:
    """Shrink a large picture before its conversions, each of which copies it."""
    factor = max(picture.size) // (4 * _LARGEST_SIDE)
    if factor < 2:
        return picture
    if picture.has_transparency_data and picture.mode != "RGBA":
        picture = picture.convert("RGBA")
    elif picture.mode in ("1", "P"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    elif picture.mode.startswith("I;"):
        picture = picture.convert("I")
    return picture.reduce(factor)


def _to_8_bits(picture: Image.Image) -> Image.Image:
    """Convert a picture of any mode to "L" or "RGB"."""
    if picture.mode.startswith(("I", "F")):  # Pillow would clip these at 255
        values = np.array(picture, np.float64)
        picture = _from_array(values / max(1.0, float(values.max())))
    if picture.mode == "LAB":
        picture = picture.getchannel("L")
    if picture.has_transparency_data:
        picture = _on_paper(picture.convert("RGBA"))
    is_grey = picture.mode in ("1", "L", "LA")
    return picture.convert("L" if is_grey else "RGB")


def _on_paper(picture: Image.Image) -> Image.Image:
    """Put a transparent picture on paper.

    If most of the picture is opaque, the paper has the median grey of that part. Otherwise it is
    black for light ink and white for dark ink.
    """
    grey = np.array(picture.convert("L"))
    opacity = np.array(picture.getchannel("A"))
    is_opaque = opacity > 127
    level = 255
    if is_opaque.mean() > 0.5:
        level = round(float(np.median(grey[is_opaque])))
    elif opacity.any() and np.average(grey, weights=opacity) > 127:
        level = 0
    paper = Image.new("RGBA", picture.size, (level, level, level))
    return Image.alpha_composite(paper, picture)


def _to_grey(picture: Image.Image) -> Floats:
    grey = np.asarray(picture.convert("L"), np.float64)
    colours = np.asarray(picture.convert("RGB"), np.float64).reshape(-1, 3)
    if grey.var() >= 0.01 * colours.var(axis=0).sum():
        return grey
    # for example red on green of the same lightness
    return _along_main_axis(colours).reshape(grey.shape)


def _along_main_axis(colours: Floats) -> Floats:
    """Project colours `[pixel, 3]` onto the axis of their largest variance, scaled to 0..255."""
    deviations = colours - colours.mean(axis=0)
    _, axes = np.linalg.eigh(deviations.T @ deviations)  # in ascending order of the variance
    projected = deviations @ axes[:, -1]
    grey: Floats = np.interp(projected, (projected.min(), projected.max()), (0, 255))
    return grey
