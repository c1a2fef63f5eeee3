"""The master key and the self-signing key: their public objects, and what they sign. Pure."""

import base64
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.wire.encryption.device_keys import (
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    SignedKey,
    matrix_user,
    signed_part,
)
from chatterbox.wire.encryption.member_log import MemberEntry

SEED_BYTES = 32

Signed = TypeVar("Signed", DeviceKeys, SignedKey, CrossSigningKey, DeviceList, MemberEntry)


def signed_by(item: Signed, user: str, seed: bytes) -> Signed:
    """With the signature of a master or self-signing key, in addition to those that it has."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return with_signature(item, user, public_key(seed), _base64(key.sign(signed_part(item))))


def with_signature(item: Signed, user: str, key_id: str, signature: str) -> Signed:
    """With a signature of `ed25519:KEY_ID`, in addition to those that it has."""
    of_user = item.signatures.get(user, {}) | {f"ed25519:{key_id}": signature}
    return msgspec.structs.replace(item, signatures=item.signatures | {user: of_user})


def public_key(seed: bytes) -> str:
    """The public half of a master or self-signing key, in unpadded base64."""
    return _base64(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def cross_signing_key(user_id: int, usage: str, seed: bytes) -> CrossSigningKey:
    """The public object of a master or self-signing key, unsigned."""
    key = public_key(seed)
    return CrossSigningKey(user_id=matrix_user(user_id), usage=(usage,), keys={f"ed25519:{key}": key})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")
