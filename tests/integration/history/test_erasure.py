"""Deleted texts are gone: from the database, its log and its copies, and from restored backups."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from chatterbox.chassis.sqlite.backup import BackupError, backup
from chatterbox.wire.errors import ChatError, Code
from services.history.erasure import log_erasure
from services.history.erasure.erasure_ledger import ErasureLedger, add, merge, read
from services.history.erasure.page_erasure import of_messages
from services.history.erasure.pending_erasures import PendingErasures
from services.history.restore import ledger_summary, restore, scrub_copies
from services.history.schema import SCHEMA
from tests.integration.history.test_changes import change, delete, edit, react
from tests.integration.history.test_page_erasure import changed_messages, filled
from tests.support.history import START_MS, FakeAuth, Service, Start
from tests.support.waiting import MOST_S, proves_absence, until

CANARY = "canary-5e1f0b"


def files_with(folder: Path, text: str) -> list[str]:
    """The names of the files in `folder` that have `text` in their bytes."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and text.encode() in path.read_bytes())


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is truncated after a moment instead of `DELAY_S`."""
    monkeypatch.setattr(log_erasure, "DELAY_S", 0.05)


@pytest.mark.usefixtures("soon")
class TestFiles:
    async def test_the_text_of_a_deleted_message_is_in_no_file_soon_after(self, history: Service) -> None:
        await history.append(history.message(f"{CANARY} {'x' * 3900}", "k1"), history.message(CANARY, "k2"))
        assert files_with(history.settings.data, CANARY)
        await change(history, delete(history, 1), delete(history, 2))
        await until(lambda: not files_with(history.settings.data, CANARY), MOST_S)

    async def test_the_text_before_an_edit_is_in_no_file_soon_after(self, history: Service) -> None:
        await history.append(history.message(CANARY, "k1"))
        await change(history, edit(history, 1, "other"))
        await until(lambda: not files_with(history.settings.data, CANARY), MOST_S)

    @pytest.mark.parametrize("field", ["display_name", "bio", "status"])
    async def test_a_text_that_is_removed_from_a_profile_is_in_no_file_soon_after(
        self, history: Service, field: str
    ) -> None:
        for text in (f"{CANARY} and {'x' * 20}", "shorter", ""):
            assert (await history.do("PATCH", "/me", "alice", {field: text})).status_code == 204
        await until(lambda: not files_with(history.settings.data, CANARY), MOST_S)

    async def test_a_reader_delays_the_erasure_of_the_log_but_not_its_end(
        self, history: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_erasure, "RETRY_S", 0.05)
        await history.append(history.message(CANARY, "k1"))
        database = history.settings.database
        with sqlite3.connect(database, isolation_level=None) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM messages").fetchone()
            await change(history, delete(history, 1))
            await proves_absence(0.3)
            assert files_with(history.settings.data, CANARY)
            reader.execute("COMMIT")
        reader.close()
        await until(lambda: not files_with(history.settings.data, CANARY), MOST_S)

    async def test_copies_that_a_migration_or_restore_kept_lose_the_text_too(self, history: Service) -> None:
        await history.append(history.message(CANARY, "k1"), history.message("stays", "k2"))
        data, database = history.settings.data, history.settings.database
        copies = [data / f"history.before-{event}.sqlite" for event in ("migration-5", "restore-1")]
        for copy in copies:
            backup(database, copy)
        await change(history, delete(history, 1))
        await until(lambda: not files_with(data, CANARY), MOST_S)
        assert files_with(data, "stays")[:2] == [copy.name for copy in copies]

    async def test_copies_lose_a_text_that_was_edited_away_and_get_the_new_one(self, history: Service) -> None:
        await history.append(history.message(CANARY, "k1"), history.message("stays", "k2"))
        data, database = history.settings.data, history.settings.database
        copies = [data / f"history.before-{event}.sqlite" for event in ("migration-5", "restore-1")]
        for copy in copies:
            backup(database, copy)
        await change(history, edit(history, 1, "replaced"))
        await until(lambda: not files_with(data, CANARY), MOST_S)
        assert files_with(data, "replaced")[:2] == [copy.name for copy in copies]

    async def test_copies_lose_a_text_that_was_edited_away_by_a_process_that_was_killed(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_erasure, "DELAY_S", 3600)
        async with start() as history:
            await history.greet("alice")
            await history.append(history.message(CANARY, "k1"))
            data = history.settings.data
            backup(history.settings.database, data / "history.before-restore-1.sqlite")
            await change(history, edit(history, 1, "replaced"))
        assert files_with(data, CANARY) == ["history.before-restore-1.sqlite"]
        monkeypatch.setattr(log_erasure, "DELAY_S", 0.05)
        async with start():
            await until(lambda: not files_with(data, CANARY), MOST_S)

    async def test_messages_with_old_texts_are_listed_in_a_file_until_the_texts_are_gone(
        self, history: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await history.append(history.message(CANARY, "k1"), history.message("other", "k2"))
        monkeypatch.setattr(log_erasure, "DELAY_S", 0.5)
        listed = history.settings.data / "erasing.log"
        await change(history, edit(history, 1, "replaced"), delete(history, 2))
        assert listed.read_text().splitlines() == ["messages 1", "messages 2"]
        await until(lambda: not listed.exists(), MOST_S)
        assert files_with(history.settings.data, CANARY) == []

    async def test_a_start_erases_what_a_process_that_was_killed_left_in_pages(
        self, start: Start, tmp_path: Path
    ) -> None:
        data = tmp_path / "data"
        data.mkdir()
        gone = filled(data / "history.sqlite")
        PendingErasures(data).add(of_messages(changed_messages(data / "history.sqlite")))
        assert _left(data / "history.sqlite", gone) or sqlite3.sqlite_version_info[:2] != (3, 40)
        async with start():
            await until(lambda: not _left(data / "history.sqlite", gone), MOST_S)

    async def test_a_start_erases_what_a_process_that_was_killed_left_in_the_log(
        self, start: Start, auth: FakeAuth
    ) -> None:
        async with start() as history:
            await history.greet("alice")
            await history.append(history.message(CANARY, "k1"))
            data = history.settings.data
            left = {path.name: path.read_bytes() for path in data.glob("history.sqlite*")}
        for name, content in left.items():
            (data / name).write_bytes(content)
        _delete_and_die(data / "history.sqlite")
        assert files_with(data, CANARY)
        async with start():
            await until(lambda: not files_with(data, CANARY), MOST_S)


def _left(database: Path, gone: list[str]) -> list[str]:
    """The words of erased texts that a database still has."""
    data = database.read_bytes()
    return [word for word in gone if word.encode() in data]


def test_the_database_that_a_restore_keeps_has_no_erased_text(tmp_path: Path) -> None:
    database = tmp_path / "history.sqlite"
    gone = filled(database)
    assert _left(database, gone) or sqlite3.sqlite_version_info[:2] != (3, 40)
    backup(database, tmp_path / "copy.sqlite")
    add(tmp_path / "erased.log", [])
    kept = restore(database, tmp_path / "copy.sqlite")
    assert kept is not None
    assert _left(kept, gone) == []
    assert changed_messages(kept) == changed_messages(tmp_path / "copy.sqlite")


def test_an_older_copy_loses_a_text_edited_away_before_a_restore_and_a_newer_one_keeps_its_text(
    tmp_path: Path,
) -> None:
    """What the last process had not erased yet is erased by the restore; the kept database is as it was."""
    database = tmp_path / "history.sqlite"
    _with_text(database, CANARY, edited_ms=None)
    for name in ("history.before-migration-7.sqlite", "copy.sqlite"):
        backup(database, tmp_path / name)
    _with_text(database, "replaced", edited_ms=START_MS)
    PendingErasures(tmp_path).add(of_messages([1]))
    kept = restore(database, tmp_path / "copy.sqlite")
    assert files_with(tmp_path, CANARY) == ["copy.sqlite", "history.sqlite"]
    assert kept is not None
    assert files_with(tmp_path, "replaced") == ["history.before-migration-7.sqlite", kept.name]
    assert not (tmp_path / "erasing.log").exists()


def _with_text(database: Path, text: str, *, edited_ms: int | None) -> None:
    """A database with one message."""
    database.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(database)) as db:
        for script in SCHEMA.migrations:
            db.executescript(script)
        db.execute(
            "INSERT INTO messages (id, room_id, offset, user_id, username, content, timestamp, rev, edited_ms)"
            " VALUES (1, 1, 1, 1, 'alice', ?, 0, ?, ?)",
            (text, int(edited_ms is not None), edited_ms),
        )
        db.execute(f"PRAGMA user_version = {len(SCHEMA.migrations)}")
        db.commit()


def _delete_and_die(database: Path) -> None:
    """Delete the message, and end without closing the database."""
    script = f"""
