"""A gateway without time, sockets and tasks: the real `RoomStream` and `RoomChanges` of one room, and what joins them.

What it asks history is read at one step and arrives at another, in any order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from random import Random
from typing import Protocol, TypeAlias, cast

from chatterbox.wire import frames, history_api
from chatterbox.wire.broker_events import Batch, ChangedMessage, decode_room_payload
from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.position import ResumePoint
from chatterbox.wire.read_state import ReadState
from services.gateway.core.frame_writer import payload_of, text_frame
from services.gateway.core.room_changes import RoomChanges
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms import read_state_feed
from tests.simulation.stored_room import StoredRoom

HistoryCommand: TypeAlias = frames.ReadHistory | frames.ReadChanges
RECENT_MESSAGES = 4
PAGE = 3
"""Messages or changes per page."""


@lru_cache(10_000)
def message_of(payload: bytes) -> frames.Message:
    """Decode a message."""
    return cast("frames.Message", decode_server_frame(payload))


class Inbox(Protocol):
    """Where a connection's pushes go."""

    def on_message(self, payload: bytes) -> None: ...
    def on_change(self, after: int, rev: int, payload: bytes | None) -> None: ...
    def on_reply(self, reply: frames.Page | frames.ChangesPage) -> None: ...


@dataclass(eq=False, slots=True)
class SteppedConnection:
    """A connection, and up to where it was written."""

    inbox: Inbox
    offset: int
    rev: int
    first: int
    """The oldest message that its client holds."""
    is_live: bool = False
    is_busy: bool = False
    """Whether history is asked for it."""

    def push_changes(self, changes: Sequence[ChangedMessage]) -> None:
        for change in changes:
            self.inbox.on_change(self.rev, change.rev, change.frame)
            self.rev = change.rev

    def note_page(self) -> None:
        """From now on it may hold any message."""
        self.first = 1

    def push_end(self, through: int) -> None:
        """Nothing more that it holds has changed up to this rev."""
        if through > self.rev:
            self.inbox.on_change(self.rev, through, None)
            self.rev = through


@dataclass(eq=False, slots=True)
class Question:
    """Something asked of history: `read` is called once, `take` with what it returned, at a later step."""

    read: Callable[[], object]
    take: Callable[..., None]
    connection: SteppedConnection | None = None
    answer: object = None


