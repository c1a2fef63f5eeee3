"""Old texts in the free bytes of pages: SQLite leaves them, and they are cleared."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from chatterbox.wire.history_api import AnyMessageChange, Append, MessageDeletion, MessageEdit
from chatterbox.wire.limits import Limits
from services.history.erasure import page_erasure
from services.history.erasure.page_erasure import TextRow
from services.history.messages.write_transaction import store
from services.history.schema import SCHEMA

SEEDS_WITH_COPIES = (18, 25)
"""With these, SQLite 3.40 leaves a copy of a deleted text."""
UNLIMITED = Limits(sends_per_s=1e9, sends_burst=10**9)


class Texts:
    """Texts of chance, each with a word of its own."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._seed = seed
        self._number = 0

    def new(self) -> tuple[str, str]:
        """A word, and a text that has it."""
        self._number += 1
        word = f"canary{self._seed}x{self._number}y"
        return word, word + " " + "z" * self.chance.choice((0, 5, 50, 300, 1500, 3900))


def run(db: sqlite3.Connection, seed: int) -> tuple[list[str], list[str]]:
    """Send, edit and delete messages; returns the words of the texts that are there, and of those that are gone."""
    texts, live, gone, last_id = Texts(seed), dict[int, str](), list[str](), 0
    for step in range(150):
        new = [texts.new() for _ in range(texts.chance.randrange(6))]
        changes: list[AnyMessageChange] = []
        for offset in texts.chance.sample(sorted(live), min(len(live), texts.chance.randrange(5))):
            gone.append(live.pop(offset))
            if texts.chance.random() < 0.5:
                live[offset], content = texts.new()
                changes.append(MessageEdit(room_id=1, user_id=1, username="ada", offset=offset, content=content))
            else:
                changes.append(MessageDeletion(room_id=1, user_id=1, username="ada", offset=offset))
        messages = [Append(1, 1, "ada", content, "") for _, content in new]
        db.execute("BEGIN IMMEDIATE")
        store(db, messages, changes, now_ms=step, last_id=last_id, limits=UNLIMITED, spend=lambda _: 0.0)
        db.execute("COMMIT")
        live |= {last_id + number: word for number, (word, _) in enumerate(new, 1)}
        last_id += len(new)
    return list(live.values()), gone


def filled(path: Path) -> list[str]:
    """A database in whose pages SQLite 3.40 leaves old texts; returns the words of all old texts."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for script in SCHEMA.migrations:
            db.executescript(script)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=OFF",
            "secure_delete=ON",
            f"user_version={len(SCHEMA.migrations)}",
        ):
            db.execute(f"PRAGMA {pragma}")
        db.execute("INSERT INTO memberships (room_id, user_id, username, joined_ms) VALUES (1, 1, 'ada', 0)")
        _, gone = run(db, SEEDS_WITH_COPIES[-1])
        truncate_log(db)
    return gone


def changed_messages(path: Path) -> list[int]:
    """The ids of the messages that were changed."""
    with closing(sqlite3.connect(path)) as db:
        return [message_id for (message_id,) in db.execute("SELECT id FROM messages WHERE rev > 0 ORDER BY id")]


def truncate_log(db: sqlite3.Connection) -> None:
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def test_copies_of_old_texts_in_pages_are_cleared_and_rows_stay_as_they_are(tmp_path: Path) -> None:
    left = 0
    for seed in SEEDS_WITH_COPIES:
        path = tmp_path / f"{seed}.sqlite"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for script in SCHEMA.migrations:
                db.executescript(script)
            for pragma in ("journal_mode=WAL", "synchronous=OFF", "secure_delete=ON"):
                db.execute(f"PRAGMA {pragma}")
            db.execute("INSERT INTO memberships (room_id, user_id, username, joined_ms) VALUES (1, 1, 'ada', 0)")
            live, gone = run(db, seed)
            truncate_log(db)
            data = path.read_bytes()
            left += sum(word.encode() in data for word in gone)
            before = db.execute("SELECT * FROM messages").fetchall()
            changed = [TextRow(page_erasure.MESSAGES, row[0]) for row in before if row[8] > 0]
            page_erasure.clear(db, changed)
            truncate_log(db)
            assert page_erasure.clear(db, changed) == 0
            data = path.read_bytes()
            assert [word for word in gone if word.encode() in data] == []
            assert all(word.encode() in data for word in live)
            assert db.execute("SELECT * FROM messages").fetchall() == before
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert left > 0 or sqlite3.sqlite_version_info[:2] != (3, 40)
