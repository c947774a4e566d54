"""Show the shipped networks more of the forms that MNIST lacks: python tools/teach_forms.py
[NAME...]

They were trained with augmentation "handwriting", for which three in ten of the 1s, 4s, 7s and 9s
are redrawn. Here half of them are, for a few epochs more with small steps. Of the way that the
weights went seven tenths are kept, with which a network reads other people's digits nearly as well
as with all of it, and MNIST's nearly as well as with none (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models"). Taught like this from the start, it reads other people's digits
no better, and MNIST's worse. At last the logits are divided by a temperature, which changes how
sure the network is and nothing that it reads. Run tools/teach_refusal.py afterwards, for the hidden
layers have changed.
"""

import dataclasses
import sys

import torch

from mnist_nb import load_mnist, load_pretrained, read_metadata, save_checkpoint
from mnist_nb.checkpoints import PRETRAINED
from mnist_nb.models import reading_parameters, to_input
from mnist_nb.training.augmentation import KINDS, augment

KIND = dataclasses.replace(KINDS["handwriting"], styles=0.5)
EPOCHS, BATCH, LEARNING_RATE, SEED = {"mlp": 15, "cnn": 4}, 64, 0.0003, 3
KEPT = 0.7  # of the way from the old weights to the new ones
TEMPERATURE = {
    "mlp": 1.0,
    "cnn": 1.3,
}  # that the logits are divided by: the cnn was too sure of strangers' digits


def main() -> None:
    torch.set_num_threads(1)
    split = load_mnist().train
    for name in sys.argv[1:] or ("mlp", "cnn"):
        model, generator = load_pretrained(name).train(), torch.Generator().manual_seed(SEED)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        optimizer = torch.optim.AdamW(
            reading_parameters(model), lr=LEARNING_RATE, weight_decay=0.01
        )
        steps = EPOCHS[name] * (len(split) // BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step, steps=steps: 1 - step / steps
        )
        for _ in range(EPOCHS[name]):
            for rows in torch.randperm(len(split), generator=generator).split(BATCH)[
                : len(split) // BATCH
            ]:
                images, labels = to_input(split.images[rows]), split.labels[rows]
                logits = model(augment(images, generator, KIND, labels))
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, labels).backward()
                optimizer.step()
                schedule.step()
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(before[key].lerp(value, KEPT))
        for value in model.linear_layers[-1].state_dict().values():
            value.div_(TEMPERATURE[name])
        path = PRETRAINED / f"{name}.safetensors"
        save_checkpoint(model.eval(), path, read_metadata(path))
        print(f"{path}: taught for {EPOCHS[name]} epochs")


if __name__ == "__main__":
    main()
