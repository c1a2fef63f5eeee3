"""Lets a new device of the user in: another device lists it, and gives it the keys of the list and of the backup."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceState, OwnDevice
from chatterbox.wire.encryption.signatures import SignatureError, verify_device
from client.encryption.core import list_changes
from client.encryption.core.cross_signatures import public_key
from client.encryption.core.messages.olm_payload import ReceivedToDevice
from client.encryption.device import key_backup
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.device.own_list import OwnList
from client.encryption.device.trusted_users import TrustedDevice, TrustedUsers
from client.encryption.store.key_store import KeyStore, StoreTransaction, Table
from client.failures import Failure
from client.net.keys_api import KeysApi

USER_SECRETS = "cb.user_secrets"
"""The type of the to-device message that brings a device the user's secrets."""
_OFFERED = "offered_secrets"


class OfferedSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """The content of that message."""

    self_signing: bytes
    item_keys: tuple[bytes, ...] = ()
    backup_version: int = 0


class SecretsExchange:
    """Gives the user's secrets to devices that were approved, and takes them."""

    def __init__(self, users: TrustedUsers) -> None:
        self._users = users

    def secrets_for(self, transaction: StoreTransaction, identity: DeviceIdentity) -> dict[str, Any]:
        """The content of a `USER_SECRETS` message: only for devices of the user that are in the list."""
        held = identity.secrets(transaction)
        offered = OfferedSecrets(
            self_signing=held.self_signing,
            item_keys=held.item_keys,
            backup_version=key_backup.version_of(transaction),
        )
        content: dict[str, Any] = msgspec.to_builtins(offered)
        return content

    def without(self, transaction: StoreTransaction, identity: DeviceIdentity) -> list[str]:
        """The ids of the user's listed devices that were not given the present secrets yet, by this device."""
        keys, digest = self._users.keys(transaction, identity.user_id), _digest(identity.secrets(transaction))
        if keys is None or not digest:
            return []
        others = keys.device_keys.keys() - {identity.device_id, keys.list.dehydrated}
        return sorted(device for device in others if transaction.get(Table.META, _given(device)) != digest)

    def note_given(self, transaction: StoreTransaction, identity: DeviceIdentity, devices: Sequence[str]) -> None:
        """These devices were sent the present secrets."""
        digest = _digest(identity.secrets(transaction))
        for device in devices:
            transaction.put(Table.META, _given(device), digest)

    def take(self, transaction: StoreTransaction, received: ReceivedToDevice) -> None:
        """Handle a `USER_SECRETS` message. It counts as soon as the newest list is of its self-signing key."""
        identity = DeviceIdentity.load(transaction)
        if identity is None or received.user_id != identity.user_id or not (received.encrypted and received.is_trusted):
            return
        try:
            offered = msgspec.convert(received.content, OfferedSecrets)
        except (msgspec.ValidationError, ValueError):
            return
        transaction.put(Table.META, _OFFERED, msgspec.msgpack.encode(offered))
        if self.adopt(transaction, identity):
            self.note_given(transaction, identity, [received.device])

    def adopt(self, transaction: StoreTransaction, identity: DeviceIdentity) -> bool:
        """Use secrets that came, if they are those of the newest list; whether this device has new ones now."""
        row = transaction.get(Table.META, _OFFERED)
        keys = self._users.keys(transaction, identity.user_id)
        if row is None or keys is None:
            return False
        offered = msgspec.msgpack.decode(row, type=OfferedSecrets)
        try:
            is_current = public_key(offered.self_signing) == keys.self_signing.public_key
        except ValueError:
            is_current = False
        if not is_current:
            return False
        held = identity.secrets(transaction)
        secrets = UserSecrets(
            master=held.master, self_signing=offered.self_signing, item_keys=offered.item_keys or held.item_keys
        )
        transaction.delete(Table.META, _OFFERED)
        if secrets == held:
            return False
        identity.save_secrets(transaction, secrets)
        if offered.backup_version:
            key_backup.put_version(transaction, max(offered.backup_version, key_backup.version_of(transaction)))
            key_backup.fetch_again(transaction)
        return True


def _given(device_id: str) -> str:
    return f"secrets_given/{device_id}"


def _digest(secrets: UserSecrets) -> bytes:
    """Identifies the secrets that other devices need; empty: there is nothing to give."""
    if not (secrets.self_signing and secrets.item_keys):
        return b""
    return hashlib.sha256(b"".join((secrets.self_signing, *secrets.item_keys))).digest()


class DeviceApproval(SecretsExchange):
    """Approves and refuses pending devices. Every call raises `Failure`."""

    def __init__(self, store: KeyStore, api: KeysApi, users: TrustedUsers, own_list: OwnList) -> None:
        super().__init__(users)
        self._store = store
        self._api = api
        self._list = own_list

    def pending(self) -> list[OwnDevice]:
        """The devices of the user that wait for being let in."""
        return [device for device in self._api.devices().devices if device.state is DeviceState.PENDING]

    def approve(self, identity: DeviceIdentity, device_id: str, ed25519: str) -> TrustedDevice:
        """List a device whose key `ed25519` the user compared on both screens.

        Afterwards it is sent what `secrets_for` returns, encrypted.
        """
        found = next((device for device in self._api.devices().devices if device.device == device_id), None)
        if found is None:
            raise Failure(f"You have no device {device_id}. To list them: chatterbox keys devices")
        try:
            verify_device(found.keys, identity.matrix_user, device_id)
        except SignatureError:
            raise Failure(f"The keys of the device {device_id} are not signed by it. Refuse it.") from None
        if found.keys.keys.get(f"ed25519:{device_id}") != ed25519:
            raise Failure(f"The server shows other keys of {device_id} than those that were compared. Refuse it.")

        def with_device(keys: UserKeys, secrets: UserSecrets) -> DeviceListUpload | None:
            if device_id in keys.device_keys:
                return None
            return list_changes.changed_list(keys, self._list.key_for(keys, secrets), add=[found.keys])

        user = self._list.change(identity, with_device)
        return user.devices[device_id]

    def refuse(self, device_id: str) -> None:
        """Refuse a pending device: it is removed."""
        self._api.delete_device(device_id)
