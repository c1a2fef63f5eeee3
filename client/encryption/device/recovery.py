"""Recovery: making the recovery key's backup, opening it on a new device, and starting again without it.

Every step is saved before it is uploaded, and `resume` finishes it after a crash, with the same bytes. All of it is
synchronous, for the thread that works on the key store; no transaction is held while the server is asked.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from chatterbox.wire.encryption.device_keys import DeviceKeys, UserKeys
from chatterbox.wire.encryption.key_api import DeviceListUpload, KeyBackupHeader
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Whole
from client.encryption.core import list_changes
from client.encryption.core.backup_format import ITEM_KEY_BYTES, NONCE_BYTES, BackupSecrets, encrypt_header
from client.encryption.core.cross_signatures import SEED_BYTES, public_key
from client.encryption.core.recovery_dialog import is_reminder_due
from client.encryption.core.recovery_key import KEY_BYTES
from client.encryption.device import backup_queue, key_backup
from client.encryption.device.backup_queue import BackupKind
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.device.key_backup import BackupProblem, KeyBackup, Restored
from client.encryption.device.own_list import OwnList
from client.encryption.device.trusted_users import TrustedUser, TrustedUsers
from client.encryption.search import search_store
from client.encryption.store.key_store import KeyStore, StoreTransaction, Table
from client.failures import Failure, ServerRefused
from client.net.keys_api import KeysApi

_MADE = "recovery_made"
_POSTPONED = "recovery_postponed"
_REMINDED = "recovery_reminded"
_PLAN = "recovery_plan"


class KeysPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the user's keys that was decided, and is being uploaded."""

    secrets: UserSecrets
    """What this device holds when it is done."""
    master: bytes = b""
    """The master key's seed while the device list is changed."""
    removed: str = ""
    """The stolen device."""
    is_reset: bool = False
    header: str = ""
    """The header of the backup, encrypted; empty: none is written."""
    version: Whole = 0
    """Of the header."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a new device has after it was let in by the recovery key."""

    user: TrustedUser | None
    restored: Restored


@dataclass(frozen=True, slots=True)
class ResetCost:
    """What starting again loses."""

    locked_items: int
    """Items of the former backup, which nothing opens but the former recovery key."""
    devices: int
    """Other devices, which are out of the list and must be let in again."""


