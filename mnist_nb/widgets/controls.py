"""Sliders and choices for the settings of a run, made from the fields of `Hyperparameters` and
nothing else."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import ipywidgets
from ipywidgets import Dropdown, SelectionSlider, Widget

from mnist_nb.training.hyperparameters import PRESETS, Hyperparameters, in_words

_STEPS = (1, 1.5, 2, 3, 5, 7)  # round numbers that part a decade about evenly on a log scale


class Controls:
    """One control for each field of `Hyperparameters`, with its full name and a line that says what
    it does.

    Args:
        hyperparameters: what they show at first.
        on_rate: called with the learning rate when the reader moves it, but not where code sets all
            controls.

    Attributes:
        widget: the box that holds them, below a menu of the presets.
        by_name: the control of each field.
    """

    def __init__(
        self, hyperparameters: Hyperparameters, on_rate: Callable[[float], None] = lambda _: None
    ) -> None:
        self.by_name = {
            field.name: _make_control(field) for field in dataclasses.fields(Hyperparameters)
        }
        self._on_rate, self._busy = on_rate, False
        menu = [
            ("your own settings", ""),
            *((in_words(name), settings) for name, settings in PRESETS.items()),
        ]
        hint = "Named settings, the seconds that they train, and the share of the test images read right then"
        self.presets: Dropdown = Dropdown(options=menu, description="Preset", tooltip=hint)
        self.presets.observe(lambda change: self._take(change["new"]), "value")
        for name, control in self.by_name.items():
            control.observe(partial(self._moved, name), "value")
        self.widget = ipywidgets.GridBox([self.presets, *self.by_name.values()])
        self.widget.add_class("studio-controls")
        self.value = hyperparameters

    @property
    def value(self) -> Hyperparameters:
        """The settings that the controls show."""
        # a slider in the page may turn 0.9 into 0.9000000000000001, which would be other settings
        shown: dict[str, Any] = {
            name: round(control.value, 12) if isinstance(control.value, float) else control.value
            for name, control in self.by_name.items()
        }
        return Hyperparameters(**shown)

    @value.setter
    def value(self, hyperparameters: Hyperparameters) -> None:
        self._busy = True
        for name, control in self.by_name.items():
            value = getattr(hyperparameters, name)
            if (
                isinstance(control, SelectionSlider) and value not in control.options
            ):  # it can show this too, exactly
                control.options = sorted([*control.options, value])
            control.value = value
        self._busy = False
        self._name_preset()

    def _take(self, preset: Hyperparameters | str) -> None:
        if isinstance(preset, Hyperparameters) and preset != self.value:
            self.value = preset

    def _moved(self, name: str, _: object) -> None:
        if not self._busy:
            self._name_preset()
            if name == "learning_rate":
                self._on_rate(self.value.learning_rate)

    def _name_preset(self) -> None:
        """The menu names the preset that the controls show, if they show one."""
        self.presets.value = self.value if self.value in PRESETS.values() else ""

    def lock(self, locked: bool) -> None:
        """Let the controls be moved or not; the learning rate always can."""
        self.presets.disabled = locked
        for name, control in self.by_name.items():
            control.disabled = locked and name != "learning_rate"


def _make_control(field: dataclasses.Field[Any]) -> Widget:
    """The control that suits a field: its metadata says whether words or numbers, and on what
    scale."""
    rules = field.metadata
    default: Any = field.default  # each field has one
    shared: dict[str, Any] = {
        "description": _label(field),
        "description_allow_html": True,
        "tooltip": rules["hint"],
    }
    if "choices" in rules:
        return Dropdown(options=rules["choices"], value=default, **shared)
    low, high, whole = rules["low"], rules["high"], isinstance(default, int)
    if rules["scale"] in ("log", "log2"):
        values = (
            _round_numbers(low, high)
            if rules["scale"] == "log"
            else [2**power for power in range(13)]
        )
        options = [number for number in values if low <= number <= high]
        # its readout would take what is typed, and pass it over: the value stands in the label
        control = SelectionSlider(options=options, value=default, readout=False, **shared)
        control.observe(
            lambda _: setattr(control, "description", _label(field, f"{control.value:g}")), "value"
        )
        control.description = _label(field, f"{default:g}")
        return control
    limits = {"min": low, "max": high, "value": default}
    if rules["scale"] == "free":
        return (ipywidgets.BoundedIntText if whole else ipywidgets.BoundedFloatText)(
            **limits, **shared
        )
    if whole:
        return ipywidgets.IntSlider(**limits, **shared)
    return ipywidgets.FloatSlider(**limits, step=(high - low) / 99, **shared)


def _label(field: dataclasses.Field[Any], value: str = "") -> str:
    rules = field.metadata
    return f"{escape(rules['label'])}{f' <b>{value}</b>' * bool(value)} <span>{escape(rules['hint'])}</span>"


def _round_numbers(low: float, high: float) -> list[float]:
    """Round numbers from low to high: 0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01 and so on."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [float(f"{step}e{decade}") for decade in decades for step in _STEPS]
