"""Putting a backup of auth's database back.

Sessions that were ended since the backup would be alive again, and ids of users who came since would be given
again. So everybody is logged out: sessions are dropped, and with new keys no older token is valid; and ids go on
far above any that may have been given.
"""

from pathlib import Path

from chatterbox.chassis.sqlite import backup
from services.auth.auth_database import MIGRATIONS
from services.auth.sessions.signing_keys import KeyRing

_LOG_OUT_EVERYBODY = """
    DELETE FROM sessions;
    INSERT INTO sqlite_sequence SELECT 'users', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'users');
    UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'users';
"""


def restore(database: Path, copy: Path) -> Path | None:
    """Replace the database by `copy`; returns where the old one is kept, if there was one.

    Raises `DatabaseInUseError` while auth runs, `BackupError` when `copy` can't be used.
    """
    kept = backup.restore(database, copy, version=len(MIGRATIONS), adapt=_LOG_OUT_EVERYBODY)
    KeyRing(database.parent).discard_all()
    return kept
