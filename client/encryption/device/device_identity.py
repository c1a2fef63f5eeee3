"""The keys of the device itself: its id, its Olm account, and the user's private keys that it holds.

All of it is in the key store, so every method needs a transaction; private halves leave it only for the recovery
key's backup and for another device that the user approved.
"""

import secrets
from dataclasses import dataclass

import msgspec
import vodozemac

from chatterbox.wire.encryption.device_keys import MEGOLM, OLM, DeviceKeys, matrix_user, signed_part
from chatterbox.wire.encryption.envelope import DEVICE_CHARS
from chatterbox.wire.encryption.signatures import binding_proof
from client.encryption.core.cross_signatures import Signed, signed_by, with_signature
from client.encryption.store.key_store import StoreTransaction, Table

PICKLE_KEY = bytes(32)
"""vodozemac wants a key for each pickle. Pickles are stored in the key store only, which encrypts them."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ROW = "identity"
_SECRETS = "secrets"


class UserSecrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Private keys of the user that this device holds; an empty one is not here."""

    master: bytes = b""
    """The seed of the master key. Only until a recovery key exists: then it is in the key backup alone."""
    self_signing: bytes = b""
    """The seed of the self-signing key: a device without it can't change the device list."""
    item_keys: tuple[bytes, ...] = ()
    """The keys of the items of the key backup, the one in use first; empty: there is no backup, or this device is not
    approved yet."""


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Who this device is. `username` is that of the device list."""

    user_id: int
    username: str
    device_id: str
    ed25519: str
    curve25519: str

    @classmethod
    def load(cls, transaction: StoreTransaction) -> "DeviceIdentity | None":
        """The device of this key store; None before the first setup."""
        row = transaction.get(Table.META, _ROW)
        return None if row is None else msgspec.json.decode(row, type=cls)

    @classmethod
    def create(cls, transaction: StoreTransaction, user_id: int, username: str) -> "DeviceIdentity":
        """Make a device with an account of its own, in place of one that the store may have."""
        account = vodozemac.Account()
        device = cls(
            user_id, username, new_device_id(), account.ed25519_key.to_base64(), account.curve25519_key.to_base64()
        )
        transaction.put(Table.META, _ROW, msgspec.json.encode(device))
        device.save_account(transaction, account)
        return device

    @property
    def matrix_user(self) -> str:
        return matrix_user(self.user_id)

    def account(self, transaction: StoreTransaction) -> vodozemac.Account:
        """The Olm account. Save it in the same transaction if it changed."""
        pickle = transaction.get(Table.ACCOUNT, "account")
        assert pickle is not None  # noqa: S101 - written with the identity, in one transaction
        return vodozemac.Account.from_pickle(pickle.decode(), PICKLE_KEY)

    def save_account(self, transaction: StoreTransaction, account: vodozemac.Account) -> None:
        transaction.put(Table.ACCOUNT, "account", account.pickle(PICKLE_KEY).encode())

    def device_keys(self, transaction: StoreTransaction) -> DeviceKeys:
        """The device's public keys, signed by itself, and by the self-signing key if this device holds that."""
        keys = account_keys(self.user_id, self.device_id, self.account(transaction))
        seed = self.secrets(transaction).self_signing
        return signed_by(keys, self.matrix_user, seed) if seed else keys

    def binding_proof(self, transaction: StoreTransaction, session: str) -> str:
        """Proves to the server, in login session `session`, that this is the same device as before."""
        return self.account(transaction).sign(binding_proof(self.device_id, session)).to_base64()

    def secrets(self, transaction: StoreTransaction) -> UserSecrets:
        """The user's private keys that this device holds."""
        row = transaction.get(Table.META, _SECRETS)
        return UserSecrets() if row is None else msgspec.msgpack.decode(row, type=UserSecrets)

    def save_secrets(self, transaction: StoreTransaction, user_secrets: UserSecrets) -> None:
        transaction.put(Table.META, _SECRETS, msgspec.msgpack.encode(user_secrets))


def new_device_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(DEVICE_CHARS))


def account_keys(user_id: int, device_id: str, account: vodozemac.Account) -> DeviceKeys:
    """The public keys of an account as those of a device, signed by itself."""
    keys = DeviceKeys(
        user_id=matrix_user(user_id),
        device_id=device_id,
        algorithms=(OLM, MEGOLM),
        keys={
            f"curve25519:{device_id}": account.curve25519_key.to_base64(),
            f"ed25519:{device_id}": account.ed25519_key.to_base64(),
        },
        signatures={},
    )
    return account_signed(keys, user_id, device_id, account)


def account_signed(item: Signed, user_id: int, device_id: str, account: vodozemac.Account) -> Signed:
    """With the signature of a device, in addition to those that it has."""
    signature = account.sign(signed_part(item)).to_base64()
    return with_signature(item, matrix_user(user_id), device_id, signature)
