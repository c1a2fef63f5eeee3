"""Batches sent messages for history: messages that arrive while one batch is committed form the next.

There is no timer or task per message; when many users send, batches are paced. The queue is bounded: when it is full,
messages are refused, and clients retry with the same key.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn, Protocol

from chatterbox.chassis.observability import request_ids
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.upstream.history_client import HistoryClient, Outcome

log = logging.getLogger("chatterbox.append_batcher")

QUEUED_MESSAGES = 20_000
BATCH_MESSAGES = 500
PACE_S = 0.01
"""Longest gap between batches (seconds)."""
MESSAGE_PACE_S = 0.0025
"""Gap per message of the previous batch (seconds)."""


def pace_s(messages: int) -> float:
    """Minimum time from a batch of `messages` to the next one while many users send (seconds).

    A commit of a few messages costs every service involved hardly more than a commit of one. The gap grows with the
    load, so at low rates messages hardly wait.

    >>> [pace_s(messages) for messages in (1, 2, 4, 100)]
    [0.0025, 0.005, 0.01, 0.01]
    """
    return min(PACE_S, MESSAGE_PACE_S * messages)


class Sender(Protocol):
    """The connection that sent a message and gets the reply; `Connection` implements it."""

    @property
    def connection_id(self) -> str: ...
    def write(self, finished: bytes) -> None: ...


class PendingSend(NamedTuple):
    """A message to store, and where its reply goes."""

    sender: Sender
    command_id: int
    room: str
    append: history_api.Append


class AppendBatcher:
    """Accepts messages, appends them to history in batches, and sends the acks."""

    def __init__(
        self, history: HistoryClient, metrics: GatewayMetrics | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is monotonic seconds."""
        self._history = history
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._queue: list[PendingSend] = []
        self._last_batch_s = float("-inf")
        """When the last batch was sent."""
        self._pace_s = 0.0
        """Minimum time from the last batch to the next."""
        self._last_senders: set[int] = set()
        """`id()` of each connection in the last batch; only compared, so a reused id does no harm."""
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._metrics.sends_waiting.set_function(lambda: len(self._queue))

    def put(self, pending: PendingSend) -> None:
        """Queue a message; its sender gets `sent` or `error`. Raises `unavailable` if the queue is full."""
        if len(self._queue) >= QUEUED_MESSAGES:
            raise ChatError(Code.UNAVAILABLE, "Too many messages are waiting to be stored. Try again.", retry_after_s=1)
        self._queue.append(pending)
        self._arrived.set()
        self._idle.clear()

    async def wait_until_idle(self) -> None:
        """Wait until every queued message is acked or refused."""
        await self._idle.wait()

    async def run(self) -> NoReturn:
        """Send batches to history until cancelled."""
        while True:
            if not self._queue:
                self._idle.set()
            await self._arrived.wait()
            await self._pace()
            batch, self._queue = self._queue[:BATCH_MESSAGES], self._queue[BATCH_MESSAGES:]
            if not self._queue:
                self._arrived.clear()
            self._pace_s = pace_s(len(batch))
            self._last_senders = {id(pending.sender) for pending in batch}
            await self._store(batch)

    async def _pace(self) -> None:
        """Wait for the end of the gap after the last batch, if the queue has messages of other senders.

        There is no wait at low rates, nor for a sender that sends each message after the ack of the one before.
        """
        is_busy = not {id(pending.sender) for pending in self._queue} <= self._last_senders
        if is_busy and (wait_s := self._last_batch_s + self._pace_s - self._clock()) > 0:
            await asyncio.sleep(wait_s)
        self._last_batch_s = self._clock()

    async def _store(self, batch: Sequence[PendingSend]) -> None:
        request_ids.begin(request_ids.new())
        began_s = time.perf_counter()
        self._metrics.sends_taken.inc(len(batch))
        self._metrics.batch_messages.observe(len(batch))
        try:
            outcomes = await self._history.append([pending.append for pending in batch])
        except ChatError as problem:
            log.warning("batch.refused", extra={"messages": len(batch), "code": problem.code})
            self._metrics.sends_refused.inc(problem.code, len(batch))
            replies = [codec.error_frame(problem, pending.command_id) for pending in batch]
            _send_replies(batch, replies)
        else:
            self._metrics.append_s.observe(time.perf_counter() - began_s)
            _send_replies(batch, [_reply(*pair) for pair in zip(batch, outcomes, strict=True)])
            self._count(outcomes)
            if log.isEnabledFor(logging.DEBUG):
                log.debug("batch.stored", extra=_log_fields(batch, outcomes))

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        refusals = [outcome for outcome in outcomes if isinstance(outcome, history_api.AppendRefused)]
        self._metrics.acks.inc(len(outcomes) - len(refusals))
        for refusal in refusals:
            self._metrics.sends_refused.inc(Code(refusal.code))


def _log_fields(batch: Sequence[PendingSend], outcomes: Sequence[Outcome]) -> dict[str, int | str | None]:
    """Message ids and connections of a batch, to trace a message from its connection to its room."""
    ids = [outcome.message_id for outcome in outcomes if isinstance(outcome, history_api.Appended)]
    return {
        "messages": len(batch),
        "refused": len(batch) - len(ids),
        "first_id": min(ids, default=None),
        "last_id": max(ids, default=None),
        "connections": ",".join(sorted({pending.sender.connection_id for pending in batch})),
    }


def _send_replies(batch: Sequence[PendingSend], replies: Sequence[frames.Reply]) -> None:
    """Write the replies of each connection in one call."""
    by_sender: dict[Sender, list[bytes]] = {}
    for pending, reply in zip(batch, replies, strict=True):
        by_sender.setdefault(pending.sender, []).append(text_frame(codec.encode(reply)))
    for sender, finished in by_sender.items():
        sender.write(b"".join(finished))


def _reply(pending: PendingSend, outcome: Outcome) -> frames.Reply:
    if isinstance(outcome, history_api.AppendRefused):
        return frames.ErrorFrame(
            id=pending.command_id, code=outcome.code, detail=outcome.detail, retry_after_s=outcome.retry_after_s
        )
    return frames.Sent(
        id=pending.command_id,
        room=pending.room,
        at=Position(outcome.epoch, outcome.offset),
        message_id=outcome.message_id,
        timestamp=outcome.timestamp,
    )
