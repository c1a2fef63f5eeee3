"""One WebSocket of the doctor's: opened, asked, listened to. Notes facts only."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHeader,
    InvalidStatus,
    NegotiationError,
    WebSocketException,
)

from chatterbox.wire import codec, frames
from chatterbox.wire.untrusted_json import UnreadableError
from client.doctor.handshake_checks import FailedHandshake, FirstFrames
from client.doctor.http_checks import HttpAnswer
from client.doctor.message_checks import IdleResult, LargeFrameResult, RoundTrip
from client.net.dialer import (
    CLOSE_S,
    FRAME_LIMIT_BYTES,
    OPEN_S,
    QUIET,
    ConnectWithoutRedirects,
    socket_address,
    why_closed,
)
from client.net.failure_reason import reason
from client.net.user_agent import USER_AGENT

WORD_S = 5.0
"""How long a reply is waited for."""
PINGS = 5
EVERY_S = 0.2
SMALLER_BYTES = (1_024, 4_095, 16_383, 32_767)
"""What is tried, in this order, when a large frame does not get through."""
HANG_UP_S = 0.5


class HandshakeFailed(Exception):  # noqa: N818 - not an error: a fact
    """There is no WebSocket; `shut` says why."""

    def __init__(self, shut: FailedHandshake) -> None:
        super().__init__(shut.answer.problem)
        self.shut = shut


class ProbeSocket:
    """An open connection. Whatever comes that was not asked for is passed over."""

    def __init__(self, socket: ClientConnection, took_s: float) -> None:
        self.took_s = took_s
        """How long the handshake took."""
        self.closed = ""
        """Why it ended, if it did."""
        self._socket = socket
        self._ids = 0

    async def greeted(self, token: str | None, *, by_frame: bool = False) -> FirstFrames:
        """Hear the welcome, with the token in a frame too if the header brought none (`by_frame`: that is known).

        Without a token, ask for a sign of life, which is refused by name.
        """
        if token is None:
            reply = await self.ask()
            return FirstFrames(reply if isinstance(reply, frames.ErrorFrame) else None, closed=self.closed)
        if not by_frame and ((said := await self._first()) is not None or self.closed):
            return FirstFrames(said, closed=self.closed)
        await self._say(frames.Connect(token=token))
        return FirstFrames(await self._first(), by_frame=True, closed=self.closed)

    async def ask(self, size_bytes: int = 0) -> frames.ServerFrame | None:
        """Send a `ping`, made as large as that by a field that nobody knows; return the reply, or None."""
        number = await self._ping(size_bytes)
        return await self._heard(lambda frame: getattr(frame, "id", None) == number)

    async def trips(self) -> list[RoundTrip]:
        """Send pings at an even pace, whether or not replies come, and note when each had its reply."""
        came_s: dict[int, float] = {}
        numbers = range(self._ids + 1, self._ids + 1 + PINGS)
        hearing = asyncio.create_task(self._note_replies(numbers, came_s))
        sent_s: dict[int, float] = {}
        for _ in range(PINGS):
            now_s = time.monotonic()
            sent_s[await self._ping()] = now_s
            await asyncio.sleep(EVERY_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(hearing, WORD_S)
        return [RoundTrip(at_s, came_s.get(number)) for number, at_s in sent_s.items()]

    async def idle(self, for_s: float, ping_s: float) -> IdleResult:
        """Say nothing for a while, then see whether it still works."""
        began_s = time.monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._socket.wait_closed(), for_s)
        waited_s = min(time.monotonic() - began_s, for_s)
        works = await self.ask() is not None
        return IdleResult(for_s, waited_s, ping_s, works, self.closed)

    async def _note_replies(self, numbers: range, came_s: dict[int, float]) -> None:
        while len(came_s) < PINGS:
            try:
                frame = _decoded(await self._socket.recv(decode=False))
            except ConnectionClosed as closed:
                self._over(closed)
                return
            number = getattr(frame, "id", None)
            if isinstance(number, int) and number in numbers:
                came_s[number] = time.monotonic()

    async def _ping(self, size_bytes: int = 0) -> int:
        self._ids += 1
        small = codec.encode(frames.Ping(id=self._ids))
        padding = max(0, size_bytes - len(small) - len(b',"padding":""'))
        await self._write(small[:-1] + b',"padding":"' + b"." * padding + b'"}' if size_bytes else small)
        return self._ids

    async def _say(self, command: frames.Command) -> None:
        await self._write(codec.encode(command))

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(WORD_S):
                await self._socket.send(data, text=True)
        except ConnectionClosed as closed:
            self._over(closed)
        except TimeoutError:
            self.closed = "it takes nothing more"

    async def _first(self) -> frames.Welcome | frames.ErrorFrame | None:
        frame = await self._heard(lambda frame: isinstance(frame, frames.Welcome | frames.ErrorFrame))
        return frame if isinstance(frame, frames.Welcome | frames.ErrorFrame) else None

    async def _heard(self, is_wanted: Callable[[frames.ServerFrame], bool]) -> frames.ServerFrame | None:
        try:
            async with asyncio.timeout(WORD_S):
                while True:
                    frame = _decoded(await self._socket.recv(decode=False))
                    if frame is not None and is_wanted(frame):
                        return frame
        except ConnectionClosed as closed:
            self._over(closed)
        except TimeoutError:
            pass
        return None

    def _over(self, closed: ConnectionClosed) -> None:
        why, code = why_closed(closed)
        self.closed = self.closed or (f"{why} ({code})" if code is not None else why)


def _decoded(data: bytes) -> frames.ServerFrame | None:
    with suppress(UnreadableError):
        return codec.decode_server_frame(data)
    return None


@asynccontextmanager
async def probe_socket(server: str, token: str | None) -> AsyncIterator[ProbeSocket]:
    """Open a connection, with the token in its header; raises `HandshakeFailed`. No ping of ours keeps it alive."""
    began_s = time.monotonic()
    try:
        socket = await ConnectWithoutRedirects(
            socket_address(server),
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            compression=None,
            logger=QUIET,
            max_size=FRAME_LIMIT_BYTES,
            open_timeout=OPEN_S,
            close_timeout=min(CLOSE_S, HANG_UP_S),
            ping_interval=None,
            user_agent_header=USER_AGENT,
        )
    except (OSError, WebSocketException, ValueError, ImportError) as problem:
        raise HandshakeFailed(_shut(problem)) from problem
    try:
        yield ProbeSocket(socket, time.monotonic() - began_s)
    finally:
        await socket.close()


def _shut(problem: Exception) -> FailedHandshake:
    if isinstance(problem, InvalidStatus):
        response = problem.response
        fields = {name.lower(): value for name, value in response.headers.raw_items()}
        return FailedHandshake(HttpAnswer(response.status_code, fields, bytes(response.body or b"")))
    return FailedHandshake(HttpAnswer(problem=reason(problem)), isinstance(problem, InvalidHeader | NegotiationError))


async def large(server: str, token: str | None, size_bytes: int) -> LargeFrameResult:
    """Send one large frame; if it does not get through, find out what does. Each has a connection of its own."""
    passed, closed = await _gets_through(server, token, size_bytes)
    if passed:
        return LargeFrameResult(size_bytes, size_bytes)
    best = 0
    for smaller in SMALLER_BYTES:
        passed, _ = await _gets_through(server, token, smaller)
        if not passed:
            break
        best = smaller
    return LargeFrameResult(size_bytes, best, closed)


async def _gets_through(server: str, token: str | None, size_bytes: int) -> tuple[bool, str]:
    try:
        async with probe_socket(server, token) as opened:
            reply = await opened.ask(size_bytes)
            return reply is not None, opened.closed
    except HandshakeFailed as problem:
        return False, problem.shut.answer.problem or problem.shut.answer.line
