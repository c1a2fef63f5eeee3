"""Publishes committed messages and changes to the gateways: one publish per transaction, after its COMMIT.

Publishing never delays a commit, and nothing depends on it: gateways compare heads with history, so changes that are
dropped here arrive late but are not lost.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.tasks import background
from chatterbox.wire import frames
from chatterbox.wire.broker_events import (
    CONTROL,
    SIGNALS,
    ChangedMessage,
    EncryptionSignal,
    RoomDeleted,
    RoomEvent,
    encode_batch,
    encode_changes,
    encode_control,
    encode_signal,
    room_channel,
)
from chatterbox.wire.codec import encode
from chatterbox.wire.position import WHOLE_DIGITS, Position
from services.history.core.append_plan import AppendPlan, MessageRow, RoomTail
from services.history.core.change_plan import ChangePlan, ChangeRoom, PlannedChange
from services.history.core.recent_senders import RecentSenders
from services.history.core.stored_message import extra_of, frame
from services.history.metrics import HistoryMetrics

log = logging.getLogger("chatterbox.history.commit_publisher")

MAX_WAITING_MESSAGES = 20_000
"""At most this many messages and events wait to be published; beyond that, whole transactions are dropped."""
MAX_PAYLOAD_BYTES = 1024 * 1024
"""Largest payload (bytes), unless a single message is larger. Redis disconnects a subscriber with 32 MB unread, and the
largest transaction, a full batch from a gateway, is 8 MiB."""
PUBLISH_S = 5.0
"""Timeout of one publish (seconds)."""
CLOSE_S = 2.0
"""On shutdown, how long committed changes may still be published (seconds)."""


class CommittedChanges(NamedTuple):
    """What one transaction committed."""

    events: list[RoomEvent]
    plan: AppendPlan
    signals: Sequence[EncryptionSignal] = ()

    @property
    def size(self) -> int:
        changes = self.plan.changes
        changed = 0 if changes is None else sum(map(len, changes.changed.values()))
        return len(self.events) + len(self.signals) + len(self.plan.inserts) + changed

    def tell_senders(self, senders: RecentSenders) -> None:
        """Let `senders` follow."""
        for event in self.events:
            if isinstance(event, RoomDeleted):
                senders.forget(event.room_id)
        senders.follow(self.plan.inserts)


class CommitPublisher:
    """A bounded queue of committed changes, and the task that publishes them in commit order."""

    def __init__(
        self, broker: Broker, waiting_messages: int = MAX_WAITING_MESSAGES, metrics: HistoryMetrics | None = None
    ) -> None:
        self._broker = broker
        self._metrics = metrics or HistoryMetrics()
        self._limit = waiting_messages
        self._queue: deque[CommittedChanges] = deque()  # bounded: by `offer`
        self._waiting = 0
        self._dropped = 0
        """Messages and events dropped since the last publish that succeeded."""
        self._incident = Incident(log, down="publisher.dropped", up="publisher.recovered")
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()

    def offer(self, changes: CommittedChanges) -> None:
        """Publish `changes` soon, or drop them if too much is waiting. Never blocks."""
        if self._queue and self._waiting + changes.size > self._limit:
            self._drop(changes, "too many wait")
            return
        self._queue.append(changes)
        self._waiting += changes.size
        self._idle.clear()
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CommitPublisher"]:
        """Publish while the block runs, then publish what is still waiting."""
        self._idle.set()
        async with background(self._run(), "history.commit_publisher"):
            try:
                yield self
            finally:
                await self._finish()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("publisher.close_timed_out", extra={"waiting": self._waiting})

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._queue:
                changes = self._queue.popleft()
                await self._publish(changes)
                self._waiting -= changes.size
            self._wake.clear()
            self._idle.set()

    async def _publish(self, changes: CommittedChanges) -> None:
        try:
            async with deadline(PUBLISH_S):
                await self._broker.publish(payloads(changes))
        except (BrokerError, TimeoutError) as problem:
            self._drop(changes, str(problem) or "timeout")
        else:
            self._note_success()

    def _drop(self, changes: CommittedChanges, why: str) -> None:
        if not self._incident.is_open:  # one line however the cause changes: while the broker is down, all are dropped
            ids = [insert.message_id for insert in changes.plan.inserts]
            self._incident.fail(why, first_id=min(ids, default=None), last_id=max(ids, default=None))
        self._dropped += changes.size
        self._metrics.publishes_dropped.inc(changes.size)

    def _note_success(self) -> None:
        if self._dropped and not self._queue:
            self._incident.recover(dropped=self._dropped)
            self._dropped = 0


def payloads(changes: CommittedChanges, payload_bytes: int = MAX_PAYLOAD_BYTES) -> list[tuple[str, bytes]]:
    """Encode one transaction as `(channel, payload)` pairs: room events and signals first, then what each room gets, in
    order.

    That is changes of messages, then new messages, then what these change: it follows them, since it may be about them.
    """
    items = [(CONTROL, encode_control(event)) for event in changes.events]
    items += [(SIGNALS, encode_signal(signal)) for signal in changes.signals]
    changed = changes.plan.changes
    if changed is not None:
        items += _changes(changes.plan, changed, payload_bytes, follow=False)
    by_room: dict[int, list[MessageRow]] = {}
    for insert in changes.plan.inserts:
        by_room.setdefault(insert.room_id, []).append(insert)
    for room_id, inserts in by_room.items():
        tail = changes.plan.tails[room_id]
        encoded = (_frame(changes.plan, tail, insert) for insert in inserts)
        first = inserts[0].offset
        for part in _parts(encoded, payload_bytes):
            items.append((room_channel(room_id), encode_batch(tail.epoch, first, part, tail.rev)))
            first += len(part)
    if changed is not None:
        items += _changes(changes.plan, changed, payload_bytes, follow=True)
    return items


def _changes(plan: AppendPlan, changed: ChangePlan, payload_bytes: int, *, follow: bool) -> Iterator[tuple[str, bytes]]:
    """Encode the changes of each room that precede its new messages, or (`follow`) those that follow them."""
    for room_id, of_room in changed.changed.items():
        room = changed.rooms[room_id]
        tail = plan.tails.get(room_id)
        messages_rev = room.rev if tail is None else tail.rev
        told = [change for change in of_room.values() if (change.message.rev > messages_rev) is follow]
        encoded = [_changed(room, change) for change in told]
        for part in _parts_of_changes(encoded, payload_bytes):
            yield room_channel(room_id), encode_changes(room.epoch, part[0].rev - 1, part)


def _changed(room: ChangeRoom, change: PlannedChange) -> ChangedMessage:
    message = change.message
    what = b',"what":' + encode(change.what) if change.what else b""
    live = b',"by":' + encode(change.by) + b',"did":' + encode(change.did) + what
    return ChangedMessage(message.offset, message.rev, encode(frame(room.room, room.epoch, message)), live)


def _parts_of_changes(encoded: Iterable[ChangedMessage], part_bytes: int) -> Iterator[list[ChangedMessage]]:
    """Split changes into parts of about `part_bytes`, each with at least one."""
    part: list[ChangedMessage] = []
    size = 0
    for change in encoded:
        length = len(change.frame) + len(change.live) + 2 * WHOLE_DIGITS
        if part and size + length > part_bytes:
            yield part
            part, size = [], 0
        part.append(change)
        size += length
    if part:
        yield part


def _parts(encoded: Iterable[bytes], part_bytes: int) -> Iterator[list[bytes]]:
    """Split frames into parts of at most `part_bytes` with newlines; each part has at least one frame."""
    part: list[bytes] = []
    size = 0
    for finished in encoded:
        if part and size + len(finished) + 1 > part_bytes:
            yield part
            part, size = [], 0
        part.append(finished)
        size += len(finished) + 1
    if part:
        yield part


def _frame(plan: AppendPlan, tail: RoomTail, insert: MessageRow) -> bytes:
    message = frames.Message(
        room=tail.room,
        at=Position(tail.epoch, insert.offset),
        message_id=insert.message_id,
        username=insert.username,
        content=insert.content,
        timestamp=plan.timestamps[insert.timestamp_ms],
    )
    if plan.relations and (found := plan.relations.get(insert.message_id)) is not None:
        extra = extra_of(found.extra)
        message = msgspec.structs.replace(
            message,
            reply_to=found.reply_to or 0,
            thread=found.thread or 0,
            mentions=extra.mentions,
            files=extra.files,
        )
    return encode(message)
