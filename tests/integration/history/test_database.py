"""The database file: single-process lock, migrations, backups and restores."""

import asyncio
import contextlib
import sqlite3
import subprocess
from pathlib import Path

import pytest

from chatterbox.chassis.sqlite.backup import BackupError, backup
from chatterbox.chassis.sqlite.database import DatabaseInUseError
from chatterbox.chassis.sqlite.integrity import DatabaseDamagedError
from chatterbox.wire import history_api
from chatterbox.wire.history_api import Appended
from services.history import app as history_app
from services.history.restore import restore
from services.history.schema import SCHEMA
from tests.support.history import FakeAuth, Service, Start
from tests.support.program import run_service

NEWER = SCHEMA._replace(migrations=(*SCHEMA.migrations, "ALTER TABLE rooms ADD COLUMN colour TEXT;"))


async def position(history: Service) -> tuple[str, int, int]:
    """Epoch and head of `general`, and the membership revision."""
    heads = await history.ask("heads", history_api.HeadsQuery([1]), history_api.Heads)
    epoch, head, _ = heads.heads[1]
    return epoch, head, heads.revision


async def test_a_second_process_on_the_database_is_refused_and_the_first_continues(
    start: Start, history: Service
) -> None:
    with pytest.raises(DatabaseInUseError, match="another Chatterbox runs on"):
        async with start():
            pass
    assert len(await history.append(history.message("still here", "k"))) == 1


async def test_epochs_are_kept_over_a_restart(start: Start) -> None:
    async with start() as history:
        before = await position(history)
    async with start() as history:
        assert await position(history) == before


async def test_history_does_not_serve_a_damaged_database(start: Start, tmp_path: Path) -> None:
    async with start():
        pass
    path = tmp_path / "data" / "history.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseDamagedError, match="restore a backup"):
        async with start():
            pass


async def test_a_migration_keeps_a_copy_of_the_old_database(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start() as history:
        await history.greet("alice")
        await history.fill(3)
    monkeypatch.setattr(history_app, "SCHEMA", NEWER)
    async with start() as history:
        assert (await position(history))[1] == 3
    copy = tmp_path / "data" / f"history.before-migration-{len(SCHEMA.migrations)}.sqlite"
    assert rows(copy, "SELECT count(*) FROM messages") == [(3,)]
    assert copy.stat().st_mode & 0o777 == 0o600


class TestEarlierVersion:
    """Created by the migrations before the newest one."""

    @pytest.fixture(params=range(1, len(SCHEMA.migrations)))
    async def earlier(self, request: pytest.FixtureRequest, auth: FakeAuth, tmp_path: Path) -> Path:
        """A database as version `param` left it, with alice in a room of one message."""
        auth.token("alice")
        (tmp_path / "data").mkdir()
        path = tmp_path / "data" / "history.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as database:
            for script in SCHEMA.migrations[: request.param]:
                database.executescript(script)
            database.executescript(f"""
                INSERT INTO messages (id, room_id, offset, user_id, username, content, timestamp, key)
                    VALUES (1, 1, 1, {auth.names["alice"]}, 'alice', 'from before', 0, 'k');
                UPDATE rooms SET head = 1;
                INSERT INTO memberships (room_id, user_id, username, joined_ms)
                    VALUES (1, {auth.names["alice"]}, 'alice', 0);
                PRAGMA user_version = {request.param};
            """)
        return path

    async def test_a_database_of_an_earlier_version_keeps_its_messages_and_accepts_new_ones(
        self, earlier: Path, start: Start
    ) -> None:
        async with start() as history:
            await self._has_all(history)

    async def test_a_backup_of_an_earlier_version_can_be_restored(
        self, earlier: Path, start: Start, tmp_path: Path
    ) -> None:
        backup(earlier, tmp_path / "copy.db")
        restore(earlier, tmp_path / "copy.db")
        async with start() as history:
            await self._has_all(history)

    async def _has_all(self, history: Service) -> None:
        assert [message["content"] for message in (await history.get("/messages")).json()] == ["from before"]
        [state] = (await history.get("/unread?all=true")).json()
        assert (state["room"], state["read"], state["unread"], state["counted"]) == ("general", 1, 0, 1)
        topic = await history.do("PUT", "/rooms/general/topic", "alice", {"topic": "engines"})
        assert topic.json()["topic"] == "engines"
        assert (await history.append(history.message("after", "k2")))[0].offset == 2  # type: ignore[union-attr]


async def test_settings_from_before_profiles_are_kept(start: Start, auth: FakeAuth, tmp_path: Path) -> None:
    auth.token("alice")
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "history.sqlite")) as database:
        for script in SCHEMA.migrations[:8]:
            database.executescript(script)
        database.executescript("""
            INSERT INTO memberships (room_id, user_id, username, joined_ms) VALUES (1, 1, 'alice', 0);
            INSERT INTO people (user_id, writers) VALUES (1, 'nobody');
            PRAGMA user_version = 8;
        """)
    async with start() as history:
        mine = (await history.get("/me")).json()
        assert (mine["writes"], mine["presence"], mine["typing"], mine["receipts"]) == (
            "nobody",
            "everyone",
            True,
            True,
        )
        assert set(mine["visible"].values()) == {"everyone"}
        await history.greet("bob")
        assert (await history.get("/people/alice", "bob")).json() == {"username": "alice", "profile": {}}
        assert (await history.do("PATCH", "/me", "alice", {"bio": "Engines"})).status_code == 204
        assert (await history.get("/me")).json()["writes"] == "nobody"


