"""What the user calls their devices. The names are in the key store and, encrypted, in the key backup only."""

import msgspec

from client.encryption.core.backup_items import DeviceName
from client.encryption.device import backup_queue
from client.encryption.device.backup_queue import BackupKind
from client.encryption.store.key_store import StoreTransaction, Table

NAME_CHARS = 60


def set_device_name(transaction: StoreTransaction, device_id: str, name: str, now_ms: int) -> None:
    """Name a device, and tell the user's other devices by the backup."""
    named = DeviceName(device=device_id, name=name[:NAME_CHARS], set_ms=now_ms)
    transaction.put(Table.META, _row(device_id), msgspec.json.encode(named))
    backup_queue.add(transaction, BackupKind.DEVICE_NAME, device_id)


def device_name(transaction: StoreTransaction, device_id: str) -> DeviceName | None:
    """The name of a device; None if it has none."""
    row = transaction.get(Table.META, _row(device_id))
    return None if row is None else msgspec.json.decode(row, type=DeviceName)


def merge_device_name(transaction: StoreTransaction, theirs: DeviceName) -> None:
    """Another device named a device; the later name counts."""
    mine = device_name(transaction, theirs.device)
    if mine is None or mine.set_ms < theirs.set_ms:
        transaction.put(Table.META, _row(theirs.device), msgspec.json.encode(theirs))


def _row(device_id: str) -> str:
    return f"device_name/{device_id}"
