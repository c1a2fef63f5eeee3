"""History on damaged files: detectable damage is refused, and no message is served at a wrong position.

What is in no index is not verified: the text of a message, its time, its author's name. These may differ by as much as
was damaged.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings

from chatterbox.chassis.sqlite.backup import backup
from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError
from chatterbox.chassis.sqlite.reader_pool import ReaderPool
from chatterbox.chassis.sqlite.service_database import open_database
from chatterbox.wire.history_api import Appended
from services.history.core.message_page import PageSpan
from services.history.core.stored_message import StoredMessage
from services.history.messages import message_pages
from services.history.restore import restore
from services.history.schema import SCHEMA
from tests.support.damage import Damage, Kind, Stored, damaged_copy, damages, told_or_refused
from tests.support.history import Clock, FakeAuth, Service, running, until

DATABASE = "history.sqlite"
LOG = "history.sqlite-wal"
ROOMS = (1, 2, 3)
BATCHES = 25
A_BATCH = 3
LONG_CHARS = 3000
"""Two bytes each: more than a page holds."""
IN_THE_MIDDLE = Damage(Kind.BIT, seed=5)
PLACES = """
    SELECT rooms.name, rooms.head, messages.offset, messages.id, messages.user_id, messages.key
    FROM rooms LEFT JOIN messages ON messages.room_id = rooms.id ORDER BY rooms.id, messages.offset
