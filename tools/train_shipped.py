"""Train the networks that are included in the package.

    python tools/train_shipped.py [mlp] [cnn] [--refusal] [--quick] [--output FOLDER]

1. Train with the preset for drawing, for more epochs.
2. Train a few more epochs with small steps. Half of the 1s, 4s, 7s and 9s have forms that are rare
   in MNIST. Keep seven tenths of the change of the weights: the network then reads other people's
   digits nearly as well as with the whole change, and MNIST's nearly as well as without it (M.
   Wortsman and others, "Robust fine-tuning of zero-shot models", 2022).
3. Divide the logits by a temperature, which changes the confidence but no prediction.
4. The cnn only: train a few more epochs on images that MNIST lacks: digits drawn by rules in other
   people's forms, and digits with ragged edges (`digit_forms.py`). Two in five images stay as they
   are in MNIST. Keep 85 % of the change. More epochs would be worse: the network would learn to
   recognize drawings by rules.
5. Train the head that refuses images without a digit, on the hidden units of the finished network.
   For the mlp, continue three times with other seeds and fewer signs, and keep the mean of the
   weights: this refuses more letters. The ten outputs are not changed.

With --refusal, do only step 5, on the networks that ship: minutes instead of half an hour.
With --quick, train only a few steps on the sample, to try the command.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
from pathlib import Path

import torch
from digit_forms import draw_digits, make_ragged
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mnist_nb import PRESETS, Hyperparameters, build_model, load_mnist, save_checkpoint, train
from mnist_nb.data import Mnist, Split, load_sample
from mnist_nb.handwriting.augmentation import HANDWRITING
from mnist_nb.handwriting.negatives import make_negatives
from mnist_nb.handwriting.pretrained import load_pretrained
from mnist_nb.handwriting.refusal import HEAD_NAME, HEAD_THRESHOLD, RefusalHead, digit_score
from mnist_nb.models import Network, loss_and_accuracy, to_input
from mnist_nb.plugins import AUGMENTATIONS
from mnist_nb.training.augmentation import Augmentation
from mnist_nb.training.gradients import autograd_gradients
from mnist_nb.training.learning_rate import schedule_factor
from mnist_nb.training.optimizers import Adam
from mnist_nb.training.plain import permutation

OUTPUT = Path(__file__).parent.parent / "build" / "pretrained"

MORE_VARIANTS = dataclasses.replace(HANDWRITING, variants=0.5)
AUGMENTATIONS["more variants"] = MORE_VARIANTS
# shares of the change of the weights that are kept
VARIANTS_KEPT = 0.7
FORMS_KEPT = 0.85

FORM_SHARES = (0.07, 0.3, 0.07, 0.07, 0.3, 0.07, 0.07, 0.3, 0.15, 0.3)  # of each digit's images
UNCHANGED_SHARE = 0.4  # of all images
RAGGED_SHARE = 0.15  # of all images

SIGN_SHARE = 0.46  # of the images without a digit, not counting those laid down
REFINING_SIGN_SHARE = 0.2
LAID_DOWN = 30  # of each 1,000 digits
REFUSAL_BATCH = 256  # digits, and an equal number of negatives
REFUSAL_LEARNING_RATE, REFINING_LEARNING_RATE = 0.004, 0.001


class OtherPeople(Augmentation):
    """More variants of digits, digits drawn in other forms, ragged edges, and unchanged images."""

    def __call__(
        self, images: Tensor, generator: torch.Generator, labels: Tensor | None = None
    ) -> Tensor:
        """Change three in five images. Without labels, no digit is drawn in another form."""
        if labels is not None:
            form_shares = torch.tensor(FORM_SHARES)[labels]
            rows = choose_rows(form_shares, generator)
            images = images.clone()
            images[rows] = draw_digits(labels[rows], generator)
        changed = MORE_VARIANTS(images, generator, labels)
        rows = choose_rows(torch.full((len(images),), UNCHANGED_SHARE), generator)
        changed[rows] = images[rows]
        rows = choose_rows(torch.full((len(images),), RAGGED_SHARE), generator)
        changed[rows] = make_ragged(changed[rows], generator)
        return changed


def choose_rows(shares: Tensor, generator: torch.Generator) -> Tensor:
    """Return random rows, each chosen with its probability: int64 `[n]`."""
    is_chosen = torch.rand(len(shares), generator=generator) < shares
    return torch.nonzero(is_chosen)[:, 0]


AUGMENTATIONS["other people"] = OtherPeople()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of all steps for one network."""

    training: Hyperparameters
    variants: Hyperparameters  # of the second training
    temperature: float  # the divisor of the logits
    refusal_noise: float  # on the hidden units, in standard deviations
    refusal_decay: float  # of the head's weights
    refused_digits: float  # share of MNIST's validation digits; about 1 % of other people's
    refusal_epochs: int = 12  # over the training digits, to collect hidden units
    refusal_steps: int = 10_000
    refining_steps: int = 3_000
    refining_seeds: int = 0  # trainings of the head that start from the first one
    forms: Hyperparameters | None = None  # of the third training

    def shortened(self) -> Recipe:
        """Return a recipe with one epoch of each training, to try the command."""
        forms = self.forms and dataclasses.replace(self.forms, epochs=1)
        return dataclasses.replace(
            self,
            training=dataclasses.replace(self.training, epochs=1),
            variants=dataclasses.replace(self.variants, epochs=1),
            forms=forms,
            refusal_epochs=1,
            refusal_steps=20,
            refining_steps=20,
        )


