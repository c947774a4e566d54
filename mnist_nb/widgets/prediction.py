"""What a network reads in one image, and how one would say it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.refusal import is_refused, predict_and_score
from mnist_nb.models import predict

SURE, LIKELY = 0.9, 0.6


class Prediction(NamedTuple):
    """What a network reads in an image."""

    digit: int
    probabilities: NDArray[np.float32]  # [10]
    refused: bool = False  # whether the network takes it for no digit at all

    @property
    def sentence(self) -> str:
        """The guess as one would say it, which is another sentence when the network is unsure."""
        first, second = np.argsort(-self.probabilities, kind="stable")[:2].tolist()
        if self.refused:
            return f"I do not think this is a digit (it looks most like {with_article(first)})."
        share = float(self.probabilities[first])
        if share >= SURE:
            return f"I read {with_article(first)}, {how_sure(share)}."
        if share >= LIKELY:
            return f"Probably {with_article(first)}, perhaps {with_article(second)}."
        return f"Unsure: {with_article(first)} or {with_article(second)}?"


def how_sure(share: float) -> str:
    """ "97 % sure", and never 100 %."""
    return f"{100 * share:.0f} % sure" if share < 0.995 else "over 99 % sure"


def with_article(digit: int) -> str:
    """ "a 7", "an 8"."""
    return f"{'an' if digit == 8 else 'a'} {digit}"


def read(model: nn.Module, image: Pixels, *, refuse: bool = False) -> Prediction:
    """What the model reads in one image, uint8 `[28, 28]`; `refuse` whether it may say that there
    is no digit."""
    if not refuse:
        [probabilities] = predict(model, image[None]).numpy()
        return Prediction(int(probabilities.argmax()), probabilities)
    [probabilities], [score] = (answer.numpy() for answer in predict_and_score(model, image[None]))
    return Prediction(int(probabilities.argmax()), probabilities, bool(is_refused(model, score)))
