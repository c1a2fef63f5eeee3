"""A simulated client: sends with keys, resends what was not answered, and resumes by position on any gateway.

It records everything it did and received, in the operations that the fault suite's checker judges.
"""

import itertools
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from chatterbox.wire import frames
from chatterbox.wire.close_codes import may_reconnect
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.position import Position
from services.gateway.transport.live_socket import LOST
from tests.chaos import operations
from tests.simulation.client_connection import ClientConnection, OutgoingMessage, ReaderContext
from tests.simulation.loop import TURN_S
from tests.simulation.people import Person
from tests.support.read_progress import ReadPlace, ReadProgress, ToldReadState
from tests.support.room_progress import ALL_MESSAGES, RoomProgress, checksum

REPLY_TIMEOUT_S = 4.0
"""Without a reply for this long, a reader disconnects and tries another gateway (seconds)."""
RECONNECT_S = (0.01, 0.3)
"""Time until it reconnects (seconds)."""
RETRY_READ_S = 0.5
"""Time until a read position that was refused is reported again (seconds)."""
MAX_IN_FLIGHT = 3
PAGE_MESSAGES = 5
KEPT_MESSAGES = (0, 2, 5, ALL_MESSAGES, ALL_MESSAGES)
"""How many messages a reader holds at most."""
EMOJI = ("👍", "🎉", ":tada:")
MENTIONS = ("", "@user1", "", "@user2", "", "@room")
"""What messages and edits end with, in turn."""


