"""Teach the networks that ship with the package to refuse what is no digit: python
tools/teach_refusal.py [NAME...]

Their ten outputs stay as they are, bit for bit. Only `reject` learns, from what the finished
network's hidden layers answer to MNIST's training digits and to images that are none. It takes some
minutes.
"""

import math
import sys

import torch
from teach_forms import KIND

from mnist_nb import load_mnist, load_pretrained, read_metadata, save_checkpoint
from mnist_nb.checkpoints import PRETRAINED
from mnist_nb.handwriting.negatives import make_negatives
from mnist_nb.handwriting.refusal import LEARNT_THRESHOLD, digit_score
from mnist_nb.models import to_input
from mnist_nb.training.augmentation import augment
from mnist_nb.training.backpropagation import autograd_gradients
from mnist_nb.training.optimizers import Adam
from mnist_nb.training.plain import permutation
from mnist_nb.training.run import schedule_factor

REFUSED = 0.007  # of MNIST's validation digits; of strangers' on a pad it is about a hundredth
EPOCHS, STEPS, BATCH, LEARNING_RATE = 6, 2500, 256, 0.003
NOISE, DECAY = (
    {"mlp": 0.2, "cnn": 0.5},
    {"mlp": 0.1, "cnn": 1.0},
)  # what kept strangers' letters apart best


def main() -> None:
    torch.set_num_threads(1)
    split, generator = load_mnist().train, torch.Generator().manual_seed(0)
    models = {name: load_pretrained(name) for name in sys.argv[1:] or ("mlp", "cnn")}
    hidden = {name: ([], []) for name in models}
    for epoch in range(EPOCHS):
        for rows in permutation(0, epoch, len(split)).split(1000):
            images, labels = to_input(split.images[rows]), split.labels[rows]
            strange = augment(make_negatives(images, labels, generator), generator, KIND)
            digits = augment(images, generator, KIND, labels)[: 2 * len(strange)]
            with torch.no_grad():
                for name, model in models.items():
                    for part, kept in zip((strange, digits), hidden[name], strict=True):
                        kept.append(model.hidden(part))
    for name, model in models.items():
        generator = torch.Generator().manual_seed(0)
        pools = [torch.cat(parts) for parts in hidden[name]]  # no digits, digits
        model.reject = None
        model.add_reject()
        spread = pools[1].std(0)
        optimizer = Adam(model.reject.parameters(), decay=DECAY[name])
        wanted = torch.arange(2).repeat_interleave(BATCH)
        for step in range(STEPS):
            drawn = [
                pool[torch.randint(len(pool), (BATCH,), generator=generator)] for pool in pools
            ]
            values = torch.cat(drawn)
            values += NOISE[name] * spread * torch.randn(values.shape, generator=generator)
            loss = autograd_gradients(model.reject, values, wanted)
            optimizer.step(LEARNING_RATE * schedule_factor("one-cycle", step / STEPS))
        scores = digit_score(model.eval(), load_mnist().validation.images)
        with (
            torch.no_grad()
        ):  # the scores of this share of MNIST's digits lie below the threshold then
            at = torch.logit(scores.double().quantile(REFUSED)) - math.log(
                LEARNT_THRESHOLD / (1 - LEARNT_THRESHOLD)
            )
            model.reject[-1].bias[1] -= at
        path = PRETRAINED / f"{name}.safetensors"
        save_checkpoint(model, path, read_metadata(path))
        print(
            f"{name}: taught on {len(pools[0]):,} images that are no digits; last batch "
            f"{loss:.3f} nats"
        )


if __name__ == "__main__":
    main()
