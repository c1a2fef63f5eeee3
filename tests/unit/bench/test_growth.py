"""The filled database is one that history could have written."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.growth.stored import fill
from bench.growth.tables import Table
from services.history.schema import MIGRATIONS, SCHEMA


def test_a_filled_room_has_every_offset_and_passes_what_history_checks(tmp_path: Path) -> None:
    database = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        for script in MIGRATIONS:
            connection.executescript(script)
    fill(database, "general", 1000)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute(SCHEMA.violations).fetchall() == []
        assert connection.execute("SELECT head FROM rooms").fetchall() == [(1000,)]
        first, last, keys = connection.execute(
            "SELECT min(offset), max(offset), count(DISTINCT key) FROM messages"
        ).fetchone()
        assert (first, last, keys) == (1, 1000, 1000)


def test_a_table_is_markdown() -> None:
    table = Table("Rooms", "Made so.", ("rooms", "KiB"), [("1", "3.1"), ("2", "3.2")])
    assert table.as_markdown() == "## Rooms\n\nMade so.\n\n| rooms | KiB |\n| ---: | ---: |\n| 1 | 3.1 |\n| 2 | 3.2 |"
