"""Keys of devices, and the signed list of a user's devices, as Matrix formats them. Pure.

Users are named `@USER_ID:chatterbox` inside signed objects (`matrix_user`), and encrypted rooms `!UID:chatterbox`
(`matrix_room`). Keys and signatures are unpadded standard base64. A signature is over the canonical JSON of the object
without `signatures` and `unsigned`; it stands at `signatures[USER]["ed25519:KEY_ID"]`, where KEY_ID is a device id, or
for the master key and the self-signing key the public key itself.
"""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from chatterbox.wire.position import Whole

Signatures: TypeAlias = dict[str, dict[str, str]]
KEY_ID_CHARS = 96
KeyId: TypeAlias = Annotated[str, Meta(max_length=KEY_ID_CHARS)]
OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"


def matrix_user(user_id: int) -> str:
    """The name of a user inside signed and encrypted objects.

    >>> matrix_user(7)
    '@7:chatterbox'
    """
    return f"@{user_id}:chatterbox"


def matrix_room(uid: str) -> str:
    """The name of an encrypted room inside encrypted objects."""
    return f"!{uid}:chatterbox"


class DeviceKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The identity keys of a device, signed by itself and, in a device list, by the user's self-signing key."""

    user_id: str
    """As `matrix_user` names the user."""
    device_id: str
    algorithms: tuple[str, ...]
    keys: dict[str, str]
    """`curve25519:DEVICE` and `ed25519:DEVICE`."""
    signatures: Signatures


class SignedKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A one-time key or fallback key, signed by its device."""

    key: str
    signatures: Signatures
    fallback: bool = False
    """Whether it is a fallback key, which is given out when no one-time key is left."""


class CrossSigningKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A master key, or a self-signing key, which the master key signed."""

    user_id: str
    usage: tuple[str, ...]
    """`master` or `self_signing`."""
    keys: dict[str, str]
    """One entry: `ed25519:PUBLIC_KEY` and the same public key."""
    signatures: Signatures = {}

    @property
    def public_key(self) -> str:
        """The key itself; empty if the object is malformed."""
        return next(iter(self.keys.values()), "")


class DeviceList(msgspec.Struct, frozen=True, kw_only=True):
    """The devices of a user who may read, as the user signed them with the self-signing key.

    `(generation, version)` only rises. A new self-signing key begins a new generation.
    """

    user_id: str
    username: str
    generation: Whole
    version: Whole
    devices: dict[str, str]
    """By device id: the SHA-256 of the canonical JSON of its `DeviceKeys` without signatures, in base64url."""
    removed: tuple[str, ...]
    """Ids of devices that the user removed: they never come back."""
    dehydrated: str
    """Which of `devices` is the dehydrated device, which receives keys while no other is there; empty: none."""
    signatures: Signatures


class UserKeys(msgspec.Struct, frozen=True, kw_only=True):
    """All public keys of a user: what others check before they share keys with the user's devices."""

    username: str
    user_id: int
    master: CrossSigningKey
    self_signing: CrossSigningKey
    list: DeviceList
    device_keys: dict[str, DeviceKeys]
    """Of each device in the list."""


def signed_part(item: msgspec.Struct | dict[str, Any]) -> bytes:
    r"""What the signatures of an object are over: its canonical JSON without `signatures` and `unsigned`.

    Canonical JSON as Matrix has it: UTF-8, names sorted by code point, no spaces.

    >>> signed_part({"b": 1, "a": "é", "signatures": {}})
    b'{"a":"\xc3\xa9","b":1}'
    """
    plain: dict[str, Any] = msgspec.to_builtins(item)
    plain = {name: value for name, value in plain.items() if name not in {"signatures", "unsigned"}}
    return msgspec.json.encode(plain, order="deterministic")
