"""Fit the weights that divide the ink of a picture into digits, on generated pages.

    python tools/fit_grouping.py [--pages 20] [--output FILE]

1. Describe pages as `read_number` does. The right division of each cluster of ink is known. The
   weights maximize its likelihood among all ways to divide the cluster, minus a small multiple of
   their squares.
2. Read the pages with these weights. The weights of slashes maximize the likelihood of the slashes
   and 1s among the signs that are read as 1.
3. The weights of doubts maximize the likelihood of the pages that are read correctly and of those
   that are not, so that the confidence is calibrated.

The digits are from the first half of MNIST's validation images, which the networks were not trained
on. The second half is for `benchmarks/whole_numbers.py --made`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from made_pages import KINDS, NOBODY, Page, make_page
from torch import Tensor, nn

from mnist_nb import find_ink, load_mnist, load_pretrained
from mnist_nb.data import Split
from mnist_nb.handwriting import ink_grouping
from mnist_nb.handwriting.ink_grouping import (
    DigitFeatures,
    Doubts,
    DroppedFeatures,
    SlashFeatures,
)
from mnist_nb.handwriting.page_reading import (
    Cluster,
    InkPage,
    arrange_in_lines,
    choose_digits,
    describe_page,
    doubts_about,
    without_signs,
    without_words,
)
from mnist_nb.handwriting.pieces import InkPiece
from mnist_nb.handwriting.slashes import describe_slash

OUTPUT = Path(ink_grouping.__file__).parent / ink_grouping.WEIGHTS_FILE
NAMES = [one.name for one in (*fields(DigitFeatures), *fields(DroppedFeatures))]
SLASHES = [one.name for one in fields(SlashFeatures)]
DOUBTS = [one.name for one in fields(Doubts)]
MAX_DIVISIONS = 200  # of a cluster; clusters with more are skipped
MIN_LOGIT = -2  # of a digit's score; digits with less are illegible and skipped
MIN_SHARE = 0.3  # of a piece's pixels that a digit must own for the piece to be a part of it
FRAGMENT = 0.15  # of a digit's pixels; smaller parts of it may be dropped
DECAY = 0.1  # the factor of the sum of squared weights
STEPS = 60  # of L-BFGS


def fit(clusters: list[tuple[Tensor, int]]) -> dict[str, float]:
    """Return the weights.

    Args:
        clusters: for each, the sums of the features of every division, `[division, feature]`, and
            the index of the right one.
    """
    rows = torch.cat([sums for sums, _ in clusters])  # [division, feature], of all clusters
    lengths = torch.tensor([len(sums) for sums, _ in clusters])
    first_rows = lengths.cumsum(0) - lengths
    right_rows = first_rows + torch.tensor([place for _, place in clusters])
    owners = torch.arange(len(clusters)).repeat_interleave(lengths)  # the cluster of each row
    weights = torch.zeros(len(NAMES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        worths = rows @ weights
        best = _best_of_clusters(worths.detach(), owners)
        shares = torch.exp(worths - best[owners])
        log_sums = best + torch.zeros_like(best).index_add(0, owners, shares).log()
        surprise = (log_sums - worths[right_rows]).sum()
        total = surprise + DECAY * (weights**2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    worths = (rows @ weights).detach()
    is_right = worths[right_rows] == _best_of_clusters(worths, owners)
    print(f"{int(is_right.sum()):,} of {len(clusters):,} clusters are divided correctly")
    return dict(zip(NAMES, weights.detach().tolist(), strict=True))


def _best_of_clusters(worths: Tensor, owners: Tensor) -> Tensor:
    """Return the largest worth of each cluster: `[cluster]`."""
    count = int(owners[-1]) + 1
    lowest = torch.full((count,), -torch.inf, dtype=worths.dtype)
    return lowest.scatter_reduce(0, owners, worths, "amax")


def fit_doubts(doubts: Tensor, is_right: Tensor) -> dict[str, float]:
    """Return the weights of doubts.

    Args:
        doubts: of each page, `[page, doubt]`.
        is_right: whether each page is read correctly: bool `[page]`.
    """
    logarithms = torch.full((len(DOUBTS),), -1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithms], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        confidence = torch.exp(-doubts @ logarithms.exp()).clamp(1e-6, 1 - 1e-6)
        total = nn.functional.binary_cross_entropy(confidence, is_right.double())
        total.backward()
        return total

    optimizer.step(loss)
    return dict(zip(DOUBTS, logarithms.detach().exp().tolist(), strict=True))


def read_again(
    pages: list[tuple[Page, InkPage]], weights: dict[str, float]
) -> tuple[Tensor, Tensor]:
    """Return the doubts about each page, `[page, doubt]`, and whether it is read correctly."""
    rows, is_right = [], []
    for page, described in pages:
        numbers = without_words(described, weights)
        groups, probability = choose_digits(numbers, weights)
        digits = numbers.reader.read(groups)
        lines = without_signs(arrange_in_lines(digits, numbers.scale), weights)
        kept = list(itertools.chain.from_iterable(lines))
        text = "\n".join("".join(str(d.probabilities.argmax()) for d in line) for line in lines)
        rows.append(list(vars(doubts_about(kept, probability)).values()))
        is_right.append(text == page.text)
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(is_right)


def fit_slashes(pages: list[tuple[Page, InkPage]], weights: dict[str, float]) -> dict[str, float]:
    """Return the weights that tell slashes from 1s, as if both were equally frequent."""
    rows, is_slash = [], []
    for page, described in pages:
        for features, is_written in describe_ones(page, described, weights):
            rows.append(list(vars(features).values()))
            is_slash.append(not is_written)
    features_of_ones = torch.tensor(rows, dtype=torch.float64)
    target = torch.tensor(is_slash, dtype=torch.float64)
    ones_per_slash = (1 - target).sum() / target.sum()
    slash_weights = torch.zeros(len(SLASHES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([slash_weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = nn.functional.binary_cross_entropy_with_logits(
            features_of_ones @ slash_weights, target, pos_weight=ones_per_slash, reduction="sum"
        )
        total += DECAY * (slash_weights**2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    return dict(zip(SLASHES, slash_weights.detach().tolist(), strict=True))


def describe_ones(
    page: Page, described: InkPage, weights: dict[str, float]
) -> Iterator[tuple[SlashFeatures, bool]]:
    """Yield the slash features of all digits and slashes that are read as 1, and whether they are
    digits."""
    groups, _ = choose_digits(described, weights)
    digits = described.reader.read(groups)
    is_written = {}
    for pieces, digit in zip(groups, digits, strict=True):
        owners = [find_owner(piece, page, described.width) for piece in pieces]
        is_written[digit.box] = any(owner != NOBODY for owner in owners)
    for line in arrange_in_lines(digits, described.scale):
        for place, digit in enumerate(line):
            features = describe_slash(line, place)
            is_known = is_written[digit.box] or page.has_slashes  # no other ink
            if features is not None and is_known:
                yield features, is_written[digit.box]


def describe_clusters(page: Page, described: InkPage) -> Iterator[tuple[Tensor, int]]:
    """Yield the features of every division of each cluster of a page, and the index of the right
    one."""
    owners = [find_owner(piece, page, described.width) for piece in described.pieces]
    for cluster in described.clusters:
        right = right_choices(cluster, described, owners)
        if right is None:
            continue
        divisions = list(all_divisions(cluster))
        if 1 < len(divisions) <= MAX_DIVISIONS:
            features = torch.tensor([row_of(one) for one in cluster.features], dtype=torch.float64)
            sums = torch.stack([features[list(division)].sum(0) for division in divisions])
            yield sums, divisions.index(right)


def find_owner(piece: InkPiece, page: Page, width: int) -> int:
    """Return the digit that a piece is a part of, or NOBODY."""
    height, original_width = page.owners.shape
    scale = original_width / width
    columns, rows = ((piece.pixels.T + 0.5) * scale).astype(np.int64)
    owners = page.owners[rows.clip(0, height - 1), columns.clip(0, original_width - 1)]
    owned = owners[owners != NOBODY]
    if len(owned) == 0:
        return NOBODY
    most_frequent = int(np.bincount(owned).argmax())
    share = np.mean(owners == most_frequent)
    return most_frequent if share > MIN_SHARE else NOBODY


def right_choices(cluster: Cluster, page: InkPage, owners: list[int]) -> tuple[int, ...] | None:
    """Return the indices of the choices that divide a cluster correctly, in increasing order; None
    if a digit is not a group of the cluster, or is illegible."""
    digits: dict[int, list[int]] = {}
    dropped = []
    for piece in cluster.pieces:
        if owners[piece] == NOBODY:
            dropped.append(piece)
        else:
            digits.setdefault(owners[piece], []).append(piece)
    places = {(tuple(c.members), c.is_digit): i for i, c in enumerate(cluster.choices)}
    chosen = []
    for members in digits.values():
        key = (tuple(sorted(members)), True)
        if key not in places:
            sizes = {piece: len(page.pieces[piece].pixels) for piece in members}
            large = [p for p in members if sizes[p] > FRAGMENT * sum(sizes.values())]
            dropped += [piece for piece in members if piece not in large]
            key = (tuple(sorted(large)), True)
        if key not in places:
            return None
        features = cluster.features[places[key]]
        if isinstance(features, DigitFeatures) and features.score_logit < MIN_LOGIT:
            return None
        chosen.append(places[key])
    for choice in cluster.choices:  # ink that is dropped as a whole
        if not choice.is_digit and len(choice.members) > 1 and set(choice.members) <= set(dropped):
            chosen.append(places[tuple(choice.members), False])
            dropped = [piece for piece in dropped if piece not in choice.members]
    chosen += [places[(piece,), False] for piece in dropped]
    return tuple(sorted(chosen))


def all_divisions(cluster: Cluster) -> Iterator[tuple[int, ...]]:
    """Yield every division of a cluster, as increasing indices of choices; at most one more than
    MAX_DIVISIONS."""
    found = 0
    by_first: dict[int, list[int]] = {piece: [] for piece in cluster.pieces}
    for index, choice in enumerate(cluster.choices):
        first = min(choice.members, key=cluster.pieces.index)
        by_first[first].append(index)
    open_ways: list[tuple[frozenset[int], tuple[int, ...]]] = [(frozenset(cluster.pieces), ())]
    while open_ways:
        left, chosen = open_ways.pop()
        if not left:
            yield tuple(sorted(chosen))
            found += 1
            if found > MAX_DIVISIONS:
                return
            continue
        first = min(left, key=cluster.pieces.index)
        for index in by_first[first]:
            members = frozenset(cluster.choices[index].members)
            if members <= left:
                open_ways.append((left - members, (*chosen, index)))


def row_of(features: DigitFeatures | DroppedFeatures) -> list[float]:
    """Return the values of all features, 0 for those of the other kind."""
    values = vars(features)
    return [values.get(name, 0.0) for name in NAMES]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=20, help="of each kind")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: %(default)s")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    split = load_mnist().validation
    pages = collect(options.pages, split.take(len(split) // 2), load_pretrained())
    clusters: list[tuple[Tensor, int]] = []
    for page, described in pages:
        clusters += describe_clusters(page, described)
    weights = fit(clusters)
    weights |= fit_slashes(pages, weights)
    doubts, is_right = read_again(pages, weights)
    print(f"{int(is_right.sum())} of {len(pages)} pages are read correctly")
    weights |= fit_doubts(doubts, is_right)
    rounded = {name: round(weight, 3) for name, weight in weights.items()}
    options.output.write_text(json.dumps(rounded, indent=2) + "\n")


def collect(pages: int, split: Split, model: nn.Module) -> list[tuple[Page, InkPage]]:
    """Make `pages` pages of each kind, and describe them."""
    collected = []
    for kind in KINDS:
        for seed in range(pages):
            page = make_page(kind, seed, split)
            with contextlib.suppress(ValueError):  # no ink was found
                collected.append((page, describe_page(find_ink(page.picture), model)))
    return collected


if __name__ == "__main__":
    main()
