"""The experiments of notebook 06 run, give the results that the figures need, and are saved with
their settings."""

import copy
import dataclasses
import json
from math import comb
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import safetensors.torch
import torch
from networks import same_weights

from mnist_nb import Mnist, Split, build_model, plots, predict, save_checkpoint
from mnist_nb.labs.initialization import INITIALISATIONS, initialise
from mnist_nb.labs.quantization import quantize, quantize_model

ROOT = Path(__file__).resolve().parent.parent
FIGURES = {
    "initialisation": plots.initialisation_curves,
    "width": plots.width_curve,
    "memorization": plots.memorization_curves,
    "bits": plots.bits_curve,
}
SMALLER: dict[str, dict[str, object]] = {
    "training_set": {"sizes": (100, 620)},
    "width": {"widths": (8, 16)},
    "memorization": {"images": 60},
    "bits": {"kinds": ("float32", "int8")},
}
KEPT = json.loads((ROOT / "notebooks" / "experiments.json").read_text(encoding="utf-8"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "experiments")
    import run

    return run


def shape(results: dict[str, object]) -> dict[str, object]:
    """Return the names in an experiment's results, down to the lists."""
    return {
        key: shape(value) if isinstance(value, dict) else type(value)
        for key, value in results.items()
    }


class TestInitialisation:
    @pytest.mark.parametrize(
        ("kind", "spread"),
        [
            ("He", (2 / 784) ** 0.5),
            ("Xavier", (2 / (784 + 128)) ** 0.5),
            ("all zeros", 0),
            ("a hundredth of He", (2 / 784) ** 0.5 / 100),
            ("five times He", (2 / 784) ** 0.5 * 5),
        ],
    )
    def test_has_the_spread_of_its_formula(self, kind: str, spread: float) -> None:
        model = initialise(build_model("mlp", seed=0), kind, seed=1)
        assert float(model.linear1.weight.detach().std()) == pytest.approx(spread, rel=0.02)
        assert all(not layer.bias.any() for layer in (model.linear1, model.linear2, model.linear3))
        assert not any(parameter.grad_fn for parameter in model.parameters())

    def test_the_seed_decides(self) -> None:
        one, same, other = (
            initialise(build_model("mlp", seed=0), "He", seed).linear2.weight for seed in (3, 3, 4)
        )
        assert torch.equal(one, same)
        assert not torch.equal(one, other)

    def test_he_keeps_a_signals_size_through_relu(self, sample: Mnist) -> None:
        model = initialise(build_model("mlp", seed=0, hidden=(512, 512)), "He", 0)
        images = sample.test.images.flatten(1) / 255
        first = torch.relu(model.linear1(images))
        second = torch.relu(model.linear2(first))
        sizes = [float((values.detach() ** 2).mean()) for values in (images, first, second)]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.25)
        assert sizes[2] == pytest.approx(sizes[0], rel=0.25)

    def test_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"one of all zeros.*Xavier.*got 'half'"):
            initialise(build_model("mlp", seed=0), "half", seed=0)


class TestRounding:
    @pytest.mark.parametrize("bits", range(2, 9))
    def test_no_value_changes_by_more_than_half_a_step(self, bits: int) -> None:
        values = torch.randn(1000, generator=torch.Generator().manual_seed(bits))
        numbers, step = quantize(values, bits)
        assert int(numbers.abs().max()) == 2 ** (bits - 1) - 1
        assert float((numbers * step - values).abs().max()) <= step / 2 * 1.0001

    def test_agrees_with_torchs_own(self) -> None:
        values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
        numbers, step = quantize(values)
        assert torch.allclose(
            numbers * step, torch.fake_quantize_per_tensor_affine(values, step, 0, -127, 127)
        )

    def test_zeros_stay_zeros(self) -> None:
        numbers, step = quantize(torch.zeros(3))
        assert (numbers * step).tolist() == [0, 0, 0]

    @pytest.mark.parametrize("bits", [1, 9])
    def test_other_numbers_of_bits_are_refused(self, bits: int) -> None:
        with pytest.raises(ValueError, match="bits must be between 2 and 8"):
            quantize(torch.ones(3), bits)

    def test_an_unknown_format_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"float16.*int8, got 'int9'"):
            quantize_model(build_model("mlp", seed=0), "int9")

    def test_the_size_is_that_of_the_file(self, tmp_path: Path) -> None:
        model = build_model("mlp", seed=0)
        safetensors.torch.save_file(model.state_dict(), tmp_path / "whole.safetensors")
        assert (
            quantize_model(model, "float32")[1] == (tmp_path / "whole.safetensors").stat().st_size
        )
        save_checkpoint(model, tmp_path / "model.safetensors")  # the same size plus metadata
        assert (tmp_path / "model.safetensors").stat().st_size - quantize_model(model, "float32")[
            1
        ] < 1000

    def test_fewer_bits_make_smaller_files(self) -> None:
        model = build_model("mlp", seed=0)
        weights = sum(tensor.numel() for tensor in model.parameters())
        for bits, kind in (
            (32, "float32"),
            (16, "float16"),
            (16, "bfloat16"),
            (8, "int8"),
            (4, "int4"),
            (3, "int3"),
        ):
            assert quantize_model(model, kind)[1] == pytest.approx(weights * bits / 8, abs=1500)

    def test_rounding_leaves_the_model_and_its_answers(self, sample: Mnist) -> None:
        model = build_model("mlp", seed=0)
        before = copy.deepcopy(model)
        images = sample.test.images[:50]
        copied, _ = quantize_model(model, "int8")
        assert same_weights(model, before)
        assert torch.allclose(predict(copied, images), predict(model, images), atol=0.01)
        assert torch.equal(
            predict(quantize_model(model, "float32")[0], images), predict(model, images)
        )
        numbers, step = quantize(model.linear1.weight.detach())
        assert torch.equal(copied.linear1.weight, numbers * step)

    @pytest.mark.parametrize("kind", ["float16", "bfloat16", "int8"])
    def test_a_convolutional_network_can_be_rounded_too(self, kind: str, sample: Mnist) -> None:
        model = build_model("cnn", seed=0)
        model.norm1.num_batches_tracked.fill_(100_001)  # too large for float16
        copied, _ = quantize_model(model, kind)
        assert int(copied.norm1.num_batches_tracked) == 100_001
        images = sample.test.images[:20]
        assert torch.allclose(predict(copied, images), predict(model, images), atol=0.02)


