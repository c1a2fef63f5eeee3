"""A simulated client: sends with keys, resends what was not answered, and resumes by position on any gateway.

It records everything it did and received, in the operations that the fault suite's checker judges.
"""

import itertools
from collections import deque
from collections.abc import Callable
from random import Random

from chatterbox.wire import frames
from chatterbox.wire.close_codes import may_reconnect
from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.position import Position
from services.gateway.transport.live_socket import LOST
from tests.chaos import operations
from tests.simulation.client_connection import ClientConnection, OutgoingMessage, ReaderContext
from tests.simulation.loop import TURN_S
from tests.simulation.people import Person
from tests.simulation.room_progress import RoomProgress

REPLY_TIMEOUT_S = 4.0
"""Without a reply for this long, a reader disconnects and tries another gateway (seconds)."""
RECONNECT_S = (0.01, 0.3)
"""Time until it reconnects (seconds)."""
MAX_IN_FLIGHT = 3
PAGE_MESSAGES = 5


class Reader:
    """One client, over all its connections."""

    def __init__(self, name: str, person: Person, context: ReaderContext, rng: Random) -> None:
        self.name = name
        self.person = person
        self.progress: dict[str, RoomProgress] = {}
        self.rooms: set[str] = set()
        """Rooms whose messages this connection gets, as far as it knows."""
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

    # Actions

    def dial(self) -> None:
        """Connect to some gateway, and resume; retry until one accepts."""
        name = f"{self.name}.{next(self._connection_numbers)}"
        connection = ClientConnection(self, name, last_reply_s=self._loop.time())
        connection.resume = {room: progress.at for room, progress in self.progress.items()}
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

    def send(self, room: str, padding: int = 0) -> None:
        """Queue a message with a unique content."""
        content = f"{self.name}-{next(self._message_numbers)} {'x' * padding}".strip()
        self.outbox.append(OutgoingMessage(room, content))
        self.send_queued()

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
            connection.command(frames.Send(id=number, room=message.room, content=message.content, key=message.key))

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

    def read(self, room: str, *, after: int | None = None, before: int | None = None) -> None:
        self.request(
            lambda number: frames.ReadHistory(id=number, room=room, after=after, before=before, limit=PAGE_MESSAGES)
        )

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
                connection.waiting.pop(frame.id)
                for message in frame.messages:
                    self._on_message(connection, message, paged=True)
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
            self._begin(connection, room.room, room.at, None if held is None or room.reset else held.offset)
        self.send_queued()

    def _begin(self, connection: ClientConnection, room: str, at: Position, since: int | None) -> None:
        self.rooms.add(room)
        progress = self.progress.get(room)
        if progress is None or progress.epoch != at.epoch or since is None:
            progress = self.progress[room] = RoomProgress(at.epoch, at.offset if since is None else since)
        progress.stream_start = at.offset
        self._context.note(
            operations.Began(
                at_s=self._loop.time(), connection=connection.name, room=room, epoch=at.epoch, offset=at.offset,
                since=since,
            )
        )  # fmt: skip

    def _stop(self, connection: ClientConnection, room: str) -> None:
        self.rooms.discard(room)
        if self.progress.pop(room, None) is not None:
            self._context.note(operations.Stopped(at_s=self._loop.time(), connection=connection.name, room=room))

    def _on_membership(self, connection: ClientConnection, frame: frames.Membership) -> None:
        if frame.at is not None:
            self._begin(connection, frame.room, frame.at, None)
        elif not frame.member:
            self._stop(connection, frame.room)

    def _on_joined(self, connection: ClientConnection, joined: frames.Joined) -> None:
        command = connection.waiting.pop(joined.id)
        assert isinstance(command, frames.Join)
        is_in = joined.room in self.rooms  # another connection of the same user joined first
        since = None if command.since is None or joined.reset or is_in else command.since.offset
        self._begin(connection, joined.room, joined.at, since)
        for message in joined.messages:
            self._on_message(connection, message, paged=True)

    def _on_message(self, connection: ClientConnection, message: frames.Message, *, paged: bool) -> None:
        progress = self.progress.get(message.room)
        if progress is not None and progress.epoch == message.at.epoch:
            progress.add(message.at.offset)
        self._context.note(
            operations.Delivered(
                at_s=self._loop.time(), connection=connection.name, room=message.room, epoch=message.at.epoch,
                offset=message.at.offset, username=message.username, content=message.content, paged=paged,
            )
        )  # fmt: skip

    def _read_missing(self) -> None:
        """Read messages that a `joined` did not contain."""
        if self.connection is not None and not self.connection.waiting:
            for room, progress in self.progress.items():
                if progress.needs_page and room in self.rooms:
                    self.read(room, after=progress.complete)
                    return

    def _on_ack(self, connection: ClientConnection, message: OutgoingMessage, sent: frames.Sent) -> None:
        self._context.note(
            operations.Acked(
                at_s=self._loop.time(), connection=connection.name, room=sent.room, content=message.content,
                epoch=sent.at.epoch, offset=sent.at.offset,
            )
        )  # fmt: skip
        self.send_queued()

    def _on_refusal(self, connection: ClientConnection, message: OutgoingMessage, error: frames.ErrorFrame) -> None:
        final = error.retry_after_s is None and not MEANINGS[Code(error.code)].retry
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
