"""What a network reads in one image, and how one would say it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.drawing.preprocessing import Pixels
from mnist_nb.models import predict

SURE, LIKELY = 0.9, 0.6


class Guess(NamedTuple):
    """What a network reads in an image."""

    digit: int
    probabilities: NDArray[np.float32]  # [10]

    @property
    def in_words(self) -> str:
        """The guess as one would say it, which is another sentence when the network is unsure."""
        first, second = np.argsort(-self.probabilities, kind="stable")[:2].tolist()
        share = float(self.probabilities[first])
        if share >= SURE:
            sure = f"{share:.0%}" if share < 0.995 else "over 99%"
            return f"I read {with_article(first)}, {sure.replace('%', ' %')} sure."
        if share >= LIKELY:
            return f"Probably {with_article(first)}, perhaps {with_article(second)}."
        return f"Unsure: {with_article(first)} or {with_article(second)}?"


def with_article(digit: int) -> str:
    """ "a 7", "an 8"."""
    return f"{'an' if digit == 8 else 'a'} {digit}"


def read(model: nn.Module, image: Pixels) -> Guess:
    """What the model reads in one image, uint8 `[28, 28]`."""
    probabilities = predict(model, image[None])[0].numpy()
    return Guess(int(probabilities.argmax()), probabilities)
