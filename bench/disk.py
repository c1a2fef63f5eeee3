"""Synced SQLite commits a second: the upper limit for any server on this disk that acknowledges after a commit."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bench.figures import Figure, Measured

GROUP = 100
FIGURES = (
    Figure("single_per_s", "commits/s of 1 row"),
    Figure("group_per_s", f"commits/s of {GROUP} rows"),
    Figure("grouped_rows_per_s", "rows/s, grouped"),
)
_CONTENT = "x" * 120


def measure_commits(folder: Path, run_s: float) -> Measured:
    """Commit single rows and groups for `run_s` seconds each, with WAL and `synchronous=FULL`, as history does."""
    path = folder / "commits.sqlite"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, content TEXT NOT NULL)")
        single = _commits_per_s(database, 1, run_s)
        group = _commits_per_s(database, GROUP, run_s)
    path.unlink()
    return {"single_per_s": single, "group_per_s": group, "grouped_rows_per_s": group * GROUP}


def _commits_per_s(database: sqlite3.Connection, rows: int, run_s: float) -> float:
    batch = [(_CONTENT,)] * rows
    commits, begun_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - begun_s) < run_s:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO messages (content) VALUES (?)", batch)
        database.execute("COMMIT")
        commits += 1
    return commits / elapsed_s
