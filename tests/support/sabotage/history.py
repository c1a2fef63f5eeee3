"""Test doubles for history's ports, each of which breaks one promise."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiosqlite
import msgspec

from chatterbox.chassis.sqlite.database import Schema
from chatterbox.chassis.sqlite.service_database import ServiceDatabase, open_database
from chatterbox.wire.encryption.envelope import Envelope
from chatterbox.wire.encryption.policy import DEFAULT_POLICY
from chatterbox.wire.history_api import AnyMessageChange, Append, AppendAnswer
from chatterbox.wire.limits import Limits
from services.history import restore
from services.history.app import HistoryApp, create_app
from services.history.core.append_plan import AppendPlan
from services.history.encryption.core.recipient_check import RecipientCheck
from services.history.erasure.erasure_ledger import ErasureLedger
from services.history.erasure.page_erasure import TextRow
from services.history.messages.commit_group import CommitGroup
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.group_committer import GroupCommitter
from services.history.messages.write_transaction import WriteTransaction
from services.history.messages.writer import Writer


class EarlyCommitter(GroupCommitter):
    """Calls `before_commit`, on the event loop, before it commits."""

    def __init__(
        self,
        db: aiosqlite.Connection,
        before_commit: Callable[[CommitGroup, CommittedChanges], object],
        *,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(db, limits=limits, now_ms=now_ms)
        self._before_commit = before_commit
        self._loop = asyncio.get_running_loop()

    def store_and_commit(
        self, db: sqlite3.Connection, group: CommitGroup, transaction: WriteTransaction, last_id: int
    ) -> AppendPlan:
        plan = self.store(db, group, transaction, last_id)
        self._loop.call_soon_threadsafe(
            self._before_commit, group, CommittedChanges(transaction.events, plan, transaction.signals)
        )
        db.execute("COMMIT")
        return plan


def acks_before_commit(db: aiosqlite.Connection, *, limits: Limits, now_ms: Callable[[], int], **ports: Any) -> Writer:
    """A writer that answers before the messages are stored."""
    committer = EarlyCommitter(db, lambda group, changes: group.answer(changes.plan), limits=limits, now_ms=now_ms)
    return Writer(db, limits=limits, now_ms=now_ms, committer=committer, **ports)


def publishes_before_commit(
    db: aiosqlite.Connection,
    *,
    limits: Limits,
    now_ms: Callable[[], int],
    publish: Callable[[CommittedChanges], None],
    **ports: Any,
) -> Writer:
    """A writer that publishes messages before they are stored, and not after."""

    def publish_early(_: CommitGroup, changes: CommittedChanges) -> None:
        if changes.size:
            publish(changes)

    committer = EarlyCommitter(db, publish_early, limits=limits, now_ms=now_ms)
    return Writer(db, limits=limits, now_ms=now_ms, publish=lambda _: None, committer=committer, **ports)


class KeyForgettingWriter(Writer):
    """Stores a message again each time it is sent."""

    async def append_batch(self, messages: Sequence[Append], changes: Sequence[AnyMessageChange] = ()) -> AppendAnswer:
        return await super().append_batch(with_new_keys(messages), changes)


class EmptyLedger(ErasureLedger):
    """A ledger that names no message."""

    def record(self, message_ids: Sequence[int], at_ms: int) -> None:
        super().record((), at_ms)


class ErasedTextKeepingWriter(Writer):
    """Deletes and edits messages, but leaves the earlier texts in the files, and deletions out of the ledger."""

    def __init__(self, db: aiosqlite.Connection, **ports: Any) -> None:
        ledger: ErasureLedger = ports.pop("ledger")
        super().__init__(db, ledger=EmptyLedger(ledger._path.parent), **ports)

    async def _erase_old_texts(self, rows: Sequence[TextRow]) -> bool:
        return True


class Unchecked(RecipientCheck):
    """Takes every envelope, whoever has its key."""

    def require(self, room_id: int, user_id: int, used: Envelope, recipients: int) -> None:
        pass


class UncheckedCommitter(GroupCommitter):
    """Stores encrypted messages without the recipient check."""

    recipient_check = Unchecked


def writes_unchecked(db: aiosqlite.Connection, *, limits: Limits, now_ms: Callable[[], int], **ports: Any) -> Writer:
    """A writer that stores encrypted messages without the recipient check."""
    policy = ports.get("policy", DEFAULT_POLICY)
    committer = UncheckedCommitter(db, limits=limits, now_ms=now_ms, policy=policy)
    return Writer(db, limits=limits, now_ms=now_ms, committer=committer, **ports)


def with_new_keys(messages: Sequence[Append]) -> list[Append]:
    """The messages under keys that no message had before."""
    return [msgspec.structs.replace(message, key=secrets.token_hex(8)) for message in messages]


@asynccontextmanager
async def open_without_sync(path: Path, schema: Schema, **options: Any) -> AsyncIterator[ServiceDatabase]:
    """A database that SQLite never syncs to the disk: it loses commits when the power fails."""
    async with open_database(path, schema, **options) as database:
        await database.writer.execute("PRAGMA synchronous=OFF")
        yield database


@asynccontextmanager
async def open_without_turns(path: Path, schema: Schema, **options: Any) -> AsyncIterator[ServiceDatabase]:
    """A database that keeps the read position with the greater offset, whatever its turn."""
    async with open_database(path, schema, **options) as database:
        await database.writer.executescript("""
            CREATE TEMP TRIGGER forget_turn AFTER UPDATE OF read ON read_states WHEN new.read < old.read BEGIN
                UPDATE read_states SET turn = old.turn, read = old.read
                    WHERE user_id = new.user_id AND room_id = new.room_id;
            END
        """)
        yield database


@asynccontextmanager
async def open_without_expiry(path: Path, schema: Schema, **options: Any) -> AsyncIterator[ServiceDatabase]:
    """A database that keeps files which no message has."""
    async with open_database(path, schema, **options) as database:
        await database.writer.executescript("""
            CREATE TEMP TRIGGER forget_unfiled BEFORE DELETE ON files WHEN old.message_id IS NULL BEGIN
                SELECT RAISE(IGNORE);
            END;
            CREATE TEMP TRIGGER forget_unfiled_too BEFORE INSERT ON file_erasures
                WHEN EXISTS (SELECT 1 FROM files WHERE file_id = new.file_id AND message_id IS NULL) BEGIN
                SELECT RAISE(IGNORE);
            END;
        """)
        yield database


SHARE_INCOMPLETE = """
    CREATE TEMP TRIGGER share_incomplete AFTER INSERT ON session_shares BEGIN
        UPDATE room_sessions SET recipients = (SELECT recipients FROM rooms WHERE id = new.room_id)
            WHERE room_id = new.room_id AND session = new.session;
    END
