"""One SQLite transaction per group of jobs: changes of rooms, changes of messages, messages, then COMMIT."""

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import aiosqlite

from chatterbox.chassis.sqlite.database import checkpoint, run_on_connection
from chatterbox.wire import direct_names
from chatterbox.wire.broker_events import MembershipChanged, PersonChanged, RoomDeleted, RoomEvent
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.limits import Limits
from services.history.core.append_plan import AppendPlan
from services.history.core.room_activity import RoomActivity
from services.history.encryption.core.recipient_check import RecipientCheck
from services.history.erasure import page_erasure
from services.history.erasure.erasure_ledger import ErasureLedger
from services.history.erasure.page_erasure import TextRow
from services.history.erasure.pending_erasures import PendingErasures
from services.history.messages.commit_group import CommitGroup
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.member_names import MemberNames
from services.history.messages.send_limits import SendLimits
from services.history.messages.write_queue import ChangeJob
from services.history.messages.write_transaction import WriteTransaction, last_message_id, store
from services.history.reads.read_activity import ReadActivity

log = logging.getLogger("chatterbox.history.group_committer")

READERS_MS = 50
"""How long truncating the log waits for readers (milliseconds); nothing is committed meanwhile."""


class GroupCommitter:
    """Writes groups through the one writing connection. One group at a time."""

    recipient_check: ClassVar = RecipientCheck

    def __init__(
        self,
        db: aiosqlite.Connection,
        *,
        limits: Limits,
        now_ms: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        ledger: ErasureLedger | None = None,
        pending: PendingErasures | None = None,
        policy: EncryptionPolicy = DEFAULT_POLICY,
    ) -> None:
        """`now_ms` is milliseconds since 1970, `clock` monotonic seconds. `ledger` records deleted messages, `pending`
        those whose texts are overwritten.
        """
        self._policy = policy
        self._db = db
        self._limits = limits
        self._now_ms = now_ms
        self._send_limits = SendLimits(limits, clock)
        self._names = MemberNames(limits)
        self._ledger = ledger
        self._pending = pending
        self._last_id: int | None = None
        """The last message id ever given; None: to be read from the database."""
        self.activity = RoomActivity(lambda: secrets.token_hex(8))
        self.read_activity = ReadActivity(lambda: secrets.token_hex(8))
        self.revision: int | None = None
        """The membership revision of the last commit that had one; None: to be read from the database."""

    async def commit(self, group: CommitGroup) -> CommittedChanges:
        """Write `group` and commit it; on return it is durable. If it raises, nothing of it is stored."""
        try:
            return await self._write(group)
        except Exception:
            await self._roll_back()
            raise

    async def shrink_log(self) -> None:
        """Move the write-ahead log into the database and free its space; raises `sqlite3.Error`."""
        await checkpoint(self._db)

    async def erase_old_texts(self, rows: Sequence[TextRow]) -> bool:
        """Remove what the texts of these rows were from the log and the pages; False if the log is being read now.

        Raises `sqlite3.Error` or `OSError`.
        """
        is_done = await checkpoint(self._db, wait_ms=READERS_MS)
        if is_done and await run_on_connection(self._db, lambda db: page_erasure.clear(db, rows) > 0):
            is_done = await checkpoint(self._db, wait_ms=READERS_MS)
        return is_done

    async def _write(self, group: CommitGroup) -> CommittedChanges:
        last_id = await last_message_id(self._db) if self._last_id is None else self._last_id
        transaction = WriteTransaction(self._db, self._now_ms())
        if group.changes:
            await self._db.execute("BEGIN IMMEDIATE")
            group.results.clear()
            for job in group.changes:
                group.results.append(await _attempt(transaction, job))
        plan = await run_on_connection(self._db, lambda db: self.store_and_commit(db, group, transaction, last_id))
        self._note(transaction, plan)
        self._last_id = last_id + len(plan.inserts)
        if transaction.events:
            self.revision = transaction.events[-1].revision
        return CommittedChanges(transaction.events, plan, transaction.signals)

    def _note(self, transaction: WriteTransaction, plan: AppendPlan) -> None:
        """Note which rooms and read states changed, now that it can be read."""
        changed = plan.changes.changed if plan.changes is not None else None
        if plan.tails or changed:
            self.activity.note({**plan.tails, **changed} if changed else plan.tails)
        for event in transaction.events:
            if isinstance(event, RoomDeleted):
                self.activity.forget(event.room_id)
        readers = transaction.readers.union(
            event.user_id for event in transaction.events if isinstance(event, MembershipChanged)
        )
        if readers:
            self.read_activity.note(readers)
        if (plan.changes is not None and plan.changes.mentions) or any(map(_concerns_others, transaction.events)):
            self.read_activity.note_all()

    def store_and_commit(
        self, db: sqlite3.Connection, group: CommitGroup, transaction: WriteTransaction, last_id: int
    ) -> AppendPlan:
        """End the transaction. Runs on the database's thread as one piece: nothing else runs there in between."""
        plan = self.store(db, group, transaction, last_id)
        db.execute("COMMIT")
        return plan

    def store(
        self, db: sqlite3.Connection, group: CommitGroup, transaction: WriteTransaction, last_id: int
    ) -> AppendPlan:
        """Insert the messages of `group`, in a transaction that is begun here if there were no changes before."""
        if not db.in_transaction:
            db.execute("BEGIN IMMEDIATE")
        self._names.follow(transaction.events)
        if not (group.messages or group.message_changes):
            return self._recorded(AppendPlan(), transaction)
        plan = store(
            db,
            group.messages,
            group.message_changes,
            now_ms=transaction.now_ms,
            last_id=last_id,
            limits=self._limits,
            spend=self._send_limits.spend,
            mentions=self._names.finder(db),
            member_ids=partial(self._names.user_ids, db),
            policy=self._policy,
            check=self.recipient_check,
        )
        return self._recorded(plan, transaction)

    def _recorded(self, plan: AppendPlan, transaction: WriteTransaction) -> AppendPlan:
        """Record which texts are erased before the commit. A file that can't be written is a failure of the disk."""
        plan.erased_files += transaction.erased_files
        plan.changed_people += [each.user_id for each in transaction.events if isinstance(each, PersonChanged)]
        try:
            if self._pending is not None and (rows := overwritten(plan)):
                self._pending.add(rows)
            if self._ledger is not None and plan.changes is not None and plan.changes.erased:
                self._ledger.record(plan.changes.erased, transaction.now_ms)
        except OSError as problem:
            raise sqlite3.OperationalError(f"the ledger of deleted messages can't be written: {problem}") from problem
        return plan

    async def _roll_back(self) -> None:
        """Undo the transaction; after some errors, such as a full disk, SQLite has already done so."""
        self._last_id = self.revision = None
        self._names.forget()
        self.activity.restart()
        self.read_activity.restart()
        try:
            if self._db.in_transaction:
                await self._db.execute("ROLLBACK")
        except sqlite3.Error:
            log.exception("rollback.failed")


