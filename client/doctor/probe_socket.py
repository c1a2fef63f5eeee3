"""A WebSocket for the checks: sends pings and records replies. Returns facts without judging them."""

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
from client.doctor.handshake_checks import FailedHandshake, FirstFrame
from client.doctor.http_checks import HttpAnswer
from client.doctor.message_checks import IdleResult, LargeFrameResult, RoundTrip
from client.net.dialer import (
    CLOSE_S,
    FRAME_LIMIT_BYTES,
    OPEN_S,
    QUIET,
    ConnectWithoutRedirects,
    why_closed,
)
from client.net.failure_reason import reason
from client.net.user_agent import USER_AGENT

REPLY_S = 5.0
"""Time limit for a reply."""
PINGS = 5
PING_GAP_S = 0.2
SMALLER_BYTES = (1_024, 4_095, 16_383, 32_767)
"""Sizes to try, in this order, if a large frame does not get through."""
CLOSE_LIMIT_S = 0.5


class HandshakeFailed(Exception):  # noqa: N818 - a result of the probe, not an error in it
    """The WebSocket could not be opened; `handshake` says why."""

    def __init__(self, handshake: FailedHandshake) -> None:
        super().__init__(handshake.answer.problem)
        self.handshake = handshake


class ProbeSocket:
    """An open connection. Frames that no method waits for are ignored."""

    def __init__(self, socket: ClientConnection, handshake_s: float) -> None:
        self.handshake_s = handshake_s
        """Duration of the handshake."""
        self.closed = ""
        """Why the connection closed, if it did."""
        self._socket = socket
        self._last_id = 0

    async def first_frame(self, token: str | None, *, by_frame: bool = False) -> FirstFrame:
        """Receive the welcome. If there is none, or with `by_frame`, send the token in a frame, too.

        Without a token, send a ping, which the gateway refuses with an error.
        """
        if token is None:
            reply = await self.ping()
            return FirstFrame(reply if isinstance(reply, frames.ErrorFrame) else None, closed=self.closed)
        if not by_frame and ((frame := await self._receive_first()) is not None or self.closed):
            return FirstFrame(frame, closed=self.closed)
        await self._send(codec.encode(frames.Connect(token=token)))
        return FirstFrame(await self._receive_first(), by_frame=True, closed=self.closed)

    async def ping(self, size_bytes: int = 0) -> frames.ServerFrame | None:
        """Send a `ping`, padded to `size_bytes` with an unknown field; return the reply, or None."""
        number = await self._send_ping(size_bytes)
        return await self._receive(lambda frame: getattr(frame, "id", None) == number)

    async def round_trips(self) -> list[RoundTrip]:
        """Send pings at even intervals, without waiting for replies, and record when each reply arrives."""
        replied_s: dict[int, float] = {}
        numbers = range(self._last_id + 1, self._last_id + 1 + PINGS)
        replies = asyncio.create_task(self._record_replies(numbers, replied_s))
        sent_s: dict[int, float] = {}
        for _ in range(PINGS):
            now_s = time.monotonic()
            sent_s[await self._send_ping()] = now_s
            await asyncio.sleep(PING_GAP_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(replies, REPLY_S)
        return [RoundTrip(at_s, replied_s.get(number)) for number, at_s in sent_s.items()]

    async def idle(self, for_s: float, ping_s: float) -> IdleResult:
        """Stay idle for a while, then test whether the connection still works."""
        started_s = time.monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._socket.wait_closed(), for_s)
        waited_s = min(time.monotonic() - started_s, for_s)
        works = await self.ping() is not None
        return IdleResult(for_s, waited_s, ping_s, works, self.closed)

    async def _record_replies(self, numbers: range, replied_s: dict[int, float]) -> None:
        while len(replied_s) < PINGS:
            try:
                frame = _decoded(await self._socket.recv(decode=False))
            except ConnectionClosed as closed:
                self._record_close(closed)
                return
            number = getattr(frame, "id", None)
            if isinstance(number, int) and number in numbers:
                replied_s[number] = time.monotonic()

    async def _send_ping(self, size_bytes: int = 0) -> int:
        self._last_id += 1
        small = codec.encode(frames.Ping(id=self._last_id))
        padding = max(0, size_bytes - len(small) - len(b',"padding":""'))
        await self._send(small[:-1] + b',"padding":"' + b"." * padding + b'"}' if size_bytes else small)
        return self._last_id

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(REPLY_S):
                await self._socket.send(data, text=True)
        except ConnectionClosed as closed:
            self._record_close(closed)
        except TimeoutError:
            self.closed = "it accepts no more data"

    async def _receive_first(self) -> frames.Welcome | frames.ErrorFrame | None:
        frame = await self._receive(lambda frame: isinstance(frame, frames.Welcome | frames.ErrorFrame))
        return frame if isinstance(frame, frames.Welcome | frames.ErrorFrame) else None

    async def _receive(self, is_wanted: Callable[[frames.ServerFrame], bool]) -> frames.ServerFrame | None:
        try:
            async with asyncio.timeout(REPLY_S):
                while True:
                    frame = _decoded(await self._socket.recv(decode=False))
                    if frame is not None and is_wanted(frame):
                        return frame
        except ConnectionClosed as closed:
            self._record_close(closed)
        except TimeoutError:
            pass
        return None

    def _record_close(self, closed: ConnectionClosed) -> None:
        why, code = why_closed(closed)
        self.closed = self.closed or (f"{why} ({code})" if code is not None else why)


def _decoded(data: bytes) -> frames.ServerFrame | None:
    with suppress(UnreadableError):
        return codec.decode_server_frame(data)
    return None


@asynccontextmanager
async def probe_socket(server: str, token: str | None) -> AsyncIterator[ProbeSocket]:
    """Open a connection with the token in its header; raises `HandshakeFailed`. The client sends no WebSocket pings."""
    started_s = time.monotonic()
    try:
        socket = await ConnectWithoutRedirects(
            server,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            compression=None,
            logger=QUIET,
            max_size=FRAME_LIMIT_BYTES,
            open_timeout=OPEN_S,
            close_timeout=min(CLOSE_S, CLOSE_LIMIT_S),
            ping_interval=None,
            user_agent_header=USER_AGENT,
        )
    except (OSError, WebSocketException) as problem:
        raise HandshakeFailed(_failed_handshake(problem)) from problem
    try:
        yield ProbeSocket(socket, time.monotonic() - started_s)
    finally:
        await socket.close()


def _failed_handshake(problem: Exception) -> FailedHandshake:
    if isinstance(problem, InvalidStatus):
        response = problem.response
        fields = {name.lower(): value for name, value in response.headers.raw_items()}
        return FailedHandshake(HttpAnswer(response.status_code, fields, bytes(response.body or b"")))
    return FailedHandshake(HttpAnswer(problem=reason(problem)), isinstance(problem, InvalidHeader | NegotiationError))


async def send_large_frame(server: str, token: str | None, size_bytes: int) -> LargeFrameResult:
    """Send one large frame; if it does not get through, try smaller ones. Each uses a new connection."""
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
            reply = await opened.ping(size_bytes)
            return reply is not None, opened.closed
    except HandshakeFailed as problem:
        return False, problem.handshake.answer.problem or problem.handshake.answer.line
