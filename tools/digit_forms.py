"""Digits drawn by rules, in forms that are rare in MNIST, and digits with ragged edges.

The forms are those of people in much of the world: 1s with a curved flag or a wide foot, 4s as a
hook and a short bar, 7s with a bar below a round head or with a short top, 9s with a small loop and
a wide tail. The ragged digits resemble pictures of few pixels.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional

from mnist_nb.data import SIDE
from mnist_nb.handwriting import signs
from mnist_nb.handwriting.raster import render_centred

NARROW, WIDE = 0.4, 1.2  # times the width of the forms
THIN_PEN, THICK_PEN = 0.6, 2.0  # radius in pixels; MNIST's pens have about 1.25
FEWEST_PIXELS, MOST_PIXELS = 8, 16  # along each side of a ragged image
LOWEST_LEVEL, HIGHEST_LEVEL = 0.3, 0.6  # shares of the brightest pixel
BINARY_SHARE = 0.6  # of the ragged images; the others have grey pixels


def combine(starts: str, ends: str) -> str:
    """Return the forms that have each of the starts and each of the ends."""
    forms = []
    for start in starts.split(", "):
        forms += [f"{start} {end}" for end in ends.split(", ")]
    return ", ".join(forms)


FORMS = {
    "0": "~cfpwtjcg, ~dfkqwsnjdm, ~dbfpwtjdbg, ~ecfpwtjdb",
    "1": combine(
        "~kgd, ~lhd, ~lgd, ~phd, ~pld, qd, kd, ld, ~fhd, ~fgd",  # flags
        "dw, dv, dx, dw vx, dw uy",  # stems, two of them with a foot
    ),
    "2": "~fbdiqu uy, ~kbdnqu uwy, bdi iu uy",
    "3": "~fbdhm ~mnsv, ~fbdim ~mnrv, ~gbdim ~mnsw, bdl ~lnsvp, aem ~mnsxvu, ~fbdhm ~mnsvp, "
    "~acdim ~mtxvu, aeh ~hosvp",
    "4": combine(
        "ckn, cko, ~cfkn, ~cgko, ~dhlo, bln, ~chln",  # hooks
        "is, ix, hr, iw, ~isv",  # short stems
    )
    + ", "
    + combine("bkn, bln, cln, ~bln", "hr, is, ms, ns")  # low and narrow
    + ", "
    + combine("dgi, dfj, ckn, dko, cfi, dgj, dfi, cgi, dgn", "dx, dw, dy, cx"),  # long stems
    "5": "be bg ~glnsvp, bf ~fhosvp ae, bk ~kinxvu be, bl ~lnsvp be, ~ecg ~gntxvp",
    "6": "~cgkpvxtsrq, ~bfkpuwsrl, ~dbfkpvxsql, ebkuwysmk, ~dgkuxsl, ~cfpwsmp",
    "7": combine(
        "~fbdinw, ~fbdinrw, ~fbdimw, ~gbdinrw, ~kbdinw, faew, bev, fbdv, kaeiw",
        "lo, mo, ln, ps, qs, pr, ~pmo, ~qmo",  # bars
    )
    + ", "
    + combine("ae, be, fe, fae, fbe", "ev, ew, eq")  # without a bar
    + ", "
    + combine("bd, ad, fbd, fad", "dv, dw"),  # short tops
    "8": "~dcghmswqmid, ~ecfmsxvpmie, ~jdbflmnswupqmnj, ~dbgmswqmid, ~dbgmtxvpmid be, ~dbgmswqmhd",
    "9": combine(
        "~dbghd, ~dbgmid, ~dcghi, ~dcghd",  # loops
        "~dnsvup, ~disvup, ~dinsxwup, ~dnxwup, ~dinsxvukr, ~dinrv, ~dinswu",  # tails
    ),
}
"""The forms of each digit as strokes between places, like `mnist_nb.handwriting.signs.FORMS`:
"~kgd dw" is a curve from k by g to d, and a straight line from d to w."""


def draw_digits(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each digit in one of its forms, with randomly moved places, as large as MNIST's.

    Args:
        labels: int64 `[N]`, 0 to 9.
        generator: the only source of randomness.

    Returns:
        float32 `[N, 28, 28]` in [0, 1].
    """
    places = signs.SIDE**2
    drawn = torch.rand(len(labels), places + 2, 2, generator=generator)
    moves = drawn[:, :places]
    form, width, pen, _ = drawn[:, places:].flatten(1).unbind(1)  # each [N]
    points = _forms().points(labels, form, moves)
    across = NARROW + (WIDE - NARROW) * width
    radius = THIN_PEN + (THICK_PEN - THIN_PEN) * pen
    return render_centred(points, across, radius)


@functools.cache
def _forms() -> signs.Forms:
    return signs.Forms(FORMS)


def make_ragged(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shrink images to a few pixels and enlarge them again; most become binary in between.

    Args:
        images: float32 `[N, 28, 28]` in [0, 1].
        generator: the only source of randomness.

    Returns:
        A new tensor of the same shape.
    """
    drawn = torch.rand(len(images), 3, generator=generator)
    choices = MOST_PIXELS - FEWEST_PIXELS + 1
    sides = FEWEST_PIXELS + (choices * drawn[:, 0]).long()
    levels = LOWEST_LEVEL + (HIGHEST_LEVEL - LOWEST_LEVEL) * drawn[:, 1]
    is_binary = drawn[:, 2] < BINARY_SHARE
    result = images.clone()
    for side in range(FEWEST_PIXELS, MOST_PIXELS + 1):
        rows = torch.nonzero(sides == side)[:, 0]
        if len(rows):
            small = _resize(images[rows], side)
            brightest = small.amax((1, 2), keepdim=True).clamp_min(1e-3)
            grey = small / brightest
            binary = (grey > levels[rows, None, None]).float()
            pixels = torch.where(is_binary[rows, None, None], binary, grey)
            result[rows] = _resize(pixels, SIDE)
    return result


def _resize(images: Tensor, side: int) -> Tensor:
    """Return images `[n, side, side]`, each pixel the mean of those that it overlaps."""
    return functional.interpolate(images[:, None], size=side, mode="area")[:, 0]
