"""Group commit on a real SQLite database: acks, groups, write failures, closing."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from chatterbox.chassis.sqlite.damage import DamageRecord
from chatterbox.chassis.sqlite.database import open_writer
from chatterbox.chassis.sqlite.disk_reserve import DiskReserve
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Append, Appended, RoomInfo
from chatterbox.wire.limits import Limits
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.write_queue import QueueBounds
from services.history.messages.write_transaction import WriteTransaction
from services.history.messages.writer import Writer
from services.history.rooms import membership_changes, moderation
from services.history.schema import SCHEMA
from tests.support.history import UNHURRIED, until
from tests.support.sabotage.history import acks_before_commit

ALICE = UserInfo(1, "alice")


class Gate:
    """A connection whose COMMIT blocks while the gate is closed, and that counts statements and thread hops.

    `after` is called with each statement on the database's thread, and may raise.
    """

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self.open = threading.Event()
        self.open.set()
        self.statements: list[str] = []
        self.hops = 0
        self.after: Callable[[str], None] = lambda _: None
        self._conn = Counted(self)

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    async def _execute(self, work: Callable[..., Any], *about: Any) -> Any:
        self.hops += 1
        return await self._db._execute(work, *about)  # type: ignore[no-untyped-call]

    async def execute(self, sql: str, parameters: Any = ()) -> Any:
        return await self._execute(self._conn.execute, sql, parameters)

    async def execute_fetchall(self, sql: str, parameters: Any = ()) -> Any:
        return await self._execute(lambda: self._conn.execute(sql, parameters).fetchall())

    @property
    def commits(self) -> int:
        return self.statements.count("COMMIT")


class Counted:
    """The same on the database's thread."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    @property
    def in_transaction(self) -> bool:
        return self._gate._db._conn.in_transaction

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return self._counted(sql, lambda db: db.execute(sql, parameters))

    def executemany(self, sql: str, parameters: Any) -> sqlite3.Cursor:
        return self._counted(sql, lambda db: db.executemany(sql, parameters))

    def _counted(self, sql: str, work: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> sqlite3.Cursor:
        self._gate.statements.append(sql)
        if sql == "COMMIT":
            assert self._gate.open.wait(10)
        cursor = work(self._gate._db._conn)
        self._gate.after(sql)
        return cursor


class WriterSite:
    """A running writer on a new database, with alice in `general`."""

    def __init__(
        self, path: Path, db: aiosqlite.Connection, gate: Gate, writer: Writer, told: list[CommittedChanges]
    ) -> None:
        self.path = path
        self.db = db
        self.gate = gate
        self.writer = writer
        self.told = told
        self._keys = iter(range(1_000_000))

    def messages(self, count: int = 1, content: str = "hello") -> list[Append]:
        return [Append(1, 1, "alice", content, f"k{next(self._keys)}") for _ in range(count)]

    async def append(self, count: int = 1) -> list[int]:
        """Append `count` new messages; returns their offsets."""
        outcomes = await self.writer.append(self.messages(count))
        return [outcome.offset for outcome in outcomes if isinstance(outcome, Appended)]

    def on_disk(self) -> int:
        """The number of messages that another connection sees."""
        other = sqlite3.connect(self.path)
        try:
            (count,) = other.execute("SELECT count(*) FROM messages").fetchone()
            return int(count)
        finally:
            other.close()


class ReleasedReserve(DiskReserve):
    """A reserve of which a piece was released, on a disk that stays full."""

    async def refill(self) -> bool:
        return False


@asynccontextmanager
async def at_work(path: Path, make_writer: Callable[..., Writer] = Writer, **options: Any) -> AsyncIterator[WriterSite]:
    told: list[CommittedChanges] = []
    async with open_writer(path, SCHEMA) as db:
        gate = Gate(db)
        now_ms: Callable[[], int] = lambda: 0  # noqa: E731
        writer = make_writer(
            gate, limits=UNHURRIED, now_ms=now_ms, publish=told.append, damage=DamageRecord(path), **options
        )
        async with writer.running():
            await writer.change(lambda transaction: membership_changes.enroll(transaction, {1: "alice"}))
            await until(lambda: bool(told))  # with an early ack, the commit is still pending
            told.clear()
            gate.statements.clear()
            yield WriterSite(path, db, gate, writer, told)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WriterSite]:
    async with at_work(tmp_path / "history.sqlite") as site:
        yield site


def fail(here: bool) -> None:
    """Raise a disk error if `here`."""
    if here:
        raise sqlite3.OperationalError("disk I/O error")