import os, sqlite3
db = sqlite3.connect({str(database)!r}, isolation_level=None)
db.execute("PRAGMA secure_delete=ON")
db.execute("UPDATE messages SET content = '', rev = 1, deleted_ms = 1")
db.execute("UPDATE rooms SET rev = 1")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


class TestLedger:
    def test_a_ledger_has_the_time_of_each_deletion(self, tmp_path: Path) -> None:
        ledger = ErasureLedger(tmp_path)
        ledger.record([7, 8], START_MS)
        ledger.record([9], START_MS + 1)
        path = tmp_path / "erased.log"
        assert path.read_text().splitlines()[0] == "7 2026-09-21T14:13:20.000Z"
        assert read(path) == {7: START_MS, 8: START_MS, 9: START_MS + 1}
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_line_that_was_cut_off_does_not_spoil_the_next_one(self, tmp_path: Path) -> None:
        path = tmp_path / "erased.log"
        path.write_text("7 2026-09-21T14:13:20.000Z\n12 2026-0")
        ErasureLedger(tmp_path).record([9], START_MS)
        assert read(path) == {7: START_MS, 9: START_MS}

    def test_ledgers_are_merged_without_repeating_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "erased.log"
        add(path, ["7 2026-09-21T14:13:20.000Z"])
        merge(path, {7: START_MS, 8: START_MS})
        merge(path, {7: START_MS, 8: START_MS})
        assert path.read_text().splitlines() == ["7 2026-09-21T14:13:20.000Z", "8 2026-09-21T14:13:20.000Z"]

    async def test_a_deletion_is_in_the_ledger_before_it_is_acked_and_again_changes_nothing(
        self, history: Service
    ) -> None:
        await history.fill(2)
        await change(history, delete(history, 2))
        await change(history, delete(history, 2))
        assert read(history.settings.data / "erased.log") == {2: START_MS}

    async def test_nothing_is_deleted_while_the_ledger_cannot_be_written(self, history: Service) -> None:
        await history.fill(1)
        (history.settings.data / "erased.log").mkdir()
        with pytest.raises(ChatError) as refusal:
            await change(history, delete(history, 1))
        assert refusal.value.code == Code.UNAVAILABLE
        assert (await history.get("/messages")).json()[0]["content"] == "1"


