"""Stores encrypted backups of keys: a header, and items in the order of storing. The server can't open either."""

import sqlite3

import msgspec

from chatterbox.chassis.sqlite.database import run_on_connection
from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.encryption.key_api import BackupItem, BackupItemsPage, BackupItemsUpload, KeyBackupHeader
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.history.messages.write_transaction import WriteTransaction

_HEADER = "SELECT version, header, items FROM key_backups WHERE user_id = ?"
_SET_HEADER = """
    INSERT INTO key_backups (user_id, version, header) VALUES (?1, ?2, ?3)
    ON CONFLICT (user_id) DO UPDATE SET version = ?2, header = ?3
"""
_ITEMS = """
    SELECT item, body, seq FROM key_backup_items WHERE user_id = ? AND seq > ? ORDER BY seq LIMIT ?
"""
_LAST = "SELECT coalesce(max(last_seq), 0) FROM key_backups WHERE user_id = ?"
_STATE = "SELECT version, items, last_seq FROM key_backups WHERE user_id = ?"
_HELD = """
    SELECT count(*) FROM json_each(?) AS wanted CROSS JOIN key_backup_items ON user_id = ? AND item = wanted.value
"""
"""`CROSS JOIN`: SQLite would go through all items of the user for each name, 2 s for 200 of 50,000 instead of 1 ms."""
_PUT = "INSERT OR REPLACE INTO key_backup_items (user_id, item, seq, body) VALUES (?, ?, ?, ?)"
_SET_STATE = "UPDATE key_backups SET items = ?, last_seq = ? WHERE user_id = ?"


async def header(source: RowSource, user_id: int) -> KeyBackupHeader:
    """The header of a user's backup; version 0: there is none."""
    for version, text, items in await source.rows(_HEADER, (user_id,)):
        return KeyBackupHeader(version=version, header=text, items=items)
    return KeyBackupHeader(version=0, header="")


async def set_header(transaction: WriteTransaction, user_id: int, new: KeyBackupHeader) -> KeyBackupHeader:
    """Replace the header by the next version; the same again is answered as stored. Raises `backup_stale`."""
    stored = await header(transaction, user_id)
    if (new.version, new.header) == (stored.version, stored.header):
        return stored
    if new.version != stored.version + 1:
        raise ChatError(Code.BACKUP_STALE, f"Version {stored.version} of the key backup is stored.")
    await transaction.rows(_SET_HEADER, (user_id, new.version, new.header))
    return msgspec.structs.replace(new, items=stored.items)


async def items(source: RowSource, user_id: int, after: int, limit: int) -> BackupItemsPage:
    """The first `limit` items after number `after`, in the order of storing."""
    rows = await source.rows(_ITEMS, (user_id, after, limit))
    [(last,)] = await source.rows(_LAST, (user_id,))
    return BackupItemsPage([BackupItem(item=item, body=body, seq=seq) for item, body, seq in rows], last)


async def add_items(transaction: WriteTransaction, user_id: int, upload: BackupItemsUpload, limits: Limits) -> int:
    """Store items in this order; one that is there already moves to the end. Returns the number of the last one."""
    return await run_on_connection(transaction.db, lambda db: _add_items(db, user_id, upload, limits))


def _add_items(db: sqlite3.Connection, user_id: int, upload: BackupItemsUpload, limits: Limits) -> int:
    version, count, last_seq = db.execute(_STATE, (user_id,)).fetchone() or (0, 0, 0)
    if upload.version != version or not version:
        raise ChatError(Code.BACKUP_STALE, f"Version {version} of the key backup is stored.")
    names = {item.item for item in upload.items}
    [(held,)] = db.execute(_HELD, (msgspec.json.encode(sorted(names)).decode(), user_id))
    total = count + len(names) - held
    if total > limits.backup_items:
        raise ChatError(Code.BACKUP_FULL, f"A key backup has at most {limits.backup_items} items.")
    numbered = enumerate(upload.items, last_seq + 1)
    db.executemany(_PUT, [(user_id, item.item, seq, item.body) for seq, item in numbered])
    last_seq += len(upload.items)
    db.execute(_SET_STATE, (total, last_seq, user_id))
    return last_seq
