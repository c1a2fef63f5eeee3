"""A TCP proxy with faults for tests: it can cut, block, delay and slow down connections, and inject bytes.

It parses nothing and, like TCP, loses nothing in the middle of a connection. A blocked direction keeps what arrives
(the end of the connection, too): a few kilobytes here, the rest in the buffers of the sender.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto

CHUNK_BYTES = 16_384


class Way(Enum):
    """A direction of the cable."""

    TO_SERVER = auto()
    TO_CLIENT = auto()


class Damage:
    """The faults of one direction; read again for each chunk."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.bytes_per_s = float("inf")
        self.open = asyncio.Event()
        self.open.set()
        self.holds = False
        """Whether bytes that have arrived are waiting here."""

    async def pass_through(self, size_bytes: int) -> None:
        """Wait as long as this many bytes take."""
        self.holds = True
        await asyncio.sleep(self.delay_s + size_bytes / self.bytes_per_s)
        await self.open.wait()
        self.holds = False


class Cable:
    """Listens on `port` and connects every client to the server.

    Faults affect open connections, and with `new=True` also those opened later.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cut = False
        self._of_new = {way: Damage() for way in Way}
        self._server: asyncio.Server | None = None
        self.accepted = 0
        """Connections that clients have opened so far."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Damage

    def cut(self) -> None:
        """Reset every open connection, and every new one, until it is mended."""
        self._is_cut = True
        self._abort()

    def block(self, way: Way, *, new: bool = False) -> None:
        """Pass nothing on in one direction, not even the end of a connection: a black hole. TCP stays open."""
        for damage in self._damaged(way, new=new):
            damage.open.clear()

    def slow_down(self, way: Way, *, delay_s: float = 0, bytes_per_s: float = float("inf"), new: bool = False) -> None:
        """Delay each chunk, or limit the bytes per second."""
        for damage in self._damaged(way, new=new):
            damage.delay_s, damage.bytes_per_s = delay_s, bytes_per_s

    def mend(self) -> None:
        """Remove all faults. Blocked bytes are passed on."""
        self._is_cut = False
        for way in Way:
            for damage in self._damaged(way, new=True):
                damage.delay_s, damage.bytes_per_s = 0, float("inf")
                damage.open.set()

    def holding(self, way: Way) -> int:
        """How many connections hold bytes in this direction."""
        return sum(link.damage[way].holds for link in self._links)

    def inject(self, way: Way, data: bytes) -> None:
        """Insert bytes into every connection between two chunks; the test must know that no command is cut in two."""
        for link in self._links:
            link.writers[way].write(data)

    def _damaged(self, way: Way, *, new: bool) -> list[Damage]:
        return [link.damage[way] for link in self._links] + ([self._of_new[way]] if new else [])

    def _abort(self) -> None:
        for link in tuple(self._links):
            link.abort()

    # Passing on

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            if not self._is_cut:
                await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, or the test is over
        finally:
            if not writer.is_closing():
                reset(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._to)
        link = _Link({Way.TO_SERVER: to_server, Way.TO_CLIENT: writer}, self._of_new)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(link.carry(Way.TO_SERVER, reader))
                both.create_task(link.carry(Way.TO_CLIENT, from_server))
            link.close()
        except* OSError:
            pass  # one end reset it, or is gone: so is the other
        finally:
            self._links.discard(link)
            if not link.is_closing:
                link.abort()


class _Link:
    """One connection through the cable."""

    def __init__(self, writers: dict[Way, asyncio.StreamWriter], like: dict[Way, Damage]) -> None:
        self.writers = writers
        self.damage = {way: Damage() for way in Way}
        for way, damage in self.damage.items():
            damage.delay_s, damage.bytes_per_s = like[way].delay_s, like[way].bytes_per_s
            if not like[way].open.is_set():
                damage.open.clear()

    async def carry(self, way: Way, reader: asyncio.StreamReader) -> None:
        """Pass on bytes and the end of the stream in one direction; raises `OSError` when a reset passes."""
        writer, damage = self.writers[way], self.damage[way]
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                await damage.pass_through(len(chunk))
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            await damage.pass_through(0)
            raise
        await damage.pass_through(0)
        writer.write_eof()

    def close(self) -> None:
        """Close both ends after writing what is buffered."""
        for writer in self.writers.values():
            writer.close()

    @property
    def is_closing(self) -> bool:
        return all(writer.is_closing() for writer in self.writers.values())

    def abort(self) -> None:
        for writer in self.writers.values():
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST: an abort alone sends FIN, like a regular end."""
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def cable(port: int, host: str = "127.0.0.1") -> AsyncIterator[Cable]:
    """Run a cable without faults to a server, which need not be running yet."""
    laid = Cable(host, port)
    await laid.start()
    try:
        yield laid
    finally:
        await laid.close()