def further_settings(
    network: str, epochs: int, learning_rate: float, augmentation: str
) -> Hyperparameters:
    """Return the settings of the second or the third training."""
    return Hyperparameters(
        network=network,
        epochs=epochs,
        learning_rate=learning_rate,
        optimizer="adamw",
        schedule="cosine",
        augmentation=augmentation,
        seed=3,
    )


# Noise and decay are those that best refused other people's letters. The temperature of the cnn
# corrects its overconfidence on other people's digits.
RECIPES = {
    "mlp": Recipe(
        training=dataclasses.replace(PRESETS["best for drawing"], epochs=200),
        variants=further_settings("mlp", 15, 0.0003, "more variants"),
        temperature=1.0,
        refusal_noise=0.2,
        refusal_decay=0.5,
        refused_digits=0.007,
        refining_seeds=3,
    ),
    "cnn": Recipe(
        training=dataclasses.replace(PRESETS["best for drawing, cnn"], epochs=16),
        variants=further_settings("cnn", 4, 0.0003, "more variants"),
        temperature=1.3,
        refusal_noise=0.2,
        refusal_decay=0.1,
        refused_digits=0.0055,
        forms=further_settings("cnn", 4, 0.0003, "other people"),
    ),
}


def make_network(recipe: Recipe, data: Mnist, refusal_alone: bool = False) -> Network:
    """Train a network with a recipe, from initial weights or from the network that ships."""
    if refusal_alone:
        model = load_pretrained(recipe.training.network)
    else:
        model = build_model(recipe.training.network, seed=recipe.training.seed)
        train_with_log(model, data, recipe.training)
        train_further(model, data, recipe.variants, VARIANTS_KEPT)
        divide_logits(model, recipe.temperature)
        if recipe.forms is not None:
            train_further(model, data, recipe.forms, FORMS_KEPT)
    teach_refusal(model, data, recipe)
    return model.eval()


def train_with_log(model: nn.Module, data: Mnist, settings: Hyperparameters) -> None:
    """Train, and print the accuracy of each epoch."""
    for record in train(model, data, settings, device="cpu"):
        epoch = f"{settings.network}, epoch {record.epoch} of {settings.epochs}"
        print(f"{epoch}: {record.validation_accuracy:.2%} of the validation images")


