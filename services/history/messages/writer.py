"""Group commit: all writes go through one task and one connection; while one group commits, the next one collects.

There is no timer: a single message is committed immediately, and under load more messages share one commit and its
sync, which takes most of the time.
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

from chatterbox.chassis.observability.incident import Incident
from chatterbox.chassis.sqlite.damage import DamageRecord
from chatterbox.chassis.sqlite.disk_reserve import NO_RESERVE, DiskReserve, may_be_full
from chatterbox.chassis.sqlite.integrity import is_damage
from chatterbox.chassis.sqlite.storage_incident import StorageIncident
from chatterbox.chassis.tasks import background
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import AnyMessageChange, Append, AppendAnswer
from chatterbox.wire.limits import Limits
from services.history.core.append_plan import AppendPlan, Outcome
from services.history.core.room_activity import RoomActivity
from services.history.core.stored_message import DamagedMessageError
from services.history.erasure.erasure_ledger import ErasureLedger
from services.history.erasure.log_erasure import LogErasure
from services.history.erasure.page_erasure import TextRow
from services.history.erasure.pending_erasures import PendingErasures
from services.history.messages.commit_group import CommitGroup
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.group_committer import GroupCommitter, overwritten
from services.history.messages.write_queue import RETRY_AFTER_S, AppendJob, ChangeJob, Job, QueueBounds, WriteQueue
from services.history.messages.write_transaction import WriteTransaction
from services.history.metrics import HistoryMetrics
from services.history.reads.read_activity import ReadActivity

log = logging.getLogger("chatterbox.history.writer")

T = TypeVar("T")

CLOSE_S = 5.0
"""On shutdown, how long accepted jobs may still be committed (seconds)."""


class Writer:
    """Accepts messages and changes from any number of tasks; each returns only after its COMMIT."""

    def __init__(
        self,
        db: aiosqlite.Connection,
        *,
        limits: Limits,
        now_ms: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        publish: Callable[[CommittedChanges], None],
        bounds: QueueBounds | None = None,
        metrics: HistoryMetrics | None = None,
        reserve: DiskReserve = NO_RESERVE,
        damage: DamageRecord,
        committer: GroupCommitter | None = None,
        ledger: ErasureLedger | None = None,
        pending: PendingErasures | None = None,
        policy: EncryptionPolicy = DEFAULT_POLICY,
        on_erased: Callable[[Sequence[TextRow]], None] = lambda _: None,
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        """`publish` is called after every commit, before its callers learn of it, and must not block. `on_failed` is
        called when a commit failed: what it stored is not known. `committer` writes to `db`.

        `ledger` records deleted messages, `pending` those whose texts are overwritten; `on_erased` is called with the
        ids of messages whose old texts are gone from the database.
        """
        self._committer = committer or GroupCommitter(
            db, limits=limits, now_ms=now_ms, clock=clock, ledger=ledger, pending=pending, policy=policy
        )
        self._pending = pending
        self._publish = publish
        self._reserve = reserve
        self._damage = damage
        self._queue = WriteQueue(bounds or QueueBounds())
        self._metrics = metrics or HistoryMetrics()
        self._metrics.watch_queue(self._queue)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._closing = False
        self._log_erasure = LogErasure(self._erase_old_texts, self._wake.set)
        self._erasure_incident = Incident(log, down="log_erasure.failed", up="log_erasure.recovered")
        self._on_erased = on_erased
        self._on_failed = on_failed
        self._incident = StorageIncident(
            log, failed="commit.failed", recovered="commit.recovered", retry_after_s=RETRY_AFTER_S
        )

    @property
    def revision(self) -> int | None:
        """The membership revision; None: it is not known here, and must be read from the database."""
        return self._committer.revision

    @property
    def activity(self) -> RoomActivity:
        """Which rooms the commits of this process changed."""
        return self._committer.activity

    @property
    def read_activity(self) -> ReadActivity:
        """Whose read states the commits of this process changed."""
        return self._committer.read_activity

    async def append(self, messages: Sequence[Append]) -> list[Outcome]:
        """Store messages in this order in one transaction; on return they are durable. One outcome per message.

        Raises `unavailable` if the queue is full or the commit fails. After a failed commit the messages may be stored
        all the same: retry with the same keys.
        """
        return (await self.append_batch(messages)).outcomes

    async def append_batch(self, messages: Sequence[Append], changes: Sequence[AnyMessageChange] = ()) -> AppendAnswer:
        """Change messages, then store some, as `append` does. One outcome per change, and one per message."""
        answer: asyncio.Future[AppendAnswer] = asyncio.get_running_loop().create_future()
        self._submit(AppendJob(messages, answer, changes))
        return await answer

    async def change(self, change: Callable[[WriteTransaction], Awaitable[T]], *, uses_reserve: bool = True) -> T:
        """Run `change` inside a transaction; returns its result once it is durable.

        Without `uses_reserve`, it is refused on a full disk, as messages are: for changes that come often, and again.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._submit(ChangeJob(change, answer, uses_reserve))
        return await answer

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Writer"]:
        """Write while the block runs; at its end refuse new jobs and commit the accepted ones."""
        # an earlier process may have ended before it removed the old texts
        self._log_erasure.request(self._pending.rows if self._pending is not None else ())
        async with background(self._run(), "history.writer"):
            try:
                yield self
            finally:
                self._log_erasure.cancel()
                await self._close()

    def _submit(self, job: Job) -> None:
        if self._closing:
            raise _unavailable()
        self._queue.put(job)
        self._wake.set()

    async def _close(self) -> None:
        self._closing = True
        self._wake.set()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("writer.close_timed_out", extra={"jobs": len(self._queue)})
            while jobs := self._queue.take():
                CommitGroup(jobs).fail(_unavailable())

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue or self._log_erasure.is_due:
                if self._log_erasure.is_due:
                    await self._log_erasure.run()
                if jobs := self._queue.take():
                    await self._commit(jobs)
            if self._closing:
                self._idle.set()

    async def _erase_old_texts(self, rows: Sequence[TextRow]) -> bool:
        if self._damage.why is not None:
            return False
        try:
            is_done = await self._committer.erase_old_texts(rows)
        except (sqlite3.Error, OSError) as problem:
            self._erasure_incident.fail(str(problem))
            return False
        self._erasure_incident.recover()
        if is_done:
            self._on_erased(rows)
        return is_done

    async def _commit(self, jobs: list[Job]) -> None:
        group = await self._admitted(jobs)
        if not len(group):
            return
        began_s = time.perf_counter()
        try:
            committed = await self._committed(group)
        except sqlite3.Error as problem:
            if is_damage(problem):
                self._fail(group, self._damage.found(str(problem)))
            else:
                self._fail(group, self._incident.fail(problem))
                await self._make_room(problem)
        except DamagedMessageError as problem:
            self._fail(group, self._damage.found(str(problem)))
        except Exception:
            log.exception("commit_group.failed")
            self._fail(group, _unavailable())
        except asyncio.CancelledError:
            group.fail(_unavailable())
            raise
        else:
            self._note_success()
            plan = committed.plan
            group.answer(plan)
            self._metrics.committed(plan, time.perf_counter() - began_s)
            if plan.inserts and log.isEnabledFor(logging.DEBUG):
                log.debug("messages.stored", extra=_log_fields(plan))
            if committed.size:
                self._publish(committed)
            if rows := overwritten(plan):
                self._log_erasure.request(rows)

    async def _committed(self, group: CommitGroup) -> CommittedChanges:
        """Commit `group`; changes of rooms may use the disk reserve. After a failure, what was stored is not known."""
        try:
            if group.uses_reserve:
                return await self._reserve.retry_on_full(lambda: self._committer.commit(group))
            return await self._committer.commit(group)
        except BaseException:
            self._on_failed()
            raise

    async def _admitted(self, jobs: list[Job]) -> CommitGroup:
        """Refuse everything once the database was found damaged, so that it does not get worse.

        Refuse messages and read positions while the disk reserve is incomplete: what is left of it is for rooms and
        memberships.
        """
        if self._damage.why is not None:
            self._fail(CommitGroup(jobs), self._damage.found(self._damage.why))
            return CommitGroup(())
        if await self._reserve.refill():
            return CommitGroup(jobs)
        refused = CommitGroup([job for job in jobs if not job.uses_reserve])
        if len(refused):
            self._fail(refused, self._incident.full("messages are refused until the disk reserve is complete"))
        return CommitGroup([job for job in jobs if job.uses_reserve])

    async def _make_room(self, problem: sqlite3.Error) -> None:
        """Release a piece of the reserve after messages filled the disk, so that the write-ahead log can be moved."""
        if may_be_full(problem) and self._reserve.release():
            with contextlib.suppress(sqlite3.Error):
                await self._committer.shrink_log()

    def _fail(self, group: CommitGroup, refusal: ChatError) -> None:
        self._metrics.commits_failed.inc()
        group.fail(refusal)

    def _note_success(self) -> None:
        """While the disk reserve is incomplete, messages are still refused although changes are committed."""
        if self._incident.is_open and not self._reserve.missing_bytes:
            self._incident.recover()


def _log_fields(plan: AppendPlan) -> dict[str, int | str]:
    """Log fields: the number and ids of the messages, and each room with its first and last offset."""
    spans: dict[int, tuple[int, int]] = {}
    for insert in plan.inserts:
        first, _ = spans.get(insert.room_id, (insert.offset, 0))
        spans[insert.room_id] = (first, insert.offset)
    return {
        "messages": len(plan.inserts),
        "first_id": plan.inserts[0].message_id,
        "last_id": plan.inserts[-1].message_id,
        "rooms": " ".join(f"{room_id}:{first}-{last}" for room_id, (first, last) in spans.items()),
    }


def _unavailable() -> ChatError:
    return ChatError(Code.UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