class Recovery:
    """Recovery of one user's keys. Every call raises `Failure`."""

    def __init__(
        self,
        store: KeyStore,
        api: KeysApi,
        users: TrustedUsers,
        own_list: OwnList,
        backup: KeyBackup,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._api = api
        self._users = users
        self._list = own_list
        self._backup = backup
        self._now_ms = now_ms

    def resume(self, identity: DeviceIdentity) -> None:
        """Finish what a crash interrupted."""
        with self._store.transaction() as transaction:
            plan = _plan(transaction)
        if plan is not None:
            self._carry_out(identity, plan)

    def adopt(self, identity: DeviceIdentity, recovery_key: bytes) -> None:
        """Make the backup that `recovery_key` opens, which the user has typed back.

        The master key's private half is in the backup alone then. Raises `BackupProblem` if this device does not have
        it: another recovery key is made with the present one, by `replace_key`.
        """
        self.resume(identity)
        stored = self._api.backup()
        with self._store.transaction() as transaction:
            held = identity.secrets(transaction)
            if not (held.master and held.self_signing):
                raise BackupProblem("You have a recovery key already. To make another one: chatterbox keys code")
            item_keys = held.item_keys or (secrets.token_bytes(ITEM_KEY_BYTES),)
            after = max(stored.version if stored else 0, key_backup.version_of(transaction))
            plan = self._with_header(
                transaction,
                identity,
                recovery_key,
                KeysPlan(secrets=UserSecrets(self_signing=held.self_signing, item_keys=item_keys), master=held.master),
                after + 1,
            )
            _put_plan(transaction, plan)
        self._carry_out(identity, plan)

    def replace_key(self, identity: DeviceIdentity, present: bytes, recovery_key: bytes) -> None:
        """Have `recovery_key`, which the user has typed back, open the backup instead of `present`."""
        self.resume(identity)
        header, version = self._backup.open_header(identity, present)
        self._list.refresh(identity)
        self._backup.check_header(identity, header)
        self._backup.write_header(identity, recovery_key, header, after=version)

    def recover(
        self,
        identity: DeviceIdentity,
        recovery_key: bytes,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> Recovered:
        """Open the backup with the recovery key: this device lists itself, and reads the history.

        Raises `BackupProblem`.
        """
        header, version = self._backup.open_header(identity, recovery_key)
        self._list.refresh(identity)
        self._backup.check_header(identity, header)
        with self._store.transaction() as transaction:
            identity.save_secrets(
                transaction, UserSecrets(self_signing=header.self_signing, item_keys=header.item_keys)
            )
            key_backup.put_version(transaction, version)
            key_backup.fetch_again(transaction)
            self._users.mark_verified(transaction, identity.user_id, public_key(header.master))
            transaction.put(Table.META, _MADE, b"1")
        user = self._list.reconcile(identity)
        return Recovered(user, self._backup.fetch(identity, on_progress))

    def cost_of_reset(self, identity: DeviceIdentity) -> ResetCost:
        """What `reset` would lose: say it before."""
        stored = self._api.backup()
        user = self._list.refresh(identity)
        others = [device for device in (user.devices.values() if user else ()) if not device.dehydrated]
        return ResetCost(
            locked_items=stored.items if stored else 0,
            devices=sum(1 for device in others if device.device_id != identity.device_id),
        )

    def reset(self, identity: DeviceIdentity) -> None:
        """Start again with a new master key and this device alone; the user's contacts are told of the new key.

        What this device can read goes into the next backup, after another recovery key was made.
        """
        self.resume(identity)
        plan = KeysPlan(
            secrets=UserSecrets(master=secrets.token_bytes(SEED_BYTES), self_signing=secrets.token_bytes(SEED_BYTES)),
            is_reset=True,
        )
        with self._store.transaction() as transaction:
            _put_plan(transaction, plan)
            search_store.clear(transaction)
        self._carry_out(identity, plan)

    def remove(self, identity: DeviceIdentity, device_id: str) -> TrustedUser:
        """Remove a device of the user for ever: it gets no keys any more. Raises `NotAllowed`."""

        def removed(keys: UserKeys, held: UserSecrets) -> DeviceListUpload | None:
            if device_id in keys.list.removed:
                return None
            return list_changes.changed_list(keys, self._list.key_for(keys, held), remove=[device_id])

        self.resume(identity)
        return self._list.change(identity, removed)

    def remove_stolen(self, identity: DeviceIdentity, device_id: str, recovery_key: bytes) -> None:
        """Remove a device that others may have opened: new self-signing key, and new key of the backup's items.

        Other devices of the user get the new keys by to-device messages (`DeviceApproval.secrets_for`).
        """
        self.resume(identity)
        header, version = self._backup.open_header(identity, recovery_key)
        self._list.refresh(identity)
        self._backup.check_header(identity, header)
        with self._store.transaction() as transaction:
            renewed = UserSecrets(
                self_signing=secrets.token_bytes(SEED_BYTES),
                item_keys=(secrets.token_bytes(ITEM_KEY_BYTES), *header.item_keys),
            )
            plan = self._with_header(
                transaction,
                identity,
                recovery_key,
                KeysPlan(secrets=renewed, master=header.master, removed=device_id),
                version + 1,
            )
            _put_plan(transaction, plan)
        self._carry_out(identity, plan)

    def is_made(self, transaction: StoreTransaction) -> bool:
        """Whether the user has a recovery key, as far as this device knows."""
        identity = DeviceIdentity.load(transaction)
        has_keys = identity is not None and bool(identity.secrets(transaction).item_keys)
        return has_keys or transaction.get(Table.META, _MADE) is not None

    def postpone(self, transaction: StoreTransaction) -> None:
        """The user writes the recovery key down later: messages are sent without one."""
        transaction.put(Table.META, _POSTPONED, b"1")

    def is_settled(self, transaction: StoreTransaction) -> bool:
        """Whether the user has a recovery key, or decided to do without for now."""
        return self.is_made(transaction) or transaction.get(Table.META, _POSTPONED) is not None

    def is_reminder_due(self, transaction: StoreTransaction) -> bool:
        """Whether to say that there is no recovery key yet, once a day; notes that it is said."""
        row = transaction.get(Table.META, _REMINDED)
        now_ms = self._now_ms()
        if self.is_made(transaction) or not is_reminder_due(int(row) if row else 0, now_ms):
            return False
        transaction.put(Table.META, _REMINDED, str(now_ms).encode())
        return True

    def _with_header(
        self, transaction: StoreTransaction, identity: DeviceIdentity, recovery_key: bytes, plan: KeysPlan, version: int
    ) -> KeysPlan:
        keys = self._users.keys(transaction, identity.user_id)
        if keys is None:
            raise BackupProblem("Your keys are not at the server yet. Try again when this device is connected.")
        renews = bool(plan.removed)
        header = BackupSecrets(
            master=plan.master,
            self_signing=plan.secrets.self_signing,
            item_keys=plan.secrets.item_keys,
            generation=keys.list.generation + renews,
            list_version=keys.list.version + renews,
        )
        text = encrypt_header(recovery_key, identity.user_id, version, header, os.urandom(NONCE_BYTES))
        return msgspec.structs.replace(plan, header=text, version=version)

    def _carry_out(self, identity: DeviceIdentity, plan: KeysPlan) -> None:
        """Change the list, then the header, then what this device holds. Each may have been done before."""
        if plan.is_reset or plan.removed:
            self._list.change(identity, lambda keys, _: _changed(plan, keys, self._own_keys(identity)))
        if plan.header:
            self._put_header(plan)
        with self._store.transaction() as transaction:
            identity.save_secrets(transaction, plan.secrets)
            transaction.delete(Table.META, _PLAN)
            if plan.is_reset:
                transaction.delete(Table.META, _MADE)
                queue_everything(transaction)
            if plan.header:
                key_backup.put_version(transaction, plan.version)
                transaction.put(Table.META, _MADE, b"1")

    def _put_header(self, plan: KeysPlan) -> None:
        header = KeyBackupHeader(version=plan.version, header=plan.header)
        try:
            self._api.put_backup(header)
        except ServerRefused as refusal:
            stored = self._api.backup() if refusal.code == Code.BACKUP_STALE else None
            if stored is not None and (stored.version, stored.header) == (plan.version, plan.header):
                return
            if refusal.code == Code.BACKUP_STALE:
                with self._store.transaction() as transaction:
                    transaction.delete(Table.META, _PLAN)
                raise Failure("Another device of yours changed the key backup meanwhile. Try again.") from None
            raise

    def _own_keys(self, identity: DeviceIdentity) -> DeviceKeys:
        with self._store.transaction() as transaction:
            return identity.device_keys(transaction)


def new_recovery_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def queue_everything(transaction: StoreTransaction) -> None:
    """Have everything that this device knows backed up."""
    for kind, table in ((BackupKind.ROOM_SESSION, Table.INBOUND), (BackupKind.KNOWN_KEY, Table.KNOWN_KEYS)):
        for name in transaction.names(table):
            backup_queue.add(transaction, kind, name)


def _changed(plan: KeysPlan, keys: UserKeys, own: DeviceKeys) -> DeviceListUpload | None:
    """The list of a plan; None if it is stored already."""
    if public_key(plan.secrets.self_signing) == keys.self_signing.public_key:
        return None
    if plan.is_reset:
        return list_changes.reset_list(keys, plan.secrets.master, plan.secrets.self_signing, own)
    if public_key(plan.master) != keys.master.public_key:
        raise BackupProblem("Another device of yours started again with new keys meanwhile.")
    return list_changes.renewed_list(keys, plan.master, plan.secrets.self_signing, remove=[plan.removed])


def _plan(transaction: StoreTransaction) -> KeysPlan | None:
    row = transaction.get(Table.META, _PLAN)
    return None if row is None else msgspec.msgpack.decode(row, type=KeysPlan)


def _put_plan(transaction: StoreTransaction, plan: KeysPlan) -> None:
    transaction.put(Table.META, _PLAN, msgspec.msgpack.encode(plan))
