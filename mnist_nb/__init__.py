"""Helpers of the notebooks that teach how a neural network learns to read handwritten digits.

The public names are listed in `__init__.pyi`. Each is imported from its module when it is first
used, so `import mnist_nb` itself is quick.
"""

import lazy_loader

from mnist_nb.plugins import AUGMENTATIONS, AUXILIARY_HEADS, GRADIENT_FUNCTIONS

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# Parts of the packages above the core, registered by name.
for _name in ("affine", "elastic", "handwriting"):
    AUGMENTATIONS[_name] = f"mnist_nb.handwriting.augmentation:{_name.upper()}"
AUXILIARY_HEADS["reject"] = "mnist_nb.handwriting.refusal:RefusalHead"
GRADIENT_FUNCTIONS["by hand"] = "mnist_nb.labs.backpropagation:ManualBackprop"
