"""Batches sent messages and changes for history: what arrives while one batch is committed forms the next.

There is no timer or task per message; when many users send, batches are paced. The queue is bounded: when it is full,
messages are refused, and clients retry with the same key.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn, Protocol, TypeAlias, cast

from chatterbox.chassis.observability import request_ids
from chatterbox.wire import codec, frames, history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from services.gateway.core.frame_writer import text_frame
from services.gateway.metrics import GatewayMetrics
from services.gateway.upstream.history_client import ChangeOutcome, HistoryClient, Outcome

log = logging.getLogger("chatterbox.append_batcher")

QUEUED_MESSAGES = 20_000
BATCH_MESSAGES = 500
PACE_S = 0.01
"""Longest gap between batches (seconds)."""
MESSAGE_PACE_S = 0.0025
"""Gap per message of the previous batch (seconds)."""
_NO_CHANGES = history_api.AppendRefused(
    Code.UNAVAILABLE, "The server is being upgraded: messages can't be changed yet. Try again later.", 30
)
"""The outcome of a change that history left unanswered: it is of an earlier version."""


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


class PendingChange(NamedTuple):
    """A change of a message to store, and where its reply goes."""

    sender: Sender
    command_id: int
    room: str
    change: history_api.AnyMessageChange


Pending: TypeAlias = PendingSend | PendingChange


class AppendBatcher:
    """Accepts messages and changes, stores them in history in batches, and sends the acks."""

    def __init__(
        self, history: HistoryClient, metrics: GatewayMetrics | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is monotonic seconds."""
        self._history = history
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._queue: list[Pending] = []
        self._queued_changes = 0
        self._last_batch_s = float("-inf")
        """When the last batch was sent."""
        self._pace_s = 0.0
        """Minimum time from the last batch to the next."""
        self._last_senders: set[int] = set()
        """`id()` of each connection in the last batch; only compared, so a reused id does no harm."""
        self._look_at = QUEUED_MESSAGES
        """With this many messages in the queue, `put` looks whether the gap ends, or the queue is full."""
        self._gap: asyncio.Future[None] | None = None
        """Done when the gap that is waited for ends."""
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._metrics.sends_waiting.set_function(lambda: len(self._queue))

    def put(self, pending: Pending) -> None:
        """Queue a message; its sender gets `sent` or `error`. Raises `unavailable` if the queue is full."""
        if len(self._queue) >= self._look_at:
            self._look(id(pending.sender))
        self._queue.append(pending)
        self._arrived.set()
        self._idle.clear()

    def _look(self, sender: int) -> None:
        """End the gap if, with this one, every sender of the last batch waits; raises `unavailable` if it is full."""
        queued = len(self._queue)
        if queued >= QUEUED_MESSAGES:
            raise ChatError(Code.UNAVAILABLE, "Too many messages are waiting to be stored. Try again.", retry_after_s=1)
        missing = len(self._last_senders - self._waiting() - {sender})
        if missing == 0 and self._gap is not None and not self._gap.done():
            self._gap.set_result(None)
        self._look_at = min(QUEUED_MESSAGES, queued + missing) if missing else QUEUED_MESSAGES

    def _waiting(self) -> set[int]:
        """`id()` of each connection with a message in the queue."""
        return {id(pending.sender) for pending in self._queue}

    def put_change(self, pending: PendingChange) -> None:
        """Queue a change; its sender gets `changed` or `error`. Raises `unavailable` if the queue is full."""
        self.put(pending)
        self._queued_changes += 1

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
            sends, changes = self._take_batch()
            if not self._queue:
                self._arrived.clear()
            self._pace_s = pace_s(len(sends) + len(changes))
            self._last_senders = {id(pending.sender) for pending in sends}
            self._last_senders.update(id(pending.sender) for pending in changes)
            await self._store(sends, changes)

    def _take_batch(self) -> tuple[list[PendingSend], list[PendingChange]]:
        """Take the next batch from the queue.

        History makes the changes of a batch before it stores the messages. So a change that follows a message of the
        same connection waits for the next batch, with everything of that connection after it.
        """
        queue = self._queue
        if not self._queued_changes:
            self._queue = queue[BATCH_MESSAGES:]
            return cast("list[PendingSend]", queue[:BATCH_MESSAGES]), []
        self._queue = []
        sends: list[PendingSend] = []
        changes: list[PendingChange] = []
        senders: set[int] = set()
        waiting: set[int] = set()
        for pending in queue:
            sender = id(pending.sender)
            if sender in waiting or len(sends) + len(changes) == BATCH_MESSAGES:
                self._queue.append(pending)
            elif isinstance(pending, PendingSend):
                sends.append(pending)
                senders.add(sender)
            elif sender in senders:
                waiting.add(sender)
                self._queue.append(pending)
            else:
                changes.append(pending)
        self._queued_changes -= len(changes)
        return sends, changes

    async def _pace(self) -> None:
        """Wait for the end of the gap after the last batch, if the queue has messages of other senders.

        The gap also ends when every sender of the last batch waits again, since all that send are waiting then. There
        is no wait at low rates, nor for a sender that sends each message after the ack of the one before.
        """
        last, waiting = self._last_senders, self._waiting()
        if waiting < last:
            waiting = await self._gathered()
        missing = len(last - waiting)
        if missing and not waiting <= last:
            wait_s = self._last_batch_s + self._pace_s - self._clock()
            if wait_s > 0:
                await self._wait_for(missing, wait_s)
        self._last_batch_s = self._clock()

    async def _gathered(self) -> set[int]:
        """The senders that wait as soon as an event-loop iteration adds no message; acked ones send nearly at once."""
        queued = 0
        while queued < len(self._queue) < BATCH_MESSAGES:
            queued = len(self._queue)
            await asyncio.sleep(0)
        return self._waiting()

    async def _wait_for(self, missing: int, wait_s: float) -> None:
        """Wait until the `missing` senders of the last batch have sent again, but at most `wait_s` seconds."""
        loop = asyncio.get_running_loop()
        self._gap = gap = loop.create_future()
        self._look_at = min(QUEUED_MESSAGES, len(self._queue) + missing - 1)
        timer = loop.call_later(wait_s, _end, gap)
        try:
            await gap
        finally:
            timer.cancel()
            self._gap, self._look_at = None, QUEUED_MESSAGES

    async def _store(self, sends: Sequence[PendingSend], changes: Sequence[PendingChange]) -> None:
        request_ids.begin(request_ids.new())
        began_s = time.perf_counter()
        batch: Sequence[Pending] = [*changes, *sends] if changes else sends
        self._metrics.sends_taken.inc(len(sends))
        self._metrics.changes_taken.inc(len(changes))
        self._metrics.batch_messages.observe(len(batch))
        try:
            answer = await self._history.append(
                [pending.append for pending in sends], [pending.change for pending in changes]
            )
        except ChatError as problem:
            log.warning("batch.refused", extra={"messages": len(batch), "code": problem.code})
            self._metrics.sends_refused.inc(problem.code, len(batch))
            replies: list[frames.Reply] = [codec.error_frame(problem, pending.command_id) for pending in batch]
            _send_replies(batch, replies)
        else:
            self._metrics.append_s.observe(time.perf_counter() - began_s)
            change_outcomes = answer.change_outcomes or [_NO_CHANGES] * len(changes)
            replies = [_changed(*pair) for pair in zip(changes, change_outcomes, strict=True)]
            replies += [_reply(*pair) for pair in zip(sends, answer.outcomes, strict=True)]
            _send_replies(batch, replies)
            self._count(answer)
            if log.isEnabledFor(logging.DEBUG):
                log.debug("batch.stored", extra=_log_fields(batch, answer.outcomes))

    def _count(self, answer: history_api.AppendAnswer) -> None:
        outcomes = [*answer.outcomes, *answer.change_outcomes]
        refusals = [outcome for outcome in outcomes if isinstance(outcome, history_api.AppendRefused)]
        self._metrics.acks.inc(len(outcomes) - len(refusals))
        for refusal in refusals:
            self._metrics.sends_refused.inc(Code(refusal.code))