class TestExperiments:
    @pytest.mark.parametrize("name", [name for name in KEPT if name != "about"])
    def test_returns_the_results_for_file_and_figure(
        self, name: str, run: ModuleType, tiny: Mnist
    ) -> None:
        quick = dataclasses.replace(run.FAST, epochs=2, batch_size=64)
        results = run.EXPERIMENTS[name](tiny, settings=quick, seeds=(0, 1), **SMALLER.get(name, {}))
        assert shape(results) == shape(KEPT[name]["results"])
        if name in FIGURES:  # notebook 06 draws the others itself
            assert FIGURES[name](json.loads(json.dumps(results))).axes[0].lines

    def test_a_run_that_diverges_stays_where_it_was(self, run: ModuleType, tiny: Mnist) -> None:
        model = build_model("mlp", seed=0)
        with torch.no_grad():
            model.linear3.weight.mul_(1e6)
        settings = dataclasses.replace(run.FAST, epochs=3)
        curve = run.by_epoch(model, tiny, settings)["validation_accuracy"]
        assert len(curve) == 4
        assert len(set(curve)) == 1

    def test_mixing_keeps_the_labels_and_the_images(self, run: ModuleType, tiny: Mnist) -> None:
        true, mixed = (run.some_of(tiny, 100, 0, mix).train for mix in (False, True))
        assert torch.equal(true.images, mixed.images)
        assert not torch.equal(true.labels, mixed.labels)
        assert torch.equal(true.labels.sort().values, mixed.labels.sort().values)

    def test_five_thousand_images_are_enough_to_measure(self, run: ModuleType) -> None:
        images = torch.zeros(5_002, 28, 28, dtype=torch.uint8)
        labels = torch.full((5_002,), 3)
        labels[5_000:] = 4
        model = initialise(build_model("mlp", seed=0), "all zeros", 0)
        model.linear3.bias.data[3] = 1
        assert run.accuracy(model, Split(images, labels)) == 1

    def test_the_file_is_saved_completely(self, run: ModuleType, tmp_path: Path) -> None:
        run.keep(KEPT, tmp_path / "experiments.json")
        written = (tmp_path / "experiments.json").read_bytes()
        assert written == (ROOT / "notebooks" / "experiments.json").read_bytes()
        assert [path.name for path in tmp_path.iterdir()] == ["experiments.json"]


class TestKept:
    def test_is_of_the_experiments_as_they_are(self, run: ModuleType) -> None:
        assert list(KEPT) == ["about", *run.EXPERIMENTS]
        for name, experiment in run.EXPERIMENTS.items():
            kept = {key: value for key, value in KEPT[name].items() if key != "results"}
            assert kept == run.described(experiment), f"make experiments ARGS={name}"

    def test_has_a_value_for_each_seed(self) -> None:
        for name in ("training_set", "width", "bits"):
            assert {len(seeds) for seeds in KEPT[name]["results"]["validation_accuracy"]} == {
                len(KEPT[name]["seeds"])
            }
        curves = KEPT["initialisation"]["results"]["validation_accuracy"]
        assert {np.shape(runs) for runs in curves.values()} == {(5, 6)}
        assert list(curves)[1:] == list(INITIALISATIONS)
        votes = KEPT["votes"]["results"]
        assert [len(groups) for groups in votes["validation_accuracy"]] == [
            comb(10, n) for n in votes["voters"]
        ]