async def test_a_database_of_a_newer_version_is_not_modified(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(history_app, "SCHEMA", NEWER)
        async with start():
            pass
    with pytest.raises(DatabaseDamagedError, match="newer version"):
        async with start():
            pass


class TestBackup:
    async def test_a_backup_taken_during_writes_has_every_message_up_to_some_offset(
        self, history: Service, tmp_path: Path
    ) -> None:
        async def write() -> None:
            for n in range(20):
                await history.append(*(history.message("x" * 500, f"{n}-{i}") for i in range(20)))

        writing = asyncio.create_task(write())
        for number in range(3):
            await asyncio.to_thread(backup, history.settings.database, tmp_path / f"copy{number}.db")
        await writing
        for number in range(3):
            copy = tmp_path / f"copy{number}.db"
            assert rows(copy, "SELECT count(*) - max(offset) FROM messages") in ([(0,)], [(None,)])
            assert rows(copy, "SELECT head - (SELECT count(*) FROM messages) FROM rooms WHERE id = 1") == [(0,)]
            assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
            assert copy.stat().st_mode & 0o777 == 0o600

    async def test_a_backup_never_overwrites_a_file(self, history: Service, tmp_path: Path) -> None:
        copy = tmp_path / "copy.db"
        copy.write_text("precious")
        with pytest.raises(BackupError, match="already exists"):
            backup(history.settings.database, copy)
        assert copy.read_text() == "precious"

    def test_a_backup_without_a_database_creates_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(BackupError):
            backup(tmp_path / "history.sqlite", tmp_path / "copy.db")
        assert not list(tmp_path.iterdir())


class TestRestore:
    async def test_a_restore_starts_new_epochs_and_reuses_no_id(self, start: Start, tmp_path: Path) -> None:
        copy = tmp_path / "copy.db"
        async with start() as history:
            await history.greet("alice")
            await history.fill(5)
            backup(history.settings.database, copy)
            epoch, _, revision = await position(history)
            [lost] = await history.append(history.message("lost", "lost"))
        kept = restore(history.settings.database, copy)
        async with start() as history:
            new_epoch, head, new_revision = await position(history)
            [after] = await history.append(history.message("after", "after"))
            retried, *_ = await history.append(history.message("1", "fill-1"))
        assert (head, new_epoch == epoch, new_revision > revision) == (5, False, True)
        assert isinstance(lost, Appended)
        assert isinstance(after, Appended)
        assert isinstance(retried, Appended)
        assert after.offset == lost.offset
        assert after.epoch != lost.epoch
        assert after.message_id > lost.message_id + 1_000_000
        assert (retried.offset, retried.epoch) == (1, new_epoch)
        assert kept is not None
        assert rows(kept, "SELECT count(*) FROM messages") == [(6,)]

    async def test_a_restore_is_refused_while_history_runs(self, history: Service, tmp_path: Path) -> None:
        backup(history.settings.database, tmp_path / "copy.db")
        with pytest.raises(DatabaseInUseError):
            restore(history.settings.database, tmp_path / "copy.db")

    async def test_a_restore_keeps_the_log_of_a_killed_process_and_does_not_replay_it(
        self, start: Start, tmp_path: Path
    ) -> None:
        """Copying the files of a running process simulates a kill."""
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        async with start() as history:
            backup(history.settings.database, tmp_path / "copy.db")
            await history.greet("alice")
            await history.fill(4)
            for file in filter(Path.is_file, history.settings.data.iterdir()):
                (crashed / file.name).write_bytes(file.read_bytes())
        kept = restore(crashed / "history.sqlite", tmp_path / "copy.db")
        assert kept is not None
        assert rows(kept, "SELECT count(*) FROM messages") == [(4,)]
        assert rows(crashed / "history.sqlite", "SELECT count(*) FROM messages") == [(0,)]

    async def test_a_restore_replaces_a_damaged_database(self, start: Start, tmp_path: Path) -> None:
        async with start() as history:
            backup(history.settings.database, tmp_path / "copy.db")
        history.settings.database.write_bytes(b"damaged" * 1000)
        kept = restore(history.settings.database, tmp_path / "copy.db")
        assert kept is not None
        assert kept.read_bytes().startswith(b"damaged")
        async with start() as history:
            assert (await position(history))[1] == 0

    @pytest.mark.parametrize("content", [b"", b"no database" * 500])
    async def test_a_restore_of_an_invalid_file_changes_nothing(
        self, start: Start, tmp_path: Path, content: bytes
    ) -> None:
        async with start() as history:
            before = await position(history)
        bad = tmp_path / "bad.db"
        bad.write_bytes(content)
        with pytest.raises(BackupError):
            restore(history.settings.database, bad)
        async with start() as history:
            assert await position(history) == before


def test_the_backup_and_restore_commands_report_results_and_errors(tmp_path: Path) -> None:
    done = command(tmp_path, "backup", tmp_path / "copy.db")
    assert done.returncode == 1
    assert done.stderr.startswith("chatterbox: can't copy")
    assert "Traceback" not in done.stderr


def command(data: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run_service("services.history", *map(str, arguments), environment={"CHATTERBOX_DATA": str(data)})


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
