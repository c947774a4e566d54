"""The studio has a control for each setting, whatever its range, scale or choices."""

import dataclasses
from types import MappingProxyType
from typing import Any

import pytest
from ipywidgets import BoundedIntText, Dropdown

from mnist_nb import Hyperparameters
from mnist_nb.labs.presets import PRESETS
from mnist_nb.widgets.controls import Controls, LogSlider, log_scale

SHORT = Hyperparameters(epochs=2, learning_rate=0.01, batch_size=50)
KINDS = {"plain": object(), "fancy": object()}


def field(default: Any, label: str, hint: str = "a hint", **rules: Any) -> Any:
    metadata = {"label": label, "hint": hint, "scale": "linear", **rules}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class MoreSettings(Hyperparameters):
    """Settings with one more field of each kind that a reader might add."""

    not_round: float = field(0.004, "Not round", low=1e-4, high=1.0, scale="log")
    from_zero: float = field(0.0, "From 0", low=0.0, high=10.0, scale="log")
    whole_log: int = field(40, "Whole", low=0, high=200, scale="log")
    wide: int = field(8192, "Width", low=1, high=100_000, scale="log2")
    two_from_zero: int = field(0, "Two", low=0, high=64, scale="log2")
    share: float = field(0.25, "Share", "100 % of <it>", low=0.0, high=1.0)
    large: float = field(5.0, "Large", low=-1000.0, high=1000.0)
    count: int = field(3, "Count", low=0, high=5)
    free: float = field(0.5, "Free", low=0.0, high=1.0, scale="free")
    kind: str = field("plain", "Kind", choices=MappingProxyType(KINDS))


OWN_FIELDS = [each.name for each in dataclasses.fields(MoreSettings)][9:]


def test_every_setting_has_a_control_with_its_name_and_hint() -> None:
    controls = Controls(SHORT)
    fields = dataclasses.fields(Hyperparameters)
    assert list(controls.by_name) == [each.name for each in fields]
    for each in fields:
        assert controls.by_name[each.name].description.startswith(each.metadata["label"])
        assert each.metadata["hint"] in controls.by_name[each.name].description
    assert controls.value == SHORT


def test_a_new_field_of_any_kind_has_a_working_control() -> None:
    controls = Controls(MoreSettings())
    assert controls.value == MoreSettings()
    other = MoreSettings(
        epochs=3, not_round=1 / 30, from_zero=0.123, whole_log=41, wide=777, two_from_zero=63,
        share=1 / 3, large=-999.5, count=5, free=0.123, kind="fancy",
    )  # fmt: skip
    controls.value = other
    assert controls.value == other
    assert "100 % of &lt;it&gt;" in controls.by_name["share"].description


@pytest.mark.parametrize("name", OWN_FIELDS)
def test_a_control_reaches_both_ends_of_its_range(name: str) -> None:
    controls = Controls(MoreSettings())
    rules = MoreSettings.__dataclass_fields__[name].metadata
    limits = list(rules["choices"]) if "choices" in rules else [rules["low"], rules["high"]]
    for limit in (limits[0], limits[-1]):
        controls.by_name[name].value = limit
        assert getattr(controls.value, name) == limit
    if "low" in rules:
        controls.by_name[name].value = rules["high"] + 1000
        assert getattr(controls.value, name) == rules["high"], "clamped in sight"


def test_a_choice_registered_later_can_be_shown() -> None:
    controls = Controls(MoreSettings())
    try:
        KINDS["later"] = object()
        controls.value = MoreSettings(kind="later")
        assert controls.value.kind == "later"  # type: ignore[attr-defined]
    finally:
        del KINDS["later"]


@pytest.mark.parametrize("name", PRESETS)
def test_the_menu_names_a_preset_while_it_is_shown(name: str) -> None:
    controls = Controls(SHORT)
    menu = controls.presets
    assert menu.value == "", "no preset has these settings"
    menu.value = PRESETS[name]
    assert controls.value == PRESETS[name]
    controls.by_name["seed"].value = 7
    assert menu.value == "", "the menu never names settings that are not shown"
    controls.by_name["seed"].value = 0
    assert menu.value == PRESETS[name]


def test_a_preset_leaves_added_settings_as_they_are() -> None:
    controls = Controls(MoreSettings(count=5))
    controls.presets.value = PRESETS["fast"]
    assert controls.value == MoreSettings(count=5, **dataclasses.asdict(PRESETS["fast"]))


def test_any_allowed_setting_is_shown_exactly() -> None:
    # not a step of its slider
    odd = Hyperparameters("cnn", 200, 777, 1 / 30, 1 / 3, "adamw", "one-cycle", "affine", 2**31 - 1)
    assert Controls(odd).value == odd


def test_a_sum_of_slider_steps_is_the_number_it_means() -> None:
    controls = Controls(SHORT)
    controls.by_name["momentum"].value = 0.9000000000000001
    assert controls.value.momentum == 0.9


def test_a_rate_is_typed_or_chosen_on_the_slider() -> None:
    rates: list[float] = []
    controls = Controls(SHORT, rates.append)
    rate = controls.by_name["learning_rate"]
    assert isinstance(rate, LogSlider)
    rate.number.value = 1 / 30
    assert controls.value.learning_rate == 1 / 30
    assert rate.slider.value == 0.03, "at or just below the number"
    rate.slider.value = 0.1
    assert controls.value.learning_rate == rate.number.value == 0.1
    rate.number.value = 50
    assert controls.value.learning_rate == rate.number.value == 10, "clamped in sight"
    assert rate.number.step == 1e-6, "an arrow key must not add 1"
    controls.value = SHORT
    assert rates == [1 / 30, 0.1, 10], "what code sets is no move of the reader"


def test_only_the_learning_rate_is_never_locked() -> None:
    controls = Controls(SHORT)
    controls.lock(True)
    assert controls.presets.disabled
    for name, control in controls.by_name.items():
        assert control.disabled == (name != "learning_rate")
    assert controls.by_name["batch_size"].slider.disabled
    assert controls.by_name["batch_size"].number.disabled
    controls.lock(False)
    assert not any(control.disabled for control in controls.by_name.values())


def test_the_kind_of_control_follows_the_field() -> None:
    by_name = Controls(SHORT).by_name
    assert isinstance(by_name["network"], Dropdown)
    assert isinstance(by_name["seed"], BoundedIntText)
    assert isinstance(by_name["batch_size"], LogSlider)


def test_one_to_twenty_epochs_are_half_of_the_slider() -> None:
    options = Controls(SHORT).by_name["epochs"].slider.options
    assert 0.45 < options.index(20) / (len(options) - 1) < 0.6


def test_a_log_scale_has_round_numbers_and_both_limits() -> None:
    assert log_scale("log", 0.001, 0.02) == [
        0.001, 0.0015, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02,
    ]  # fmt: skip
    assert log_scale("log", 1, 30, whole=True) == [1, 2, 3, 5, 7, 10, 15, 20, 30]
    assert log_scale("log2", 1, 100, whole=True) == [1, 2, 4, 8, 16, 32, 64, 100]
    assert log_scale("log", 0.0, 10.0)[:2] == [0.0, 1e-05]
