"""The device, the number of threads, and interrupts."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread, for steps so small that synchronizing threads takes longer than computing.

    On a busy machine, two threads that synchronize at each product of a step can take twenty times
    as long as one. One thread also makes results independent of the number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def defer_interrupts() -> Iterator[Callable[[], None]]:
    """Defer interrupts (Ctrl-C, the kernel's ■) until the yielded function is called, or the end.

    So no step is interrupted halfway. Outside the main thread, or if another handler is installed,
    nothing changes.

    Raises:
        KeyboardInterrupt: at those points, if there was an interrupt.
    """
    interrupts: list[int] = []

    def raise_interrupt() -> None:
        if interrupts:
            interrupts.clear()
            raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield raise_interrupt
        return
    signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield raise_interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    raise_interrupt()


def choose_device(name: str | None = None) -> torch.device:
    """Return the named device, or the fastest available: CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: if the named device is not available.
    """
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    with contextlib.suppress(RuntimeError):  # if the device number is invalid
        if name is None or name.partition(":")[0] in present:
            return torch.device(name or present[0])
    raise ValueError(f"device must be one of {', '.join(map(repr, present))}, got {name!r}")
