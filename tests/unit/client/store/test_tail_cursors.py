"""Saved positions of `tail`: they survive a kill, and one process at a time uses them."""

import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chatterbox.wire.position import ResumePoint
from client.failures import Failure, UsageError
from client.store.tail_cursors import TailCursor, cursor_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return cursor_path(tmp_path, "http://x", "Alice", "mailer")


def test_saved_position_is_loaded_again(path: Path) -> None:
    with TailCursor(path) as cursor:
        assert cursor.positions() == {}
        cursor.save({"ops": ResumePoint("e1", 3), "dev": ResumePoint("e2", 1)})
        cursor.save({"ops": ResumePoint("e1", 4)})
    with TailCursor(path) as cursor:
        assert cursor.positions() == {"ops": ResumePoint("e1", 4), "dev": ResumePoint("e2", 1)}


def test_cursor_file_is_private(path: Path) -> None:
    with TailCursor(path) as cursor:
        cursor.save({"ops": ResumePoint("e1", 3)})
        files = [file for file in path.parent.iterdir() if file.is_file()]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_cursor_in_use_by_another_process_is_refused(path: Path) -> None:
    with TailCursor(path), pytest.raises(Failure, match="Another tail is using --resume mailer"):
        TailCursor(path)
    with TailCursor(path):
        pass


def test_saved_position_survives_a_kill(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from client.store.tail_cursors import TailCursor\n"
        "from chatterbox.wire.position import ResumePoint\n"
        "cursor = TailCursor(Path(sys.argv[1]))\n"
        "for offset in range(10**9):\n"
        "    cursor.save({'ops': ResumePoint('e', offset)}); print(offset, flush=True)\n"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(200)][-1]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.stdout.close()
        process.wait()
        last = int(rest.rpartition("\n")[0].split("\n")[-1] or seen) if rest else seen
        with TailCursor(path) as cursor:
            assert last <= cursor.positions()["ops"].offset <= last + 1


def test_damaged_cursor_file_raises_a_failure_and_is_not_replaced(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(Failure, match="Can't use the saved position mailer"):
        TailCursor(path)
    assert path.read_bytes().startswith(b"not a database")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a" * 65, "a\x1b[2J", "a b"])
def test_invalid_cursor_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"Invalid name .* for a saved position"):
        cursor_path(tmp_path, "http://x", "alice", name)


_OLD_SCHEMA = "CREATE TABLE cursors (room TEXT PRIMARY KEY, epoch TEXT NOT NULL, offset INTEGER NOT NULL)"


def test_rev_is_saved_and_stays_when_a_tail_without_changes_goes_on(path: Path) -> None:
    with TailCursor(path) as cursor:
        cursor.save({"ops": ResumePoint("e1", 3, 7)})
        cursor.save({"ops": ResumePoint("e1", 4)})
        assert cursor.positions() == {"ops": ResumePoint("e1", 4, 7)}
        cursor.save({"ops": ResumePoint("e2", 1)})
        assert cursor.positions() == {"ops": ResumePoint("e2", 1)}


def test_file_of_an_earlier_version_is_read(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute(_OLD_SCHEMA)
        db.execute("INSERT INTO cursors VALUES ('ops', 'e1', 3)")
        db.commit()
    with TailCursor(path) as cursor:
        assert cursor.positions() == {"ops": ResumePoint("e1", 3)}
        cursor.save({"ops": ResumePoint("e1", 4, 2)})
        assert cursor.positions() == {"ops": ResumePoint("e1", 4, 2)}