def _concerns_others(event: RoomEvent) -> bool:
    """Whether an event changes read states of users whom it does not name: mentions are counted otherwise in notes."""
    return isinstance(event, RoomDeleted) or (
        isinstance(event, MembershipChanged) and bool(direct_names.people(event.room))
    )


def overwritten(plan: AppendPlan) -> list[TextRow]:
    """The rows whose texts were overwritten or deleted."""
    message_ids = plan.changes.rewritten if plan.changes is not None else ()
    files = [TextRow(page_erasure.FILES, row_id) for row_id in plan.erased_files]
    people = [TextRow(page_erasure.PEOPLE, user_id) for user_id in plan.changed_people]
    return page_erasure.of_messages(message_ids) + files + people


async def _attempt(transaction: WriteTransaction, job: ChangeJob) -> object:
    """Return what the change returned, or the exception that undid it; the rest of the group is not affected."""
    events, erased_files, signals = len(transaction.events), len(transaction.erased_files), len(transaction.signals)
    await transaction.db.execute("SAVEPOINT change")
    try:
        result = await job.change(transaction)
    except sqlite3.Error:
        raise
    except Exception as problem:  # noqa: BLE001 - raised again in the task that asked for the change
        await transaction.db.execute("ROLLBACK TO change")
        del transaction.events[events:], transaction.erased_files[erased_files:], transaction.signals[signals:]
        result = problem
    await transaction.db.execute("RELEASE change")
    return result
