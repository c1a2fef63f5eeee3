"""A socket server that speaks the protocol of clamd's INSTREAM; it finds what contains `EICAR`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass
class Clamd:
    """What the server received, and how it behaves."""

    most: int = 25 * 2**20
    """Its StreamMaxLength: beyond, it answers before the end."""
    hangs: bool = False
    answer: bytes | None = None
    """Answered instead of a verdict."""
    scanned: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readexactly(10) == b"zINSTREAM\0"
            content = b""
            while length := int.from_bytes(await reader.readexactly(4), "big"):
                content += await reader.readexactly(length)
                if len(content) > self.most:
                    writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                    return
            self.scanned.append(content)
            if self.hangs:
                await reader.read()  # until the client gives up
            found = b"stream: Eicar-Test-Signature FOUND\0" if b"EICAR" in content else b"stream: OK\0"
            writer.write(found if self.answer is None else self.answer)
        finally:
            writer.close()


@asynccontextmanager
async def clamd(path: Path) -> AsyncIterator[Clamd]:
    """Serve on a Unix socket until the block ends."""
    scanner = Clamd()
    async with await asyncio.start_unix_server(scanner.serve, path):
        yield scanner


@asynccontextmanager
async def clamd_on_tcp() -> AsyncIterator[tuple[Clamd, str]]:
    """Serve on a port of loopback; also yields its address."""
    scanner = Clamd()
    async with await asyncio.start_server(scanner.serve, "127.0.0.1", 0) as server:
        yield scanner, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
