"""Load a hundred thousand damaged model files.

    python benchmarks/fuzz.py [--count 100000]

Each file must quickly raise CheckpointError or load as a model of finite numbers. The tests try a
few thousand variants in seconds; this tries many more: flipped bits, truncated and extended files,
copied blocks, headers rewritten with other shapes, types, offsets and names, and files of other
formats. Half of the files have no checksum, like those of other programs. The output is the number
of files refused and loaded, the longest time, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import safetensors.torch
import torch
from measure import peak_memory, say

from mnist_nb import CheckpointError, build_model, load_checkpoint, save_checkpoint

MAGIC = [
    b"PK\x03\x04",
    b"\x89PNG\r\n\x1a\n",
    b"\x80\x05\x95",
    b"\x1f\x8b\x08",
    b"\x93NUMPY",
    b"{",
    b"",
]
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I8", "U8", "BOOL", "F8_E4M3", "", "X"]


def flipped(content: bytearray, chance: random.Random) -> bytearray:
    """Flip a few bits, mostly in the header."""
    reach = len(content) if chance.random() < 0.3 else min(len(content), 900)
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return content


def cut(content: bytearray, chance: random.Random) -> bytearray:
    """Truncate the file, or append random bytes."""
    if chance.random() < 0.7:
        return content[: chance.randrange(len(content))]
    return content + chance.randbytes(chance.randint(1, 5000))


def moved(content: bytearray, chance: random.Random) -> bytearray:
    """Copy a block of the file over another."""
    size = chance.randint(1, 4096)
    source, target = (chance.randrange(len(content) - size) for _ in range(2))
    content[target : target + size] = content[source : source + size]
    return content


def reworded(content: bytearray, chance: random.Random) -> bytearray:
    """Change an entry in the header's JSON: shape, type, offsets, name or metadata."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    numbers = [0, 1, -1, 10, 64, 128, 784, 2**31, 2**53, 2**63, 0.5, None, "1", [], {}]
    name = chance.choice(list(header))
    entry = header[name]
    match chance.randrange(6):
        case 0 if "shape" in entry:
            entry["shape"] = [chance.choice(numbers) for _ in range(chance.randint(0, 4))]
        case 1 if "dtype" in entry:
            entry["dtype"] = chance.choice(DTYPES)
        case 2 if "data_offsets" in entry:
            entry["data_offsets"] = [chance.choice(numbers) for _ in range(chance.randint(0, 3))]
        case 3:
            header[chance.choice(["linear1.weight", "x" * 10_000, "", "conv1.weight"])] = (
                header.pop(name)
            )
        case 4:
            header["__metadata__"] = chance.choice(
                [{"a": 1}, [], "x", {"sha256": "0"}, {"model": "cnn"}, None]
            )
        case _:
            header[name] = chance.choice(numbers)
    text = json.dumps(header).encode()
    return bytearray(len(text).to_bytes(8, "little")) + text + content[8 + length :]


def foreign(content: bytearray, chance: random.Random) -> bytearray:
    """Return the start of another format, followed by random bytes."""
    magic = chance.choice(MAGIC)
    return bytearray(magic + chance.randbytes(chance.randint(0, 2000)))


def main() -> None:
    """Load the variants, and print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    refused, loaded, slowest = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        whole = []
        for name in ("mlp", "cnn"):
            model = build_model(name, seed=0)
            save_checkpoint(model, path)
            whole.append(path.read_bytes())
            plain = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
            whole.append(safetensors.torch.save(plain))  # as another program writes it: no checksum
        before = peak_memory()
        for number in range(options.count):
            damage = chance.choice([flipped, flipped, cut, moved, reworded, reworded, foreign])
            path.write_bytes(damage(bytearray(chance.choice(whole)), chance))
            started = time.process_time()
            try:
                model = load_checkpoint(path)
                assert all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values())
                loaded += 1
            except CheckpointError:
                refused += 1
            slowest = max(slowest, time.process_time() - started)
            if number % 10_000 == 9_999:
                say(f"{number + 1:,}: {refused:,} refused, {loaded:,} loaded")
    print(
        f"{options.count:,} variants: {refused:,} refused, {loaded:,} loaded as finite models, "
        "nothing else"
    )
    print(
        f"slowest {1000 * slowest:.0f} ms of processor time; memory grew from {before:.0f} to "
        f"{peak_memory():.0f} MB "
        "at its most"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