@dataclass(eq=False, slots=True)
class SteppedGateway:
    """One gateway with one open room. Its memory is empty at first, and filled when a connection needs that."""

    history: StoredRoom
    rng: Random
    stream: RoomStream = field(init=False)
    changes: RoomChanges = field(init=False)
    connections: dict[SteppedConnection, None] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    is_filling: bool = False
    is_refilling: bool = False
    is_remembering: bool = False

    def __post_init__(self) -> None:
        self.stream = RoomStream.at(self.history.epoch, self.history.head, [], RECENT_MESSAGES)
        self.changes = RoomChanges(self.stream, self.history.rev)

    # From the broker and from heads

    def on_payload(self, payload: bytes) -> None:
        found = decode_room_payload(payload)
        if isinstance(found, Batch):
            self._take_batch(found)
        else:
            self._tell(self.changes.take(found.epoch, found.after, found.changes))

    def _take_batch(self, batch: Batch) -> None:
        right = self.changes.right(batch.rev, batch.first, batch.frames)
        if right is None:
            self.stream.announce(batch.epoch, batch.first + len(batch.frames) - 1)
        else:
            self._take(batch.first, right, {})

    def on_heads(self) -> None:
        self.stream.announce(self.history.epoch, self.history.head)
        self.changes.announce(self.history.epoch, self.history.rev)

    def _take(self, first: int, payloads: Sequence[bytes], ahead: dict[int, int]) -> None:
        ready = self.stream.take(self.history.epoch, first, [text_frame(each) for each in payloads], ahead)
        for connection in self.connections:
            if connection.is_live:
                for frame in ready:
                    connection.inbox.on_message(payload_of(frame))
                connection.offset = self.stream.head

    def _tell(self, changes: Sequence[ChangedMessage]) -> None:
        """Changes are written at once, or later with others."""
        if changes and (self.changes.is_large or self.rng.random() < 0.7):
            self.flush()

    def flush(self) -> None:
        """Write the changes told since the last time to the live connections."""
        pending = self.changes.since(self.changes.written)
        assert pending is not None, "changes that are not written yet must stay in memory"
        for connection in self.connections:
            if connection.is_live:
                connection.push_changes(pending)
                connection.push_end(self.changes.told)
        self.changes.note_written()

    # Connections

    def attach(self, inbox: Inbox, resume: ResumePoint | None, state: ReadState | None = None) -> SteppedConnection:
        """A client comes: from where it was, or from now on; the welcome tells it `state`."""
        if resume is None:
            offset = read_state_feed.first_push(self.stream.head, state)
            connection = SteppedConnection(inbox, offset, self.changes.told, offset + 1)
        else:
            rev = self.changes.told if resume.rev is None else resume.rev
            connection = SteppedConnection(inbox, resume.offset, rev, resume.first)
        self.connections[connection] = None
        return connection

    def detach(self, connection: SteppedConnection) -> None:
        del self.connections[connection]
        self.questions = [each for each in self.questions if each.connection is not connection]

    def fall_behind(self, connection: SteppedConnection) -> None:
        """Its socket is full."""
        connection.is_live = False

    def ask(self, connection: SteppedConnection, command: HistoryCommand) -> None:
        """Answer a command at a later step."""
        if isinstance(command, frames.ReadHistory):
            connection.note_page()
            query = history_api.PageQuery(room_id=1, before=command.before, after=command.after, limit=command.limit)
            take = partial(self._reply_page, connection, command)
            self.questions.append(Question(partial(self.history.page, query), take, connection))
        else:
            ask = history_api.ChangesQuery(room_id=1, after=command.after, first=command.first, limit=PAGE)
            reply = partial(self._reply_changes, connection, command)
            self.questions.append(Question(partial(self.history.changes, ask), reply, connection))

    def _reply_page(
        self, connection: SteppedConnection, command: frames.ReadHistory, page: history_api.StoredPage
    ) -> None:
        right = self._right(page)
        if right is None:
            self.ask(connection, command)
            return
        messages = [message_of(payload) for payload in right]
        rev = max(page.rev, self.changes.told)
        connection.inbox.on_reply(frames.Page(id=command.id, room=command.room, messages=messages, more=False, rev=rev))

    def _reply_changes(
        self, connection: SteppedConnection, command: frames.ReadChanges, page: history_api.StoredChanges
    ) -> None:
        """Nobody is told more than this gateway was."""
        through = max(command.after, min(page.through, self.changes.told))
        changes = [
            frames.Change(room=command.room, rev=each.rev, after=each.rev - 1, message=message_of(bytes(each.frame)))
            for each in page.changes
            if each.rev <= through
        ]
        reply = frames.ChangesPage(id=command.id, room=command.room, changes=changes, through=through, more=False)
        connection.inbox.on_reply(reply)

    def _right(self, page: history_api.StoredPage) -> list[bytes] | None:
        return self.changes.right(page.rev, page.first, [bytes(each) for each in page.frames], page.revs)

    def _catch_up(self, connection: SteppedConnection) -> None:
        self.flush()
        missing = self.stream.recent.after(connection.offset)
        if connection.offset > self.stream.head:
            self.stream.announce(self.history.epoch, connection.offset)
        elif missing is None and self._may_remember(connection.offset):
            if not self.is_remembering:
                self._ask_for_memory()
        elif missing is None:
            query = history_api.PageQuery(room_id=1, after=connection.offset, limit=PAGE)
            take = partial(self._on_page, connection, connection.offset)
            self._ask_for(connection, Question(partial(self.history.page, query), take, connection))
        elif self.is_beyond(connection):
            self.changes.announce(self.history.epoch, connection.rev)
        elif (changes := self.changes.since(connection.rev, connection.first)) is None:
            ask = history_api.ChangesQuery(room_id=1, after=connection.rev, first=connection.first, limit=PAGE)
            on_changes = partial(self._on_changes, connection, connection.rev)
            self._ask_for(connection, Question(partial(self.history.changes, ask), on_changes, connection))
        else:
            for frame in missing:
                connection.inbox.on_message(payload_of(frame))
            connection.offset = self.stream.head
            connection.push_changes(changes)
            connection.push_end(self.changes.told)
            connection.is_live = True

    def _may_remember(self, offset: int) -> bool:
        """Whether memory is not full and, once it is, has every message after `offset`."""
        is_full = len(self.stream.recent.frames) == RECENT_MESSAGES
        return not is_full and offset >= self.stream.head - RECENT_MESSAGES

    def _ask_for_memory(self) -> None:
        self.is_remembering = True
        before = history_api.PageQuery(room_id=1, before=self.stream.recent.first, limit=RECENT_MESSAGES)
        self.questions.append(Question(partial(self.history.page, before), self._remember))

    def _remember(self, page: history_api.StoredPage) -> None:
        self.is_remembering = False
        right = self._right(page)
        if right is not None:
            frames = [text_frame(payload) for payload in right]
            self.stream.remember(page.epoch, page.first, frames, self._ahead(page))

    def _ahead(self, page: history_api.StoredPage) -> dict[int, int]:
        return {offset: rev for offset, rev in page.revs.items() if rev > self.changes.told}

    def is_beyond(self, connection: SteppedConnection) -> bool:
        """Whether its client was told more changes, by another gateway."""
        return connection.rev > self.changes.told

    def _ask_for(self, connection: SteppedConnection, question: Question) -> None:
        connection.is_busy = True
        self.questions.append(question)

    def _on_page(self, connection: SteppedConnection, after: int, page: history_api.StoredPage) -> None:
        connection.is_busy = False
        right = self._right(page)
        if right is None or connection.offset != after:
            return
        for payload in right[: max(0, self.stream.head - after)]:
            connection.inbox.on_message(payload)
            connection.offset += 1

    def _on_changes(self, connection: SteppedConnection, after: int, page: history_api.StoredChanges) -> None:
        connection.is_busy = False
        if page.through > self.changes.told:  # nobody is told more than this gateway was: it has to catch up first
            self.changes.announce(page.epoch, page.through)
        elif connection.rev == after:
            connection.push_changes(
                [ChangedMessage(each.offset, each.rev, bytes(each.frame), b"") for each in page.changes]
            )
            connection.push_end(page.through)

    # Steps

    def step(self) -> bool:
        """Ask history or take one of its answers; returns whether there was anything to do."""
        if self.stream.has_gap and not self.is_filling:
            self.is_filling = True
            query = history_api.PageQuery(room_id=1, after=self.stream.head, limit=PAGE)
            self.questions.append(Question(partial(self.history.page, query), self._fill))
        if self.changes.has_gap and not self.is_refilling:
            self.is_refilling = True
            changes = history_api.ChangesQuery(room_id=1, after=self.changes.told, limit=PAGE)
            self.questions.append(
                Question(partial(self.history.changes, changes), partial(self._refill, self.changes.told))
            )
        for connection in tuple(self.connections):
            if not (connection.is_live or connection.is_busy):
                self._catch_up(connection)
        if not self.questions:
            return False
        question = self.rng.choice(self.questions)
        if question.answer is None:
            question.answer = question.read()
        else:
            self.questions.remove(question)
            question.take(question.answer)
        return True

    def _fill(self, page: history_api.StoredPage) -> None:
        self.is_filling = False
        right = self._right(page)
        if right is not None and page.frames:
            self.changes.announce(page.epoch, page.rev)
            self._take(page.first, right, self._ahead(page))

    def _refill(self, after: int, page: history_api.StoredChanges) -> None:
        self.is_refilling = False
        self._tell(self.changes.take(page.epoch, after, _changed(page), page.through))


def _changed(page: history_api.StoredChanges) -> list[ChangedMessage]:
    return [ChangedMessage(each.offset, each.rev, bytes(each.frame), b"") for each in page.changes]