class TestRestore:
    async def deleted_after_backup(self, start: Start, copy: Path) -> Path:
        """Back up, then delete a message; returns the database."""
        async with start() as history:
            await history.greet("alice", "bob")
            await history.append(history.message(f"@bob {CANARY}", "k1"), history.message("stays", "k2"))
            await change(history, react(history, 1))
            backup(history.settings.database, copy)
            await change(history, delete(history, 1))
            return history.settings.database

    async def test_a_restored_backup_has_no_message_that_was_deleted_later(self, start: Start, tmp_path: Path) -> None:
        copy = tmp_path / "copy.sqlite"
        database = await self.deleted_after_backup(start, copy)
        restore(database, copy)
        assert files_with(database.parent, CANARY) == []
        assert ledger_summary(database).endswith("names 1 deleted message, the last of 2026-09-21 (UTC)")
        async with start() as history:
            newest, oldest = (await history.get("/messages")).json()
            assert (newest["content"], oldest["content"]) == ("stays", "")
            [state] = (await history.get("/unread", "bob")).json()
            assert (state["unread"], state["mentions"]) == (2, 0)

    async def test_a_ledger_beside_the_backup_is_obeyed_on_another_machine(self, start: Start, tmp_path: Path) -> None:
        (tmp_path / "backup").mkdir()
        copy = tmp_path / "backup" / "copy.sqlite"
        database = await self.deleted_after_backup(start, copy)
        (database.parent / "erased.log").rename(tmp_path / "backup" / "erased.log")
        other = tmp_path / "other"
        other.mkdir()
        restore(other / "history.sqlite", copy)
        assert files_with(other, CANARY) == []
        assert read(other / "erased.log") == {1: START_MS}

    async def test_a_restore_without_the_ledger_stops_if_messages_were_deleted(
        self, start: Start, tmp_path: Path
    ) -> None:
        copy = tmp_path / "copy.sqlite"
        database = await self.deleted_after_backup(start, copy)
        (database.parent / "erased.log").unlink()
        before = database.read_bytes()
        with pytest.raises(BackupError, match="a backup brings deleted texts back"):
            restore(database, copy)
        assert database.read_bytes() == before
        (database.parent / "erased.log").touch()
        restore(database, copy)

    async def test_a_restore_without_a_ledger_goes_on_where_nothing_was_ever_deleted(
        self, start: Start, tmp_path: Path
    ) -> None:
        async with start() as history:
            await history.greet("alice")
            await history.fill(2)
            backup(history.settings.database, tmp_path / "copy.sqlite")
            database = history.settings.database
        restore(database, tmp_path / "copy.sqlite")
        assert ledger_summary(database).endswith("no message was ever deleted here")

    async def test_a_backup_from_before_deletions_existed_loses_deleted_texts_too(
        self, auth: FakeAuth, start: Start, tmp_path: Path
    ) -> None:
        copy = tmp_path / "old.sqlite"
        with sqlite3.connect(copy) as old:
            for script in SCHEMA.migrations[:5]:
                old.executescript(script)
            old.executescript(f"""
                INSERT INTO memberships VALUES (1, {int(auth.token("alice") and 1)}, 'alice', 0);
                INSERT INTO messages VALUES (1, 1, 1, 1, 'alice', '{CANARY}', 0, 'k');
                UPDATE rooms SET head = 1;
                PRAGMA user_version = 5;
            """)
        old.close()
        data = tmp_path / "data"
        data.mkdir()
        ErasureLedger(data).record([1], START_MS)
        restore(data / "history.sqlite", copy)
        assert files_with(data, CANARY) == []
        async with start() as history:
            assert [one["content"] for one in (await history.get("/messages")).json()] == [""]


