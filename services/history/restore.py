"""Putting a backup of the history back.

What was stored after the backup is gone, and its offsets and ids will be given again: so every room begins a new
epoch, which clients are told, and ids go on far above any that may have been given since.
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
    """Replace the history at `database` by `copy`; returns where the old one is kept, if there was one.

    Raises `DatabaseInUseError` while history runs, `BackupError` when `copy` can't be used.
    """
    return backup.restore(database, copy, version=len(MIGRATIONS), adapt=_NEW_EPOCHS)
