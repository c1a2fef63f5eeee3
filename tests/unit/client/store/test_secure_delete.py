"""What is deleted from the client's databases is overwritten, whatever default SQLite was built with."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from client.store.outbox import Outbox, new_entry
from client.store.private_files import delete_securely
from client.store.tail_cursors import TailCursor
from tests.support.plain_sqlite import RefusingConnection, build_without_secure_delete

SECRET = "a message that was acknowledged"


@pytest.fixture(autouse=True)
def _plain_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    build_without_secure_delete(monkeypatch)


def test_a_sent_message_does_not_stay_in_the_outbox_file(tmp_path: Path) -> None:
    path, entry = tmp_path / "outbox.sqlite3", new_entry("general", SECRET)
    with Outbox(path) as outbox:
        outbox.add([entry])
        assert SECRET.encode() in path.read_bytes()
        outbox.remove(entry.key)
    assert SECRET.encode() not in path.read_bytes()


def test_the_files_of_saved_positions_delete_securely(tmp_path: Path) -> None:
    with TailCursor(tmp_path / "mailer.sqlite3") as cursor:
        assert cursor._db.execute("PRAGMA secure_delete").fetchone() == (1,)


def test_a_library_that_cannot_overwrite_deleted_data_is_refused() -> None:
    with (
        contextlib.closing(sqlite3.connect(":memory:", factory=RefusingConnection)) as connection,
        pytest.raises(sqlite3.NotSupportedError),
    ):
        delete_securely(connection)
