"""Auth's SQLite database: its schema, reads from the last commit, and transactions."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatterbox.chassis.sqlite import service_database
from chatterbox.chassis.sqlite.database import Schema
from chatterbox.chassis.sqlite.transactional_database import TransactionalDatabase

log = logging.getLogger("chatterbox.auth.database")

MIGRATIONS = (
    """
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,      -- never reused
        username TEXT NOT NULL UNIQUE,             -- as typed at registration
        name_key TEXT NOT NULL UNIQUE,             -- the two skeletons of services/auth/rules/confusables.py
        capital_key TEXT NOT NULL UNIQUE,
        hashed_password TEXT NOT NULL,
        password_number INTEGER NOT NULL DEFAULT 1,  -- counts changes, not rehashes
        created INTEGER NOT NULL,                  -- times are in seconds since 1970
        banned INTEGER
    ) STRICT;
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users (id),
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL,                  -- when the last token of this session expires
        revoked INTEGER,
        user_agent TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user_id);
    CREATE INDEX sessions_by_expiry ON sessions (expires);
    """,
    """
    CREATE TABLE used_invitations (
        number TEXT PRIMARY KEY,                   -- services/auth/rules/invitations.py
        expires INTEGER NOT NULL                   -- the row is deleted after this time
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE revocations (                     -- sessions that ended before their last token expired
        rev INTEGER PRIMARY KEY AUTOINCREMENT,     -- 1, 2, 3 ..., never reused
        sid TEXT NOT NULL,
        expires INTEGER NOT NULL                   -- when that token expires; the row is deleted later
    ) STRICT;
    INSERT INTO revocations (sid, expires) SELECT id, expires FROM sessions
        WHERE revoked IS NOT NULL ORDER BY revoked, id;
    DELETE FROM sessions WHERE revoked IS NOT NULL;
    ALTER TABLE sessions DROP COLUMN revoked;
    """,
    """
    ALTER TABLE sessions ADD COLUMN used INTEGER NOT NULL DEFAULT 0;   -- last login or renewal
    ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';  -- where that came from
    UPDATE sessions SET used = created;
    """,
)

_IMPOSSIBLE = """
    SELECT 1 FROM sessions WHERE user_id NOT IN (SELECT id FROM users)
    UNION ALL SELECT 1 WHERE (SELECT max(id) FROM users)
        > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'users')
    UNION ALL SELECT 1 WHERE (SELECT max(rev) FROM revocations)
        > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'revocations')
"""
"""Sessions without a user, or a number of a user or a revocation that would be assigned a second time."""

SCHEMA = Schema(MIGRATIONS, _IMPOSSIBLE)

READERS = 1
"""Connections that read. Queries take microseconds next to a password hash."""


def database_path(data: Path) -> Path:
    """Auth's database file in the data folder."""
    return data / "auth.sqlite"


class AuthDatabase(TransactionalDatabase):
    """Auth's database."""


@asynccontextmanager
async def open_database(data: Path) -> AsyncIterator[AuthDatabase]:
    """Open the database in the data folder; raises as `chassis.sqlite.database.open_writer`."""
    async with service_database.open_database(database_path(data), SCHEMA, readers=READERS) as opened:
        yield AuthDatabase(opened, log)
