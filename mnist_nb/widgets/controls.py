"""Sliders, menus and number fields for settings, made from the fields of `Hyperparameters`."""

import dataclasses
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets
import traitlets
from ipywidgets import HTML, BoundedFloatText, BoundedIntText, Dropdown, FloatSlider, HBox, Widget

from mnist_nb.labs.presets import PRESETS, describe_preset
from mnist_nb.training import Hyperparameters

LOG_STEPS = (1, 1.5, 2, 3, 5, 7)
"""Round numbers that divide a decade almost evenly on a logarithmic scale."""

DECADES_ABOVE_ZERO = 6
"""Decades of a logarithmic slider whose range begins at 0."""

OWN_SETTINGS = ""
"""The menu's value if the controls match no preset."""


class Controls:
    """A control for each field of the settings, with its name and a line about its effect.

    Args:
        hyperparameters: the initial settings; the controls are made from their fields.
        on_rate: called with the learning rate when the user changes it, not when code sets the
            controls.

    Attributes:
        widget: the box with the controls, below a menu of the presets.
        by_name: the control of each field.
        presets: the menu.
    """

    def __init__(
        self, hyperparameters: Hyperparameters, on_rate: Callable[[float], None] = lambda _: None
    ) -> None:
        self._kind = type(hyperparameters)
        self._on_rate = on_rate
        self._is_being_set = False
        self.by_name = {
            field.name: _make_control(field) for field in dataclasses.fields(hyperparameters)
        }
        for name, control in self.by_name.items():
            control.observe(partial(self._on_move, name), "value")
        self.presets = _make_preset_menu()
        self.presets.observe(self._on_preset, "value")
        self.widget = ipywidgets.GridBox([self.presets, *self.by_name.values()])
        self.widget.add_class("studio-controls")
        self.value = hyperparameters

    @property
    def value(self) -> Hyperparameters:
        """The settings shown by the controls."""
        return self._kind(**{name: control.value for name, control in self.by_name.items()})

    @value.setter
    def value(self, hyperparameters: Hyperparameters) -> None:
        self._is_being_set = True
        try:
            for name, control in self.by_name.items():
                _show(control, getattr(hyperparameters, name))
        finally:
            self._is_being_set = False
        self._name_preset()

    def lock(self, locked: bool) -> None:
        """Lock or unlock the controls, except for the learning rate."""
        self.presets.disabled = locked
        for name, control in self.by_name.items():
            control.disabled = locked and name != "learning_rate"

    def _on_preset(self, change: Any) -> None:
        preset = change["new"]
        if preset != OWN_SETTINGS and preset != self.value:
            self.value = dataclasses.replace(self.value, **dataclasses.asdict(preset))

    def _on_move(self, name: str, _: Any) -> None:
        if self._is_being_set:
            return
        control = self.by_name[name]
        if isinstance(control, FloatSlider):
            # a slider in the page adds up its steps: 0.9000000000000001 means 0.9
            control.value = round(control.value, 12)
        self._name_preset()
        if name == "learning_rate":
            self._on_rate(control.value)

    def _name_preset(self) -> None:
        """Show the preset that matches the controls in the menu, if any."""
        shown = self.value
        self.presets.value = shown if shown in PRESETS.values() else OWN_SETTINGS


