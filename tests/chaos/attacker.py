"""An attacker with one address and one account: floods by connection, by account and over HTTP, and idle connections.

`python -m tests.chaos.attacker URL USERNAME` attacks until its standard input is closed, then prints how often each
attack got through to the server, as JSON. It runs in a process of its own, so that it delays only the server.
Rates are bounded: the attacker shares the machine's cores with the servers and the load.
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.peer import PING, TEXT, frame
from tests.support.server import PASSWORD

BYTES_PER_S = 300_000
"""Rate of each flood of frames (bytes per second and connection)."""
REQUESTS_PER_S = 25
"""Rate of each flood of requests and commands."""
HALF_OPEN = 30
"""Connections that never finish their request."""
UNREAD = 3
"""Connections that request messages and never read."""
CONTENT_CHARS = 2000
"""Length of the attacker's messages."""
PAGE_MESSAGES = 100
"""Messages in each page that is requested and never read."""
HELD_S = 90.0
"""How long an unread connection is held, if the server does not close it before (seconds)."""
DEADLINE_S = 5.0
PAUSE_S = 0.3
"""Between two connections of one attack (seconds)."""
ADDRESS = "127.0.0.2"
"""The attacker's address, where the server sees it: limits by address apply to the attacker alone."""

ABSURD_REQUESTS = (
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://[:: HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


NO_FIELDS: Mapping[str, str] = {}
Attack = Callable[[str], Awaitable[None]]


class RefusedError(Exception):
    """The server refused what an attack needs first: a login or an upgrade."""


class Answer(NamedTuple):
    """The status and body of an HTTP response."""

    status: int
    body: bytes


class Attacker:
    """All attacks on one server; `through` counts by attack what the server took."""

    def __init__(
        self, url: str, username: str, requests_per_s: float = REQUESTS_PER_S, bytes_per_s: float = BYTES_PER_S
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._username = username
        self._between_s = 1 / requests_per_s
        self._bytes_per_s = bytes_per_s
        self._token = ""
        self._logging_in = asyncio.Lock()
        self.through: Counter[str] = Counter()
        self.attacks: Mapping[str, tuple[int, Attack]] = {
            "frames without a token": (1, self._frames_of_a_stranger),
            "frames with a token": (1, self._frames_of_a_user),
            "commands": (1, self._commands),
            "logins": (1, self._logins),
            "listings": (1, self._listings),
            "topics": (1, self._topics),
            "joins and leaves": (1, self._joins_and_leaves),
            "absurd requests": (1, self._absurd_requests),
            "half-open connections": (HALF_OPEN, self._half_open),
            "unread connections": (UNREAD, self._unread),
        }
        """How many of each run at the same time."""

    async def run(self) -> None:
        """Run all attacks until cancelled; an attack that fails starts again."""
        await asyncio.gather(*(self.run_one(name, copies) for name, (copies, _) in self.attacks.items()))

    async def run_one(self, name: str, copies: int) -> None:
        """Run one attack, `copies` times at once, until cancelled."""
        _, attack = self.attacks[name]
        await asyncio.gather(*(self._again_and_again(name, attack) for _ in range(copies)))

    async def _again_and_again(self, name: str, attack: Attack) -> None:
        self.through[name] += 0
        while True:
            with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, RefusedError):
                await attack(name)
            await asyncio.sleep(PAUSE_S)  # fixed: bounds the rate of connecting

    # By connection

    async def _frames_of_a_stranger(self, name: str) -> None:
        async with self._socket() as (reader, writer):
            await self._flood(name, reader, writer, frame(TEXT, b'{"type":"ping","id":1}') * 100)

    async def _frames_of_a_user(self, name: str) -> None:
        async with self._socket(await self._login()) as (reader, writer):
            await self._flood(name, reader, writer, (frame(PING) + frame(TEXT, b'{"type":"ping","id":1}')) * 100)

    async def _flood(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send frames as fast as the server takes them, up to the rate, and read every answer."""
        async with _drained(reader):
            while not reader.at_eof():
                writer.write(data)
                await writer.drain()
                self.through[name] += 1
                await asyncio.sleep(len(data) / self._bytes_per_s)

    # By account

    async def _commands(self, name: str) -> None:
        """Every command that changes something or reads a page, in rooms of its own."""
        async with self._socket(await self._login()) as (reader, writer), _drained(reader):
            for number in itertools.count(1):
                room = f"{self._username}-{number % 50}"
                for fields in (
                    {"type": "create", "room": room},
                    {"type": "join", "room": room},
                    {"type": "topic", "room": room, "topic": str(number)},
                    {"type": "send", "room": room, "content": "x" * CONTENT_CHARS},
                    {"type": "history", "room": room, "limit": 200},
                    {"type": "rooms"},
                    {"type": "leave", "room": room},
                ):
                    writer.write(frame(TEXT, json.dumps({"id": number, **fields}).encode()))
                await writer.drain()
                if reader.at_eof():
                    return
                self.through[name] += 1
                await asyncio.sleep(self._between_s)

    # Over HTTP

    async def _logins(self, name: str) -> None:
        for number in itertools.count():
            await self._post("/login", PASSWORD if number % 2 else f"wrong {number}")
            self.through[name] += 1
            await asyncio.sleep(self._between_s)

    async def _listings(self, name: str) -> None:
        paths = ("/rooms", "/messages?limit=200", "/rooms/no-such-room", "/sessions")
        await self._request_each(name, (("GET", path, {}) for path in itertools.cycle(paths)))

    async def _topics(self, name: str) -> None:
        topics = (("PUT", "/rooms/general/topic", {"topic": f"{number:0200}"}) for number in itertools.count())
        await self._request_each(name, topics)

    async def _joins_and_leaves(self, name: str) -> None:
        room = f"{self._username}-room"
        await self._request_each(name, iter([("POST", "/rooms", {"room": room})]))
        moves = (("PUT" if number % 2 else "DELETE") for number in itertools.count())
        await self._request_each(name, ((method, f"/rooms/{room}/members/me", {}) for method in moves))

    async def _request_each(self, name: str, requests: Iterator[tuple[str, str, dict[str, str]]]) -> None:
        """Send these requests over one connection, whatever the answers are."""
        token = await self._login()
        async with self._connection() as (reader, writer):
            for method, path, fields in requests:
                status, _ = await _exchange(reader, writer, self._head(method, path, fields, token))
                if status == 401:
                    raise RefusedError
                self.through[name] += 1
                await asyncio.sleep(self._between_s)

    async def _absurd_requests(self, name: str) -> None:
        for request in itertools.cycle(ABSURD_REQUESTS):
            async with self._connection() as (reader, writer):
                writer.write(request)
                with contextlib.suppress(TimeoutError, ConnectionError):
                    async with asyncio.timeout(1):
                        await reader.read(1000)
            self.through[name] += 1
            await asyncio.sleep(self._between_s)

    # Idle connections

    async def _half_open(self, name: str) -> None:
        """A request of which one byte arrives per second."""
        async with self._connection() as (reader, writer):
            self.through[name] += 1
            for byte in b"GET /ws HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100:
                writer.write(bytes([byte]))
                await writer.drain()
                if reader.at_eof():
                    return
                await asyncio.sleep(1)  # fixed: the attack is slow by intent

    async def _unread(self, name: str) -> None:
        """Fill a room, request pages of it, read nothing, and hold the connection."""
        room = f"{self._username}-pages"
        messages = [{"type": "send", "room": room, "content": "x" * CONTENT_CHARS}] * PAGE_MESSAGES
        page = json.dumps({"type": "history", "id": 1, "room": room, "limit": PAGE_MESSAGES})
        async with self._socket(await self._login()) as (_, writer):
            for fields in ({"type": "create", "room": room}, {"type": "join", "room": room}, *messages):
                writer.write(frame(TEXT, json.dumps({"id": 1, **fields}).encode()))
            self.through[name] += 1
            async with asyncio.timeout(HELD_S):  # a proxy in between may not pass on that the server has closed it
                while True:
                    writer.write(frame(TEXT, page.encode()))
                    await writer.drain()
                    await asyncio.sleep(self._between_s)

    # What attacks share

    async def _login(self) -> str:
        """A token; the last one while the server accepts it. Attacks that start together share a login."""
        async with self._logging_in:
            if self._token and (await self._request(self._head("GET", "/sessions", token=self._token))).status == 200:
                return self._token
            answer = await self._post("/login", PASSWORD)
            if answer.status != 200:
                raise RefusedError
            self._token = json.loads(answer.body)["token"]
            return self._token

    async def _post(self, path: str, password: str) -> Answer:
        fields = {"username": self._username, "password": password}
        return await self._request(self._head("POST", path, fields))

    async def _request(self, request: bytes) -> Answer:
        async with self._connection() as (reader, writer):
            return await _exchange(reader, writer, request)

    def _head(self, method: str, path: str, fields: Mapping[str, str] = NO_FIELDS, token: str = "") -> bytes:
        """A request with its body."""
        body = json.dumps(fields).encode() if fields else b""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json"] if fields else []
        lines += [f"Authorization: Bearer {token}"] if token else []
        return "\r\n".join([*lines, "", ""]).encode() + body

    @asynccontextmanager
    async def _socket(self, token: str = "") -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A WebSocket connection."""
        key = base64.b64encode(bytes(16)).decode()
        request = (
            f"GET /ws HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        )
        request += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        if token:
            request += f"Authorization: Bearer {token}\r\n"
        async with self._connection() as (reader, writer):
            writer.write(f"{request}\r\n".encode())
            async with asyncio.timeout(DEADLINE_S):
                head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head:
                raise RefusedError
            yield reader, writer

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        source = (ADDRESS, 0) if self._host == "127.0.0.1" else None
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(self._host, self._port, local_addr=source)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Answer:
    async with asyncio.timeout(DEADLINE_S):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length:")
        body = await reader.readexactly(int(length.split(maxsplit=1)[0])) if length else b""
        return Answer(int(head.split(maxsplit=2)[1]), body)


@asynccontextmanager
async def _drained(reader: asyncio.StreamReader) -> AsyncIterator[None]:
    """Read and drop everything while the block runs."""

    async def drop() -> None:
        with contextlib.suppress(OSError):
            while await reader.read(65_536):
                pass

    task = asyncio.create_task(drop())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def attacked(url: str, username: str, *options: str) -> AsyncIterator[Counter[str]]:
    """Attack while the block runs; the counter is filled when it ends. The user is registered already.

    `options` are those of the command line.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.attacker", url, username, *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    through: Counter[str] = Counter()
    try:
        yield through
        async with asyncio.timeout(2 * DEADLINE_S):
            output, _ = await process.communicate(b"")
        through.update(json.loads(output))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.attacker")
    parser.add_argument("url")
    parser.add_argument("username")
    parser.add_argument("--only", metavar="ATTACK", help="run only this attack")
    parser.add_argument("--copies", type=int, default=1, help="of the only attack")
    parser.add_argument("--rate", type=float, default=REQUESTS_PER_S, help="requests per second of each copy")
    parser.add_argument("--bytes", type=float, default=BYTES_PER_S, help="of frames per second and connection")
    options = parser.parse_args(arguments)
    attacker = Attacker(options.url, options.username, options.rate, options.bytes)
    work = attacker.run() if options.only is None else attacker.run_one(options.only, options.copies)
    attack = asyncio.create_task(work)
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
    await asyncio.wait({attack, ended}, return_when=asyncio.FIRST_COMPLETED)
    attack.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attack
    sys.stdout.write(json.dumps(attacker.through))


if __name__ == "__main__":
    asyncio.run(_main())
