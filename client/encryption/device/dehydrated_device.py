"""The dehydrated device: it is listed, and receives keys while no other device of the user is there.

Its account is an item of the key backup. The device that opens the backup next reads its to-device messages; devices
that are there do so weekly, and replace it, so that the keys of old messages do not lie about for ever.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import vodozemac

from chatterbox.wire.encryption.device_keys import DeviceKeys, SignedKey, UserKeys
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceUpload
from chatterbox.wire.position import Whole
from client.encryption.core import list_changes
from client.encryption.core.cross_signatures import signed_by
from client.encryption.device import backup_queue
from client.encryption.device.backup_queue import BackupKind
from client.encryption.device.device_identity import (
    PICKLE_KEY,
    DeviceIdentity,
    UserSecrets,
    account_keys,
    account_signed,
    new_device_id,
)
from client.encryption.device.key_backup import KeyBackup, dehydrated_row
from client.encryption.device.own_list import OwnList
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.store.key_store import KeyStore, StoreTransaction, Table
from client.net.keys_api import KeysApi

WEEK_MS = 7 * 24 * 3600 * 1000
_STATE = "dehydrated"


class DehydratedState(msgspec.Struct, frozen=True, kw_only=True):
    """What this device knows of the dehydrated device."""

    device_id: str = ""
    """The one that this device made last."""
    made_ms: Whole = 0
    is_listed: bool = False


class DehydratedDevice:
    """The dehydrated device of the user. Synchronous calls raise `Failure` and hold no transaction meanwhile."""

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

    def listed(self) -> str:
        """The id of the dehydrated device in the user's list, if its account is here; else empty."""
        with self._store.transaction() as transaction:
            account = listed_account(transaction, self._users)
        return account.device_id if account else ""

    def is_replacement_due(self, identity: DeviceIdentity) -> bool:
        """Whether this device should make a dehydrated device: there is none, or it is a week old."""
        if self.is_missing(identity):
            return True
        with self._store.transaction() as transaction:
            keys, state = self._users.keys(transaction, identity.user_id), _stored_state(transaction)
        if keys is None or not keys.list.dehydrated:  # this device can't make one
            return False
        if keys.list.dehydrated != state.device_id:
            self._note_other(keys.list.dehydrated)
            return False
        return not 0 <= self._now_ms() - state.made_ms < WEEK_MS

    def is_missing(self, identity: DeviceIdentity) -> bool:
        """Whether the user has no dehydrated device, and this device can make one: the user has a recovery key."""
        with self._store.transaction() as transaction:
            keys, secrets = self._users.keys(transaction, identity.user_id), identity.secrets(transaction)
            state = _stored_state(transaction)
        if keys is None or not (secrets.self_signing and secrets.item_keys):
            return False
        return not keys.list.dehydrated or bool(state.device_id and not state.is_listed)

    def replace(self, identity: DeviceIdentity) -> str:
        """Make a dehydrated device in place of the one that is listed; returns its id. Call it again after a crash.

        Its account is in the backup before it is listed: else no device could read what is sent to it.
        """
        with self._store.transaction() as transaction:
            device_id, account = self._made(transaction)
            secrets = identity.secrets(transaction)
        self._backup.upload_all(identity)
        keys = account_keys(identity.user_id, device_id, account)
        keys = signed_by(keys, identity.matrix_user, secrets.self_signing)
        if all(device.device != device_id for device in self._api.devices().devices):
            fallback = {
                f"signed_curve25519:{key_id}": account_signed(
                    SignedKey(key=key.to_base64(), signatures={}, fallback=True), identity.user_id, device_id, account
                )
                for key_id, key in _fallback(account).items()
            }
            self._api.put_device(
                DeviceUpload(device=device_id, keys=keys, generation=1, fallback=fallback, dehydrated=True)
            )
        self._list.change(identity, lambda held, secret: self._with_device(held, secret, keys))
        with self._store.transaction() as transaction:
            _put_state(transaction, msgspec.structs.replace(_stored_state(transaction), is_listed=True))
        return device_id

    def _with_device(self, held: UserKeys, secrets: UserSecrets, keys: DeviceKeys) -> DeviceListUpload | None:
        if held.list.dehydrated == keys.device_id:
            return None
        return list_changes.changed_list(held, self._list.key_for(held, secrets), dehydrated=keys)

    def _made(self, transaction: StoreTransaction) -> tuple[str, vodozemac.Account]:
        """The account that is being listed, or a new one; queued for the backup."""
        state = _stored_state(transaction)
        pickle = transaction.get(Table.META, dehydrated_row(state.device_id)) if not state.is_listed else None
        if state.device_id and pickle is not None:
            return state.device_id, vodozemac.Account.from_pickle(pickle.decode(), PICKLE_KEY)
        account = vodozemac.Account()
        account.generate_fallback_key()  # type: ignore[attr-defined]
        device_id = new_device_id()
        transaction.put(Table.META, dehydrated_row(device_id), account.pickle(PICKLE_KEY).encode())
        _put_state(transaction, DehydratedState(device_id=device_id, made_ms=self._now_ms()))
        backup_queue.add(transaction, BackupKind.DEHYDRATED, device_id)
        return device_id, account

    def _note_other(self, device_id: str) -> None:
        """Another device made the one that is listed: from now on it is a week old in a week."""
        with self._store.transaction() as transaction:
            _put_state(transaction, DehydratedState(device_id=device_id, made_ms=self._now_ms(), is_listed=True))

    def forget(self, device_id: str) -> None:
        """Its messages are read and it is not listed any more: delete the account here."""
        with self._store.transaction() as transaction:
            transaction.delete(Table.META, dehydrated_row(device_id))


class DehydratedAccount(NamedTuple):
    """The account of the dehydrated device in the user's list."""

    identity: DeviceIdentity
    """The device that has it."""
    device_id: str
    pickle: str


def listed_account(transaction: StoreTransaction, users: TrustedUsers) -> DehydratedAccount | None:
    """The account of the dehydrated device in the user's list; None if this device does not have it."""
    identity = DeviceIdentity.load(transaction)
    keys = users.keys(transaction, identity.user_id) if identity else None
    if identity is None or keys is None or not keys.list.dehydrated:
        return None
    pickle = transaction.get(Table.META, dehydrated_row(keys.list.dehydrated))
    return None if pickle is None else DehydratedAccount(identity, keys.list.dehydrated, pickle.decode())


def _fallback(account: vodozemac.Account) -> dict[str, vodozemac.Curve25519PublicKey]:
    found: dict[str, vodozemac.Curve25519PublicKey] = account.fallback_key  # type: ignore[attr-defined]
    return found


def _stored_state(transaction: StoreTransaction) -> DehydratedState:
    row = transaction.get(Table.META, _STATE)
    return DehydratedState() if row is None else msgspec.json.decode(row, type=DehydratedState)


def _put_state(transaction: StoreTransaction, state: DehydratedState) -> None:
    transaction.put(Table.META, _STATE, msgspec.json.encode(state))
