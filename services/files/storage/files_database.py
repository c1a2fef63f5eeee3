"""The database of the files service, `files.sqlite`: files, unfinished uploads, avatars, and what each user stores."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatterbox.chassis.sqlite import service_database
from chatterbox.chassis.sqlite.database import Schema
from chatterbox.chassis.sqlite.transactional_database import TransactionalDatabase

log = logging.getLogger("chatterbox.files.database")

MIGRATIONS = (
    """
    -- Ids are 128 random bits in hexadecimal. Times are in milliseconds since 1970.
    CREATE TABLE files (
        id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL,
        room_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        uploaded INTEGER NOT NULL,                 -- bytes as they were sent: without its metadata a picture is smaller
        width INTEGER NOT NULL DEFAULT 0,
        height INTEGER NOT NULL DEFAULT 0,
        sha256 TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- An upload has the id of the file that it becomes. `length` is the space that it may take at most.
    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL,
        room_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        length INTEGER NOT NULL,
        received INTEGER NOT NULL DEFAULT 0,
        keep_metadata INTEGER NOT NULL,
        resumable INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX uploads_by_expiry ON uploads (expires_ms);
    CREATE TABLE avatars (
        id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX avatars_by_user ON avatars (user_id);
    -- What the files and uploads of each user take, kept by triggers.
    CREATE TABLE quotas (
        user_id INTEGER PRIMARY KEY,
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
        INSERT INTO quotas VALUES (new.user_id, new.size)
            ON CONFLICT (user_id) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN
        UPDATE quotas SET bytes = bytes - old.size WHERE user_id = old.user_id;
    END;
    CREATE TRIGGER upload_added AFTER INSERT ON uploads BEGIN
        INSERT INTO quotas VALUES (new.user_id, new.length)
            ON CONFLICT (user_id) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER upload_removed AFTER DELETE ON uploads BEGIN
        UPDATE quotas SET bytes = bytes - old.length WHERE user_id = old.user_id;
    END;
    """,
)

_IMPOSSIBLE = """
    SELECT 1 WHERE (SELECT coalesce(sum(bytes), 0) FROM quotas)
        <> (SELECT coalesce(sum(size), 0) FROM files) + (SELECT coalesce(sum(length), 0) FROM uploads)
    UNION ALL SELECT 1 FROM quotas WHERE bytes < 0
    UNION ALL SELECT 1 FROM uploads WHERE received > length
"""
"""Quotas that do not agree with files and uploads, or an upload that has more bytes than it may."""

SCHEMA = Schema(MIGRATIONS, _IMPOSSIBLE)
READERS = 2


class FilesDatabase(TransactionalDatabase):
    """The database of the files service."""


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[FilesDatabase]:
    """Open the database; raises as `chassis.sqlite.database.open_writer`."""
    async with service_database.open_database(path, SCHEMA, readers=READERS) as opened:
        yield FilesDatabase(opened, log)
