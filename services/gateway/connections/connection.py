"""One live connection: decodes commands, runs them in order, one at a time, and sends the replies."""

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any, Protocol, TypeAlias

from chatterbox.chassis.core.token_bucket import TokenBucket
from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.tasks import TaskSet
from chatterbox.wire import codec, frames, rate_limits
from chatterbox.wire.auth_api import Claims
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.codec import BadFrame
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.member import Member

log = logging.getLogger("chatterbox.connection")

FRAMES_BEFORE_TOKEN = rate_limits.FRAMES_BEFORE_TOKEN.bound.burst
"""Refused frames before `connect` after which a connection is closed; `chatterbox doctor` needs a few."""
OVERSHOOT = rate_limits.REFUSED_BEFORE_SLOW.bound
"""Commands and messages beyond their rate that are refused on one connection; then it is read more slowly instead."""

_SENDS = (frames.Send, frames.Edit, frames.DeleteMessage, frames.React, frames.Pin)
"""Commands that have a rate of their own."""

AsyncCommand: TypeAlias = Coroutine[Any, Any, None]
Dispatch: TypeAlias = Callable[["Connection", frames.Command], AsyncCommand | None]
"""Runs a command: at once (None), or as a coroutine that further commands of the connection wait for."""


class Socket(Protocol):
    """What a connection needs of its socket; `LiveSocket` implements it."""

    @property
    def try_write(self) -> Callable[[bytes], int]: ...
    def write(self, frames: bytes) -> None: ...
    @property
    def unsent_bytes(self) -> int: ...
    @property
    def delivered_bytes(self) -> int: ...
    @property
    def close_code(self) -> int: ...
    def delay_reading(self, seconds: float) -> None: ...
    def close(self, code: CloseCode) -> None: ...
    def abort(self) -> None: ...


class ConnectionState(Enum):
    """Life cycle of a connection."""

    NEW = auto()
    """Accepted; no token yet."""
    WELCOMING = auto()
    """The token is being verified and rooms are being opened; commands wait."""
    OPEN = auto()
    """Welcomed."""
    CLOSED = auto()


