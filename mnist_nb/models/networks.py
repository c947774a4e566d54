"""The networks, and the one way to ask them: uint8 images in, probabilities out."""

from collections.abc import Callable
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnist_nb.data import CLASSES, SIDE
from mnist_nb.data.arguments import Between, Seed, check_arguments

MAX_UNITS = 4096
"""In a hidden layer: more than any computer here trains in an evening."""


class Network(nn.Module):
    """What both networks have: ten outputs, and, once it is taught to refuse, a small network
    beside them.

    That one looks at the hidden layers and says whether there is a digit at all. Its tensors are
    named `reject.*`, and programs that look for the other names never meet them.
    """

    name = ""

    def __init__(self, hidden_units: int) -> None:
        super().__init__()
        self.reject: nn.Sequential | None = None  # the last of its parts, once it is there
        self.hidden_units = hidden_units

    def hidden(self, images: Tensor) -> Tensor:
        """What the hidden layers answer, side by side, `[N, units]`, for images in [0, 1]."""
        raise NotImplementedError

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """The fully connected layers that read, the last of which gives the ten outputs."""
        return [part for part in self.children() if isinstance(part, nn.Linear)]

    def add_reject(self, seed: int = 0) -> None:
        """Give it the network that refuses, untaught, if it has none: a logit for no digit, and one
        for a digit."""
        if self.reject is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                layers = (
                    nn.Linear(self.hidden_units, 64),
                    nn.ReLU(),
                    nn.Linear(64, 32),
                    nn.ReLU(),
                    nn.Linear(32, 2),
                )
            self.reject = nn.Sequential(*layers).to(next(self.parameters()).device)

    def logits_and_score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """For images in [0, 1] the ten outputs, and what `reject` says: the probability `[N]` of a
        digit at all."""
        assert self.reject is not None
        hidden, last = self.hidden(images), self.linear_layers[-1]
        refusing: Tensor = self.reject(hidden)
        return last(functional.relu(hidden[:, -last.in_features :])), refusing.softmax(1)[:, 1]


class Mlp(Network):
    """The fully connected network 784-128-64-10 with ReLU between its layers.

    Its tensors are named `linear1`, `linear2`, `linear3`, as in the Rust program that this series
    grew from.

    Args:
        hidden: units in the first and second hidden layer.
    """

    name = "mlp"

    @check_arguments
    def __init__(self, hidden: tuple[int, int] = (128, 64)) -> None:
        if not (
            len(hidden) == 2
            and all(isinstance(units, int) and 0 < units <= MAX_UNITS for units in hidden)
        ):
            raise ValueError(
                f"hidden must be two whole numbers from 1 to {MAX_UNITS:,}, got {hidden!r}"
            )
        super().__init__(hidden_units=sum(hidden))
        self.linear1 = nn.Linear(SIDE * SIDE, hidden[0])
        self.linear2 = nn.Linear(hidden[0], hidden[1])
        self.linear3 = nn.Linear(hidden[1], CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, 10]` for images in [0, 1], `[N, 28, 28]` or already flat `[N, 784]`."""
        return self.pre_activations(images)[-1]

    def features(self, images: Tensor) -> Tensor:
        """What arrives at the fully connected layers: the pixels, `[N, 784]`."""
        return images.flatten(1)

    def pre_activations(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The weighted sums of each layer before its ReLU, `[N, 128]`, `[N, 64]` and the logits
        `[N, 10]`."""
        first = self.linear1(self.features(images))
        second = self.linear2(functional.relu(first))
        return first, second, self.linear3(functional.relu(second))

    def hidden(self, images: Tensor) -> Tensor:
        """The weighted sums of both hidden layers, `[N, 192]`."""
        return torch.cat(self.pre_activations(images)[:2], 1)


class Cnn(Network):
    """A small convolutional network: 3x3 convolutions of 16, 32 and 64 channels, then 64 hidden
    units.

    Batch normalisation follows each convolution; the image is halved by max-pooling after the first
    and the second, 28 -> 14 -> 7, and after the third, 7 -> 3.
    """

    name = "cnn"

    def __init__(self) -> None:
        super().__init__(hidden_units=64)
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 64, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(64)
        self.linear1 = nn.Linear(64 * 3 * 3, 64)
        self.linear2 = nn.Linear(64, CLASSES)
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[N, 10]` for images in [0, 1], `[N, 28, 28]` or already flat `[N, 784]`."""
        logits: Tensor = self.linear2(functional.relu(self.hidden(images)))
        return logits

    def hidden(self, images: Tensor) -> Tensor:
        """The weighted sums of the hidden units, `[N, 64]`."""
        sums: Tensor = self.linear1(self.features(images))
        return sums

    def features(self, images: Tensor) -> Tensor:
        """What arrives at the fully connected layers, `[N, 576]`, never below 0."""
        maps = images.reshape(-1, 1, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
        for conv, norm in (
            (self.conv1, self.norm1),
            (self.conv2, self.norm2),
            (self.conv3, self.norm3),
        ):
            # pooling before the ReLU gives the same as after it, with a quarter of the work
            maps = functional.relu(functional.max_pool2d(norm(conv(maps)), 2))
        return maps.flatten(1)


def reading_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of what reads: all but a network's `reject`."""
    others = (
        set(model.reject.parameters())
        if isinstance(model, Network) and model.reject is not None
        else set()
    )
    return [parameter for parameter in model.parameters() if parameter not in others]