"""


MAY_BE_LOST = 2
"""Transactions at the end: the last one, and the one before it if the frame between them is lost entirely."""


class Served(NamedTuple):
    """What history serves: what must be correct, and what the disk may have changed."""

    places: list[tuple[Any, ...]]
    """Every message's room, the room's head, its offset, id, author and key."""
    said: list[StoredMessage]
    """The messages as pages contain them."""


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[ReaderPool]:
    """As history opens it, and after the whole file was checked."""
    async with open_database(data / DATABASE, SCHEMA, readers=1) as database:
        await until(lambda: database.background_check.has_passed or database.damage.why is not None)
        if database.damage.why is not None:
            raise DatabaseDamagedError(database.damage.why)
        yield database.readers


async def served(data: Path) -> Served:
    async with opened(data) as readers:
        rooms = await readers.rows("SELECT id FROM rooms ORDER BY id")
        read = [await message_pages.read(readers, room_id, PageSpan(limit=1000, after=0)) for (room_id,) in rooms]
        return Served(await readers.rows(PLACES), [message for page in read for message in page.messages])


async def _fill(history: Service) -> None:
    chance = Random(1)
    await history.greet("alice", "bob")
    for name in ("ops", "lounge"):
        assert (await history.do("POST", "/rooms", body={"room": name})).is_success
    for batch in range(BATCHES):
        content = "".join(chance.choices("äöüßéñ", k=LONG_CHARS if batch % 5 == 0 else chance.randrange(1, 200)))
        room_id = chance.choice(ROOMS)
        outcomes = await history.append(
            *(history.message(content, f"{batch}-{n}", room_id=room_id) for n in range(A_BATCH))
        )
        assert all(isinstance(outcome, Appended) for outcome in outcomes)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored[Served]:
    folder = tmp_path_factory.mktemp("stored")

    async def fill() -> None:
        clock = Clock()
        async with running(folder / "stopped", FakeAuth(clock), clock) as history:
            await _fill(history)
            shutil.copytree(folder / "stopped", folder / "killed", ignore=shutil.ignore_patterns("*.ballast", "*.sock"))

    asyncio.run(fill())
    (folder / "stopped" / "history.ballast").unlink()
    return Stored(folder / "stopped", folder / "killed", asyncio.run(served(folder / "stopped")))


def differing(some: list[StoredMessage], others: list[StoredMessage]) -> int:
    return sum(one != other for one, other in zip(some, others, strict=True))


class TestDamagedDatabase:
    @settings(max_examples=60, deadline=None)
    @given(damage=damages())
    def test_a_damaged_database_is_refused_or_has_every_message_at_its_position(
        self, stored: Stored[Served], damage: Damage
    ) -> None:
        told = told_or_refused(served, stored.stopped, DATABASE, damage)
        if told is not None:
            assert told.places == stored.whole.places
            assert differing(told.said, stored.whole.said) <= 1

    @settings(max_examples=20, deadline=None)
    @given(damage=damages(Kind.CUT, Kind.PAGE))
    def test_a_database_with_a_missing_page_is_refused(self, stored: Stored[Served], damage: Damage) -> None:
        assert told_or_refused(served, stored.stopped, DATABASE, damage) is None

    async def test_a_database_with_a_wrong_head_is_refused(self, stored: Stored[Served], tmp_path: Path) -> None:
        """No index contains it, so SQLite detects nothing; the next message would leave a gap."""
        data = shutil.copytree(stored.stopped, tmp_path / "data")
        with contextlib.closing(sqlite3.connect(data / DATABASE)) as connection, connection:
            connection.execute("UPDATE rooms SET head = head + 1 WHERE id = 2")
        with pytest.raises(DatabaseDamagedError, match="is damaged; restore a backup"):
            await served(data)

    async def test_a_database_with_an_undecodable_schema_is_refused_with_a_clear_error(
        self, stored: Stored[Served], tmp_path: Path
    ) -> None:
        data = shutil.copytree(stored.stopped, tmp_path / "data")
        whole = (data / DATABASE).read_bytes()
        (data / DATABASE).write_bytes(whole.replace(b"CREATE TABLE rooms", b"CRE\xc5TE TABLE rooms"))
        with pytest.raises(DatabaseDamagedError, match="is damaged; restore a backup"):
            await served(data)

    async def test_undecodable_text_is_marked_and_the_rest_of_the_page_is_shown(
        self, stored: Stored[Served], tmp_path: Path
    ) -> None:
        data = shutil.copytree(stored.stopped, tmp_path / "data")
        with contextlib.closing(sqlite3.connect(data / DATABASE)) as connection, connection:
            connection.execute("UPDATE messages SET content = CAST(X'FF41' AS TEXT) WHERE id = 1")
        told = await served(data)
        assert told.places == stored.whole.places
        assert differing(told.said, stored.whole.said) == 1
        assert [each.content for each in told.said if each.message_id == 1] == ["\ufffdA"]


class TestDamagedLog:
    @settings(max_examples=40, deadline=None)
    @given(damage=damages())
    def test_a_damaged_log_is_refused_or_replayed_up_to_a_commit(self, stored: Stored[Served], damage: Damage) -> None:
        told = told_or_refused(served, stored.killed, LOG, damage)
        if told is not None:
            assert len(told.said) % A_BATCH == 0
            assert set(told.said) <= set(stored.whole.said)
            if damage.kind is not Kind.CUT:
                assert len(told.said) >= len(stored.whole.said) - A_BATCH * MAY_BE_LOST

    async def test_a_refused_log_is_left_unchanged_and_refused_again(self, stored: Stored[Served]) -> None:
        with damaged_copy(stored.killed, LOG, IN_THE_MIDDLE) as data:
            before = (data / LOG).read_bytes()
            for _ in range(2):
                with pytest.raises(DatabaseDamagedError, match="-wal is damaged before its end"):
                    await served(data)
            assert (data / LOG).read_bytes() == before

    async def test_the_readable_part_of_a_damaged_log_can_be_backed_up_and_restored_with_new_epochs(
        self, stored: Stored[Served], tmp_path: Path
    ) -> None:
        with damaged_copy(stored.killed, LOG, IN_THE_MIDDLE) as data:
            backup(data / DATABASE, tmp_path / "copy.sqlite")
            restore(data / DATABASE, tmp_path / "copy.sqlite")
            told, epochs = await served(data), await _epochs(data)
        assert 0 < len(told.said) < len(stored.whole.said)
        assert set(told.said) < set(stored.whole.said)
        assert not epochs & await _epochs(stored.stopped)

    async def test_a_log_without_its_database_is_refused(self, stored: Stored[Served], tmp_path: Path) -> None:
        """SQLite would treat the file as new and delete the log."""
        data = shutil.copytree(stored.killed, tmp_path / "data")
        (data / DATABASE).write_bytes(b"")
        with pytest.raises(DatabaseDamagedError, match="restore a backup"):
            await served(data)


async def _epochs(data: Path) -> set[str]:
    async with opened(data) as readers:
        return {epoch for (epoch,) in await readers.rows("SELECT epoch FROM rooms")}