"""


@asynccontextmanager
async def open_with_lasting_keys(path: Path, schema: Schema, **options: Any) -> AsyncIterator[ServiceDatabase]:
    """A database that gives one-time keys out again and again."""
    async with open_database(path, schema, **options) as database:
        await database.writer.executescript("""
            CREATE TEMP TRIGGER claim_twice BEFORE DELETE ON one_time_keys BEGIN SELECT RAISE(IGNORE); END
        """)
        yield database


@contextmanager
def restores_keep_keys() -> Iterator[None]:
    """Within the block, `services.history.restore.restore` keeps the one-time keys and claims of the backup."""
    with patch.object(restore, "_NEW_KEYS", ""):
        yield


@asynccontextmanager
async def open_without_missing(path: Path, schema: Schema, **options: Any) -> AsyncIterator[ServiceDatabase]:
    """A database in which a session may be used as soon as one device was given its keys."""
    async with open_database(path, schema, **options) as database:
        await database.writer.executescript(SHARE_INCOMPLETE)
        yield database


TO_DEVICE_FORGET_EARLY = """
    CREATE TEMP TRIGGER to_device_forget_early AFTER UPDATE OF inbox_head ON devices
        WHEN new.inbox_head > new.inbox_floor + 1 BEGIN
        UPDATE to_device_counts SET waiting = waiting - (
            SELECT count(*) FROM to_device
            WHERE device = new.id AND offset < new.inbox_head AND from_device = to_device_counts.from_device)
            WHERE to_device = new.id;
        DELETE FROM to_device WHERE device = new.id AND offset < new.inbox_head;
        UPDATE devices SET inbox_floor = new.inbox_head - 1 WHERE id = new.id;
    END
"""


@asynccontextmanager
async def open_without_inboxes(path: Path, schema: Schema, **options: Any) -> AsyncIterator[ServiceDatabase]:
    """A database that forgets each to-device message when the next one comes, taken or not."""
    async with open_database(path, schema, **options) as database:
        await database.writer.executescript(TO_DEVICE_FORGET_EARLY)
        yield database


SABOTAGES: dict[str, Callable[..., HistoryApp]] = {
    "ack_before_commit": partial(create_app, make_writer=acks_before_commit),
    "publish_before_commit": partial(create_app, make_writer=publishes_before_commit),
    "forget_keys": partial(create_app, make_writer=KeyForgettingWriter),
    "keep_erased": partial(create_app, make_writer=ErasedTextKeepingWriter),
    "forget_turn": partial(create_app, open_database=open_without_turns),
    "forget_unfiled": partial(create_app, open_database=open_without_expiry),
    "claim_twice": partial(create_app, open_database=open_with_lasting_keys),
    "list_any": partial(create_app, check_list=lambda *_: None),
    "recipient_check_off": partial(create_app, make_writer=writes_unchecked),
    "share_incomplete": partial(create_app, open_database=open_without_missing),
    "to_device_forget_early": partial(create_app, open_database=open_without_inboxes),
    "synchronous_off": partial(create_app, open_database=open_without_sync),
}
"""History's own `create_app`, with one port replaced."""