class Reader:
    """One client, over all its connections."""

    def __init__(self, name: str, person: Person, context: ReaderContext, rng: Random) -> None:
        """A reader holds few messages or all; the number is drawn from `rng`."""
        self.name = name
        self.person = person
        self.progress: dict[str, RoomProgress] = {}
        self.rooms: set[str] = set()
        """Rooms whose messages this connection gets, as far as it knows."""
        self.reads: dict[str, ReadProgress] = {}
        """How far the user has read each room, as far as this device knows."""
        self.outbox: deque[OutgoingMessage] = deque()
        self.connection: ClientConnection | None = None
        self.is_over = False
        """Whether the server told it not to reconnect."""
        self._context = context
        self._loop = context.loop
        self._rng = rng
        self._connection_numbers = itertools.count(1)
        self._message_numbers = itertools.count(1)
        self._paused_until_s = 0.0
        self._keeps = rng.choice(KEPT_MESSAGES)

    # Actions

    def dial(self) -> None:
        """Connect to some gateway, and resume; retry until one accepts."""
        name = f"{self.name}.{next(self._connection_numbers)}"
        connection = ClientConnection(self, name, last_reply_s=self._loop.time())
        connection.resume = {room: progress.resume_point for room, progress in self.progress.items()}
        by_header = not connection.resume and self._rng.random() < 0.5
        connection.socket = self._context.dial(connection, self._rng, self.person.token if by_header else None)
        if connection.socket is None:
            self._dial_later()
            return
        self.connection = connection
        self.rooms = set()
        if not by_header:
            connection.command(frames.Connect(token=self.person.token, resume=connection.resume))

    def _dial_later(self) -> None:
        self._loop.call_later(self._rng.uniform(*RECONNECT_S), self.dial)

    def cut(self) -> None:
        """Lose the connection, without a close frame."""
        if self.connection is not None:
            assert self.connection.socket is not None
            self.connection.socket.cut()
            self.closed(self.connection, LOST)

    def check_timeout(self) -> None:
        """Disconnect from a gateway that does not reply."""
        connection = self.connection
        if (
            connection is not None
            and connection.is_waiting
            and self._loop.time() - connection.last_reply_s > REPLY_TIMEOUT_S
        ):
            self.cut()

    def send(self, room: str, padding: int = 0, reply_to: int = 0) -> None:
        """Queue a message with a unique content."""
        number = next(self._message_numbers)
        content = f"{self.name}-{number} {MENTIONS[number % len(MENTIONS)]} {'x' * padding}".strip()
        self.outbox.append(OutgoingMessage(room, content, reply_to))
        self.send_queued()

    def change(self, room: str, offset: int, did: str) -> None:
        """Change a message that it holds, or answer it; changes are tried once."""
        connection, progress = self.connection, self.progress[room]
        if connection is None or not connection.is_welcome or len(connection.changing) >= MAX_IN_FLIGHT:
            return
        if did == "reply":
            self.send(room, reply_to=offset)
            return
        number = next(connection.ids)
        command, value = self._change_command(number, progress.held[offset], did)
        if not connection.is_waiting:
            connection.last_reply_s = self._loop.time()
        connection.changing.add(number)
        self._context.note(
            operations.ChangeInvoked(
                at_s=self._loop.time(), connection=connection.name, number=number, username=self.person.username,
                room=room, epoch=progress.epoch, offset=offset, did=did, value=value,
            )
        )  # fmt: skip
        connection.command(command)

    def _change_command(self, number: int, message: frames.Message, did: str) -> tuple[frames.Command, str]:
        room, offset = message.room, message.at.offset
        match did:
            case "edit":
                key = message.content.split(maxsplit=1)[0] if message.content else "erased"
                edit = next(self._message_numbers)
                text = f"{key} edited-{self.name}-{edit} {MENTIONS[edit % len(MENTIONS)]}".strip()
                seen = message.rev if self._rng.random() < 0.3 else None
                return frames.Edit(id=number, room=room, offset=offset, content=text, rev=seen), text
            case "delete":
                return frames.DeleteMessage(id=number, room=room, offset=offset), ""
            case "react" | "unreact":
                emoji = self._rng.choice(EMOJI)
                remove = did == "unreact"
                return frames.React(id=number, room=room, offset=offset, emoji=emoji, remove=remove), emoji
            case _:
                return frames.Pin(id=number, room=room, offset=offset, remove=did == "unpin"), ""

    def send_queued(self) -> None:
        """Send messages from the outbox, a few at a time."""
        connection = self.connection
        while (
            connection is not None and connection.is_welcome and self.outbox
            and len(connection.in_flight) < MAX_IN_FLIGHT and self._loop.time() + TURN_S >= self._paused_until_s
        ):  # fmt: skip
            message = self.outbox.popleft()
            number = next(connection.ids)
            if not connection.in_flight:
                connection.last_reply_s = self._loop.time()
            connection.in_flight[number] = message
            self._context.note(
                operations.Invoked(
                    at_s=self._loop.time(), connection=connection.name, room=message.room,
                    username=self.person.username, content=message.content,
                )
            )  # fmt: skip
            connection.command(
                frames.Send(
                    id=number, room=message.room, content=message.content, key=message.key,
                    reply_to=message.reply_to or msgspec.UNSET,
                )
            )  # fmt: skip

    def request(self, make: Callable[[int], frames.Command]) -> None:
        """Send another command, one at a time."""
        connection = self.connection
        if connection is not None and connection.is_welcome and not connection.waiting:
            number = next(connection.ids)
            connection.waiting[number] = make(number)
            connection.last_reply_s = self._loop.time()
            connection.command(connection.waiting[number])

    def join(self, room: str) -> None:
        progress = self.progress.get(room)
        since = progress.at if progress is not None else None
        self.request(lambda number: frames.Join(id=number, room=room, since=since))

    def leave(self, room: str) -> None:
        self.request(lambda number: frames.Leave(id=number, room=room))

    def read(self, room: str, **which: Any) -> None:
        self.request(lambda number: frames.ReadHistory(id=number, room=room, limit=PAGE_MESSAGES, **which))

    # Reading

    def mark_read(self, room: str, offset: int) -> None:
        self._want(room, ReadPlace(self.reads[room].known.turn, offset))

    def mark_unread(self, room: str, offset: int) -> None:
        self._want(room, ReadPlace(self.reads[room].known.turn + 1, offset))

    def _want(self, room: str, place: ReadPlace) -> None:
        reads = self.reads[room]
        reads.wanted = max(reads.wanted, place)
        self._report(room)

    def _report(self, room: str) -> None:
        """Report what this device knows and the server does not, one position at a time."""
        connection, reads = self.connection, self.reads.get(room)
        if connection is None or not connection.is_welcome or reads is None or not reads.has_more:
            return
        if room in self.rooms and all(command.room != room for command in connection.reporting.values()):
            number, place = next(connection.ids), reads.wanted
            command = frames.MarkRead(id=number, room=room, offset=place.offset, turn=place.turn)
            connection.reporting[number] = command
            self._context.note(
                operations.ReadInvoked(
                    at_s=self._loop.time(), connection=connection.name, number=number, room=room, turn=place.turn,
                    offset=place.offset,
                )
            )  # fmt: skip
            connection.command(command)

    def _on_own(self, connection: ClientConnection, own: frames.Own) -> None:
        if (reads := self.reads.get(own.room)) is not None:
            reads.take(ReadPlace(own.turn, own.read), own)
            self._note_told(connection, own.room, ReadPlace(own.turn, own.read), own)

    def _on_read_set(self, connection: ClientConnection, reply: frames.ReadSet) -> None:
        sent = connection.reporting.pop(reply.id)
        if (reads := self.reads.get(reply.room)) is not None:
            reads.settle(ReadPlace(sent.turn or 0, sent.offset))
            reads.take(ReadPlace(reply.turn, reply.offset), reply)
            self._note_told(connection, reply.room, ReadPlace(reply.turn, reply.offset), reply, reply.id)
            self._report(reply.room)

    def _on_read_refused(self, connection: ClientConnection, error: frames.ErrorFrame) -> None:
        sent = connection.reporting.pop(error.id or 0)
        if _is_final(error):
            if (reads := self.reads.get(sent.room)) is not None:
                reads.settle(ReadPlace(sent.turn or 0, sent.offset))
            self._report(sent.room)
        else:
            self._loop.call_later(RETRY_READ_S, self._report, sent.room)

    def _note_told(
        self, connection: ClientConnection, room: str, place: ReadPlace, told: ToldReadState, number: int | None = None
    ) -> None:
        progress = self.progress.get(room)
        self._context.note(
            operations.ReadTold(
                at_s=self._loop.time(), connection=connection.name, username=self.person.username, room=room,
                epoch="" if progress is None else progress.epoch, turn=place.turn, offset=place.offset,
                unread=told.unread, mentions=told.mentions, counted=told.counted, number=number,
            )
        )  # fmt: skip

    # Events of the connection

    def received(self, connection: ClientConnection, frame: frames.ServerFrame) -> None:
        if connection is not self.connection:
            return
        connection.last_reply_s = self._loop.time()
        if not connection.is_welcome and not isinstance(frame, frames.Welcome | frames.ErrorFrame):
            self._context.report_bug(f"{connection.name} got {frame} before its welcome.")
        match frame:
            case frames.Message():
                self._on_message(connection, frame, paged=False)
            case frames.Welcome():
                self._on_welcome(connection, frame)
            case frames.Sent():
                self._on_ack(connection, connection.in_flight.pop(frame.id), frame)
            case frames.ErrorFrame(id=int() as number) if number in connection.in_flight:
                self._on_refusal(connection, connection.in_flight.pop(number), frame)
            case frames.Change():
                self._on_change(connection, frame)
            case frames.Changed():
                connection.changing.discard(frame.id)
                now_s = self._loop.time()
                self._context.note(
                    operations.ChangeAcked(at_s=now_s, connection=connection.name, number=frame.id, rev=frame.rev)
                )
            case frames.ErrorFrame(id=int() as number) if number in connection.changing:
                connection.changing.discard(number)
                self._context.note(
                    operations.ChangeRefused(
                        at_s=self._loop.time(), connection=connection.name, number=number, code=frame.code,
                        final=_is_final(frame),
                    )
                )  # fmt: skip
            case frames.Own():
                self._on_own(connection, frame)
            case frames.ReadSet():
                self._on_read_set(connection, frame)
            case frames.ErrorFrame(id=int() as number) if number in connection.reporting:
                self._on_read_refused(connection, frame)
            case frames.ErrorFrame(id=int() as number):
                connection.waiting.pop(number, None)
            case frames.Membership(username=self.person.username):
                self._on_membership(connection, frame)
            case frames.Joined():
                self._on_joined(connection, frame)
            case frames.Left():
                connection.waiting.pop(frame.id)
                self._stop(connection, frame.room)
            case frames.Page():
                self._on_page(connection, frame)
            case frames.ChangesPage():
                self._on_changes(connection, frame)
        self._read_missing()

    def closed(self, connection: ClientConnection, code: int) -> None:
        """Messages in flight may be stored or not: they are sent again, with the same keys."""
        if connection is not self.connection:
            return
        self.connection = None
        now_s = self._loop.time()
        for message in connection.in_flight.values():
            self._context.note(
                operations.Unknown(at_s=now_s, connection=connection.name, room=message.room, content=message.content)
            )
        self.outbox.extendleft(reversed(connection.in_flight.values()))
        if connection.is_welcome:
            self._context.note(operations.Closed(at_s=now_s, connection=connection.name, code=code))
        if may_reconnect(code):
            self._dial_later()
        else:
            self.is_over = True

    def _on_welcome(self, connection: ClientConnection, welcome: frames.Welcome) -> None:
        connection.is_welcome = True
        self._context.note(
            operations.Opened(
                at_s=self._loop.time(), connection=connection.name, reader=self.name, session=welcome.session,
                server=welcome.server,
            )
        )  # fmt: skip
        listed = {room.room for room in welcome.rooms}
        for name in [name for name in self.progress if name not in listed]:
            self._stop(connection, name)
        for room in welcome.rooms:
            held = connection.resume.get(room.room)
            since = None if held is None or room.reset else held
            rev = room.rev if since is None or since.rev is None else since.rev
            self._begin(connection, room.room, room.at, rev, None if since is None else since.offset)
            if room.counted or not room.head:
                self.reads[room.room].begin(ReadPlace(room.turn, room.read), room)
                self._note_told(connection, room.room, ReadPlace(room.turn, room.read), room)
            self._report(room.room)
        self.send_queued()

    def _begin(self, connection: ClientConnection, room: str, at: Position, rev: int, since: int | None) -> None:
        """The stream of a room begins; its changes after `rev` are pushed."""
        self.rooms.add(room)
        progress = self.progress.get(room)
        if progress is None or progress.epoch != at.epoch or since is None:
            progress = RoomProgress(at.epoch, at.offset if since is None else since, self._keeps)
            self.progress[room] = progress
            self.reads.pop(room, None)  # another epoch, or another membership
        self.reads.setdefault(room, ReadProgress())
        progress.begin(at.offset, rev)
        self._context.note(
            operations.Began(
                at_s=self._loop.time(), connection=connection.name, room=room, epoch=at.epoch, offset=at.offset,
                since=since, rev=rev,
            )
        )  # fmt: skip

    def _stop(self, connection: ClientConnection, room: str) -> None:
        self.rooms.discard(room)
        self.reads.pop(room, None)
        if self.progress.pop(room, None) is not None:
            self._context.note(operations.Stopped(at_s=self._loop.time(), connection=connection.name, room=room))

    def _on_membership(self, connection: ClientConnection, frame: frames.Membership) -> None:
        if frame.at is not None:
            self._begin(connection, frame.room, frame.at, frame.rev, None)
            self.reads[frame.room].enter(frame.read, frame.at.offset)
        elif not frame.member:
            self._stop(connection, frame.room)

    def _on_joined(self, connection: ClientConnection, joined: frames.Joined) -> None:
        command = connection.waiting.pop(joined.id)
        assert isinstance(command, frames.Join)
        is_in = joined.room in self.rooms  # another connection of the same user joined first
        since = None if command.since is None or joined.reset or is_in else command.since.offset
        rev = 0 if joined.rev is msgspec.UNSET else joined.rev
        is_new = joined.room not in self.reads
        self._begin(connection, joined.room, joined.at, rev, since)
        if is_new:
            self.reads[joined.room].enter(joined.at.offset, joined.at.offset)
        for message in joined.messages:
            self._on_message(connection, message, paged=True)

    def _on_message(self, connection: ClientConnection, message: frames.Message, *, paged: bool) -> None:
        progress = self.progress.get(message.room)
        if progress is not None and progress.epoch == message.at.epoch:
            progress.add(message, paged=paged)
        self._context.note(
            operations.Delivered(
                at_s=self._loop.time(), connection=connection.name, room=message.room, epoch=message.at.epoch,
                offset=message.at.offset, username=message.username, content=message.content, paged=paged,
                rev=message.rev, checksum=checksum(message),
            )
        )  # fmt: skip

    def _on_page(self, connection: ClientConnection, page: frames.Page) -> None:
        command = connection.waiting.pop(page.id)
        assert isinstance(command, frames.ReadHistory)
        progress = self.progress.get(page.room)
        if command.thread is msgspec.UNSET and command.pinned is msgspec.UNSET:
            for message in page.messages:
                self._on_message(connection, message, paged=True)
        elif progress is not None:  # such a page has gaps: what is new in it is not held
            for message in page.messages:
                if message.at.epoch == progress.epoch:
                    progress.replace(message)

    def _on_change(self, connection: ClientConnection, change: frames.Change) -> None:
        progress, message = self.progress.get(change.room), change.message
        self._context.note(
            operations.ChangePushed(
                at_s=self._loop.time(), connection=connection.name, room=change.room, after=change.after,
                rev=change.rev, epoch=message.at.epoch if message else "",
                offset=message.at.offset if message else None, message_rev=message.rev if message else 0,
                checksum=checksum(message) if message else 0,
            )
        )  # fmt: skip
        if progress is not None:
            progress.told = max(progress.told, change.rev)
            progress.follow(change.after, change.rev, message)

    def _on_changes(self, connection: ClientConnection, page: frames.ChangesPage) -> None:
        command = connection.waiting.pop(page.id)
        assert isinstance(command, frames.ReadChanges)
        progress = self.progress.get(page.room)
        if progress is not None:
            after = command.after
            for change in page.changes:
                progress.follow(after, change.rev, change.message)
                after = change.rev
            progress.follow(after, page.through, None)

    def _read_missing(self) -> None:
        """Read messages that a `joined` did not contain, and the changes of those that were held before it."""
        if self.connection is not None and not self.connection.waiting:
            for room, progress in self.progress.items():
                if progress.needs_page and room in self.rooms:
                    self.read(room, after=progress.complete)
                    return
                if progress.needs_changes and room in self.rooms:
                    self._read_changes(room, progress.rev, progress.first)
                    return

    def _read_changes(self, room: str, after: int, first: int) -> None:
        self.request(
            lambda number: frames.ReadChanges(id=number, room=room, after=after, first=first, limit=PAGE_MESSAGES)
        )

    def _on_ack(self, connection: ClientConnection, message: OutgoingMessage, sent: frames.Sent) -> None:
        self._context.note(
            operations.Acked(
                at_s=self._loop.time(), connection=connection.name, room=sent.room, content=message.content,
                epoch=sent.at.epoch, offset=sent.at.offset,
            )
        )  # fmt: skip
        self.send_queued()

    def _on_refusal(self, connection: ClientConnection, message: OutgoingMessage, error: frames.ErrorFrame) -> None:
        final = _is_final(error)
        self._context.note(
            operations.Refused(
                at_s=self._loop.time(), connection=connection.name, room=message.room, content=message.content,
                code=error.code, final=final,
            )
        )  # fmt: skip
        if not final:
            self.outbox.appendleft(message)
            pause_s = min(error.retry_after_s or 0.3, 0.3)
            self._paused_until_s = self._loop.time() + pause_s
            self._loop.call_later(pause_s, self.send_queued)
        else:
            self.send_queued()


def _is_final(error: frames.ErrorFrame) -> bool:
    return error.retry_after_s is None and not MEANINGS[Code(error.code)].retry