def code(result: object) -> Code:
    assert isinstance(result, ChatError)
    return result.code


class TestActivity:
    async def test_rooms_are_noted_only_after_their_commit_can_be_read(self, site: WriterSite) -> None:
        """Otherwise a gateway could be told a cursor beyond a commit that is not in the heads it is told with it."""
        before, seen = site.writer.activity.cursor, []
        site.gate.after = lambda sql: seen.append(site.writer.activity.cursor) if sql == "COMMIT" else None
        await site.append(2)
        assert seen == [before]
        assert site.writer.activity.since(before) == [1]

    async def test_failed_commit_begins_a_new_run_since_it_may_be_stored_all_the_same(self, site: WriterSite) -> None:
        await site.append()
        before = site.writer.activity.cursor
        site.gate.after = lambda sql: fail(sql == "COMMIT")
        with pytest.raises(ChatError):
            await site.append()
        assert site.on_disk() == 2
        assert site.writer.activity.since(before) is None

    async def test_deleted_room_is_forgotten(self, site: WriterSite) -> None:
        before = site.writer.activity.cursor
        ops = await site.writer.change(
            lambda transaction: membership_changes.create(transaction, "ops", ALICE, UNHURRIED, private=False)
        )
        await site.writer.append([Append(ops.room_id, 1, "alice", "hello", "k")])
        assert site.writer.activity.since(before) == [ops.room_id]
        await site.writer.change(lambda transaction: moderation.delete_any(transaction, "ops", UNHURRIED))
        assert site.writer.activity.since(before) == []


class TestAnswers:
    async def test_append_returns_only_after_the_commit(self, site: WriterSite) -> None:
        site.gate.open.clear()
        answer = asyncio.ensure_future(site.append())
        await until(lambda: site.gate.commits == 1)
        assert not answer.done()
        assert not site.told
        site.gate.open.set()
        assert await answer == [1]

    async def test_an_acked_message_is_visible_to_other_connections(self, site: WriterSite) -> None:
        async def append_and_look() -> bool:
            [offset] = await site.append()
            return site.on_disk() >= offset

        assert all(await asyncio.gather(*(append_and_look() for _ in range(50))))

    async def test_the_early_ack_double_returns_before_the_commit(self, tmp_path: Path) -> None:
        async with at_work(tmp_path / "history.sqlite", acks_before_commit) as site:
            site.gate.open.clear()
            assert await site.append() == [1]
            assert site.on_disk() == 0
            site.gate.open.set()

    async def test_a_cancelled_append_does_not_affect_others(self, site: WriterSite) -> None:
        site.gate.open.clear()
        gone = asyncio.ensure_future(site.append())
        stays = asyncio.ensure_future(site.append())
        await until(lambda: site.gate.commits == 1)
        gone.cancel()
        site.gate.open.set()
        assert await stays == [2]


class TestGroups:
    async def test_jobs_that_arrive_during_a_commit_share_the_next_one(self, site: WriterSite) -> None:
        site.gate.open.clear()
        first = asyncio.ensure_future(site.append())
        await until(lambda: site.gate.commits == 1)
        others = [asyncio.ensure_future(site.append(3)) for _ in range(100)]
        await asyncio.sleep(0)
        site.gate.open.set()
        await asyncio.gather(first, *others)
        assert site.gate.commits == 2
        assert len(site.told) == 2

    async def test_a_group_takes_five_statements_in_one_hop_to_the_database(self, site: WriterSite) -> None:
        await site.append()
        site.gate.statements.clear()
        site.gate.hops = 0
        await site.append(100)
        assert (len(site.gate.statements), site.gate.hops) == (5, 1)

    async def test_a_refused_change_is_undone_without_affecting_its_group(self, site: WriterSite) -> None:
        async def half_done(transaction: WriteTransaction) -> None:
            await membership_changes.create(transaction, "half", ALICE, Limits(), private=False)
            raise ChatError(Code.TOO_MANY_ROOMS)

        async def whole(transaction: WriteTransaction) -> RoomInfo:
            return await membership_changes.create(transaction, "whole", ALICE, Limits(), private=False)

        results = await asyncio.gather(
            site.writer.change(half_done), site.writer.change(whole), site.append(), return_exceptions=True
        )
        assert code(results[0]) == Code.TOO_MANY_ROOMS
        assert isinstance(results[1], RoomInfo)
        assert results[2] == [1]
        assert [name for (name,) in await site.db.execute_fetchall("SELECT name FROM rooms")] == ["general", "whole"]
        assert [event.revision for news in site.told for event in news.events] == [2]

    async def test_an_exception_in_a_change_reaches_only_its_caller(self, site: WriterSite) -> None:
        async def broken(_: WriteTransaction) -> None:
            raise ZeroDivisionError

        results = await asyncio.gather(site.writer.change(broken), site.append(), return_exceptions=True)
        assert isinstance(results[0], ZeroDivisionError)
        assert results[1] == [1]


