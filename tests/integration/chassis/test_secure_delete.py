"""Deleted rows are overwritten in the databases of the services, whatever default SQLite was built with."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.chassis.sqlite import backup
from chatterbox.chassis.sqlite.database import Schema, delete_securely, open_writer
from services.auth.auth_database import database_path
from tests.support.auth_site import PASSWORD, bearing, running
from tests.support.plain_sqlite import RefusingConnection, build_without_secure_delete

SECRET = "an agent that is deleted"
SCHEMA = Schema(("CREATE TABLE notes (text TEXT) STRICT;",), "SELECT 1 WHERE 0")


def bytes_of(database: Path) -> bytes:
    """The database and its write-ahead log, if there still is one."""
    files = (database, database.with_name(f"{database.name}-wal"))
    return b"".join(file.read_bytes() for file in files if file.exists())


async def test_deleted_rows_do_not_stay_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_without_secure_delete(monkeypatch)
    database = tmp_path / "notes.sqlite"
    async with open_writer(database, SCHEMA) as connection:
        await connection.execute("INSERT INTO notes VALUES (?)", (SECRET,))
        await connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert SECRET.encode() in bytes_of(database)
        await connection.execute("DELETE FROM notes")
    assert SECRET.encode() not in bytes_of(database)


async def test_nothing_of_an_ended_session_stays_in_auths_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_without_secure_delete(monkeypatch)
    async with running(tmp_path) as site:
        await site.register()
        body = {"username": "alice", "password": PASSWORD}
        response = await site.http.post("/login", json=body, headers={"User-Agent": SECRET})
        await site.http.post("/logout", headers=bearing(response.json()["token"]))
    assert SECRET.encode() not in bytes_of(database_path(tmp_path))


async def test_what_a_restore_deletes_does_not_stay_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_without_secure_delete(monkeypatch)
    database, copy = tmp_path / "notes.sqlite", tmp_path / "copy.sqlite"
    async with open_writer(copy, SCHEMA) as connection:
        await connection.execute("INSERT INTO notes VALUES (?)", (SECRET,))
    backup.restore(database, copy, version=1, adapt=lambda _: "DELETE FROM notes;")
    assert SECRET.encode() not in bytes_of(database)


def test_a_library_that_cannot_overwrite_deleted_data_is_refused() -> None:
    with (
        contextlib.closing(sqlite3.connect(":memory:", factory=RefusingConnection)) as connection,
        pytest.raises(OperatorError, match="secure_delete"),
    ):
        delete_securely(connection)
