"""Quantization: weights rounded to fewer bits, and the size of their file."""

import copy

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from mnist_nb.errors import check_range

FLOATS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
"""Floating-point formats of the file. The network always computes in float32."""

MIN_BITS, MAX_BITS = 2, 8
INTEGERS = {f"int{bits}": bits for bits in range(MIN_BITS, MAX_BITS + 1)}
"""Integer formats of the file, with their numbers of bits."""


def quantize(tensor: Tensor, bits: int = 8) -> tuple[Tensor, float]:
    """Round a tensor to integers (int8), and return them with the width of one step.

    The largest absolute value becomes the largest integer, 2^(bits - 1) - 1. So no value moves by
    more than half a step, and 0 stays 0.

    Args:
        tensor: float values.
        bits: 2 to 8.

    Raises:
        ValueError: if bits are out of range.
    """
    check_range("bits", bits, MIN_BITS, MAX_BITS)
    largest_value = float(tensor.abs().max())
    largest_integer = 2 ** (bits - 1) - 1
    step = largest_value / largest_integer
    if step == 0:
        step = 1.0  # any step fits a tensor of zeros
    return (tensor / step).round().to(torch.int8), step


def quantize_model(model: nn.Module, kind: str) -> tuple[nn.Module, int]:
    """Return a copy of the model with its weights rounded, and the size of its file in bytes.

    The size is that of a safetensors file with the rounded weights; no file is written.

    Args:
        model: the network, which is not changed.
        kind: "float32", "float16", "bfloat16", or "int2" to "int8". Integers are multiplied by one
            step for each tensor, see `quantize`; below 8 bits, several share a byte.

    Raises:
        ValueError: if the kind is unknown.
    """
    kinds = [*FLOATS, *INTEGERS]
    if kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, got {kind!r}")
    stored: dict[str, Tensor] = {}  # the contents of the file
    rounded: dict[str, Tensor] = {}  # the weights that the file represents
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():  # such as batch normalization's count of batches
            stored[name] = rounded[name] = tensor
        elif kind in FLOATS:
            stored[name] = tensor.to(FLOATS[kind]).contiguous()
            rounded[name] = stored[name].to(tensor.dtype)
        else:
            bits = INTEGERS[kind]
            integers, step = quantize(tensor, bits)
            stored[name] = _pack(integers, bits)
            stored[f"{name}.step"] = torch.tensor(step)
            rounded[name] = integers * step
    copied = copy.deepcopy(model)
    copied.load_state_dict(rounded)
    return copied, len(safetensors.torch.save(stored))


def _pack(integers: Tensor, bits: int) -> Tensor:
    """Return the lowest `bits` bits of each integer, one after the other, as bytes."""
    octets = integers.numpy().view(np.uint8).reshape(-1, 1)
    bits_of_each = np.unpackbits(octets, axis=1)  # [integer, bit], the highest bit first
    packed = np.packbits(bits_of_each[:, -bits:])
    return torch.from_numpy(packed)
