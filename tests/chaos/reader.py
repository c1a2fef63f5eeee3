"""A client of the load: connects, resumes, sends with keys, and resends what was not acked.

It records everything it does and receives. It reconnects as the terminal client does, but is a separate
implementation, so that a bug in one does not hide the same bug in the other.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from chatterbox.wire import frames
from chatterbox.wire.close_codes import may_reconnect
from chatterbox.wire.codec import decode_server_frame, encode
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.position import Position, ResumePoint
from client.core.reconnect_delay import delay_s
from tests.chaos import operations
from tests.support.read_progress import ReadPlace, ReadProgress, ToldReadState
from tests.support.room_progress import RoomProgress, checksum
from tests.support.traceable_words import word_in

PATIENCE_S = 10.0
"""Timeout of a command or handshake (seconds)."""
KEPT_MESSAGES = 100
"""Messages of a room that a reader holds, the newest."""
MOST_PAUSE_S = 2.0
"""The longest pause between two attempts (seconds): a run is short."""

Note = Callable[[operations.AnyOperation], None]


@dataclass(frozen=True, slots=True)
class Person:
    """A logged-in user, who may have many readers."""

    username: str
    token: str
    session: str
    room: str
    """The room to which the user's readers send."""
    watched: tuple[str, ...] = ()
    """Users whose presence the readers have on their screens."""


@dataclass(slots=True)
class Waiting:
    """A message in the outbox. `taken_s` is when it was last written to a connection."""

    content: str
    reply_to: int = 0
    files: tuple[str, ...] = ()
    taken_s: float = 0.0
    is_answered: bool = False
    """Whether it was acked or refused permanently."""


@dataclass(slots=True)
class Line:
    """The state of one connection."""

    socket: ClientConnection
    name: str
    in_flight: dict[int, Waiting] = field(default_factory=dict)
    changing: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Room and epoch of each change without an answer."""
    reporting: dict[int, ReadPlace] = field(default_factory=dict)
    """The read position of the user's room that has no answer yet, by the number of the command."""
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    is_moving: bool = False
    watch_id: int = 0


