"""The way of sent messages to history: what arrives while one batch is being committed makes up the next.

No timer and no task for each message; where many send, batches are paced. The queue is bounded: a message that finds it
full is refused, and its client tries again with the same key.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from chatterbox.chassis.observability import request_ids
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from services.gateway.connections.connection import Connection
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.append_batcher")

WAITING_MESSAGES = 20_000
BATCH_MESSAGES = 500
PACE_S = 0.01
"""In busy times a batch leaves so long after the one before at most (seconds)."""
MESSAGE_PACE_S = 0.0025
"""And so long for each message that the one before had."""


def pace_s(messages: int) -> float:
    """How long after a batch of so many messages the next one leaves, where many send.

    A few messages that share a commit cost all that are concerned with it little more than one does. The more come, the
    more wait for each other; where few come, nearly nobody does.

    >>> [pace_s(messages) for messages in (1, 2, 4, 100)]
    [0.0025, 0.005, 0.01, 0.01]
    """
    return min(PACE_S, MESSAGE_PACE_S * messages)


class PendingSend(NamedTuple):
    """A message on its way, and who awaits the ack."""

    connection: Connection
    command_id: int
    room: Room
    append: history_api.Append


class AppendBatcher:
    """Takes messages in, hands out acks."""

    def __init__(
        self, history: HistoryClient, metrics: GatewayMetrics | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is monotonic seconds."""
        self._history = history
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._waiting: list[PendingSend] = []
        self._left_s = float("-inf")
        """When the last batch left, and how long after it the next one may."""
        self._pace_s = 0.0
        self._senders: set[int] = set()
        """The ids of the connections whose messages it had; for a comparison, so that one given again does no harm."""
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """Messages that wait for the batch before them."""
        return len(self._waiting)

    def put(self, waiting: PendingSend) -> None:
        """Queue a message; its connection gets `sent` or `error`. Raises `unavailable` when the queue is full."""
        if len(self._waiting) >= WAITING_MESSAGES:
            raise ChatError(Code.UNAVAILABLE, "Too many messages wait to be stored; try again.", retry_after_s=1)
        self._waiting.append(waiting)
        self._arrived.set()
        self._idle.clear()

    async def settle(self) -> None:
        """Wait until every message taken in is acked or refused."""
        await self._idle.wait()

    async def run(self) -> NoReturn:
        """Carry batches to history, for ever."""
        while True:
            if not self._waiting:
                self._idle.set()
            await self._arrived.wait()
            await self._pace()
            batch, self._waiting = self._waiting[:BATCH_MESSAGES], self._waiting[BATCH_MESSAGES:]
            if not self._waiting:
                self._arrived.clear()
            self._pace_s = pace_s(len(batch))
            self._senders = {id(waiting.connection) for waiting in batch}
            await self._store(batch)

    async def _pace(self) -> None:
        """Wait until the last batch left long enough ago, if it is others who send now.

        Nobody waits in quiet times, nor does anybody who sends one message after the other's ack.
        """
        is_busy = not {id(waiting.connection) for waiting in self._waiting} <= self._senders
        if is_busy and (wait_s := self._left_s + self._pace_s - self._clock()) > 0:
            await asyncio.sleep(wait_s)
        self._left_s = self._clock()

    async def _store(self, batch: Sequence[PendingSend]) -> None:
        request_ids.begin(request_ids.new())
        began_s = time.perf_counter()
        self._metrics.sends_taken.inc(len(batch))
        self._metrics.batch_messages.observe(len(batch))
        try:
            outcomes = await self._history.append([waiting.append for waiting in batch])
        except ChatError as problem:
            log.warning("batch.refused", extra={"messages": len(batch), "code": problem.code})
            self._metrics.sends_refused.inc(problem.code, len(batch))
            replies = [codec.error_frame(problem, waiting.command_id) for waiting in batch]
            _answer(batch, replies)
        else:
            self._metrics.append_s.observe(time.perf_counter() - began_s)
            _answer(batch, [_reply(*pair) for pair in zip(batch, outcomes, strict=True)])
            self._count(outcomes)
            if log.isEnabledFor(logging.DEBUG):
                log.debug("batch.stored", extra=_described(batch, outcomes))

    def _count(self, outcomes: Sequence[history_api.Appended | history_api.AppendRefused]) -> None:
        refusals = [outcome for outcome in outcomes if isinstance(outcome, history_api.AppendRefused)]
        self._metrics.acks.inc(len(outcomes) - len(refusals))
        for refusal in refusals:
            self._metrics.sends_refused.inc(Code(refusal.code))


def _described(
    batch: Sequence[PendingSend], outcomes: Sequence[history_api.Appended | history_api.AppendRefused]
) -> dict[str, int | str | None]:
    """Which messages these were, and whose: with it a message is followed from its connection to its room."""
    ids = [outcome.message_id for outcome in outcomes if isinstance(outcome, history_api.Appended)]
    return {
        "messages": len(batch),
        "refused": len(batch) - len(ids),
        "first_id": min(ids, default=None),
        "last_id": max(ids, default=None),
        "connections": ",".join(sorted({waiting.connection.connection_id for waiting in batch})),
    }


def _answer(batch: Sequence[PendingSend], replies: Sequence[frames.Reply]) -> None:
    """Write each connection's replies at once."""
    by_connection: dict[Connection, list[bytes]] = {}
    for waiting, reply in zip(batch, replies, strict=True):
        by_connection.setdefault(waiting.connection, []).append(text_frame(codec.encode(reply)))
    for connection, finished in by_connection.items():
        connection.write(b"".join(finished))


def _reply(waiting: PendingSend, outcome: history_api.Appended | history_api.AppendRefused) -> frames.Reply:
    if isinstance(outcome, history_api.AppendRefused):
        return frames.ErrorFrame(
            id=waiting.command_id, code=outcome.code, detail=outcome.detail, retry_after_s=outcome.retry_after_s
        )
    return frames.Sent(
        id=waiting.command_id,
        room=waiting.room.name,
        at=Position(outcome.epoch, outcome.offset),
        message_id=outcome.message_id,
        timestamp=outcome.timestamp,
    )
