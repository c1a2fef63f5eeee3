"""Lets a clamd examine each file before it can be read. While it does not answer, files are refused."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from chatterbox.chassis.observability.incident import Incident
from chatterbox.wire.errors import ChatError, Code
from services.files.core.clamd_protocol import ANSWER_BYTES, COMMAND, END, ScanOutcome, Verdict, chunk, verdict

log = logging.getLogger("chatterbox.files.scanner")

CONNECT_S = 5.0
SCAN_S = 120.0
"""How long a scan may take (seconds)."""
AT_ONCE = 4
_BLOCK_BYTES = 256 * 1024


class VirusScanner:
    """Streams files to the clamd at `address`: the path of a Unix socket, or `host:port`. Empty: nothing is scanned."""

    def __init__(self, address: str, on_scanned: Callable[[ScanOutcome], object] = lambda _: None) -> None:
        self._address = address
        self._on_scanned = on_scanned
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._outage = Incident(log, down="scanner.unavailable", up="scanner.recovered")

    async def check(self, file: Path) -> None:
        """Raise `file_refused` if the scanner finds something, and `unavailable` if it does not call the file clean."""
        if not self._address:
            return
        async with self._turn:
            found = await self._verdict(file)
        self._on_scanned(found.outcome)
        if found.outcome is ScanOutcome.FAILED:
            self._outage.fail(found.detail)
            detail = "The server can't scan files at the moment, so it takes none. Try again later."
            raise ChatError(Code.UNAVAILABLE, detail, retry_after_s=10.0)
        self._outage.recover()
        if found.outcome is ScanOutcome.FOUND:
            raise ChatError(Code.FILE_REFUSED, "The server's scanner found malicious content in the file.")

    async def _verdict(self, file: Path) -> Verdict:
        try:
            async with asyncio.timeout(SCAN_S):
                return await self._scan(file)
        except (OSError, asyncio.LimitOverrunError) as problem:  # TimeoutError is one
            return Verdict(ScanOutcome.FAILED, str(problem) or type(problem).__name__)

    async def _scan(self, file: Path) -> Verdict:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await self._connect()
        try:
            with contextlib.suppress(ConnectionError):  # it answers before the end when it has seen enough
                await _send(writer, file)
            return verdict(await reader.read(ANSWER_BYTES))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._address.startswith("/"):
            return await asyncio.open_unix_connection(self._address)
        host, _, port = self._address.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port))


async def _send(writer: asyncio.StreamWriter, file: Path) -> None:
    writer.write(COMMAND)
    with file.open("rb") as opened:
        while block := await asyncio.to_thread(opened.read, _BLOCK_BYTES):
            writer.write(chunk(block))
            await writer.drain()
    writer.write(END)
    await writer.drain()
