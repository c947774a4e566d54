"""How few bits the weights of a network need: rounding them, and the size of the file that would
hold them."""

import copy

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

FLOATS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
"""The formats of floating-point numbers for the file; the network computes in float32 with each of
them."""

INTEGERS = {f"int{bits}": bits for bits in range(2, 9)}
"""The formats of whole numbers, with their bits."""


def quantize(tensor: Tensor, bits: int = 8) -> tuple[Tensor, float]:
    """Whole numbers that stand for a tensor's values, int8 of its shape, and the width of one step
    between them.

    The largest value, whatever its sign, gets the largest number, 2^(bits - 1) - 1; the others are
    rounded to the nearest. So no value moves by more than half a step, and 0 stays 0.

    Args:
        tensor: float values.
        bits: 2 to 8.

    Raises:
        ValueError: for another number of bits.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be from 2 to 8, got {bits}")
    step = (
        float(tensor.abs().max()) / (2 ** (bits - 1) - 1) or 1.0
    )  # any step fits a tensor of zeros
    return (tensor / step).round().to(torch.int8), step


def quantize_model(model: nn.Module, kind: str) -> tuple[nn.Module, int]:
    """A copy of the model with its weights rounded, and the bytes of the safetensors file that
    would hold them.

    Args:
        model: left as it is.
        kind: "float32", "float16", "bfloat16", or "int2" to "int8": whole numbers times one step
            for each tensor, see `quantize`. Of fewer than 8 bits, several share a byte.

    Raises:
        ValueError: for another kind.
    """
    if kind not in (*FLOATS, *INTEGERS):
        raise ValueError(
            f"there is no format {kind!r}: choose one of {', '.join([*FLOATS, *INTEGERS])}"
        )
    kept: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():  # a count of batches, say
            kept[name] = values[name] = tensor
        elif kind in FLOATS:
            kept[name] = tensor.to(FLOATS[kind]).contiguous()
            values[name] = kept[name].to(tensor.dtype)
        else:
            numbers, step = quantize(tensor, INTEGERS[kind])
            kept[name], kept[f"{name}.step"] = _packed(numbers, INTEGERS[kind]), torch.tensor(step)
            values[name] = numbers * step
    copied = copy.deepcopy(model)
    copied.load_state_dict(values)
    return copied, len(safetensors.torch.save(kept))


def _packed(numbers: Tensor, bits: int) -> Tensor:
    """The lowest `bits` bits of each number, one after the other, as bytes."""
    all_bits = np.unpackbits(numbers.numpy().view(np.uint8).reshape(-1, 1), axis=1)
    return torch.from_numpy(np.packbits(all_bits[:, -bits:]))