def _end(gap: asyncio.Future[None]) -> None:
    if not gap.done():
        gap.set_result(None)


def _log_fields(batch: Sequence[Pending], outcomes: Sequence[Outcome]) -> dict[str, int | str | None]:
    """Message ids and connections of a batch, to trace a message from its connection to its room."""
    ids = [outcome.message_id for outcome in outcomes if isinstance(outcome, history_api.Appended)]
    return {
        "messages": len(outcomes),
        "changes": len(batch) - len(outcomes),
        "refused": len(outcomes) - len(ids),
        "first_id": min(ids, default=None),
        "last_id": max(ids, default=None),
        "connections": ",".join(sorted({pending.sender.connection_id for pending in batch})),
    }


def _send_replies(batch: Sequence[Pending], replies: Sequence[frames.Reply]) -> None:
    """Write the replies of each connection in one call."""
    by_sender: dict[Sender, list[bytes]] = {}
    for pending, reply in zip(batch, replies, strict=True):
        by_sender.setdefault(pending.sender, []).append(text_frame(codec.encode(reply)))
    for sender, finished in by_sender.items():
        sender.write(b"".join(finished))


def _refusal(pending: Pending, outcome: history_api.AppendRefused) -> frames.Reply:
    return frames.ErrorFrame(
        id=pending.command_id, code=outcome.code, detail=outcome.detail, retry_after_s=outcome.retry_after_s
    )


def _changed(pending: PendingChange, outcome: ChangeOutcome) -> frames.Reply:
    if isinstance(outcome, history_api.AppendRefused):
        return _refusal(pending, outcome)
    return frames.Changed(id=pending.command_id, room=pending.room, offset=pending.change.offset, rev=outcome.rev)


def _reply(pending: PendingSend, outcome: Outcome) -> frames.Reply:
    if isinstance(outcome, history_api.AppendRefused):
        return _refusal(pending, outcome)
    return frames.Sent(
        id=pending.command_id,
        room=pending.room,
        at=Position(outcome.epoch, outcome.offset),
        message_id=outcome.message_id,
        timestamp=outcome.timestamp,
        thread=outcome.thread,
        mentions=outcome.mentions,
        files=outcome.files,
    )
