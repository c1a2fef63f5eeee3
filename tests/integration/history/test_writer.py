"""Group commit over real SQLite: when it answers, what it does when it can't write, how it closes."""

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

from chatterbox.chassis.sqlite.database import open_writer
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import Append, Appended, RoomInfo
from chatterbox.wire.limits import Limits
from services.history.messages.commit_publisher import CommittedChanges
from services.history.messages.write_queue import QueueBounds
from services.history.messages.write_transaction import WriteTransaction
from services.history.messages.writer import Writer
from services.history.rooms import membership_changes
from services.history.schema import SCHEMA
from tests.support.history import UNHURRIED, until
from tests.support.sabotage.history import acks_before_commit

ALICE = UserInfo(1, "alice")


class Gate:
    """A connection whose COMMIT waits while the gate is shut, and whose statements and hops are counted.

    `after` is told of each statement on the database's thread, and may fail.
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


class Desk:
    """A writer at work on a new database, with alice in `general`."""

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
        """The offsets that `count` new messages get."""
        outcomes = await self.writer.append(self.messages(count))
        return [outcome.offset for outcome in outcomes if isinstance(outcome, Appended)]

    def on_disk(self) -> int:
        """How many messages another connection sees."""
        other = sqlite3.connect(self.path)
        try:
            (count,) = other.execute("SELECT count(*) FROM messages").fetchone()
            return int(count)
        finally:
            other.close()


@asynccontextmanager
async def at_work(path: Path, make_writer: Callable[..., Writer] = Writer, **options: Any) -> AsyncIterator[Desk]:
    told: list[CommittedChanges] = []
    async with open_writer(path, SCHEMA) as db:
        gate = Gate(db)
        now_ms: Callable[[], int] = lambda: 0  # noqa: E731
        writer = make_writer(gate, limits=UNHURRIED, now_ms=now_ms, publish=told.append, **options)
        async with writer.running():
            await writer.change(lambda transaction: membership_changes.enroll(transaction, {1: "alice"}))
            await until(lambda: bool(told))  # with an early ack, the commit is still to come
            told.clear()
            gate.statements.clear()
            yield Desk(path, db, gate, writer, told)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with at_work(tmp_path / "history.sqlite") as desk:
        yield desk


def fail(here: bool) -> None:
    """The disk, here."""
    if here:
        raise sqlite3.OperationalError("disk I/O error")


def code(result: object) -> Code:
    assert isinstance(result, ChatError)
    return result.code


class TestAnswers:
    async def test_an_answer_waits_for_the_commit(self, desk: Desk) -> None:
        desk.gate.open.clear()
        answer = asyncio.ensure_future(desk.append())
        await until(lambda: desk.gate.commits == 1)
        assert not answer.done()
        assert not desk.told
        desk.gate.open.set()
        assert await answer == [1]

    async def test_what_is_answered_can_be_seen_by_everybody(self, desk: Desk) -> None:
        async def append_and_look() -> bool:
            [offset] = await desk.append()
            return desk.on_disk() >= offset

        assert all(await asyncio.gather(*(append_and_look() for _ in range(50))))

    async def test_with_the_sabotage_on_they_do_not_wait(self, tmp_path: Path) -> None:
        async with at_work(tmp_path / "history.sqlite", acks_before_commit) as desk:
            desk.gate.open.clear()
            assert await desk.append() == [1]
            assert desk.on_disk() == 0
            desk.gate.open.set()

    async def test_who_gave_up_waiting_harms_nobody(self, desk: Desk) -> None:
        desk.gate.open.clear()
        gone = asyncio.ensure_future(desk.append())
        stays = asyncio.ensure_future(desk.append())
        await until(lambda: desk.gate.commits == 1)
        gone.cancel()
        desk.gate.open.set()
        assert await stays == [2]


class TestGroups:
    async def test_what_comes_during_a_commit_shares_the_next(self, desk: Desk) -> None:
        desk.gate.open.clear()
        first = asyncio.ensure_future(desk.append())
        await until(lambda: desk.gate.commits == 1)
        others = [asyncio.ensure_future(desk.append(3)) for _ in range(100)]
        await asyncio.sleep(0)
        desk.gate.open.set()
        await asyncio.gather(first, *others)
        assert desk.gate.commits == 2
        assert len(desk.told) == 2

    async def test_a_group_takes_five_statements_in_one_hop_to_the_database(self, desk: Desk) -> None:
        await desk.append()
        desk.gate.statements.clear()
        desk.gate.hops = 0
        await desk.append(100)
        assert (len(desk.gate.statements), desk.gate.hops) == (5, 1)

    async def test_a_change_that_is_refused_leaves_nothing_and_does_not_harm_its_group(self, desk: Desk) -> None:
        async def half_done(transaction: WriteTransaction) -> None:
            await membership_changes.create(transaction, "half", ALICE, Limits(), private=False)
            raise ChatError(Code.TOO_MANY_ROOMS)

        async def whole(transaction: WriteTransaction) -> RoomInfo:
            return await membership_changes.create(transaction, "whole", ALICE, Limits(), private=False)

        results = await asyncio.gather(
            desk.writer.change(half_done), desk.writer.change(whole), desk.append(), return_exceptions=True
        )
        assert code(results[0]) == Code.TOO_MANY_ROOMS
        assert isinstance(results[1], RoomInfo)
        assert results[2] == [1]
        assert [name for (name,) in await desk.db.execute_fetchall("SELECT name FROM rooms")] == ["general", "whole"]
        assert [event.revision for news in desk.told for event in news.events] == [2]

    async def test_a_bug_in_a_change_is_the_askers_own(self, desk: Desk) -> None:
        async def broken(_: WriteTransaction) -> None:
            raise ZeroDivisionError

        results = await asyncio.gather(desk.writer.change(broken), desk.append(), return_exceptions=True)
        assert isinstance(results[0], ZeroDivisionError)
        assert results[1] == [1]


class TestWhenItCantWrite:
    async def test_a_full_disk_is_said_once_stores_nothing_and_ends_by_itself(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        await self._fill_disk(desk)
        refused = [
            await asyncio.gather(desk.writer.append(desk.messages(50, "x" * 4000)), return_exceptions=True)
            for _ in range(3)
        ]
        assert {code(result) for [result] in refused} == {Code.UNAVAILABLE}
        assert desk.on_disk() == 0
        assert not desk.told
        await desk.db.execute("PRAGMA max_page_count=1000000")
        assert await desk.append() == [1]
        said = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
        assert said == ["disk.full"]

    async def _fill_disk(self, desk: Desk) -> None:
        [(pages,)] = await desk.db.execute_fetchall("PRAGMA page_count")
        await desk.db.execute(f"PRAGMA max_page_count={pages}")

    async def test_a_full_disk_leaves_what_was_acked(self, desk: Desk) -> None:
        acked = await desk.append(10)
        await self._fill_disk(desk)
        with pytest.raises(ChatError):
            await desk.writer.append(desk.messages(50, "x" * 4000))
        assert desk.on_disk() == len(acked) == 10

    async def test_an_error_in_the_middle_rolls_back_and_fails_the_whole_group(self, desk: Desk) -> None:
        desk.gate.after = lambda sql: fail(sql.startswith("INSERT"))
        answers = await asyncio.gather(desk.append(), desk.append(), return_exceptions=True)
        assert [code(answer) for answer in answers] == [Code.UNAVAILABLE] * 2
        assert not desk.db.in_transaction
        desk.gate.after = lambda _: None
        assert await desk.append() == [1]
        assert desk.on_disk() == 1

    async def test_a_commit_that_failed_after_all_was_written_is_answered_by_the_next_try(self, desk: Desk) -> None:
        message = desk.messages()
        desk.gate.after = lambda sql: fail(sql == "COMMIT")
        with pytest.raises(ChatError):
            await desk.writer.append(message)
        desk.gate.after = lambda _: None
        [again], [following] = await desk.writer.append(message), await desk.writer.append(desk.messages())
        assert isinstance(again, Appended)
        assert isinstance(following, Appended)
        assert (again.offset, following.offset) == (1, 2)

    async def test_when_too_much_waits_it_says_when_to_come_back(self, tmp_path: Path) -> None:
        async with at_work(tmp_path / "history.sqlite", bounds=QueueBounds(waiting_messages=10)) as desk:
            desk.gate.open.clear()
            first = asyncio.ensure_future(desk.append(10))
            await until(lambda: desk.gate.commits == 1)
            waiting = asyncio.ensure_future(desk.append(10))
            await asyncio.sleep(0)
            with pytest.raises(ChatError) as refused:
                await desk.append()
            assert (refused.value.code, refused.value.retry_after_s) == (Code.UNAVAILABLE, 1.0)
            desk.gate.open.set()
            assert len(await first + await waiting) == 20


class TestClosing:
    async def test_what_was_accepted_is_stored_and_what_is_new_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "history.sqlite"
        async with at_work(path) as desk:
            accepted = [asyncio.ensure_future(desk.append(2)) for _ in range(20)]
            await asyncio.sleep(0)
        assert [offset for answer in accepted for offset in await answer] == list(range(1, 41))
        assert desk.on_disk() == 40
        with pytest.raises(ChatError) as refused:
            await desk.append()
        assert refused.value.code == Code.UNAVAILABLE
