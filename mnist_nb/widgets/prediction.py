"""What a network reads in one image, and the sentences that say it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.refusal import is_refused, predict_and_score
from mnist_nb.models import predict

SURE = 0.9
LIKELY = 0.6
OVER_99 = 0.995  # what would be rounded to 100 %


class Prediction(NamedTuple):
    """What a network reads in an image."""

    digit: int
    probabilities: NDArray[np.float32]  # [10]
    refused: bool = False  # whether the network sees no digit in it

    @property
    def sentence(self) -> str:
        """The guess as one would say it, depending on how sure the network is."""
        best, second = np.argsort(-self.probabilities, kind="stable")[:2].tolist()
        probability = float(self.probabilities[best])
        if self.refused:
            return f"I do not think this is a digit (it looks most like {with_article(best)})."
        if probability >= SURE:
            return f"I read {with_article(best)}, {how_sure(probability)}."
        if probability >= LIKELY:
            return f"Probably {with_article(best)}, perhaps {with_article(second)}."
        return f"Unsure: {with_article(best)} or {with_article(second)}?"


def how_sure(probability: float) -> str:
    """Return "97 % sure", and never 100 %."""
    if probability >= OVER_99:
        return "over 99 % sure"
    return f"{100 * probability:.0f} % sure"


def with_article(digit: int) -> str:
    """Return "a 7" or "an 8"."""
    return f"an {digit}" if digit == 8 else f"a {digit}"


def describe_digit_count(count: int) -> str:
    """Return "1 digit" or "2 digits"."""
    return "1 digit" if count == 1 else f"{count} digits"


def read(model: nn.Module, image: Pixels, *, refuse: bool = False) -> Prediction:
    """Return what the model reads in one image.

    Args:
        image: uint8 `[28, 28]`.
        refuse: whether the model may answer that there is no digit.
    """
    images = image[None]
    if not refuse:
        [probabilities] = predict(model, images).numpy()
        return Prediction(int(probabilities.argmax()), probabilities)
    all_probabilities, scores = predict_and_score(model, images)
    [probabilities] = all_probabilities.numpy()
    [score] = scores.numpy()
    return Prediction(int(probabilities.argmax()), probabilities, bool(is_refused(model, score)))
