"""Figures do not need pyplot, display themselves, and show the given numbers."""

import json
from inspect import isfunction
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from sklearn.metrics import roc_curve

from mnist_nb import Hyperparameters, TrainingRun, build_model, evaluate, plots, read_number
from mnist_nb.evaluation import Evaluation
from mnist_nb.handwriting.pictures import picture_steps
from mnist_nb.handwriting.preprocessing import preparation_steps
from mnist_nb.labs.images import image_stats
from mnist_nb.labs.inside import activations, mean_by_digit, weighted_sum
from mnist_nb.labs.robustness import CORRUPTIONS

NUMBERS = Path(__file__).resolve().parent.parent / "notebooks" / "experiments.json"
KEPT = json.loads(NUMBERS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tiny):
    run = TrainingRun(
        build_model("mlp", seed=0), tiny, Hyperparameters(epochs=3, learning_rate=0.05)
    )
    list(run.epochs())
    return run


@pytest.fixture(scope="module")
def evaluation(run, tiny):
    return evaluate(run.model, tiny.test)


FIGURES = [
    name
    for name, value in vars(plots).items()
    if isfunction(value) and name not in ("smooth", "new_figure", "show_image")
]


def figures(data, run, evaluation):
    """Return a call for each figure that makes it."""
    images, first = data.test.images, data.test.images[0]
    both = {"a": evaluation, "b": evaluation}
    stats = image_stats(images)
    values = activations(run.model, images)
    results = {name: KEPT[name]["results"] for name in KEPT if name != "about"}
    levels = {
        name: {"a": [0.9] * len(corruption.severities)} for name, corruption in CORRUPTIONS.items()
    }
    return {
        "image_grid": lambda: plots.image_grid(data.train.images[:13], [str(n) for n in range(13)]),
        "digit_grid": lambda: plots.digit_grid(data.train.images, data.train.labels),
        "image_numbers": lambda: plots.image_numbers(data.train.images[0]),
        "mean_and_spread": lambda: plots.mean_and_spread(data.train.images, data.train.labels),
        "image_map": lambda: plots.image_map(stats.centres, images, data.test.labels),
        "training_curves": lambda: plots.training_curves(run),
        "confusion_matrix": lambda: plots.confusion_matrix(evaluation),
        "read_images": lambda: plots.read_images(images, evaluation, [0, 1, 2]),
        "prediction_bars": lambda: plots.prediction_bars(first, evaluation.probabilities[0]),
        "picture": lambda: plots.picture(picture_steps(first)),
        "number": lambda: plots.number(255 - first, read_number(255 - first)),
        "preparation": lambda: plots.preparation(preparation_steps(first)),
        "accuracy_intervals": lambda: plots.accuracy_intervals(both),
        "roc_curves": lambda: plots.roc_curves(
            {
                "energy": roc_curve([0, 0, 1, 1], [0.2, 0.8, 0.7, 0.9]),
                "other": roc_curve([0, 1], [0, 1]),
            }
        ),
        "reliability_diagram": lambda: plots.reliability_diagram(both),
        "corrupted_images": lambda: plots.corrupted_images(first, [*CORRUPTIONS.values()]),
        "robustness_curves": lambda: plots.robustness_curves(levels, CORRUPTIONS),
        "initialisation_curves": lambda: plots.initialisation_curves(results["initialisation"]),
        "width_curve": lambda: plots.width_curve(results["width"]),
        "memorization_curves": lambda: plots.memorization_curves(results["memorization"]),
        "bits_curve": lambda: plots.bits_curve(results["bits"]),
        "signed_images": lambda: plots.signed_images(run.model.linear1.weight.detach()[:23]),
        "saliency_maps": lambda: plots.saliency_maps(
            first, {"a": torch.ones(28, 28), "b": -torch.ones(28, 28)}, ["unit", "unit"]
        ),
        "units_by_digit": lambda: plots.units_by_digit(
            mean_by_digit(values["linear2"], data.test.labels)
        ),
        "layer_by_layer": lambda: plots.layer_by_layer(first, values),
        "sum_written_out": lambda: plots.sum_written_out(first, weighted_sum(run.model, 3, first)),
        "digit_maps": lambda: plots.digit_maps(
            {"pixels": torch.rand(200, 2), "hidden": torch.rand(200, 2)}, data.test.labels
        ),
        "score_histograms": lambda: plots.score_histograms(
            {"digits": torch.rand(50), "noise": torch.zeros(5)}, 0.5, label="score"
        ),
    }


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_itself_as_a_png(tiny, run, evaluation, name):
    figure = figures(tiny, run, evaluation)[name]()
    png = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    width = int.from_bytes(png[16:20], "big")
    assert 200 < width <= 970  # JupyterLab's cell at a common window size


