"""The key backup at the server: its header, and the items that this device adds to it and takes from it.

A session counts as kept only when the server has acknowledged its item. All of it is synchronous, for the thread that
works on the key store; no transaction is held while the server is asked.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from chatterbox.wire.encryption.key_api import MAX_BACKUP_ITEMS, BackupItem, KeyBackupHeader
from chatterbox.wire.errors import Code
from client.encryption.core import known_keys
from client.encryption.core.backup_format import (
    ITEM_RANDOM_BYTES,
    NONCE_BYTES,
    BackupSecrets,
    ItemContent,
    KeyBackupError,
    decrypt_header,
    decrypt_item,
    encrypt_header,
    encrypt_item,
)
from client.encryption.core.backup_items import BackupSession, DeviceName
from client.encryption.core.cross_signatures import public_key
from client.encryption.core.known_keys import KnownKey
from client.encryption.device import backup_queue
from client.encryption.device.backup_queue import BackupKind, QueuedItem
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.device_names import device_name, merge_device_name
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import KeyStore, StoreTransaction, Table
from client.failures import Failure, ServerRefused
from client.net.keys_api import KeysApi

_VERSION = "backup_version"
_FETCHED = "backup_fetched"
_ITEM_CHARS = 4096
_REQUEST_BYTES = 48_000
"""Servers and proxies take bodies up to 64 KiB."""


class BackupProblem(Failure):
    """The backup can't be used; the text says why, and what to do."""


@dataclass(slots=True)
class Restored:
    """What came out of the backup."""

    arrived: set[tuple[str, str]] = field(default_factory=set)
    """Sessions with which more can be read: the room's uid and the session's id."""
    items: int = 0
    bad: int = 0
    """Items that do not decrypt: damaged, planted, or of a backup from before a reset."""
    known_keys: int = 0


class KeyBackup:
    """The backup of one user. Every call raises `Failure`."""

    def __init__(self, store: KeyStore, api: KeysApi, users: TrustedUsers) -> None:
        self._store = store
        self._api = api
        self._users = users

    def exists(self) -> bool:
        """Whether the server has a backup of this user."""
        return self._api.backup() is not None

    def write_header(self, identity: DeviceIdentity, recovery_key: bytes, header: BackupSecrets, *, after: int) -> int:
        """Store the header as the version after `after`; returns the version.

        Raises `ServerRefused` (`backup_stale`) if another device was faster.
        """
        version = after + 1
        text = encrypt_header(recovery_key, identity.user_id, version, header, os.urandom(NONCE_BYTES))
        self._api.put_backup(KeyBackupHeader(version=version, header=text))
        with self._store.transaction() as transaction:
            put_version(transaction, version)
        return version

    def open_header(self, identity: DeviceIdentity, recovery_key: bytes) -> tuple[BackupSecrets, int]:
        """The header, and its version. Raises `BackupProblem` if there is none, if the key is not its, or it is old."""
        stored = self._api.backup()
        if stored is None:
            raise BackupProblem("There is no key backup on this server, so there is nothing that the key opens.")
        with self._store.transaction() as transaction:
            seen = version_of(transaction)
        if stored.version < seen:
            raise BackupProblem("The server shows an earlier key backup than before. Ask its operator why.")
        try:
            return decrypt_header(recovery_key, identity.user_id, stored.version, stored.header), stored.version
        except KeyBackupError:
            raise BackupProblem("This recovery key does not open the key backup. Is there a newer one?") from None

    def check_header(self, identity: DeviceIdentity, header: BackupSecrets) -> None:
        """Raise `BackupProblem` if the header is older than the user's device list, or the list older than it."""
        with self._store.transaction() as transaction:
            keys = self._users.keys(transaction, identity.user_id)
        if keys is None:
            return
        if public_key(header.master) != keys.master.public_key:
            raise BackupProblem(
                "The key backup is of other keys than those that the server shows for you: one of the two was "
                "replaced. If you did not start again with new keys, ask the server's operator."
            )
        listed = (keys.list.generation, keys.list.version)
        if public_key(header.self_signing) != keys.self_signing.public_key or header.generation > listed[0]:
            raise BackupProblem("The server shows an earlier key backup or device list than before. Ask its operator.")
        if header.generation == listed[0] and header.list_version > listed[1]:
            raise BackupProblem("The server shows an earlier device list than before. Ask its operator.")

    def upload(self, identity: DeviceIdentity) -> int:
        """Add waiting items, as many as one request takes; returns how many wait after that.

        Nothing is added before there is a backup, and while this device lacks its key.
        """
        with self._store.transaction() as transaction:
            secrets, version = identity.secrets(transaction), version_of(transaction)
            if not secrets.item_keys or not version:
                return backup_queue.waiting(transaction)
            queued, items = self._items(transaction, secrets.item_keys[0])
        if items:
            self._add(identity, items, version)
        with self._store.transaction() as transaction:
            backup_queue.remove(transaction, queued)
            return backup_queue.waiting(transaction)

    def upload_all(self, identity: DeviceIdentity) -> int:
        """Add all waiting items; returns how many wait after that: none, if there is a backup."""
        waiting, before = self.upload(identity), -1
        while waiting and waiting != before:
            waiting, before = self.upload(identity), waiting
        return waiting

    def fetch(self, identity: DeviceIdentity, on_progress: Callable[[int], None] = lambda _: None) -> Restored:
        """Take what other devices added since the last time. `on_progress` is told the number of items so far."""
        restored = Restored()
        while True:
            with self._store.transaction() as transaction:
                secrets, after = identity.secrets(transaction), _fetched(transaction)
            if not secrets.item_keys:
                return restored
            page = self._api.backup_items(after)
            with self._store.transaction() as transaction:
                for item in page.items:
                    self._take(transaction, secrets.item_keys, item, restored)
                if page.items:
                    _put_fetched(transaction, max(item.seq for item in page.items))
            restored.items += len(page.items)
            on_progress(restored.items)
            if not page.items or page.items[-1].seq >= page.last:
                return restored

    def _add(self, identity: DeviceIdentity, items: list[BackupItem], version: int) -> None:
        """Add items; if the header is newer, and this device's key is still in use, as of the new version."""
        try:
            self._api.add_backup_items(items, version)
        except ServerRefused as refusal:
            if refusal.code != Code.BACKUP_STALE:
                raise
            newer = self._api.backup()
            if newer is None or newer.version <= version or not self._is_current(identity):
                raise
            with self._store.transaction() as transaction:
                put_version(transaction, newer.version)
            self._api.add_backup_items(items, newer.version)

    def _is_current(self, identity: DeviceIdentity) -> bool:
        """Whether this device's secrets are those of the newest list: the key of items changes only with them."""
        with self._store.transaction() as transaction:
            keys, secrets = self._users.keys(transaction, identity.user_id), identity.secrets(transaction)
        return (
            keys is not None
            and bool(secrets.self_signing)
            and public_key(secrets.self_signing) == keys.self_signing.public_key
        )

    def _items(self, transaction: StoreTransaction, item_key: bytes) -> tuple[list[QueuedItem], list[BackupItem]]:
        """The first waiting items, encrypted. What is gone from the store, or too large, is not uploaded."""
        queued, items, size = [], list[BackupItem](), 0
        for entry in backup_queue.first(transaction, MAX_BACKUP_ITEMS):
            content = _content(transaction, entry.kind, entry.name)
            if content is not None:
                item = encrypt_item(item_key, content, os.urandom(ITEM_RANDOM_BYTES))
                size += len(item.body) + len(item.item) + 32
                if size > _REQUEST_BYTES and items:
                    break
                if len(item.body) <= _ITEM_CHARS:
                    items.append(item)
            queued.append(entry)
        return queued, items

    def _take(
        self, transaction: StoreTransaction, item_keys: tuple[bytes, ...], item: BackupItem, restored: Restored
    ) -> None:
        try:
            content = decrypt_item(item_keys, item)
            kind = BackupKind(content.kind)
            match kind:
                case BackupKind.ROOM_SESSION:
                    session = msgspec.json.decode(content.value, type=BackupSession)
                    if (arrived := room_sessions.import_session(transaction, session, backed_up=True)) is not None:
                        restored.arrived.add(arrived)
                case BackupKind.KNOWN_KEY:
                    theirs = msgspec.json.decode(content.value, type=KnownKey)
                    restored.known_keys += self._users.merge(transaction, theirs)
                case BackupKind.DEVICE_NAME:
                    merge_device_name(transaction, msgspec.json.decode(content.value, type=DeviceName))
                case BackupKind.DEHYDRATED:
                    if transaction.get(Table.META, dehydrated_row(content.name)) is None:
                        transaction.put(Table.META, dehydrated_row(content.name), content.value)
                case _:
                    assert_never(kind)
        except (KeyBackupError, ValueError, msgspec.MsgspecError):
            restored.bad += 1