class Connection:
    """Accepts commands, runs them one at a time in order, and sends their replies.

    `on_closed` is called once, when nothing more is received or sent on this connection. Asynchronous commands run
    in `tasks`.
    """

    __slots__ = ("_backlog", "_bad_frames", "_bucket", "_busy", "_clock", "_delivered_bytes", "_dispatch",
                 "_full_since_s", "_limits", "_on_closed", "_on_writable", "_overshoot", "_refusals", "_tasks",
                 "address", "claims", "close_code", "connection_id", "member", "messages_in", "messages_out",
                 "metrics", "opened_s", "socket", "state")  # fmt: skip

    def __init__(
        self,
        socket: Socket,
        address: str,
        connection_id: str,
        limits: Limits,
        clock: Callable[[], float],
        dispatch: Dispatch,
        on_closed: Callable[["Connection"], None],
        tasks: TaskSet,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`clock` is monotonic seconds."""
        self.socket = socket
        self.address = address
        self.connection_id = connection_id
        self.state = ConnectionState.NEW
        self.claims: Claims | None = None
        self.member: Member | None = None
        self.opened_s = clock()
        self.messages_in = 0
        """Messages received from the client and accepted."""
        self.messages_out = 0
        """Messages pushed by rooms; exact once the connection is out of all of them (see `Room.detach`)."""
        self.close_code: int | None = None
        """Set when the connection is closed."""
        self.metrics = metrics or GatewayMetrics()
        self._full_since_s: float | None = None
        """Since when data is unsent and the peer has received none of it, or since when the peer is gone."""
        self._delivered_bytes = 0
        """`socket.delivered_bytes` when it was last looked at."""
        self._on_writable: Callable[[Connection], None] | None = None
        self._limits = limits
        self._clock = clock
        self._dispatch = dispatch
        self._on_closed = on_closed
        self._tasks = tasks
        # Most connections are idle, and there are many of them: what only some need is created on demand.
        self._bucket: TokenBucket | None = None
        self._bad_frames: TokenBucket | None = None
        self._overshoot: TokenBucket | None = None
        self._refusals: TokenBucket | None = None
        self._busy = False
        self._backlog: deque[frames.Command] | None = None

    # State

    @property
    def is_open(self) -> bool:
        """Whether the connection has been welcomed and is not closed."""
        return self.state is ConnectionState.OPEN

    @property
    def is_closed(self) -> bool:
        return self.state is ConnectionState.CLOSED

    @property
    def is_full(self) -> bool:
        """Whether the socket accepts no more data for now, or the peer is gone."""
        return self._full_since_s is not None

    def start_welcome(self, welcome: AsyncCommand) -> None:
        """Run `welcome`; commands wait until it is done."""
        self.state = ConnectionState.WELCOMING
        self._start(welcome, None)

    def identify(self, member: Member, claims: Claims) -> None:
        """Note whose connection this is."""
        self.member = member
        self.claims = claims

    def renew(self, claims: Claims) -> None:
        """Replace the token's claims by those of a newer one of the same session."""
        self.claims = claims

    def open(self, on_writable: Callable[["Connection"], None]) -> None:
        """The connection is about to be welcomed; `on_writable` is called whenever its socket is no longer full."""
        self.state = ConnectionState.OPEN
        self._on_writable = on_writable

    def count_received(self) -> None:
        """Count a message from the client."""
        self.messages_in += 1

    def count_pushed(self, messages: int) -> None:
        """Add to the messages pushed by rooms; `messages` may be negative (see `Room.attach`)."""
        self.messages_out += messages

    def stalled_s(self) -> float:
        """Seconds since the peer last received anything; 0 if the socket is not full."""
        if self._full_since_s is None:
            return 0.0
        now_s = self._clock()
        before_bytes, self._delivered_bytes = self._delivered_bytes, self.socket.delivered_bytes
        if self._delivered_bytes > before_bytes:
            self._full_since_s = now_s
        return now_s - self._full_since_s

    # Sending

    def send(self, frame: frames.ServerFrame) -> None:
        self.write(text_frame(codec.encode(frame)))

    def write(self, finished: bytes) -> None:
        """Send encoded frames."""
        if self.state is not ConnectionState.CLOSED:
            self.socket.write(finished)

    def refuse(self, problem: ChatError, command_id: int | None) -> None:
        """Send an `error` frame; close a connection that is refused often, and sooner before it sent its token.

        Refusals for which the server is responsible (5xx) don't count.
        """
        self.send(codec.error_frame(problem, command_id))
        if problem.status < 500 and self._is_refused_too_often():
            is_new = self.state is ConnectionState.NEW
            self.close(CloseCode.TOKEN_REFUSED if is_new else CloseCode.TOO_MANY_REFUSALS)

    def _is_refused_too_often(self) -> bool:
        now_s, limit = self._clock(), self._limits.refusals_per_minute
        if self._refusals is None:
            self._refusals = TokenBucket.full(limit / 60, limit - 1, now_s)
        allowed = self._refusals.take(now_s) == 0
        return not allowed or (self.state is ConnectionState.NEW and self._refusals.level < limit - FRAMES_BEFORE_TOKEN)

    def close(self, code: CloseCode) -> None:
        """Close with `code`; nothing more is received or sent."""
        if self.state is not ConnectionState.CLOSED:
            self.metrics.closes.inc(code)
        self._mark_closed(code)
        self.socket.close(code)

    def abort(self) -> None:
        """Cut off a peer that receives nothing."""
        self.metrics.cut_off.inc()
        self._mark_closed(CloseCode.BEHIND)
        self.socket.abort()

    def _mark_closed(self, code: int) -> None:
        if self.state is not ConnectionState.CLOSED:
            self.state = ConnectionState.CLOSED
            self.close_code = code
            self._backlog = None
            self._on_closed(self)

    # Callbacks from the socket

    def on_text(self, data: bytes) -> None:
        if self.state is ConnectionState.CLOSED:
            return
        try:
            command = codec.decode_command(data)
            self._accept(command)
        except BadFrame as problem:
            self._on_bad_frame(problem)
        except ChatError as problem:
            self.refuse(problem, command.id)

    def on_binary(self) -> None:
        if self.state is not ConnectionState.CLOSED:
            self._on_bad_frame(BadFrame("Frames must be text, not binary."))

    def on_full(self) -> None:
        self.metrics.marked_behind.inc()
        self._delivered_bytes = self.socket.delivered_bytes
        self._fall_behind()

    def on_drained(self) -> None:
        self._full_since_s = None
        if self._on_writable is not None:
            self._on_writable(self)

    def on_gone(self) -> None:
        self._fall_behind()  # thousands may go at once: fan-out must skip them until each is closed

    def on_lost(self) -> None:
        self._mark_closed(self.socket.close_code)

    def _fall_behind(self) -> None:
        """Mark the connection full and stop the pushes of all its rooms."""
        self._full_since_s = self._clock()
        if self.member is not None:
            for room in self.member.rooms.values():
                room.fall_behind(self)

    # Commands

    def _on_bad_frame(self, problem: BadFrame) -> None:
        now_s, limit = self._clock(), self._limits.bad_frames_per_minute
        if self._bad_frames is None:
            self._bad_frames = TokenBucket.full(limit / 60, limit - 1, now_s)
        if self._bad_frames.take(now_s) > 0:
            self.close(CloseCode.TOO_MANY_BAD_FRAMES)
        else:
            self.refuse(problem, problem.command_id)

    def _accept(self, command: frames.Command) -> None:
        if not isinstance(command, _SENDS):
            self._check_rate()
        if self._busy:
            self._enqueue(command)
        else:
            self._run(command)

    def _check_rate(self) -> None:
        now_s, limits = self._clock(), self._limits
        if self._bucket is None:
            self._bucket = TokenBucket.full(limits.commands_per_s, limits.commands_burst, now_s)
        if (wait_s := self._bucket.take(now_s)) > 0:
            detail = f"At most {limits.commands_per_s:g} commands per second and connection."
            self.on_rate_exceeded(self._bucket, wait_s, detail)

    def on_rate_exceeded(self, bucket: TokenBucket, wait_s: float, detail: str) -> None:
        """Refuse a command as `rate_limited`, by `bucket`, which has its next token in `wait_s` seconds.

        Once this has happened often, a command is accepted instead and the connection is not read until the bucket
        allows the next: a client that floods is slowed down, and costs no more than one that keeps to its rate.
        """
        now_s = self._clock()
        if self._overshoot is None:
            self._overshoot = TokenBucket.full(OVERSHOOT.per_s, OVERSHOOT.burst, now_s)
        if self._overshoot.take(now_s) > 0:
            if not bucket.is_in_debt:
                self.socket.delay_reading(bucket.borrow(now_s))
                return
            self.socket.delay_reading(wait_s)
        raise ChatError(Code.RATE_LIMITED, detail, retry_after_s=round(wait_s, 3))

    def _enqueue(self, command: frames.Command) -> None:
        if self._backlog is None:
            self._backlog = deque()  # bounded: by `commands_waiting`, below
        if len(self._backlog) >= self._limits.commands_waiting:
            detail = f"At most {self._limits.commands_waiting} commands may wait for a reply on one connection."
            raise ChatError(Code.TOO_MANY_COMMANDS, detail, retry_after_s=0.5)
        self._backlog.append(command)

    def _run(self, command: frames.Command) -> None:
        try:
            coroutine = self._dispatch(self, command)
        except ChatError as problem:
            self.refuse(problem, command.id)
            return
        if coroutine is not None:
            self._start(coroutine, command.id)

    def _start(self, coroutine: AsyncCommand, command_id: int | None) -> None:
        """Run `coroutine` in a task; commands wait until it is done."""
        self._busy = True
        self._tasks.spawn(self._complete(coroutine, command_id))

    async def _complete(self, coroutine: AsyncCommand, command_id: int | None) -> None:
        if request_ids.current() is None:  # work that belongs to the handshake keeps the id of that request
            request_ids.begin(self.connection_id)
        try:
            await coroutine
        except ChatError as problem:
            self.refuse(problem, command_id)
        except Exception:
            log.exception("command.failed", extra={"connection": self.connection_id})
            self.refuse(ChatError(Code.INTERNAL), command_id)
        self._busy = False
        while self._backlog and not self._busy:
            self._run(self._backlog.popleft())
        if not self._backlog:
            self._backlog = None
