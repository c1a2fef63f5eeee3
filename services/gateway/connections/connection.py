"""One live connection: what its client sends comes in here, in order, and every reply goes out here."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any, Protocol, TypeAlias

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.observability import request_ids
from chatterbox.wire import codec, frames
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.codec import BadFrame
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.connections.member import Member
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics

log = logging.getLogger("chatterbox.connection")

Later: TypeAlias = Coroutine[Any, Any, None]
Dispatch: TypeAlias = Callable[["Connection", frames.Command], Later | None]
"""Carries out a command: at once (None), or as a coroutine that further commands of the connection wait for."""


class Socket(Protocol):
    """What a connection needs of its transport; `LiveSocket` is it."""

    @property
    def try_write(self) -> Callable[[bytes], int]: ...
    def write(self, frames: bytes) -> None: ...
    @property
    def unsent_bytes(self) -> int: ...
    @property
    def delivered_bytes(self) -> int: ...
    @property
    def close_code(self) -> int: ...
    def close(self, code: CloseCode) -> None: ...
    def abort(self) -> None: ...


class ConnectionState(Enum):
    """Where a connection is in its life."""

    NEW = auto()
    """Accepted; no token yet."""
    GREETING = auto()
    """The token is being checked, rooms are being opened; commands wait."""
    OPEN = auto()
    """Welcomed."""
    CLOSED = auto()


class Connection:
    """Takes commands in order, one at a time; sends their replies.

    `on_closed` is called once, when no more goes to or comes from this connection.
    """

    __slots__ = ("_backlog", "_bad_frames", "_bucket", "_busy", "_clock", "_dispatch", "_limits", "_on_closed",
                 "address", "catching_up", "claims", "close_code", "connection_id", "delivered_seen_bytes",
                 "full_since_s", "member", "messages_in", "messages_out", "metrics", "on_writable", "opened_s",
                 "socket", "state")  # fmt: skip

    def __init__(
        self,
        socket: Socket,
        address: str,
        connection_id: str,
        limits: Limits,
        clock: Callable[[], float],
        dispatch: Dispatch,
        on_closed: Callable[["Connection"], None],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self.socket = socket
        self.address = address
        self.connection_id = connection_id
        self.state = ConnectionState.NEW
        self.claims: Claims | None = None
        self.member: Member | None = None
        self.full_since_s: float | None = None
        """Since when something is unsent, and its peer has taken nothing; or since when its peer has gone."""
        self.delivered_seen_bytes = 0
        self.opened_s = clock()
        self.messages_in = 0
        """Messages that it sent and that were taken in."""
        self.messages_out = 0
        """Messages that rooms pushed to it; right once it is out of all of them (see `Room.detach`)."""
        self.close_code: int | None = None
        """Why it is over, once it is."""
        self.metrics = metrics or GatewayMetrics()
        self.catching_up = False
        self.on_writable: Callable[[Connection], None] | None = None
        self._limits = limits
        self._clock = clock
        self._dispatch = dispatch
        self._on_closed = on_closed
        # Nearly all connections are idle, and there are many: what only some need is made when it is needed.
        self._bucket: TokenBucket | None = None
        self._bad_frames: TokenBucket | None = None
        self._busy = False
        self._backlog: deque[frames.Command] | None = None

    # Out

    def send(self, frame: frames.ServerFrame) -> None:
        self.write(text_frame(codec.encode(frame)))

    def write(self, finished: bytes) -> None:
        """Send finished frames."""
        if self.state is not ConnectionState.CLOSED:
            self.socket.write(finished)

    def refuse(self, problem: ChatError, command_id: int | None) -> None:
        self.send(codec.error_frame(problem, command_id))

    def close(self, code: CloseCode) -> None:
        """Say why and end it; nothing is taken from or given to this connection any more."""
        if self.state is not ConnectionState.CLOSED:
            self.metrics.closes.inc(code)
        self._ended(code)
        self.socket.close(code)

    def abort(self) -> None:
        """End it at once: its peer takes nothing any more."""
        self.metrics.cut_off.inc()
        self._ended(CloseCode.BEHIND)
        self.socket.abort()

    def _ended(self, code: int) -> None:
        if self.state is not ConnectionState.CLOSED:
            self.state = ConnectionState.CLOSED
            self.close_code = code
            self._backlog = None
            self._on_closed(self)

    @property
    def is_full(self) -> bool:
        return self.full_since_s is not None

    # In: what the socket tells

    def on_text(self, data: bytes) -> None:
        if self.state is ConnectionState.CLOSED:
            return
        try:
            command = codec.decode_command(data)
            self._admit(command)
        except BadFrame as problem:
            self._on_bad_frame(problem)
        except ChatError as problem:
            self.refuse(problem, command.id)

    def on_binary(self) -> None:
        if self.state is not ConnectionState.CLOSED:
            self._on_bad_frame(BadFrame("Frames are text, not binary."))

    def on_full(self) -> None:
        self.metrics.marked_behind.inc()
        self.delivered_seen_bytes = self.socket.delivered_bytes
        self._fall_behind()

    def on_drained(self) -> None:
        self.full_since_s = None
        if self.on_writable is not None:
            self.on_writable(self)

    def on_gone(self) -> None:
        self._fall_behind()  # fan-out must not write to thousands that went at once, until the last has had its turn

    def on_lost(self) -> None:
        self._ended(self.socket.close_code)

    def _fall_behind(self) -> None:
        """It takes nothing: be full, and live in no room."""
        self.full_since_s = self._clock()
        if self.member is not None:
            for room in self.member.rooms.values():
                room.fall_behind(self)

    def _on_bad_frame(self, problem: BadFrame) -> None:
        now_s, most = self._clock(), self._limits.bad_frames_per_minute
        if self._bad_frames is None:
            self._bad_frames = TokenBucket.full(most / 60, most - 1, now_s)
        if self._bad_frames.take(now_s) > 0:
            self.close(CloseCode.TOO_MANY_BAD_FRAMES)
        else:
            self.refuse(problem, problem.command_id)

    def _admit(self, command: frames.Command) -> None:
        if not isinstance(command, frames.Send):
            self._count_command()
        if self._busy:
            self._queue(command)
        else:
            self.run(command)

    def _count_command(self) -> None:
        now_s, limits = self._clock(), self._limits
        if self._bucket is None:
            self._bucket = TokenBucket.full(limits.commands_per_s, limits.commands_burst, now_s)
        if (wait_s := self._bucket.take(now_s)) > 0:
            detail = f"At most {limits.commands_per_s:g} commands a second on one connection."
            raise ChatError(Code.RATE_LIMITED, detail, retry_after_s=round(wait_s, 3))

    def _queue(self, command: frames.Command) -> None:
        if self._backlog is None:
            self._backlog = deque()
        if len(self._backlog) >= self._limits.commands_waiting:
            detail = f"At most {self._limits.commands_waiting} commands may await their reply on one connection."
            raise ChatError(Code.TOO_MANY_COMMANDS, detail, retry_after_s=0.5)
        self._backlog.append(command)

    def run(self, command: frames.Command) -> None:
        """Carry out a command; if that takes time, the next ones wait for it."""
        try:
            later = self._dispatch(self, command)
        except ChatError as problem:
            self.refuse(problem, command.id)
            return
        if later is not None:
            self.occupy(later, command.id)

    def occupy(self, later: Later, command_id: int | None) -> None:
        """Let the commands that come wait until `later` is done."""
        self._busy = True
        task = asyncio.get_running_loop().create_task(self._finish(later, command_id))
        _running.add(task)
        task.add_done_callback(_running.discard)

    async def _finish(self, later: Later, command_id: int | None) -> None:
        if request_ids.current() is None:  # what came with the handshake goes by that request's id
            request_ids.begin(self.connection_id)
        try:
            await later
        except ChatError as problem:
            self.refuse(problem, command_id)
        except Exception:
            log.exception("command.failed", extra={"connection": self.connection_id})
            self.refuse(ChatError(Code.INTERNAL), command_id)
        self._busy = False
        while self._backlog and not self._busy:
            self.run(self._backlog.popleft())
        if not self._backlog:
            self._backlog = None


_running: set[asyncio.Task[None]] = set()
"""The event loop holds tasks weakly; this holds them until they are done."""
