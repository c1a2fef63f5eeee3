"""Restores a backup of auth's database, and logs everyone out.

Sessions ended since the backup would be active again, and ids of users created since would be assigned a second time.
So all sessions are deleted, new signing keys invalidate all tokens, and user ids continue far above any that may have
been assigned. Reset codes used since would be valid again, so their key is discarded too.
"""

from pathlib import Path

from chatterbox.chassis.sqlite import backup
from services.auth.auth_database import MIGRATIONS
from services.auth.sessions.signing_keys import KeyRing
from services.auth.users.code_keys import discard_reset_key

_LOG_OUT_EVERYONE = """
    DELETE FROM sessions;
    INSERT INTO sqlite_sequence SELECT 'users', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'users');
    UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'users';
"""


def restore(database: Path, copy: Path) -> Path | None:
    """Replace the database with `copy`; returns where the old one is kept, if there was one.

    Raises `DatabaseInUseError` while auth is running, `BackupError` if `copy` can't be used.
    """
    kept = backup.restore(database, copy, version=len(MIGRATIONS), adapt=lambda _: _LOG_OUT_EVERYONE)
    KeyRing(database.parent).discard_all()
    discard_reset_key(database.parent)
    return kept
