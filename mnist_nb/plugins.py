"""Registries of plug-ins by name, so that the core need not import the packages built on it.

A value is an object, or a string "module:object" that is imported when the name is first used.
`mnist_nb/__init__.py` registers the plug-ins of this package. You can add your own at any time:
`AUGMENTATIONS["mirror"] = Mirror()`.
"""

from collections.abc import MutableMapping
from importlib import import_module
from typing import Any

AUGMENTATIONS: MutableMapping[str, Any] = {"none": "mnist_nb.training.augmentation:NONE"}
"""Instances of `training.augmentation.Augmentation`."""

AUXILIARY_HEADS: MutableMapping[str, Any] = {}
"""Subclasses of `models.AuxiliaryHead`, by the prefix of their tensors' names."""

GRADIENT_FUNCTIONS: MutableMapping[str, Any] = {}
"""Classes that make a `training.gradients.GradientFn` from a fully connected network on a CPU."""


def find_plugin(plugins: MutableMapping[str, Any], name: str) -> Any:
    """Return the plug-in with this name, and import it if necessary.

    Raises:
        ValueError: if the name is unknown; the message lists the known names.
    """
    if name not in plugins:
        known = ", ".join(map(repr, plugins)) or "none"
        raise ValueError(f"unknown name {name!r}: choose one of {known}")
    plugin = plugins[name]
    if isinstance(plugin, str):
        module, _, attribute = plugin.partition(":")
        plugin = plugins[name] = getattr(import_module(module), attribute)
    return plugin