def train_further(
    model: nn.Module, data: Mnist, settings: Hyperparameters, change_kept: float
) -> None:
    """Train, and keep a share of the change of the weights."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train_with_log(model, data, settings)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(before[name].lerp(tensor, change_kept))


@torch.no_grad()
def divide_logits(model: Network, temperature: float) -> None:
    """Divide the logits of a network."""
    for parameter in model.head.parameters():
        parameter /= temperature


def teach_refusal(model: Network, data: Mnist, recipe: Recipe) -> None:
    """Add a refusal head to the network, and train it on the hidden units."""
    model.eval()
    head = RefusalHead(model.hidden_units)
    model.add_module(HEAD_NAME, head)
    epochs = recipe.refusal_epochs
    hidden = collect_hidden(model, data.train, epochs, SIGN_SHARE)
    fit_head(head, hidden, recipe, recipe.refusal_steps, REFUSAL_LEARNING_RATE)
    if recipe.refining_seeds:
        hidden = collect_hidden(model, data.train, epochs, REFINING_SIGN_SHARE)
        refine_head(head, hidden, recipe)
    set_threshold(model, head, data.validation, recipe.refused_digits)


@torch.no_grad()
def collect_hidden(
    model: Network, split: Split, epochs: int, sign_share: float
) -> tuple[Tensor, Tensor]:
    """Return the hidden units for negatives and for digits: each `[N, hidden_units]`."""
    generator = torch.Generator().manual_seed(0)
    of_negatives, of_digits = [], []
    for epoch in range(epochs):
        for rows in permutation(0, epoch, len(split)).split(1000):
            images, labels = to_input(split.images[rows]), split.labels[rows]
            negatives = make_negatives(images, labels, generator, sign_share)
            laid_down = lay_down(images[-LAID_DOWN:], labels[-LAID_DOWN:])
            negatives = torch.cat([negatives, laid_down])
            count = 2 * len(negatives)
            digits = MORE_VARIANTS(images[:count], generator, labels[:count])
            negatives = MORE_VARIANTS(negatives, generator)
            of_negatives.append(model.hidden_and_logits(negatives)[0])
            of_digits.append(model.hidden_and_logits(digits)[0])
    return torch.cat(of_negatives), torch.cat(of_digits)


def lay_down(images: Tensor, labels: Tensor) -> Tensor:
    """Rotate digits by 90 degrees, half of them to the left, half to the right.

    0s and 1s are left out: a 0 that lies on its side is still a 0, and 1s are dashes, as among the
    signs.
    """
    others = images[labels > 1]
    half = len(others) // 2
    left = others[:half].rot90(1, (1, 2))
    right = others[half:].rot90(3, (1, 2))
    return torch.cat([left, right])


def refine_head(head: RefusalHead, hidden: tuple[Tensor, Tensor], recipe: Recipe) -> None:
    """Train the head further with several seeds, and keep the mean of the weights."""
    mean = AveragedModel(head)
    for seed in range(recipe.refining_seeds):
        refined = copy.deepcopy(head)
        fit_head(refined, hidden, recipe, recipe.refining_steps, REFINING_LEARNING_RATE, seed)
        mean.update_parameters(refined)
    head.load_state_dict(mean.module.state_dict())


def fit_head(
    head: RefusalHead,
    hidden_units: tuple[Tensor, Tensor],
    recipe: Recipe,
    steps: int,
    learning_rate: float,
    seed: int = 0,
) -> None:
    """Train the head on noisy hidden units, half of which are from digits."""
    negatives, digits = hidden_units
    generator = torch.Generator().manual_seed(seed)
    optimizer = Adam(head.parameters(), decay=recipe.refusal_decay)
    noise = recipe.refusal_noise * digits.std(0)
    labels = torch.arange(2).repeat_interleave(REFUSAL_BATCH)  # 0: not a digit, 1: a digit
    for step in range(steps):
        some_negatives = draw_rows(negatives, generator)
        some_digits = draw_rows(digits, generator)
        hidden = torch.cat([some_negatives, some_digits])
        hidden += noise * torch.randn(hidden.shape, generator=generator)
        autograd_gradients(head, hidden, labels)
        progress = step / steps
        optimizer.step(learning_rate * schedule_factor("one-cycle", progress))


def draw_rows(hidden: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random batch of rows."""
    return hidden[torch.randint(len(hidden), (REFUSAL_BATCH,), generator=generator)]


@torch.no_grad()
def set_threshold(model: Network, head: RefusalHead, validation: Split, refused: float) -> None:
    """Shift the score so that the threshold refuses this share of digits."""
    scores = digit_score(model.eval(), validation.images).double()
    logit = torch.logit(scores.quantile(refused))
    wanted_logit = torch.logit(torch.tensor(HEAD_THRESHOLD, dtype=torch.float64))
    digit_bias = head[-1].bias[1]
    digit_bias += wanted_logit - logit


def save(model: Network, recipe: Recipe, data: Mnist, folder: Path) -> Path:
    """Save the network, with the settings of its first training as metadata."""
    validation = data.validation
    _, accuracy = loss_and_accuracy(model, validation.images, validation.labels)
    metadata = {
        "epoch": str(recipe.training.epochs),
        "data": data.source,
        "hyperparameters": json.dumps(dataclasses.asdict(recipe.training)),
        "validation_accuracy": f"{accuracy:.4f}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recipe.training.network}.safetensors"
    save_checkpoint(model, path, metadata)
    return path


def quick_data() -> Mnist:
    """Return a part of the sample: an epoch takes less than a second."""
    data = load_sample()
    return Mnist(data.train.take(1000), data.validation.take(500), data.test, data.source)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="mlp|cnn", help="default: both")
    parser.add_argument("--refusal", action="store_true", help="train only the refusal head")
    parser.add_argument("--quick", action="store_true", help="a few steps on the sample")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: %(default)s")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(RECIPES)
    if unknown:
        parser.error(f"the networks are {', '.join(RECIPES)}, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    data = quick_data() if options.quick else load_mnist()
    for name in options.names or RECIPES:
        recipe = RECIPES[name].shortened() if options.quick else RECIPES[name]
        network = make_network(recipe, data, options.refusal)
        path = save(network, recipe, data, options.output)
        print(f"saved {path}")


if __name__ == "__main__":
    main()