def test_training_curves_plot_the_records(run):
    loss_axes, accuracy_axes = plots.training_curves([run, run], ["one", "two"]).axes
    assert [line.get_label() for line in accuracy_axes.lines] == ["one", "two"]
    assert accuracy_axes.lines[0].get_xdata().tolist() == [1, 2, 3]
    expected = [record.validation_accuracy for record in run.records]
    assert accuracy_axes.lines[0].get_ydata().tolist() == expected
    assert loss_axes.lines[0].get_xdata()[-1] == pytest.approx(3)
    assert accuracy_axes.lines[0].get_linestyle() != accuracy_axes.lines[1].get_linestyle()


def test_smoothing_is_the_mean_of_the_last_values():
    assert plots.smooth([1, 2, 3, 4], window=2).tolist() == [1, 1.5, 2.5, 3.5]
    assert plots.smooth([5.0]).tolist() == [5]
    assert plots.smooth([]).tolist() == []


def test_the_confusion_matrix_writes_every_count(evaluation):
    axes = plots.confusion_matrix(evaluation).axes[0]
    assert [
        int(text.get_text().replace(",", "")) for text in axes.texts
    ] == evaluation.confusion.flatten().tolist()


def test_titles_show_label_prediction_and_correctness(tiny, evaluation):
    right = int(torch.nonzero(evaluation.is_correct)[0])
    figure = plots.read_images(tiny.test.images, evaluation, [right])
    label = int(evaluation.labels[right])
    assert figure.axes[0].get_title().startswith(f"a {label}, read {label} {plots.TICK}")


def test_prediction_bars_name_the_prediction():
    axes = plots.prediction_bars(np.zeros((28, 28)), np.eye(10)[7]).axes[1]
    assert axes.get_title() == "read as a 7"
    assert [bar.get_height() for bar in axes.patches][7] == 1


def test_the_confusion_matrix_in_rates_sums_to_100_per_row(evaluation):
    axes = plots.confusion_matrix(evaluation, rates=True).axes[0]
    rates = np.array(
        [0.0 if text.get_text() == "·" else float(text.get_text()) for text in axes.texts]
    ).reshape(10, 10)
    assert rates.sum(1) == pytest.approx(100, abs=0.5)


def test_a_rejected_label_is_marked_in_words(tiny, evaluation):
    axes = plots.read_images(tiny.test.images, evaluation, [3, 4], doubtful=[4]).axes
    assert "?" not in axes[0].get_title()
    assert axes[1].get_title().startswith(f"a {int(evaluation.labels[4])}?, read")
    assert axes[1].get_title().endswith("label rejected")


def test_robustness_curves_have_a_point_for_each_severity(evaluation):
    figure = plots.robustness_curves(
        {"turned": {"a": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}}, CORRUPTIONS
    )
    line = figure.axes[0].lines[0]
    assert tuple(line.get_xdata()) == CORRUPTIONS["turned"].severities
    assert list(line.get_ydata()) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert figure.axes[0].get_xlabel() == CORRUPTIONS["turned"].unit


def test_units_are_ordered_by_their_favourite_digit():
    means = torch.zeros(10, 4)
    means[[7, 0, 3, 3], [0, 1, 2, 3]] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    drawn = np.asarray(plots.units_by_digit(means).axes[0].images[0].get_array())
    assert drawn.argmax(0).tolist() == [0, 3, 3, 7]
    assert drawn.max(0).tolist() == [2, 4, 3, 1]


def test_signed_images_have_zero_in_the_middle_of_one_scale():
    figure = plots.signed_images(
        torch.stack([torch.full((28, 28), -3.0), torch.full((28, 28), 2.0)]), ["a", "b"]
    )
    assert [axes.images[0].get_clim() for axes in figure.axes[:2]] == [(-3, 3), (-3, 3)]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["a", "b"]


