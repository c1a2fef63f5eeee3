"""Restores a backup of the history database.

Messages stored after the backup are lost and their offsets and ids would be assigned again. So every room starts a new
epoch, which clients notice, and ids continue far above any that may have been assigned since.
"""

from pathlib import Path

from chatterbox.chassis.sqlite import backup
from services.history.schema import MIGRATIONS

_NEW_EPOCHS = """
    UPDATE rooms SET epoch = lower(hex(randomblob(4)));
    INSERT INTO sqlite_sequence SELECT 'messages', 0 WHERE NOT EXISTS (
        SELECT 1 FROM sqlite_sequence WHERE name = 'messages');
    UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name IN ('messages', 'rooms');
    UPDATE meta SET value = value + 1000000000 WHERE name = 'membership_revision';
"""


def restore(database: Path, copy: Path) -> Path | None:
    """Replace the database by `copy`; returns the path to which the old one, if any, was moved.

    Raises `DatabaseInUseError` while history runs, `BackupError` if `copy` can't be used.
    """
    return backup.restore(database, copy, version=len(MIGRATIONS), adapt=_NEW_EPOCHS)