MODELS: dict[str, type[Mlp] | type[Cnn]] = {Mlp.name: Mlp, Cnn.name: Cnn}


@check_arguments
def build_model(
    name: str = "mlp", *, seed: Seed | None = None, reject: bool = False, **options: Any
) -> Mlp | Cnn:
    """Make a network with fresh weights, PyTorch's default initialisation.

    Args:
        name: "mlp" (784-128-64-10, fully connected) or "cnn" (small convolutional network).
        seed: draws the same weights each time, and leaves PyTorch's own generator as it was; None
            draws from that.
        reject: whether it has the output that learns to refuse what is no digit.
        options: passed to the class, such as `hidden=(256, 128)` for the MLP.

    Raises:
        ValueError: for a name that is not one of the two, a seed below 0, or hidden layers that
            cannot be.
    """
    if name not in MODELS:
        raise ValueError(
            f"there is no model named {name!r}: choose one of {', '.join(map(repr, MODELS))}"
        )
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        try:
            model = MODELS[name](**options)
        except TypeError as error:
            raise TypeError(f"options must be those that {name!r} takes: {error}") from error
    if reject:
        model.add_reject(seed or 0)
    return model


def to_input(images: Tensor) -> Tensor:
    """What a network is fed: float32 in [0, 1], `[N, 28, 28]`, from uint8 images of the same shape.

    Raises:
        ValueError: for another type or shape, since a wrongly scaled image gives a confident wrong
            answer.
    """
    if images.dtype != torch.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(
            f"expected images of type uint8 and shape [N, {SIDE}, {SIDE}], got {images.dtype} {list(images.shape)}; "
            "for a single image, pass image[None]"
        )
    return images.to(torch.float32).div_(255)


@check_arguments
def predict(
    model: nn.Module, images: Any, *, batch_size: Annotated[int, Between(1, 2**31)] = 100
) -> Tensor:
    """Probabilities float32 `[N, 10]`, on the CPU, for uint8 images `[N, 28, 28]` (a tensor or a
    NumPy array).

    The model is asked in evaluation mode and left in the mode it was in, `batch_size` images at a
    time: few enough that what a convolution makes of them stays in a processor's cache, where it
    takes half the time.

    Raises:
        ValueError: for images of another type or shape, a batch size below 1, or a model that gives
            no logits for them.
    """
    return ask(
        model,
        lambda inputs: functional.softmax(logits_of(model, inputs), dim=1),
        images,
        batch_size,
    )


@torch.inference_mode()
def ask(
    model: nn.Module, question: Callable[[Tensor], Tensor], images: Any, batch_size: int = 100
) -> Tensor:
    """The answers to a question about images in [0, 1], for uint8 images, asked as `predict`
    does."""
    try:
        pieces = torch.split(torch.as_tensor(images), batch_size)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"images must be a tensor or an array, uint8 [N, {SIDE}, {SIDE}]: {error}"
        ) from error
    device = next((parameter.device for parameter in model.parameters()), pieces[0].device)
    was_training = model.training
    model.eval()
    try:
        chunks = [question(to_input(chunk.to(device))).cpu() for chunk in pieces]
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise
        raise ValueError(
            f"model must take float32 images [N, {SIDE}, {SIDE}], and this one cannot: {error}"
        ) from error
    finally:
        model.train(was_training)
    return torch.cat(chunks)


def logits_of(model: nn.Module, inputs: Tensor) -> Tensor:
    """The model's logits `[N, 10]`; ValueError if it gives anything else."""
    logits: Tensor = model(inputs)
    if (shape := getattr(logits, "shape", None)) != (len(inputs), CLASSES):
        raise ValueError(
            f"model must give logits [N, {CLASSES}] for N images, got {shape and list(shape)}"
        )
    return logits


@torch.inference_mode()
def loss_and_accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross-entropy in nats, and the share in [0, 1] read right, of uint8 images `[N, 28,
    28]`."""
    # from probabilities a certain mistake could give log(0): the smallest normal float32 keeps the
    # loss finite
    probabilities = predict(model, images)
    of_label = probabilities.gather(1, labels[:, None].cpu()).clamp_min(
        torch.finfo(torch.float32).tiny
    )
    accuracy = (probabilities.argmax(1) == labels.cpu()).double().mean()
    return float(-of_label.log().double().mean()), float(accuracy)