class Reader:
    """A client with an outbox and a position for each room."""

    def __init__(self, name: str, person: Person, url: str, note: Note, chance: random.Random) -> None:
        self.name = name
        self.person = person
        self.url = url
        self.progress: dict[str, RoomProgress] = {}
        self.known_revs: dict[tuple[str, str], int] = {}
        """The highest rev that it heard of, by room and epoch."""
        self.reads = ReadProgress()
        """How far the user has read their room, as far as this device knows."""
        self.outbox: deque[Waiting] = deque()
        self.is_over = False
        """Whether a close code told it not to reconnect."""
        self._note = note
        self._chance = chance
        self.shown: dict[str, str] = {}
        """The presence of the users that it watches, as told on this connection."""
        self._line: Line | None = None
        self._connections = itertools.count(1)
        self._resting: asyncio.TimerHandle | None = None

    @property
    def held(self) -> dict[str, Position]:
        return {room: progress.at for room, progress in self.progress.items()}

    @property
    def is_live(self) -> bool:
        return self._line is not None

    @property
    def is_idle(self) -> bool:
        """Whether every message has its final answer."""
        return not self.unanswered

    @property
    def unanswered(self) -> list[Waiting]:
        return [*self.outbox, *(self._line.in_flight.values() if self._line is not None else ())]

    @property
    def is_changing(self) -> bool:
        """Whether a change has no answer yet."""
        return self._line is not None and bool(self._line.changing)

    def latecomer(self, messages: int) -> "Reader":
        """Another client of the user, which lacks the newest messages of the room, as many as that."""
        reader = Reader(f"{self.name}-late", self.person, self.url, self._note, self._chance)
        held = self.held[self.person.room]
        reader.progress[self.person.room] = RoomProgress(held.epoch, max(0, held.offset - messages), KEPT_MESSAGES)
        return reader

    async def say(self, content: str, reply_to: int = 0, files: tuple[str, ...] = ()) -> None:
        """Put a message into the outbox and send it as soon as possible; `files` are ids of files of the user."""
        self.outbox.append(Waiting(content, reply_to, files))
        await self._advance()

    async def change(self, did: str, offset: int, value: str = "") -> None:
        """Change a message of the user's room that is held, if connected; tried once."""
        line, room = self._line, self.person.room
        if line is None or line.is_moving:
            return
        number, epoch = next(line.ids), self.progress[room].epoch
        line.changing[number] = (room, epoch)
        held = self.progress[room].held.get(offset)
        self._note(
            operations.ChangeInvoked(
                at_s=time.monotonic(), connection=line.name, number=number, username=self.person.username, room=room,
                epoch=epoch, offset=offset, did=did, value=value,
                erases=word_in(held.content) if held is not None and did in {"edit", "delete"} else "",
            )
        )  # fmt: skip
        with contextlib.suppress(ConnectionClosed):
            await line.socket.send(encode(_command(number, room, did, offset, value)).decode())

    async def mark(self, offset: int, *, unread: bool) -> None:
        """Mark the user's room as read up to a message, or as unread after it; said until the server knows."""
        turn = self.reads.known.turn + unread
        self.reads.wanted = max(self.reads.wanted, ReadPlace(turn, offset))
        await self._report()

    async def _report(self) -> None:
        line = self._line
        if line is None or line.is_moving or line.reporting or not self.reads.has_more:
            return
        number, place, room = next(line.ids), self.reads.wanted, self.person.room
        line.reporting[number] = place
        self._note(
            operations.ReadInvoked(
                at_s=time.monotonic(), connection=line.name, number=number, room=room, turn=place.turn,
                offset=place.offset,
            )
        )  # fmt: skip
        command = frames.MarkRead(id=number, room=room, offset=place.offset, turn=place.turn)
        with contextlib.suppress(ConnectionClosed):
            await line.socket.send(encode(command).decode())

    def _told_read(self, line: Line, place: ReadPlace, told: ToldReadState, number: int | None = None) -> None:
        self._note(
            operations.ReadTold(
                at_s=time.monotonic(), connection=line.name, username=self.person.username, room=self.person.room,
                epoch=self.progress[self.person.room].epoch, turn=place.turn, offset=place.offset, unread=told.unread,
                mentions=told.mentions, counted=told.counted, number=number,
            )
        )  # fmt: skip

    async def _after_refusal(self, line: Line, sent: ReadPlace, error: frames.ErrorFrame) -> None:
        if _is_final(error):
            self.reads.settle(sent)
            await self._report()
        else:
            wait_s = min(MOST_PAUSE_S, error.retry_after_s or 1.0)
            asyncio.get_running_loop().call_later(wait_s, lambda: _soon(self._report()))

    def cut(self) -> None:
        """Cut the connection, if any, without a close frame."""
        if self._line is not None:
            self._line.socket.transport.abort()

    def note_kept(self) -> None:
        """Record what is held of the user's room, at the end."""
        assert self._line is not None
        for message in self.progress[self.person.room].held.values():
            self._note(
                operations.Kept(
                    at_s=time.monotonic(), connection=self._line.name, room=message.room, epoch=message.at.epoch,
                    offset=message.at.offset, rev=message.rev, checksum=checksum(message),
                )
            )  # fmt: skip

    async def run(self) -> None:
        """Stay connected until cancelled or told not to reconnect."""
        attempt = 0
        try:
            while not self.is_over:
                try:
                    moved = await self._one_connection()
                    attempt = 0
                except (OSError, InvalidHandshake, TimeoutError, ConnectionClosed):
                    moved = False
                if not moved:
                    await asyncio.sleep(min(MOST_PAUSE_S, delay_s(attempt, self._chance.random())))
                    attempt += 1
        finally:
            if self._resting is not None:
                self._resting.cancel()

    async def _one_connection(self) -> bool:
        """Connect and stay connected; returns whether the server asked it to move."""
        socket = await connect(
            self.url, compression=None, open_timeout=PATIENCE_S, close_timeout=1, max_size=2**24, proxy=None,
            ping_interval=PATIENCE_S, ping_timeout=PATIENCE_S,
        )  # fmt: skip
        line = Line(socket, f"{self.name}/{next(self._connections)}")
        asked = {room: progress.resume_point for room, progress in self.progress.items()}
        try:
            await socket.send(encode(frames.Connect(token=self.person.token, resume=asked)).decode())
            async with asyncio.timeout(PATIENCE_S):
                welcome = decode_server_frame(await socket.recv())
            if not isinstance(welcome, frames.Welcome):
                return False
            self._welcomed(line, welcome, asked)
            self._line = line
            with contextlib.suppress(ConnectionClosed):
                await self._look(line)
                await self._advance()
                await self._report()
                async for data in socket:
                    await self._came(line, decode_server_frame(data))
        finally:
            self._lost(line)
            await socket.close()
        return line.is_moving

    async def _look(self, line: Line) -> None:
        """Have the room on the screen, and the names beside it."""
        self.shown.clear()
        line.watch_id = next(line.ids)
        watch = frames.Watch(id=line.watch_id, usernames=self.person.watched)
        with contextlib.suppress(ConnectionClosed):
            for command in (frames.Look(room=self.person.room), watch):
                await line.socket.send(encode(command).decode())

    async def type(self) -> None:
        """Tell that the user is typing, if connected."""
        if self._line is not None and not self._line.is_moving:
            with contextlib.suppress(ConnectionClosed):
                await self._line.socket.send(encode(frames.TypingNow(room=self.person.room)).decode())

    def _show(self, line: Line, people: Iterable[frames.Presence]) -> None:
        now_s = time.monotonic()
        for each in people:
            self.shown[each.username] = each.state
            self._note(operations.Shown(at_s=now_s, connection=line.name, username=each.username, state=each.state))

    def _welcomed(self, line: Line, welcome: frames.Welcome, asked: dict[str, ResumePoint]) -> None:
        now_s = time.monotonic()
        self._note(
            operations.Opened(
                at_s=now_s, connection=line.name, reader=self.name, session=welcome.session, server=welcome.server
            )
        )
        self._note(operations.Came(at_s=now_s, connection=line.name, username=self.person.username))
        for room in welcome.rooms:
            since = None if room.reset else asked.get(room.room)
            self._begin(line, now_s, room.room, room.at, room.rev, since)
            if room.room == self.person.room and (room.counted or not room.head):
                self.reads.begin(ReadPlace(room.turn, room.read), room)
                self._told_read(line, ReadPlace(room.turn, room.read), room)

    def _begin(
        self, line: Line, now_s: float, room: str, at: Position, rev: int, since: ResumePoint | None = None
    ) -> None:
        if since is None:
            self.progress[room] = RoomProgress(at.epoch, at.offset, KEPT_MESSAGES)
            if room == self.person.room:
                self.reads = ReadProgress()
        else:
            rev = since.rev or 0
        self.progress[room].begin(at.offset, rev)
        self._note(
            operations.Began(
                at_s=now_s, connection=line.name, room=room, epoch=at.epoch, offset=at.offset,
                since=None if since is None else since.offset, rev=rev,
            )
        )  # fmt: skip

    def _lost(self, line: Line) -> None:
        """Messages in flight may be stored or not: they are resent first, with the same key."""
        was_live, self._line = self._line is line, None
        now_s = time.monotonic()
        for waiting in line.in_flight.values():
            self._note(
                operations.Unknown(at_s=now_s, connection=line.name, room=self.person.room, content=waiting.content)
            )
        self.outbox.extendleft(reversed(line.in_flight.values()))
        line.in_flight.clear()
        code = line.socket.close_code or 1006
        self.is_over = self.is_over or not (line.is_moving or may_reconnect(code))
        if was_live:
            self._note(operations.Closed(at_s=now_s, connection=line.name, code=code))
            self._note(operations.Went(at_s=now_s, connection=line.name))

    async def _came(self, line: Line, frame: frames.ServerFrame) -> None:
        match frame:
            case frames.Message():
                self._delivered(line, frame)
            case frames.Change():
                self._told(line, frame)
            case frames.Changed() if frame.id in line.changing:
                self._hear_of(*line.changing.pop(frame.id), frame.rev)
                now_s = time.monotonic()
                self._note(operations.ChangeAcked(at_s=now_s, connection=line.name, number=frame.id, rev=frame.rev))
            case frames.ErrorFrame() if frame.id in line.changing:
                del line.changing[frame.id]
                self._note(
                    operations.ChangeRefused(
                        at_s=time.monotonic(), connection=line.name, number=frame.id, code=frame.code,
                        final=_is_final(frame),
                    )
                )  # fmt: skip
            case frames.Own(room=self.person.room):
                place = ReadPlace(frame.turn, frame.read)
                self.reads.take(place, frame)
                self._told_read(line, place, frame)
            case frames.ReadSet() if frame.id in line.reporting:
                self.reads.settle(line.reporting.pop(frame.id))
                place = ReadPlace(frame.turn, frame.offset)
                self.reads.take(place, frame)
                self._told_read(line, place, frame, frame.id)
                await self._report()
            case frames.ErrorFrame() if frame.id in line.reporting:
                await self._after_refusal(line, line.reporting.pop(frame.id), frame)
            case frames.Sent() if frame.id in line.in_flight:
                self._acked(line, line.in_flight.pop(frame.id), frame)
                await self._after_answer(line)
            case frames.ErrorFrame() if frame.id in line.in_flight:
                self._refused(line, line.in_flight.pop(frame.id), frame)
                await self._after_answer(line)
            case frames.Watched() if frame.id == line.watch_id:
                self._show(line, frame.people)
            case frames.ErrorFrame() if frame.id == line.watch_id:
                pause_s = min(MOST_PAUSE_S, frame.retry_after_s or 1.0)
                asyncio.get_running_loop().call_later(pause_s, self._look_again, line)
            case frames.PresenceUpdate():
                self._show(line, frame.people)
            case frames.Membership(at=Position() as at):
                self._begin(line, time.monotonic(), frame.room, at, frame.rev)
            case frames.Move():
                asyncio.get_running_loop().call_later(frame.after_ms / 1000, self._move, line)

    def _look_again(self, line: Line) -> None:
        """The server could not tell who is here, for example while history is down."""
        if self._line is line:
            _soon(self._look(line))

    def _delivered(self, line: Line, message: frames.Message) -> None:
        progress = self.progress.setdefault(message.room, RoomProgress(message.at.epoch, 0, KEPT_MESSAGES))
        progress.complete = message.at.offset - 1  # the checker finds gaps; a reader goes on after them
        progress.add(message, paged=False)
        self._note(
            operations.Delivered(
                at_s=time.monotonic(), connection=line.name, room=message.room, epoch=message.at.epoch,
                offset=message.at.offset, username=message.username, content=message.content, rev=message.rev,
                checksum=checksum(message),
            )
        )  # fmt: skip

    def _told(self, line: Line, change: frames.Change) -> None:
        message = change.message
        self._note(
            operations.ChangePushed(
                at_s=time.monotonic(), connection=line.name, room=change.room, after=change.after, rev=change.rev,
                epoch=message.at.epoch if message else "", offset=message.at.offset if message else None,
                message_rev=message.rev if message else 0, checksum=checksum(message) if message else 0,
            )
        )  # fmt: skip
        if (progress := self.progress.get(change.room)) is not None:
            progress.follow(min(change.after, progress.rev), change.rev, message)
            self._hear_of(change.room, progress.epoch, change.rev)

    def _hear_of(self, room: str, epoch: str, rev: int) -> None:
        self.known_revs[room, epoch] = max(rev, self.known_revs.get((room, epoch), 0))

    def _acked(self, line: Line, waiting: Waiting, sent: frames.Sent) -> None:
        waiting.is_answered = True
        self._note(
            operations.Acked(
                at_s=time.monotonic(), connection=line.name, room=sent.room, content=waiting.content,
                epoch=sent.at.epoch, offset=sent.at.offset,
            )
        )  # fmt: skip

    def _refused(self, line: Line, waiting: Waiting, error: frames.ErrorFrame) -> None:
        final = _is_final(error)
        self._note(
            operations.Refused(
                at_s=time.monotonic(), connection=line.name, room=self.person.room, content=waiting.content,
                code=error.code, final=final,
            )
        )  # fmt: skip
        if final:
            waiting.is_answered = True
            return
        self.outbox.appendleft(waiting)
        loop = asyncio.get_running_loop()
        self._resting = loop.call_later(error.retry_after_s or 1.0, self._rested)

    def _rested(self) -> None:
        self._resting = None
        _soon(self._advance())

    async def _after_answer(self, line: Line) -> None:
        if line.is_moving and not line.in_flight:
            await line.socket.close()
        else:
            await self._advance()

    def _move(self, line: Line) -> None:
        line.is_moving = True
        if self._line is line and not line.in_flight:
            _soon(line.socket.close())

    async def _advance(self) -> None:
        """Send the first message of the outbox, unless one is in flight or waiting for its retry."""
        line = self._line
        if line is None or line.is_moving or line.in_flight or self._resting is not None or not self.outbox:
            return
        waiting = self.outbox.popleft()
        waiting.taken_s = time.monotonic()
        number = next(line.ids)
        line.in_flight[number] = waiting
        self._note(
            operations.Invoked(
                at_s=waiting.taken_s, connection=line.name, room=self.person.room, username=self.person.username,
                content=waiting.content,
            )
        )  # fmt: skip
        send = frames.Send(
            id=number, room=self.person.room, content=waiting.content, key=waiting.content.split()[0],
            reply_to=waiting.reply_to or msgspec.UNSET, files=waiting.files or msgspec.UNSET,
        )  # fmt: skip
        with contextlib.suppress(ConnectionClosed):
            await line.socket.send(encode(send).decode())

    def hang_up_if_unanswered(self, now_s: float) -> None:
        """Abort a connection whose server does not answer a send."""
        line = self._line
        if line is not None and any(now_s - waiting.taken_s > PATIENCE_S for waiting in line.in_flight.values()):
            self.cut()


def _is_final(error: frames.ErrorFrame) -> bool:
    return error.retry_after_s is None and not MEANINGS[Code(error.code)].retry


def _command(number: int, room: str, did: str, offset: int, value: str) -> frames.Command:
    match did:
        case "edit":
            return frames.Edit(id=number, room=room, offset=offset, content=value)
        case "delete":
            return frames.DeleteMessage(id=number, room=room, offset=offset)
        case "react" | "unreact":
            return frames.React(id=number, room=room, offset=offset, emoji=value, remove=did == "unreact")
        case _:
            return frames.Pin(id=number, room=room, offset=offset, remove=did == "unpin")


_tasks: "set[asyncio.Task[None]]" = set()


def _soon(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
