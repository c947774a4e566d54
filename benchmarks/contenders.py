"""An epoch of the same network, as users of different libraries write it.

Each maker returns a function to time. All contenders train on the same 55,000 shuffled images, with
SGD and momentum 0.9 for the fully connected network. One-time preparation, such as loading files or
scaling all images in memory, is not timed; work that a program repeats in every epoch is.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from mnist_nb import Hyperparameters, Mnist, Split, TrainingRun, build_model
from mnist_nb.data import cache_folder
from mnist_nb.models import to_input

Epoch = Callable[[], object]
Maker = Callable[[Mnist, str, int], Epoch]
RATE, MOMENTUM = 0.001, 0.9


def ours(data: Mnist, network: str, batch_size: int, hidden: tuple[int, int] = (128, 64)) -> Epoch:
    """Train with this package, and validate on only ten images, as the others do not validate."""
    few = Split(data.validation.images[:10], data.validation.labels[:10], "validation")
    options = {"hidden": hidden} if network == "mlp" else {}
    settings = Hyperparameters(
        network=network, epochs=200, batch_size=batch_size, learning_rate=RATE
    )
    run = TrainingRun(
        build_model(network, seed=0, **options), Mnist(data.train, few, few, data.source), settings
    )
    epochs = run.epochs()
    return lambda: next(epochs)


def common_script(data: Mnist, network: str, batch_size: int) -> Epoch:
    """Train as most tutorials do: with torchvision's data set and transforms, and a DataLoader."""
    from torchvision import datasets, transforms

    prepare = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    images = datasets.MNIST(_torchvision_root(), train=True, transform=prepare)
    return _loader_loop(Subset(images, range(len(data.train))), network, batch_size)


def tensor_loader(data: Mnist, network: str, batch_size: int) -> Epoch:
    """Train with a DataLoader over tensors that were scaled once."""
    return _loader_loop(
        TensorDataset(to_input(data.train.images), data.train.labels), network, batch_size
    )


def sklearn(data: Mnist, network: str, batch_size: int) -> Epoch:
    """Train with scikit-learn's MLPClassifier."""
    from sklearn.neural_network import MLPClassifier

    pixels, labels = to_input(data.train.images).flatten(1).numpy(), data.train.labels.numpy()
    classifier = MLPClassifier(
        (128, 64),
        solver="sgd",
        batch_size=batch_size,
        learning_rate_init=RATE,
        momentum=MOMENTUM,
        alpha=0.0,
    )
    return lambda: classifier.partial_fit(pixels, labels, classes=range(10))


def skorch(data: Mnist, network: str, batch_size: int) -> Epoch:
    """Train this package's module with skorch's NeuralNetClassifier."""
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(
        build_model(network, seed=0),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=MOMENTUM,
        lr=RATE,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        max_epochs=1,
        train_split=None,
        verbose=0,
    )
    net.initialize()
    images, labels = to_input(data.train.images), data.train.labels
    return lambda: net.partial_fit(images, labels)


def keras(data: Mnist, network: str, batch_size: int) -> Epoch:
    """Train with Keras 3 on PyTorch."""
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from keras import Sequential, layers, optimizers

    if network == "mlp":
        parts = [
            layers.Flatten(),
            layers.Dense(128, "relu"),
            layers.Dense(64, "relu"),
            layers.Dense(10, "softmax"),
        ]
    else:
        parts = [layers.Reshape((28, 28, 1))]
        for channels in (16, 32, 64):
            parts += [
                layers.Conv2D(channels, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
            ]
            parts += [layers.MaxPooling2D(2), layers.ReLU()]
        parts += [layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
    model = Sequential([layers.Input((28, 28)), *parts])
    model.compile(optimizers.SGD(RATE, MOMENTUM), "sparse_categorical_crossentropy")
    images, labels = to_input(data.train.images).numpy(), data.train.labels.numpy()
    return lambda: model.fit(
        images, labels, batch_size=batch_size, epochs=1, shuffle=True, verbose=0
    )


def floor(data: Mnist, network: str, batch_size: int, hidden: tuple[int, int] = (128, 64)) -> Epoch:
    """Compute only the eight matrix products of each step of the fully connected network: a lower
    bound of the time."""
    sizes = (784, *hidden, 10)
    inputs = [torch.rand(batch_size, size) for size in sizes]
    weights = [torch.rand(after, before) for before, after in pairwise(sizes)]
    gradients = [torch.empty_like(weight) for weight in weights]
    steps = -(-len(data.train) // batch_size)

    def step() -> None:
        for layer, weight in enumerate(weights):
            torch.mm(inputs[layer], weight.T, out=inputs[layer + 1])
        for layer in (2, 1, 0):
            torch.mm(inputs[layer + 1].T, inputs[layer], out=gradients[layer])
            if layer:
                torch.mm(inputs[layer + 1], weights[layer], out=inputs[layer])

    def epoch() -> None:
        for _ in range(steps):
            step()

    return epoch


MLP: dict[str, Maker] = {
    "floor: the eight matrix products": floor,
    "mnist_nb": ours,
    "scikit-learn MLPClassifier": sklearn,
    "DataLoader over tensors": tensor_loader,
    "skorch": skorch,
    "Keras 3 on torch": keras,
    "torchvision, ToTensor, Normalize, DataLoader": common_script,
}
CNN: dict[str, Maker] = {
    name: maker for name, maker in MLP.items() if maker not in (floor, sklearn)
}


def _torchvision_root() -> str:
    """Return the folder above MNIST/raw, where torchvision looks for the files of `load_mnist`."""
    folder = cache_folder()
    assert folder is not None
    return str(folder.parent.parent)


def _loader_loop(images: Dataset[tuple[Tensor, Tensor]], network: str, batch_size: int) -> Epoch:
    loader = DataLoader(images, batch_size=batch_size, shuffle=True)
    model = build_model(network, seed=0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)

    def epoch() -> None:
        for batch, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(batch), labels).backward()
            optimizer.step()

    return epoch
