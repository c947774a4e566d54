"""A network's reading of an image or a number, and sentences about it.

How sure it is of a digit is its probability; of a number that is drawn, the product of its digits'
probabilities. Whether there is a digit at all is another question, which the score answers. Of a
number in a photo it is the confidence, which counts how the ink was divided too. With little
confidence, the sentence says that there may be no number.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mnist_nb.handwriting.numbers import Number
from mnist_nb.handwriting.preprocessing import Pixels
from mnist_nb.handwriting.refusal import is_refused, predict_and_score
from mnist_nb.models import predict

SURE = 0.9
LIKELY = 0.6
NO_NUMBER = 0.2  # with less confidence, there may be no number
NOTHING_READ = "I do not think that there is a number here."
OVER_99 = 0.995  # a larger share would be rounded to 100 %


class Prediction(NamedTuple):
    """A network's reading of an image."""

    digit: int
    probabilities: NDArray[np.float32]  # [10]
    refused: bool = False  # whether the network rejects it as not a digit

    @property
    def sentence(self) -> str:
        """The guess as a sentence, which depends on the network's confidence."""
        best, second = np.argsort(-self.probabilities, kind="stable")[:2].tolist()
        probability = float(self.probabilities[best])
        if self.refused:
            return f"I do not think this is a digit (it looks most like {with_article(best)})."
        if probability >= SURE:
            return f"I read {with_article(best)}, {how_sure(probability)}."
        if probability >= LIKELY:
            return f"Probably {with_article(best)}, perhaps {with_article(second)}."
        return f"Unsure: {with_article(best)} or {with_article(second)}?"


def number_sentence(number: Number) -> str:
    """Return the reading of a drawing as a sentence, which depends on the network's confidence."""
    if not _has_digit(number):
        return NOTHING_READ
    if "?" in number.text:
        return f"I read {_in_one_line(number)}."
    if number.confidence < NO_NUMBER:
        return _doubtful_sentence(number)
    probability = math.prod(float(digit.probabilities.max()) for digit in number.digits)
    return _graded_sentence(_in_one_line(number), probability)


def photo_sentence(number: Number) -> str:
    """Return the reading of a photo as a sentence. Its ink may not be a number at all."""
    if not _has_digit(number):
        return NOTHING_READ
    if number.confidence < NO_NUMBER:
        return _doubtful_sentence(number)
    return _graded_sentence(_in_one_line(number), number.confidence)


def _has_digit(number: Number) -> bool:
    return any(sign.isdecimal() for sign in number.text)


def _in_one_line(number: Number) -> str:
    """Return the text with slashes between lines, and the meaning of question marks in it."""
    text = number.text.replace("\n", " / ")
    return f"{text} (? marks ink that is not a digit)" if "?" in text else text


def _doubtful_sentence(number: Number) -> str:
    text = _in_one_line(number)
    return f"I am not sure that there is a number here: it looks most like {text}."


def _graded_sentence(text: str, probability: float) -> str:
    if probability >= SURE:
        return f"I read {text}, {how_sure(probability)}."
    if probability >= LIKELY:
        return f"Probably {text}."
    return f"Unsure: {text}?"


def how_sure(probability: float) -> str:
    """Return "97 % sure", but never 100 %."""
    return f"{percent(probability)} sure"


def percent(probability: float) -> str:
    """Return "97 %", but never 100 %."""
    if probability >= OVER_99:
        return "over 99 %"
    return f"{100 * probability:.0f} %"


def with_article(digit: int) -> str:
    """Return "a 7" or "an 8"."""
    return f"an {digit}" if digit == 8 else f"a {digit}"


def describe_digit_count(count: int) -> str:
    """Return "1 digit" or "2 digits"."""
    return "1 digit" if count == 1 else f"{count} digits"


def read(model: nn.Module, image: Pixels, *, refuse: bool = False) -> Prediction:
    """Return the model's reading of an image.

    Args:
        image: uint8 `[28, 28]`.
        refuse: whether the model may reject the image as not a digit.
    """
    images = image[None]
    if not refuse:
        [probabilities] = predict(model, images).numpy()
        return Prediction(int(probabilities.argmax()), probabilities)
    all_probabilities, scores = predict_and_score(model, images)
    [probabilities] = all_probabilities.numpy()
    [score] = scores.numpy()
    return Prediction(int(probabilities.argmax()), probabilities, bool(is_refused(model, score)))
