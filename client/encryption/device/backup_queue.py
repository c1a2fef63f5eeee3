"""What the key backup does not have yet. Entries name rows of the store; their values are read when they are sent."""

import os
from enum import StrEnum
from typing import NamedTuple

from client.encryption.store.key_store import StoreTransaction, Table

_MARK_BYTES = 8


class BackupKind(StrEnum):
    """What an item of the key backup is."""

    ROOM_SESSION = "session"
    """A Megolm session, by the name of its row in `Table.INBOUND`."""
    KNOWN_KEY = "known"
    """A user's master key as this user knows it, named by the user id: a row of `Table.KNOWN_KEYS`."""
    DEVICE_NAME = "device"
    """What the user calls a device, named by the device id. The server never knows it."""
    DEHYDRATED = "dehydrated"
    """The account of a dehydrated device, named by the device id."""


class QueuedItem(NamedTuple):
    """An entry of the queue. `mark` changes whenever the item is queued again."""

    kind: BackupKind
    name: str
    mark: bytes


def add(transaction: StoreTransaction, kind: BackupKind, name: str) -> None:
    """Have an item uploaded, in the place of an earlier one of the same name.

    Call it in the transaction that writes the row, so that no crash leaves the row out of the backup.
    """
    transaction.put(Table.BACKUP_QUEUE, f"{kind}/{name}", os.urandom(_MARK_BYTES))


def waiting(transaction: StoreTransaction, kind: BackupKind | None = None) -> int:
    """How many items the backup does not have yet."""
    return len(transaction.names(Table.BACKUP_QUEUE, "" if kind is None else f"{kind}/"))


def first(transaction: StoreTransaction, limit: int) -> list[QueuedItem]:
    """The first entries, at most `limit`."""
    found = []
    for row, mark in transaction.rows(Table.BACKUP_QUEUE, limit=limit):
        kind, _, name = row.partition("/")
        found.append(QueuedItem(BackupKind(kind), name, mark))
    return found


def remove(transaction: StoreTransaction, items: list[QueuedItem]) -> None:
    """The backup has acknowledged these. An item that was queued again meanwhile stays."""
    for kind, name, mark in items:
        row = f"{kind}/{name}"
        if transaction.get(Table.BACKUP_QUEUE, row) == mark:
            transaction.delete(Table.BACKUP_QUEUE, row)
