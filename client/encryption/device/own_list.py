"""The device list of the user whose key store this is: compared with the server's, and changed by compare-and-set.

A change is made from the newest list that was proven right; if another device was faster (`list_stale`), it is made
again from that device's list.
"""

from collections.abc import Callable

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.key_api import DeviceListUpload
from chatterbox.wire.errors import Code
from client.encryption.core import list_changes
from client.encryption.core.cross_signatures import public_key
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.device.trusted_users import KeyProblem, TrustedUser, TrustedUsers
from client.encryption.store.key_store import KeyStore
from client.failures import Failure, ServerRefused
from client.net.keys_api import KeysApi

_TRIES = 5


class NotAllowed(Failure):
    """The device that asks does not have the key that changes the device list."""


class OwnList:
    """The list of the user whose key store this is. Every call raises `Failure`."""

    def __init__(self, store: KeyStore, api: KeysApi, users: TrustedUsers) -> None:
        self._store = store
        self._api = api
        self._users = users

    def refresh(self, identity: DeviceIdentity) -> TrustedUser | None:
        """Get the list from the server; returns what counts now."""
        found = next(iter(self._api.users([identity.username])), None)
        with self._store.transaction() as transaction:
            if found is not None and found.user_id == identity.user_id:
                return self._users.accept(transaction, found)
            return self._users.user(transaction, identity.user_id)

    def reconcile(self, identity: DeviceIdentity) -> TrustedUser | None:
        """Make the server's list and this device agree, as far as this device may.

        The first device uploads the first list, a device with the self-signing key lists itself, and a list that a
        restored server lost is uploaded again.
        """
        for _ in range(_TRIES):
            user = self.refresh(identity)
            upload = self._wanted(identity, user)
            if upload is None:
                return user
            if self._stored(upload):
                return self._taken(identity, upload)
        raise Failure("Other devices of yours keep changing the device list. Try again in a minute.")

    def change(
        self, identity: DeviceIdentity, changed: Callable[[UserKeys, UserSecrets], DeviceListUpload | None]
    ) -> TrustedUser:
        """Upload what `changed` makes of the newest list; it is called again if another device was faster.

        `changed` returns None if the list is as it wants it already. Raises `NotAllowed`.
        """
        for _ in range(_TRIES):
            user = self.refresh(identity)
            with self._store.transaction() as transaction:
                keys = self._users.keys(transaction, identity.user_id)
                secrets = identity.secrets(transaction)
            if keys is None or user is None:
                raise NotAllowed("You have no keys yet. Try again when this device is connected.")
            upload = changed(keys, secrets)
            if upload is None:
                return user
            if self._stored(upload):
                return self._taken(identity, upload)
        raise Failure("Other devices of yours keep changing the device list. Try again in a minute.")

    @staticmethod
    def key_for(keys: UserKeys, secrets: UserSecrets) -> bytes:
        """The seed that signs the next list after `keys`; raises `NotAllowed` if this device does not have it."""
        if not secrets.self_signing or public_key(secrets.self_signing) != keys.self_signing.public_key:
            raise NotAllowed(
                "This device may not change the device list yet. Let it in by the recovery key (chatterbox keys "
                "recover) or by another device."
            )
        return secrets.self_signing

    def _wanted(self, identity: DeviceIdentity, user: TrustedUser | None) -> DeviceListUpload | None:
        with self._store.transaction() as transaction:
            keys = self._users.keys(transaction, identity.user_id)
            own, secrets = identity.device_keys(transaction), identity.secrets(transaction)
            if keys is None:
                if not (secrets.master and secrets.self_signing):
                    return None
                return list_changes.first_list(
                    identity.user_id, identity.username, secrets.master, secrets.self_signing, [own]
                )
            if secrets.self_signing and public_key(secrets.self_signing) != keys.self_signing.public_key:
                # Another device was first, or made new keys since: this one may not change the list any more.
                identity.save_secrets(transaction, UserSecrets(item_keys=secrets.item_keys))
                return None
        if user is not None and user.problem is KeyProblem.LOWER_LIST:
            return list_changes.same_list(keys)
        gone = identity.device_id in keys.list.removed
        if gone or identity.device_id in keys.device_keys or not secrets.self_signing:
            return None
        return list_changes.changed_list(keys, secrets.self_signing, add=[own])

    def _stored(self, upload: DeviceListUpload) -> bool:
        try:
            self._api.put_list(upload)
        except ServerRefused as refusal:
            if refusal.code != Code.LIST_STALE:
                raise
            return False
        return True

    def _taken(self, identity: DeviceIdentity, upload: DeviceListUpload) -> TrustedUser:
        """The server stored what this device signed: it counts, and its master key needs no comparison."""
        keys = list_changes.as_user_keys(upload, identity.user_id)
        with self._store.transaction() as transaction:
            user = self._users.accept(transaction, keys)
            self._users.mark_verified(transaction, identity.user_id, upload.master.public_key)
            user = self._users.user(transaction, identity.user_id) or user
        if user is None:
            raise Failure("The device list that was made is not valid. This is a bug.")
        return user
