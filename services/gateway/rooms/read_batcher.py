"""Stores the read positions that connections report: in rounds of chunks, so that a crowd of readers costs little.

A reply leaves when its position is stored. If history refuses a chunk, its reporters are refused: they report again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn, Protocol

from chatterbox.chassis.observability import request_ids
from chatterbox.wire import frames, history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.read_state import ReadState
from services.gateway.core.pending_reads import FLOOD_PAUSE_S, PendingRead, PendingReads
from services.gateway.metrics import GatewayMetrics
from services.gateway.rooms.read_state_feed import ReadStateFeed
from services.gateway.rooms.room import RoomConnection
from services.gateway.upstream.history_client import HistoryClient

log = logging.getLogger("chatterbox.read_batcher")

REPLIES_WAITING = 50_000
"""Reported positions that may wait for their reply; beyond, they are refused."""


class Reporter(RoomConnection, Protocol):
    """The connection that reported a position and gets the reply; `Connection` implements it."""

    def refuse(self, problem: ChatError, command_id: int | None) -> None: ...


class Report(NamedTuple):
    """Who reported a position, and where the reply goes."""

    reporter: Reporter
    command_id: int
    room: str


class ReadBatcher:
    """Accepts positions, stores them in history, replies, and tells the users' other connections."""

    def __init__(
        self,
        history: HistoryClient,
        feed: ReadStateFeed,
        clock: Callable[[], float],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """`clock` is monotonic seconds."""
        self._history = history
        self._feed = feed
        self._clock = clock
        self._metrics = metrics or GatewayMetrics()
        self._reads = PendingReads[Report]()
        self._arrived = asyncio.Event()
        self._flush = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._metrics.reads_waiting.set_function(lambda: len(self._reads))

    def put(self, report: Report, position: history_api.ReadPosition) -> None:
        """Accept a position; its reporter gets `read_set` or `error`. Raises `unavailable` if too many wait."""
        if self._reads.waiting >= REPLIES_WAITING:
            self._metrics.reads_refused.inc(Code.UNAVAILABLE)
            detail = "Too many read positions are waiting to be stored. Try again."
            raise ChatError(Code.UNAVAILABLE, detail, retry_after_s=FLOOD_PAUSE_S)
        self._metrics.reads_taken.inc()
        self._reads.add(position, report)
        self._arrived.set()
        self._idle.clear()

    async def flush(self) -> None:
        """From now on store positions without pause, and wait until none is left: this gateway stops."""
        self._flush.set()
        await self._idle.wait()

    async def run(self) -> NoReturn:
        """Store positions until cancelled."""
        while True:
            if not self._reads:
                self._idle.set()
            await self._arrived.wait()
            await self._wait_until_due()
            self._arrived.clear()
            await self._store_round(self._reads.take_round(self._clock()))

    async def _wait_until_due(self) -> None:
        while not self._flush.is_set() and (wait_s := self._reads.due_s() - self._clock()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._flush.wait()

    async def _store_round(self, chunks: Sequence[Sequence[PendingRead[Report]]]) -> None:
        """Store chunks one after the other; once history is unavailable, refuse the others without asking it."""
        problem: ChatError | None = None
        for chunk in chunks:
            if problem is None:
                problem = await self._store(chunk)
            if problem is not None:
                for pending in chunk:
                    self._refuse(pending, problem)

    async def _store(self, chunk: Sequence[PendingRead[Report]]) -> ChatError | None:
        request_ids.begin(request_ids.new())
        try:
            stored = await self._history.store_reads([pending.position for pending in chunk], self._feed.origin)
        except ChatError as problem:
            log.warning("reads.refused", extra={"positions": len(chunk), "code": problem.code})
            return problem
        self._metrics.reads_stored.inc(len(chunk))
        readers = stored.readers or [""] * len(chunk)
        for pending, state, reader in zip(chunk, stored.states, readers, strict=True):
            if state is None:
                self._refuse(pending, ChatError(Code.NOT_A_MEMBER))
            else:
                self._confirm(pending, state)
                if reader:
                    self._feed.on_read(pending.position.room_id, reader, state.read)
        return None

    def _confirm(self, pending: PendingRead[Report], state: ReadState) -> None:
        for reporter, command_id, room in pending.waiting:
            reporter.send(read_set(command_id, room, state))
        position = pending.position
        turn = state.turn if position.turn is None else position.turn
        if (state.turn, state.read) <= (turn, position.offset):  # otherwise the others know of a greater one
            reporters = {report.reporter for report in pending.waiting}
            self._feed.tell(position.user_id, position.room_id, state, exclude=reporters)

    def _refuse(self, pending: PendingRead[Report], problem: ChatError) -> None:
        self._metrics.reads_refused.inc(problem.code, len(pending.waiting))
        for report in pending.waiting:
            if not report.reporter.is_closed:
                report.reporter.refuse(problem, report.command_id)


def read_set(command_id: int, room: str, state: ReadState) -> frames.ReadSet:
    return frames.ReadSet(
        id=command_id,
        room=room,
        offset=state.read,
        turn=state.turn,
        unread=state.unread,
        mentions=state.mentions,
        counted=state.counted,
    )
