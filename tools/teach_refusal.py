"""Teach the networks that ship with the package to refuse what is no digit: python tools/teach_refusal.py [NAME...]

Their ten outputs stay as they are, bit for bit. Only `reject` learns, from what the finished network's hidden layers
answer to MNIST's training digits and to images made from them that are none. It takes some minutes.
"""

import sys

import torch

from mnist_nb import load_mnist, load_pretrained, read_metadata, save_checkpoint
from mnist_nb.checkpoints import PRETRAINED
from mnist_nb.models import to_input
from mnist_nb.training.augmentation import augment
from mnist_nb.training.backpropagation import autograd_gradients
from mnist_nb.training.negatives import make_negatives
from mnist_nb.training.optimizers import Adam
from mnist_nb.training.plain import permutation
from mnist_nb.training.run import schedule_factor

KIND = "handwriting"
EPOCHS, STEPS, BATCH, LEARNING_RATE = 4, 3000, 256, 0.003


def main() -> None:
    torch.set_num_threads(1)
    split, generator = load_mnist().train, torch.Generator().manual_seed(0)
    models = {name: load_pretrained(name) for name in sys.argv[1:] or ("mlp", "cnn")}
    hidden = {name: ([], []) for name in models}
    for epoch in range(EPOCHS):
        for rows in permutation(0, epoch, len(split)).split(1000):
            images, labels = to_input(split.images[rows]), split.labels[rows]
            strange = augment(make_negatives(images, labels, generator), generator, KIND)
            digits = augment(images, generator, KIND, labels)[: len(strange)]
            with torch.no_grad():
                for name, model in models.items():
                    for part, kept in zip((strange, digits), hidden[name], strict=True):
                        kept.append(model.hidden(part))
    for name, model in models.items():
        pools = [torch.cat(parts) for parts in hidden[name]]  # no digits, digits
        model.reject = None
        model.add_reject()
        optimizer = Adam(model.reject.parameters(), decay=0.01)
        wanted = torch.arange(2).repeat_interleave(BATCH)
        for step in range(STEPS):
            drawn = [pool[torch.randint(len(pool), (BATCH,), generator=generator)] for pool in pools]
            loss = autograd_gradients(model.reject, torch.cat(drawn), wanted)
            optimizer.step(LEARNING_RATE * schedule_factor("one-cycle", step / STEPS))
        path = PRETRAINED / f"{name}.safetensors"
        save_checkpoint(model, path, read_metadata(path))
        print(f"{name}: taught on {len(pools[0]):,} images that are no digits; last batch {loss:.3f} nats")


if __name__ == "__main__":
    main()