def test_one_large_weight_does_not_grey_out_the_others():
    weights = torch.linspace(-1, 1, 784).repeat(40, 1)
    weights[7, 0] = 100
    [end] = {axes.images[0].get_clim()[1] for axes in plots.signed_images(weights).axes[:40]}
    assert 0.9 < end <= 1


def test_each_digit_has_a_colour_of_its_own_on_a_map():
    points = np.arange(20).reshape(10, 2)
    axes = plots.digit_maps({"here": points}, np.arange(10)).axes[0]
    colours = {tuple(signs.get_facecolor()[0]) for signs in axes.collections}
    assert len(colours) == 10


def test_a_few_images_can_be_shown_larger():
    images = torch.zeros(3, 28, 28)
    usual, large = plots.image_grid(images), plots.image_grid(images, size=2.5)
    assert large.get_size_inches()[1] == pytest.approx(2.5 * usual.get_size_inches()[1])


def test_the_figure_of_a_sum_tells_its_total(tiny, run):
    parts = weighted_sum(run.model, 3, tiny.test.images[0])
    figure = plots.sum_written_out(tiny.test.images[0], parts)
    titles = " ".join(axes.get_title() for axes in figure.axes)
    assert f"answer {parts.answer:.2f}" in titles


def test_the_share_refused_is_next_to_its_histogram():
    axes = plots.score_histograms(
        {"digits": [1.0, 2, 3, 4], "noise": [0.0]}, 1.5, label="score"
    ).axes
    assert axes[0].get_title("left") == "digits: 25% refused"
    assert axes[1].get_title("left") == "noise: 100% refused"


def test_the_lines_of_many_runs_are_distinguishable(run):
    lines = plots.training_curves([run] * 10, [str(number) for number in range(10)]).axes[0].lines
    assert lines[7].get_color() == lines[0].get_color()
    assert lines[7].get_linestyle() != lines[0].get_linestyle()


def test_blue_adds_and_orange_takes_away_in_every_figure(tiny, run):
    blue, white, orange = (0, 0.447, 0.698), (1, 1, 1), (0.835, 0.369, 0)
    weights = run.model.linear1.weight.detach()
    parts = weighted_sum(run.model, 3, tiny.test.images[0])
    saliency = plots.saliency_maps(tiny.test.images[0], {"a": torch.eye(28)}, ["unit"])
    drawn = [
        plots.signed_images(weights[:2]).axes[0],
        *plots.sum_written_out(tiny.test.images[0], parts).axes[1:3],
        saliency.axes[1],
    ]
    for axes in drawn:
        picture = axes.images[0]
        low, high = picture.get_clim()
        colours = picture.to_rgba([high, 0, low])[:, :3]
        assert colours == pytest.approx(np.array([blue, white, orange]), abs=0.01)


def luminance(colour):
    """Of an sRGB colour, as WCAG 2.2 defines it."""
    encoded = np.array(to_rgb(colour))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def test_numbers_in_the_confusion_matrix_are_legible():
    labels = torch.zeros(300, dtype=torch.long)
    predictions = torch.repeat_interleave(torch.arange(10), torch.arange(3, 63, 6))
    probabilities = torch.nn.functional.one_hot(predictions, 10).double()
    evaluation = Evaluation(probabilities, labels[: len(predictions)])
    axes = plots.confusion_matrix(evaluation, rates=True).axes[0]
    picture = axes.images[0]
    shades = picture.to_rgba(picture.get_array()).reshape(-1, 4)
    for text, shade in zip(axes.texts, shades, strict=True):
        dark, light = sorted([luminance(text.get_color()), luminance(shade[:3])])
        assert (light + 0.05) / (dark + 0.05) > 4


def test_images_have_a_frame_and_blank_panels_none():
    axes = plots.image_grid(torch.zeros(3, 28, 28), columns=2).axes
    assert [panel.axison for panel in axes] == [True, True, True, False]
    assert axes[0].spines["left"].get_visible()
    assert not axes[0].get_xticks().size


def test_1s_and_4s_on_a_map_differ_in_lightness():
    points = np.arange(20).reshape(10, 2)
    digits = plots.digit_maps({"here": points}, np.arange(10)).axes[0].collections
    one, four = (luminance(digits[digit].get_facecolor()[0][:3]) for digit in (1, 4))
    assert abs(one - four) > 0.3
