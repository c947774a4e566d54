"""The reader's own digits, and teaching them to a model."""

from mnist_nb.my_digits.adaptation import adapt
from mnist_nb.my_digits.store import Digit, DigitsError, MyDigits
