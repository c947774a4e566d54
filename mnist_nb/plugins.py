"""What other rooms bring along, by name, so that the core never imports the rooms built on it.

A value is an object, or the text "module:object", which is imported when the name is first used.
Other rooms are entered in `mnist_nb/__init__.py`; your own may be added at any time:
`AUGMENTATIONS["mirror"] = Mirror()`.
"""

from collections.abc import MutableMapping
from importlib import import_module
from typing import Any

AUGMENTATIONS: MutableMapping[str, Any] = {"none": "mnist_nb.training.augmentation:NONE"}
"""Objects of the class `training.augmentation.Augmentation`."""

AUXILIARY_HEADS: MutableMapping[str, Any] = {}
"""Subclasses of `models.AuxiliaryHead`, by the name that their tensors begin with."""

GRADIENT_FUNCTIONS: MutableMapping[str, Any] = {}
"""Classes that make a `training.gradients.GradientFn` from a fully connected network on a CPU."""


def find_plugin(plugins: MutableMapping[str, Any], name: str) -> Any:
    """Return the plug-in of this name, imported if need be.

    Raises:
        ValueError: if there is none; the message lists the names.
    """
    if name not in plugins:
        known = ", ".join(map(repr, plugins)) or "none"
        raise ValueError(f"{name!r} is not among the known names ({known})")
    plugin = plugins[name]
    if isinstance(plugin, str):
        module, _, attribute = plugin.partition(":")
        plugin = plugins[name] = getattr(import_module(module), attribute)
    return plugin
