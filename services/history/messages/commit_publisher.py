"""Tells the gateways what was committed: one publish for each transaction, after it, and never in its way.

Nothing may rely on it: gateways compare heads, so what is dropped here is late, not lost.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.deadlines import deadline
from chatterbox.chassis.tasks import background
from chatterbox.wire import frames
from chatterbox.wire.broker_events import CONTROL, RoomEvent, encode_batch, encode_control, room_channel
from chatterbox.wire.codec import encode
from chatterbox.wire.position import Position
from services.history.core.append_plan import AppendPlan, MessageRow, RoomTail
from services.history.metrics import HistoryMetrics

log = logging.getLogger("chatterbox.history.commit_publisher")

WAITING_MESSAGES = 20_000
"""More than this many unpublished messages and events do not wait: whole transactions are dropped."""
PAYLOAD_BYTES = 1024 * 1024
"""Messages in one payload take no more, unless there is but one. Redis cuts off a subscriber with 32 MB unread, and the
largest transaction, a whole batch of a gateway, is 8 MiB."""
PUBLISH_S = 5.0
"""A publish that takes longer is given up (seconds)."""
CLOSE_S = 2.0
"""When the process ends, what was committed has this long to be published (seconds)."""


class CommittedChanges(NamedTuple):
    """What one transaction committed."""

    events: list[RoomEvent]
    plan: AppendPlan

    @property
    def size(self) -> int:
        return len(self.events) + len(self.plan.inserts)


class CommitPublisher:
    """A bounded queue of news, and the task that publishes them in the order of their commits."""

    def __init__(
        self, broker: Broker, waiting_messages: int = WAITING_MESSAGES, metrics: HistoryMetrics | None = None
    ) -> None:
        self._broker = broker
        self._metrics = metrics or HistoryMetrics()
        self._limit = waiting_messages
        self._queue: deque[CommittedChanges] = deque()
        self._waiting = 0
        self._dropped = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()

    def offer(self, news: CommittedChanges) -> None:
        """Publish `news` soon, or drop them when too much waits."""
        if self._queue and self._waiting + news.size > self._limit:
            self._drop(news, "too many wait")
            return
        self._queue.append(news)
        self._waiting += news.size
        self._idle.clear()
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CommitPublisher"]:
        """Publish while the block runs, and then what still waits."""
        self._idle.set()
        async with background(self._run(), "history.announcer"):
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
                news = self._queue.popleft()
                await self._publish(news)
                self._waiting -= news.size
            self._wake.clear()
            self._idle.set()

    async def _publish(self, news: CommittedChanges) -> None:
        try:
            async with deadline(PUBLISH_S):
                await self._broker.publish(payloads(news))
        except (BrokerError, TimeoutError) as problem:
            self._drop(news, str(problem) or "timeout")
        else:
            self._note_success()

    def _drop(self, news: CommittedChanges, why: str) -> None:
        """Log the first only: while the broker is away there is one for each transaction."""
        if not self._dropped:
            ids = [insert.message_id for insert in news.plan.inserts]
            log.warning(
                "publisher.dropped",
                extra={"why": why, "first_id": min(ids, default=None), "last_id": max(ids, default=None)},
            )
        self._dropped += news.size
        self._metrics.news_dropped.inc(news.size)

    def _note_success(self) -> None:
        if self._dropped and not self._queue:
            log.warning("publisher.recovered", extra={"dropped": self._dropped})
            self._dropped = 0


def payloads(news: CommittedChanges, payload_bytes: int = PAYLOAD_BYTES) -> list[tuple[str, bytes]]:
    """What is published of a transaction: events of rooms first, then the batches of each room, in order."""
    items = [(CONTROL, encode_control(event)) for event in news.events]
    by_room: dict[int, list[MessageRow]] = {}
    for insert in news.plan.inserts:
        by_room.setdefault(insert.room_id, []).append(insert)
    for room_id, inserts in by_room.items():
        end = news.plan.ends[room_id]
        finished = (_frame(end, insert, news.plan.timestamps[insert.timestamp_ms]) for insert in inserts)
        first = inserts[0].offset
        for part in _parts(finished, payload_bytes):
            items.append((room_channel(room_id), encode_batch(end.epoch, first, part)))
            first += len(part)
    return items


def _parts(finished: Iterable[bytes], part_bytes: int) -> Iterator[list[bytes]]:
    """The frames in runs of at most `part_bytes`, newlines included; each has at least one."""
    part: list[bytes] = []
    size = 0
    for frame in finished:
        if part and size + len(frame) + 1 > part_bytes:
            yield part
            part, size = [], 0
        part.append(frame)
        size += len(frame) + 1
    if part:
        yield part


def _frame(end: RoomTail, insert: MessageRow, timestamp: str) -> bytes:
    return encode(
        frames.Message(
            room=end.room,
            at=Position(end.epoch, insert.offset),
            message_id=insert.message_id,
            username=insert.username,
            content=insert.content,
            timestamp=timestamp,
        )
    )
