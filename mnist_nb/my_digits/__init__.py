"""The reader's own digits: kept, taught to a model, and read together as whole numbers."""

from mnist_nb.my_digits.adaptation import adapt
from mnist_nb.my_digits.store import Digit, DigitsError, MyDigits
