"""Auth on damaged files: detectable damage is refused; otherwise users and sessions are found as before.

Values that no index contains (a password hash, the expiry of a session) can't be checked.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings

from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError
from services.auth.auth_database import AuthDatabase, open_database
from services.auth.rules.username_policy import check
from services.auth.sessions.session_table import SessionRow, begin
from services.auth.users.user_table import UserTable
from tests.support.damage import Damage, Kind, Stored, damages, told_or_refused

DATABASE = "auth.sqlite"
LOG = "auth.sqlite-wal"
NAMES = [f"{name}-{number}" for name in ("alice", "bob", "carol") for number in range(8)]
USERS_AND_SESSIONS = """
    SELECT users.id, users.username, users.name_key, users.capital_key, sessions.id, sessions.expires
    FROM users LEFT JOIN sessions ON sessions.user_id = users.id ORDER BY users.id, sessions.id
"""
Rows: TypeAlias = list[tuple[Any, ...]]


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[AuthDatabase]:
    """Opened as auth does. The disk reserve is deleted first, so that copies of the folder stay small."""
    (data / "auth.ballast").unlink(missing_ok=True)
    async with open_database(data) as database:
        yield database


async def everyone(data: Path) -> Rows:
    """All users and sessions, after each user was found by name."""
    async with opened(data) as database:
        found = [await UserTable(database).by_name(name) for name in NAMES]
        assert [user.username for user in found if user is not None] == NAMES[: sum(map(bool, found))]
        return await database.rows(USERS_AND_SESSIONS)


async def _fill(database: AuthDatabase) -> None:
    users = UserTable(database)
    for number, name in enumerate(NAMES):
        await users.add(check(name), f"$argon2id$v=19${number:060x}", 1_790_000_000)
        user = await users.by_name(name)
        assert user is not None
        for login in range(4):
            session = SessionRow(
                f"{number:016x}{login:016x}", 1_790_000_000, 1_790_000_000, 1_790_003_600 + login, "a browser " * 4, ""
            )
            async with database.transaction() as transaction:
                assert await begin(transaction, user, session)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored[Rows]:
    folder = tmp_path_factory.mktemp("stored")
    stopped, killed = folder / "stopped", folder / "killed"

    async def fill() -> Rows:
        async with open_database(stopped) as database:
            await _fill(database)
            shutil.copytree(stopped, killed, ignore=shutil.ignore_patterns("*.ballast"))
        return await everyone(stopped)

    whole = asyncio.run(fill())
    (stopped / "auth.ballast").unlink()
    return Stored(stopped, killed, whole)


@settings(max_examples=40, deadline=None)
@given(damage=damages())
def test_a_damaged_database_is_refused_or_all_rows_are_intact(stored: Stored[Rows], damage: Damage) -> None:
    rows = told_or_refused(everyone, stored.stopped, DATABASE, damage)
    assert rows is None or rows == stored.whole


@settings(max_examples=30, deadline=None)
@given(damage=damages(Kind.BIT, Kind.SECTOR, Kind.PAGE))
def test_a_damaged_log_is_refused_or_only_its_last_transaction_is_missing(stored: Stored[Rows], damage: Damage) -> None:
    rows = told_or_refused(everyone, stored.killed, LOG, damage)
    assert rows is None or len(rows) >= len(stored.whole) - 2
    assert rows is None or rows == stored.whole[: len(rows)]


async def test_a_database_with_sessions_of_a_missing_user_is_refused(stored: Stored[Rows], tmp_path: Path) -> None:
    data = shutil.copytree(stored.stopped, tmp_path / "data")
    with contextlib.closing(sqlite3.connect(data / DATABASE)) as connection, connection:
        connection.execute("DELETE FROM users WHERE id = 3")
    with pytest.raises(DatabaseDamagedError, match="is damaged; restore a backup"):
        await everyone(data)
