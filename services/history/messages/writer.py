"""The only writer: group commit on one connection. While one transaction is committed, the next group gathers.

There is no timer: a lone message is committed at once, and the busier it gets, the more share a commit (and its
sync, which is what takes the time).
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import aiosqlite

from chatterbox.chassis.sqlite.database import checkpoint, run_on_connection
from chatterbox.chassis.sqlite.disk_reserve import NO_RESERVE, DiskReserve, is_full, may_be_full
from chatterbox.chassis.tasks import background
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Append
from chatterbox.wire.limits import Limits
from services.history.core.append_plan import AppendPlan, Outcome
from services.history.messages.commit_group import CommitGroup
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.send_limits import SendLimits
from services.history.messages.write_queue import RETRY_AFTER_S, AppendJob, ChangeJob, Job, QueueBounds, WriteQueue
from services.history.messages.write_transaction import WriteTransaction, last_message_id, store
from services.history.metrics import HistoryMetrics
from services.history.sabotage import Sabotage

log = logging.getLogger("chatterbox.history.writer")

T = TypeVar("T")

NO_SABOTAGE = Sabotage()
CLOSE_S = 5.0
"""When the process ends, what was accepted has this long to be committed (seconds)."""


class Writer:
    """Takes messages and changes from any number of tasks; answers each only after its COMMIT returned."""

    def __init__(
        self,
        db: aiosqlite.Connection,
        *,
        limits: Limits,
        now_ms: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        announce: Callable[[CommittedChanges], None],
        bounds: QueueBounds | None = None,
        metrics: HistoryMetrics | None = None,
        ballast: DiskReserve = NO_RESERVE,
        sabotage: Sabotage = NO_SABOTAGE,
    ) -> None:
        """`announce` is told of every commit; it must not block. `sabotage` is for tests."""
        self._db = db
        self._limits = limits
        self._budgets = SendLimits(limits, clock)
        self._now_ms = now_ms
        self._announce = announce
        self._ballast = ballast
        self._sabotage = sabotage
        self._backlog = WriteQueue(bounds or QueueBounds())
        self._metrics = metrics or HistoryMetrics()
        self._metrics.watch_backlog(self._backlog)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._closing = False
        self._failing = False
        self._last_id: int | None = None

    async def append(self, messages: Sequence[Append]) -> list[Outcome]:
        """Store messages, in this order, in one transaction; what is answered is durable.

        Raises `unavailable` when too much waits, or when nothing can be stored now: then it is not known
        whether the messages were, and the same keys may be sent again.
        """
        answer: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._submit(AppendJob(self._sabotage.keyed(messages), answer))
        return await answer

    async def change(self, change: Callable[[WriteTransaction], Awaitable[T]]) -> T:
        """Run `change` inside a transaction and return what it returned, once that is durable."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._submit(ChangeJob(change, answer))
        return await answer

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Writer"]:
        """Write while the block runs; at its end refuse what is new, and commit what was accepted."""
        async with background(self._run(), "history.writer"):
            try:
                yield self
            finally:
                await self._close()

    def _submit(self, job: Job) -> None:
        if self._closing:
            raise _unavailable()
        self._backlog.put(job)
        self._wake.set()

    async def _close(self) -> None:
        self._closing = True
        self._wake.set()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("writer.close_timed_out", extra={"jobs": len(self._backlog)})
            while jobs := self._backlog.take():
                CommitGroup(jobs).fail(_unavailable())

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while jobs := self._backlog.take():
                await self._commit(jobs)
            self._wake.clear()
            if self._closing:
                self._idle.set()

    async def _commit(self, jobs: list[Job]) -> None:
        group = await self._affordable(jobs)
        if not len(group):
            return
        began_s = time.perf_counter()
        try:
            if group.messages:
                transaction, plan = await self._transact(group)
            else:
                transaction, plan = await self._ballast.retry_on_full(lambda: self._transact(group))
        except sqlite3.Error as problem:
            self._note_failure("disk.full" if is_full(problem) else "commit.failed", str(problem))
            self._abandon(group)
            await self._make_room(problem)
        except Exception:
            log.exception("commit_group.failed")
            self._abandon(group)
        except asyncio.CancelledError:
            group.fail(_unavailable())
            raise
        else:
            self._note_success()
            group.answer(plan)
            self._metrics.committed(plan, time.perf_counter() - began_s)
            if plan.inserts and log.isEnabledFor(logging.DEBUG):
                log.debug("messages.stored", extra=_described(plan))
            if not self._sabotage.publish_before_commit:
                self._tell(transaction, plan)

    async def _affordable(self, jobs: list[Job]) -> CommitGroup:
        """On a full disk what is left is for changes of rooms and memberships: messages wait with their senders."""
        if await self._ballast.refill():
            return CommitGroup(jobs)
        refused = CommitGroup([job for job in jobs if isinstance(job, AppendJob)])
        if len(refused):
            self._note_failure("disk.full", "messages wait until there is more room")
            self._metrics.commits_failed.inc()
            refused.fail(_unavailable())
        return CommitGroup([job for job in jobs if isinstance(job, ChangeJob)])

    async def _make_room(self, problem: sqlite3.Error) -> None:
        """Messages have filled the disk: with a piece of the ballast the log, which may be large, can be folded."""
        if may_be_full(problem) and self._ballast.release():
            with contextlib.suppress(sqlite3.Error):
                await checkpoint(self._db)

    async def _transact(self, group: CommitGroup) -> tuple[WriteTransaction, AppendPlan]:
        try:
            return await self._write(group)
        except Exception:
            await self._roll_back()
            raise

    async def _write(self, group: CommitGroup) -> tuple[WriteTransaction, AppendPlan]:
        last_id = await last_message_id(self._db) if self._last_id is None else self._last_id
        transaction = WriteTransaction(self._db, self._now_ms())
        if group.changes:
            await self._db.execute("BEGIN IMMEDIATE")
            group.changed.clear()
            for job in group.changes:
                group.changed.append(await _attempt(transaction, job))
        plan = await run_on_connection(self._db, lambda db: self._store(db, group, transaction.now_ms, last_id))
        if self._sabotage.acts_before_commit:
            await self._commit_late(group, transaction, plan)
        self._last_id = last_id + len(plan.inserts)
        return transaction, plan

    def _store(self, db: sqlite3.Connection, group: CommitGroup, now_ms: int, last_id: int) -> AppendPlan:
        """All that a group of messages needs, on the database's thread. Nothing else runs there meanwhile."""
        if not db.in_transaction:
            db.execute("BEGIN IMMEDIATE")
        plan = AppendPlan()
        if group.messages:
            plan = store(
                db, group.messages, now_ms=now_ms, last_id=last_id, limits=self._limits, spend=self._budgets.spend
            )
        if not self._sabotage.acts_before_commit:
            db.execute("COMMIT")
        return plan

    async def _commit_late(self, group: CommitGroup, transaction: WriteTransaction, plan: AppendPlan) -> None:
        if self._sabotage.ack_before_commit:
            group.answer(plan)
        if self._sabotage.publish_before_commit:
            self._tell(transaction, plan)
        await self._db.execute("COMMIT")

    def _tell(self, transaction: WriteTransaction, plan: AppendPlan) -> None:
        if plan.inserts or transaction.events:
            self._announce(CommittedChanges(transaction.events, plan))

    def _abandon(self, group: CommitGroup) -> None:
        self._metrics.commits_failed.inc()
        group.fail(_unavailable())

    async def _roll_back(self) -> None:
        """Undo the transaction; after some errors, such as a full disk, SQLite has done so already."""
        self._last_id = None
        try:
            if self._db.in_transaction:
                await self._db.execute("ROLLBACK")
        except sqlite3.Error:
            log.exception("rollback.failed")

    def _note_failure(self, event: str, why: str) -> None:
        """Once, not for each group: a disk stays full for a while."""
        if not self._failing:
            log.error(event, extra={"problem": why})
        self._failing = True

    def _note_success(self) -> None:
        if self._failing and not self._ballast.missing_bytes:
            log.info("commit.recovered")
            self._failing = False


async def _attempt(transaction: WriteTransaction, job: ChangeJob) -> object:
    """What the change returned, or the exception that undid it; the rest of the group is not concerned."""
    told = len(transaction.events)
    await transaction.db.execute("SAVEPOINT change")
    try:
        result = await job.change(transaction)
    except sqlite3.Error:
        raise
    except Exception as problem:  # noqa: BLE001 - raised again in the task that asked for the change
        await transaction.db.execute("ROLLBACK TO change")
        del transaction.events[told:]
        result = problem
    await transaction.db.execute("RELEASE change")
    return result


def _described(plan: AppendPlan) -> dict[str, int | str]:
    """Which messages these were, and where they stand: each room with its first and last offset."""
    places: dict[int, tuple[int, int]] = {}
    for insert in plan.inserts:
        first, _ = places.get(insert.room_id, (insert.offset, 0))
        places[insert.room_id] = (first, insert.offset)
    return {
        "messages": len(plan.inserts),
        "first_id": plan.inserts[0].message_id,
        "last_id": plan.inserts[-1].message_id,
        "rooms": " ".join(f"{room_id}:{first}-{last}" for room_id, (first, last) in places.items()),
    }


def _unavailable() -> ChatError:
    return ChatError(Code.UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