class TestWriteFailures:
    async def test_a_full_disk_is_logged_once_and_writing_resumes_by_itself(
        self, site: WriterSite, caplog: pytest.LogCaptureFixture
    ) -> None:
        await self._fill_disk(site)
        refused = [
            await asyncio.gather(site.writer.append(site.messages(50, "x" * 4000)), return_exceptions=True)
            for _ in range(3)
        ]
        assert {code(result) for [result] in refused} == {Code.UNAVAILABLE}
        assert site.on_disk() == 0
        assert not site.told
        await site.db.execute("PRAGMA max_page_count=1000000")
        assert await site.append() == [1]
        said = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
        assert said == ["disk.full"]

    async def _fill_disk(self, site: WriterSite) -> None:
        [(pages,)] = await site.db.execute_fetchall("PRAGMA page_count")
        await site.db.execute(f"PRAGMA max_page_count={pages}")

    async def test_read_positions_do_not_use_what_is_left_of_the_disk_reserve(self, tmp_path: Path) -> None:
        async def write(transaction: WriteTransaction) -> None:
            await transaction.rows("UPDATE rooms SET topic = 'engines'")

        reserve = ReleasedReserve(tmp_path / "history.ballast", 0)
        async with at_work(tmp_path / "history.sqlite", reserve=reserve) as site:
            position = site.writer.change(write, uses_reserve=False)
            refused = await asyncio.gather(position, site.append(), return_exceptions=True)
            assert [code(each) for each in refused] == [Code.UNAVAILABLE] * 2
            await site.writer.change(write)

    async def test_a_full_disk_keeps_acked_messages(self, site: WriterSite) -> None:
        acked = await site.append(10)
        await self._fill_disk(site)
        with pytest.raises(ChatError):
            await site.writer.append(site.messages(50, "x" * 4000))
        assert site.on_disk() == len(acked) == 10

    async def test_an_error_during_a_transaction_rolls_back_the_whole_group(self, site: WriterSite) -> None:
        site.gate.after = lambda sql: fail(sql.startswith("INSERT"))
        answers = await asyncio.gather(site.append(), site.append(), return_exceptions=True)
        assert [code(answer) for answer in answers] == [Code.UNAVAILABLE] * 2
        assert not site.db.in_transaction
        site.gate.after = lambda _: None
        assert await site.append() == [1]
        assert site.on_disk() == 1

    async def test_a_retry_after_a_commit_that_failed_but_was_written_is_acked(self, site: WriterSite) -> None:
        message = site.messages()
        site.gate.after = lambda sql: fail(sql == "COMMIT")
        with pytest.raises(ChatError):
            await site.writer.append(message)
        site.gate.after = lambda _: None
        [again], [following] = await site.writer.append(message), await site.writer.append(site.messages())
        assert isinstance(again, Appended)
        assert isinstance(following, Appended)
        assert (again.offset, following.offset) == (1, 2)

    async def test_a_full_queue_refuses_jobs_with_a_retry_time(self, tmp_path: Path) -> None:
        async with at_work(tmp_path / "history.sqlite", bounds=QueueBounds(waiting_messages=10)) as site:
            site.gate.open.clear()
            first = asyncio.ensure_future(site.append(10))
            await until(lambda: site.gate.commits == 1)
            waiting = asyncio.ensure_future(site.append(10))
            await asyncio.sleep(0)
            with pytest.raises(ChatError) as refused:
                await site.append()
            assert (refused.value.code, refused.value.retry_after_s) == (Code.UNAVAILABLE, 1.0)
            site.gate.open.set()
            assert len(await first + await waiting) == 20


class TestClosing:
    async def test_closing_commits_accepted_jobs_and_refuses_new_ones(self, tmp_path: Path) -> None:
        path = tmp_path / "history.sqlite"
        async with at_work(path) as site:
            accepted = [asyncio.ensure_future(site.append(2)) for _ in range(20)]
            await asyncio.sleep(0)
        assert [offset for answer in accepted for offset in await answer] == list(range(1, 41))
        assert site.on_disk() == 40
        with pytest.raises(ChatError) as refused:
            await site.append()
        assert refused.value.code == Code.UNAVAILABLE
