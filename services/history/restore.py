"""Restores a backup of the history database.

Messages stored after the backup are lost and their offsets and ids would be assigned again. So every room starts a new
epoch, which clients notice, and ids continue far above any that may have been assigned since. Messages deleted since
the backup are deleted again, by the ledger of deletions. The old database is kept, without texts that were deleted or
edited away.

One-time keys of devices that were given out since the backup would be given out again, so none is kept. Every inbox
starts a new epoch without messages, and the devices learn that they missed some. Who can read encrypted rooms counts on
far above any number since, and keys of messages that were shared before are not used any more. Member logs are what
the backup has: members have the entries since, and send them again (`rooms/restored_entries.py`).
"""

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from chatterbox.chassis.sqlite import backup
from chatterbox.chassis.sqlite.backup import BackupError
from services.history.erasure import edited_texts, erased_copies, erasure_ledger, page_erasure, pending_erasures
from services.history.schema import MIGRATIONS

_NEW_EPOCHS = """
    UPDATE rooms SET epoch = lower(hex(randomblob(4)));
    INSERT INTO sqlite_sequence SELECT 'messages', 0 WHERE NOT EXISTS (
        SELECT 1 FROM sqlite_sequence WHERE name = 'messages');
    UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name IN ('messages', 'rooms', 'devices');
    UPDATE meta SET value = value + 1000000000 WHERE name = 'membership_revision';
"""
_NEW_KEYS = """
    DELETE FROM one_time_keys;
    DELETE FROM claims;
"""
_NEW_INBOXES = """
    DELETE FROM to_device;
    UPDATE to_device_counts SET last_n = -1, waiting = 0;
    UPDATE devices SET inbox_epoch = lower(hex(randomblob(4))), inbox_floor = 0, inbox_head = 0, inbox_bytes = 0;
    UPDATE rooms SET recipients = recipients + 1000000000, closed_at = recipients + 1000000000 WHERE encrypted;
    UPDATE device_lists SET restored = 1;
    INSERT OR REPLACE INTO meta VALUES ('restored', 1);
"""


def restore(database: Path, copy: Path) -> Path | None:
    """Replace the database by `copy`; returns the path to which the old one, if any, was moved.

    The ledgers beside both are merged, and kept beside the database. Raises `DatabaseInUseError` while history runs,
    `BackupError` if `copy` can't be used, or messages were deleted and there is no ledger.
    """
    path = database.with_name(erasure_ledger.FILE_NAME)
    found = [ledger for folder in {path.parent, copy.parent} if (ledger := _read(folder)) is not None]
    if not found and (erased_copies.has_deleted(database) or erased_copies.has_deleted(copy)):
        raise BackupError(
            f"messages were deleted, but {path} is missing: without it, a backup brings deleted texts back. "
            "Copy it from where the server ran last, or create an empty file to restore all the same"
        )
    erased = {message_id: at_ms for ledger in found for message_id, at_ms in ledger.items()}
    if found:
        erasure_ledger.merge(path, erased)

    def adapt(version: int) -> str:
        """Migrated first, so that a deleted message is marked as such."""
        migrated = f"PRAGMA user_version={len(MIGRATIONS)};"
        adapted = (_NEW_EPOCHS, _NEW_KEYS, _NEW_INBOXES, erased_copies.script(len(MIGRATIONS), erased))
        return "\n".join((*MIGRATIONS[version:], migrated, *adapted))

    pending = database.with_name(pending_erasures.FILE_NAME)
    edited: list[edited_texts.EditedText] = []
    with contextlib.suppress(sqlite3.Error):  # it may be too damaged to be read
        edited = edited_texts.some(database, page_erasure.message_ids(pending_erasures.read(pending)))
    kept = backup.restore(database, copy, version=len(MIGRATIONS), adapt=adapt)
    for _ in erased_copies.scrub(database, erased, edited):
        pass
    pending.unlink(missing_ok=True)
    return kept


def _read(folder: Path) -> dict[int, int] | None:
    try:
        return erasure_ledger.read(folder / erasure_ledger.FILE_NAME)
    except OSError as problem:
        raise BackupError(f"can't read {folder / erasure_ledger.FILE_NAME}: {problem.strerror}") from None


def copy_ledger(source: Path, target: Path) -> None:
    """Copy the ledger of folder `source`, if it has one, into folder `target`. Raises `BackupError`."""
    erased = _read(source)
    if erased is not None:
        try:
            erasure_ledger.merge(target / erasure_ledger.FILE_NAME, erased)
        except OSError as problem:
            raise BackupError(f"can't write {target / erasure_ledger.FILE_NAME}: {problem.strerror}") from None


def scrub_copies(database: Path) -> list[str]:
    """Remove what was deleted or edited away from the copies beside the database; returns a line for each copy."""
    problems = dict(erased_copies.scrub(database, _read(database.parent) or {}))
    if problems and database.exists():
        try:
            for texts in edited_texts.every(database):
                for copy, problem in erased_copies.scrub(database, {}, texts, is_latest=False):
                    problems[copy] = problems[copy] or problem
        except sqlite3.Error as problem:
            raise BackupError(f"can't read {database}: {problem}") from None
    return [
        f"{copy} can't be scrubbed ({problem}): delete it" if problem else f"{copy} has no erased text any more"
        for copy, problem in problems.items()
    ]


def ledger_summary(database: Path) -> str:
    """How many deletions the ledger has, and of which day the newest is."""
    erased = _read(database.parent)
    path = database.with_name(erasure_ledger.FILE_NAME)
    if erased is None:
        return f"there is no {path}: no message was ever deleted here"
    if not erased:
        return f"{path} names no deleted message"
    day = datetime.fromtimestamp(max(erased.values()) / 1000, UTC).date()
    return f"{path} names {len(erased)} deleted message{'' if len(erased) == 1 else 's'}, the last of {day} (UTC)"