def test_scrub_removes_deleted_messages_from_copies(tmp_path: Path) -> None:
    copy = tmp_path / "history.before-migration-5.sqlite"
    with sqlite3.connect(copy) as old:
        for script in SCHEMA.migrations[:5]:
            old.executescript(script)
        old.execute("INSERT INTO messages VALUES (1, 1, 1, 1, 'alice', ?, 0, 'k')", (CANARY,))
        old.execute("PRAGMA user_version = 5")
    old.close()
    (tmp_path / "history.before-restore-1.sqlite").write_text("no database")
    ErasureLedger(tmp_path).record([1], START_MS)
    environment = {**os.environ, "CHATTERBOX_DATA": str(tmp_path), "CHATTERBOX_SERVICE_KEY": "k" * 32}
    command = [sys.executable, "-m", "services.history", "scrub"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    first, second, last = done.stdout.splitlines()
    assert first.endswith("has no erased text any more")
    assert "can't be scrubbed" in second
    assert last.endswith("names 1 deleted message, the last of 2026-09-21 (UTC)")
    assert files_with(tmp_path, CANARY) == []


def test_scrub_removes_texts_that_were_edited_away_from_copies(tmp_path: Path) -> None:
    database, copy = tmp_path / "history.sqlite", tmp_path / "history.before-migration-7.sqlite"
    _with_text(copy, CANARY, edited_ms=None)
    _with_text(database, "replaced", edited_ms=START_MS)
    newer = tmp_path / "history.before-restore-1.sqlite"
    _with_text(newer, "replaced later", edited_ms=START_MS + 1)
    assert all(line.endswith("has no erased text any more") for line in scrub_copies(database))
    assert files_with(tmp_path, CANARY) == []
    assert files_with(tmp_path, "replaced") == [copy.name, newer.name, database.name]
    assert files_with(tmp_path, "replaced later") == [newer.name]