class LogSlider(HBox):  # type: ignore[misc]
    """A slider over round numbers, and a field for any other number.

    Args:
        label: the name and the hint, as HTML.
        numbers: the numbers of the slider, in ascending order; the first and the last are the
            limits of the field.
        tooltip: the hint as plain text.

    Attributes:
        value: the number in the field, exactly as set. The slider is at or just below it.
        disabled: whether both are locked.
    """

    value = traitlets.Any()
    disabled = traitlets.Bool(False)

    def __init__(self, label: str, numbers: Sequence[float], value: float, tooltip: str) -> None:
        self.description = label
        self._numbers = numbers
        # each part has its name for screen readers; the style sheet hides it
        name = {"description": label, "description_allow_html": True, "tooltip": tooltip}
        self.slider = ipywidgets.SelectionSlider(options=numbers, readout=False, **name)
        # without a step, an arrow key would add 1 to a learning rate
        step = 1 if isinstance(value, int) else next(number for number in numbers if number > 0)
        self.number = (BoundedIntText if isinstance(value, int) else BoundedFloatText)(
            min=numbers[0], max=numbers[-1], value=value, step=step, **name
        )
        super().__init__([HTML(label), self.slider, self.number], value=value)
        self.add_class("studio-log-slider")
        traitlets.link((self, "value"), (self.number, "value"))
        for part in (self.slider, self.number):
            traitlets.dlink((self, "disabled"), (part, "disabled"))
        self.slider.observe(self._on_slider, "index")
        self._place_slider()

    @traitlets.validate("value")
    def _limit(self, proposal: Any) -> float:
        limited: float = min(max(proposal["value"], self._numbers[0]), self._numbers[-1])
        return limited

    @traitlets.observe("value")
    def _place_slider(self, _: Any = None) -> None:
        self.slider.index = self._position

    @property
    def _position(self) -> int:
        """Return the largest number of the slider that does not exceed the value."""
        return bisect_right(self._numbers, self.value) - 1

    def _on_slider(self, _: Any) -> None:
        if self.slider.index != self._position:
            self.value = self._numbers[self.slider.index]


def log_scale(scale: str, low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return the numbers of a logarithmic slider, including both limits.

    Args:
        scale: "log" for 0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01 and so on, "log2" for
            powers of two.
        low: the lower limit. If it is 0, the scale begins six decades below `high`.
        high: the upper limit.
        whole: omit numbers with a fraction.
    """
    lowest = low or high / 10**DECADES_ABOVE_ZERO
    numbers: list[float] = []
    if scale == "log2":
        for power in range(math.ceil(math.log2(lowest)), math.floor(math.log2(high)) + 1):
            numbers.append(2.0**power)
    else:
        for decade in range(math.floor(math.log10(lowest)), math.floor(math.log10(high)) + 1):
            numbers.extend(float(f"{step}e{decade}") for step in LOG_STEPS)
    if whole:
        numbers = [int(number) for number in numbers if number.is_integer()]
    inside = [number for number in numbers if low < number < high]
    return [low, *inside, high]


def _make_preset_menu() -> Any:
    options: list[tuple[str, Any]] = [("your own settings", OWN_SETTINGS)]
    options += [(describe_preset(name), settings) for name, settings in PRESETS.items()]
    label = "Preset <span>seconds of training, validation accuracy</span>"
    hint = "Named settings"
    return Dropdown(options=options, description=label, description_allow_html=True, tooltip=hint)


def _make_control(field: dataclasses.Field[Any]) -> Widget:
    """Return the control for a field: a menu, a slider or a number field."""
    rules = field.metadata
    hint = rules["hint"]
    label = f"{escape(rules['label'])} <span>{escape(hint)}</span>"
    shared = {"description": label, "description_allow_html": True, "tooltip": hint}
    default: Any = field.default  # each field has one
    if "choices" in rules:
        return Dropdown(options=list(rules["choices"]), value=default, **shared)
    low, high, scale = rules["low"], rules["high"], rules["scale"]
    whole = isinstance(default, int)
    if scale in ("log", "log2"):
        return LogSlider(label, log_scale(scale, low, high, whole=whole), default, hint)
    limits = {"min": low, "max": high, "value": default}
    if scale == "free":
        return (BoundedIntText if whole else BoundedFloatText)(**limits, **shared)
    if whole:
        return ipywidgets.IntSlider(**limits, **shared)
    decimals = max(0, math.ceil(math.log10(50 / (high - low))))  # 50 to 500 steps
    return FloatSlider(**limits, step=10.0**-decimals, readout_format=f".{decimals}f", **shared)


def _show(control: Widget, value: Any) -> None:
    """Set a control, even to a choice that was registered after the menu was made."""
    if isinstance(control, Dropdown) and value not in control.options:
        control.options = [*control.options, value]
    control.value = value