def dehydrated_row(device_id: str) -> str:
    """The row of `Table.META` with the account of a dehydrated device."""
    return f"dehydrated/{device_id}"


def version_of(transaction: StoreTransaction) -> int:
    """The highest version of the backup's header that was seen; 0: there is no backup."""
    row = transaction.get(Table.META, _VERSION)
    return int(row) if row else 0


def put_version(transaction: StoreTransaction, version: int) -> None:
    transaction.put(Table.META, _VERSION, str(version).encode())


def _fetched(transaction: StoreTransaction) -> int:
    row = transaction.get(Table.META, _FETCHED)
    return int(row) if row else 0


def _put_fetched(transaction: StoreTransaction, seq: int) -> None:
    transaction.put(Table.META, _FETCHED, str(seq).encode())


def fetch_again(transaction: StoreTransaction) -> None:
    """Read the backup from its beginning at the next time: this device got another key of its items."""
    transaction.delete(Table.META, _FETCHED)


def _content(transaction: StoreTransaction, kind: BackupKind, name: str) -> ItemContent | None:
    """The item as it is now; None if it is gone.

    A session that this device does not have from its first message on is another item: in the place of what another
    device added, it would take the messages before away.
    """
    match kind:
        case BackupKind.ROOM_SESSION:
            session = room_sessions.export_session(transaction, name)
            value = None if session is None else msgspec.json.encode(session)
            if session is not None and session.first_index:
                name = f"{name}/{session.first_index}"
        case BackupKind.KNOWN_KEY:
            row = transaction.get(Table.KNOWN_KEYS, name)
            known = None if row is None else msgspec.json.decode(row, type=KnownKey)
            value = None if known is None else msgspec.json.encode(known_keys.for_backup(known))
        case BackupKind.DEVICE_NAME:
            named = device_name(transaction, name)
            value = None if named is None else msgspec.json.encode(named)
        case BackupKind.DEHYDRATED:
            value = transaction.get(Table.META, dehydrated_row(name))
        case _:
            assert_never(kind)
    return None if value is None else ItemContent(kind, name, value)
