"""A slow connection between a page and Jupyter: everything arrives later, in order and complete."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class SlowLine:
    """Forwards TCP connections to a port of this machine.

    Attributes:
        delay: seconds added in each direction; may be changed at any time.
        port: the port on which it listens.
    """

    def __init__(self, to: int) -> None:
        self.delay, self._to = 0.0, to
        self.port = 0

    async def serve(self, ready: threading.Event) -> None:
        """Listen until `stop` is called; `ready` is set when it does."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda *_: None)  # of connections that are closed at the end
        self.stop = lambda: loop.call_soon_threadsafe(stopped.set)
        ready.set()
        await stopped.wait()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._pass(reader, away), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    writer.close()
                    return
                writer.write(data)

        delivery = asyncio.create_task(deliver())
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                waiting.put_nowait((loop.time() + self.delay, data))
        waiting.put_nowait((loop.time() + self.delay, b""))
        with contextlib.suppress(OSError):
            await delivery


@contextlib.contextmanager
def slow_line(to: int) -> Iterator[SlowLine]:
    """Start a slow connection to this port, in a thread of its own."""
    line, ready = SlowLine(to), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(line.serve(ready)), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield line
    finally:
        line.stop()
        thread.join(10)
