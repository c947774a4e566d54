"""Where and how a model runs: the device, the threads, interrupts, and a memory that does not
suffice."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for steps so small that handing their parts around takes longer than computing
    them.

    On a machine that has other things to do as well, two threads that wait for each other at each
    of a step's products can take twenty times as long as one. It also makes such runs the same for
    any number of threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def defer_interrupts() -> Iterator[Callable[[], None]]:
    """An interrupt (Ctrl-C, the kernel's ■) waits for a call of what this gives, or for the end: no
    step is half taken.

    Where someone else handles interrupts, or on another thread than the main one, nothing is
    changed.

    Raises:
        KeyboardInterrupt: there, if one was asked for.
    """
    asked: list[int] = []

    def check() -> None:
        if asked:
            asked.clear()
            raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return

    signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    check()


@contextlib.contextmanager
def explain_out_of_memory(images: int) -> Iterator[None]:
    """Say what to do when the memory does not suffice for a batch of so many images.

    Raises:
        MemoryError: in place of what PyTorch raises then.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(
            error, MemoryError | torch.OutOfMemoryError
        ) and "can't allocate memory" not in str(error):
            raise
        raise MemoryError(
            f"the memory does not suffice for a batch of {images:,} images: take a smaller "
            f"batch size ({max(images // 2, 1):,}, say), or close what else uses memory, other "
            "notebooks' kernels among it"
        ) from error


def choose_device(name: str | None = None) -> torch.device:
    """The device to compute on: the one named, else CUDA, else Apple's MPS, else the CPU.

    Raises:
        ValueError: if the named device is not on this machine.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    present = [device for device, there in available.items() if there]
    with contextlib.suppress(RuntimeError):  # a number that is none
        if name is None or name.partition(":")[0] in present:
            return torch.device(name or present[0])
    choices = ", ".join(map(repr, present))
    raise ValueError(
        f"the device {name!r} is not on this machine: choose one of {choices}, or none"
    )
