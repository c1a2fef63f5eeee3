"""The reader pool: a query that takes too long must not cost the reads that follow."""

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
import pytest

from chatterbox.chassis.sqlite import reader_pool
from chatterbox.chassis.sqlite.database import connect_reader
from chatterbox.chassis.sqlite.reader_pool import MAX_HANGING, ReaderPool, open_readers
from chatterbox.wire.errors import ChatError, Code
from tests.support.waiting import until

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_pool, "READ_TIMEOUT_S", 0.3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "some.sqlite") as connection:
        connection.execute("CREATE TABLE numbers (n)")
    connection.close()
    return tmp_path / "some.sqlite"


class Opener:
    """Opens connections whose SQL function `hang()` can't be interrupted, as a read from a failing disk can't."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = 0
        self.broken = False
        self.released = threading.Event()

    async def open(self) -> aiosqlite.Connection:
        if self.broken:
            raise sqlite3.OperationalError("unable to open database file")
        connection = await connect_reader(self.path)
        number = self.opened
        self.opened += 1
        await connection.create_function("number", 0, lambda: number)
        await connection.create_function("hang", 0, lambda: self.released.wait(30))
        return connection

    @asynccontextmanager
    async def pool(self, count: int) -> AsyncIterator[ReaderPool]:
        async with ReaderPool(self.open).running(count) as pool:
            try:
                yield pool
            finally:
                self.released.set()


async def times_out(pool: ReaderPool, sql: str) -> None:
    with pytest.raises(ChatError) as refusal:
        await pool.rows(sql)
    assert refusal.value.code is Code.UNAVAILABLE


async def test_reads_after_a_query_that_timed_out_are_answered(path: Path) -> None:
    async with asyncio.timeout(10), open_readers(path, 1) as pool:
        await times_out(pool, ENDLESS)
        assert await pool.rows("SELECT 1") == [(1,)]


async def test_reads_after_a_cancelled_query_are_answered(path: Path) -> None:
    async with asyncio.timeout(10), open_readers(path, 1) as pool:
        endless = asyncio.ensure_future(pool.rows(ENDLESS))
        await asyncio.sleep(0)  # it has the only connection now
        endless.cancel()
        assert await pool.rows("SELECT 1") == [(1,)]


async def test_a_query_that_timed_out_is_interrupted(path: Path) -> None:
    before = threading.active_count()
    async with open_readers(path, 2) as pool:
        await times_out(pool, ENDLESS)
        await until(lambda: threading.active_count() == before + 2, 10)


async def test_connections_are_handed_out_in_turn(path: Path) -> None:
    async with Opener(path).pool(3) as pool:
        assert [(await pool.rows("SELECT number()"))[0][0] for _ in range(6)] == [0, 1, 2, 0, 1, 2]


async def test_a_failed_query_does_not_cost_its_connection(path: Path) -> None:
    opener = Opener(path)
    async with opener.pool(1) as pool:
        with pytest.raises(sqlite3.OperationalError):
            await pool.rows("SELECT no_such_column FROM numbers")
        assert await pool.rows("SELECT number()") == [(0,)]


async def test_a_hanging_disk_costs_a_bounded_number_of_connections(path: Path) -> None:
    opener = Opener(path)
    async with opener.pool(2) as pool:
        for _ in range(MAX_HANGING + 4):
            await times_out(pool, "SELECT hang()")
        assert opener.opened == 2 + MAX_HANGING
        opener.released.set()
        await until(lambda: opener.opened == 2 + MAX_HANGING + 2, 10)
        assert {(await pool.rows("SELECT number()"))[0][0] for _ in range(4)} == {2 + MAX_HANGING, 3 + MAX_HANGING}


async def test_a_connection_that_cannot_be_replaced_at_once_is_replaced_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_pool, "REOPEN_S", 0.05)
    opener = Opener(path)
    async with opener.pool(1) as pool:
        opener.broken = True
        await times_out(pool, ENDLESS)
        await times_out(pool, "SELECT 1")
        opener.broken = False
        assert await pool.rows("SELECT number()") == [(1,)]


async def test_closing_the_pool_ends_a_running_query(path: Path) -> None:
    async with asyncio.timeout(10):
        async with open_readers(path, 1) as pool:
            endless = asyncio.ensure_future(pool.rows(ENDLESS))
            await asyncio.sleep(0)
        with pytest.raises((ChatError, sqlite3.OperationalError)):
            await endless


async def test_many_concurrent_reads_share_the_connections(path: Path) -> None:
    async with open_readers(path, 2) as pool:
        counter = itertools.count()
        answers = await asyncio.gather(*(pool.rows("SELECT ?", (next(counter),)) for _ in range(50)))
        assert answers == [[(n,)] for n in range(50)]
