"""Checks Ed25519 signatures of keys and lists. Imported late: it loads the cryptography library."""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chatterbox.wire.encryption.device_keys import (
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    SignedKey,
    UserKeys,
    matrix_user,
    signed_part,
)
from chatterbox.wire.encryption.envelope import is_device_id, to_base64url
from chatterbox.wire.encryption.member_log import MemberEntry


class SignatureError(ValueError):
    """A signature is missing or wrong; the text names whose, and of what."""


def verify(
    item: DeviceKeys | SignedKey | CrossSigningKey | DeviceList | MemberEntry,
    user: str,
    key_id: str,
    public_key: str,
    what: str,
) -> None:
    """Raise `SignatureError` unless `item` has the signature of `public_key` under `user` and `ed25519:key_id`.

    `what` names the item in the error.
    """
    signature = item.signatures.get(user, {}).get(f"ed25519:{key_id}")
    if signature is None:
        raise SignatureError(f"{what} has no signature of ed25519:{key_id}")
    verify_bytes(signed_part(item), signature, public_key, what)


def verify_bytes(data: bytes, signature: str, public_key: str, what: str) -> None:
    """Raise `SignatureError` unless `signature` is that of `public_key` over `data`; both are base64."""
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(public_key)).verify(_bytes(signature), data)
    except (InvalidSignature, ValueError):
        raise SignatureError(f"the signature of {what} is wrong") from None


def verify_device(keys: DeviceKeys, user: str, device_id: str) -> None:
    """Raise `SignatureError` unless these are keys of this device of this user, signed by the device itself."""
    if keys.user_id != user or keys.device_id != device_id:
        raise SignatureError("the keys are of another device")
    if not is_device_id(device_id):  # else it could be a key: who compares the one would sign the other
        raise SignatureError("the device has an invalid id")
    own = keys.keys.get(f"ed25519:{device_id}", "")
    if not keys.keys.get(f"curve25519:{device_id}"):
        raise SignatureError("the keys have no curve25519 key")
    verify(keys, user, device_id, own, "the device's keys")


def verify_user(keys: UserKeys, user: str) -> None:
    """Raise `SignatureError` unless the whole chain is signed: master, self-signing key, list, each listed device.

    Whether the master key is the right one, and the list the latest, is another question.
    """
    master, self_signing = keys.master, keys.self_signing
    for key, usage in ((master, "master"), (self_signing, "self_signing")):
        if not _is_key_of(key, user, usage):
            raise SignatureError(f"the {usage} key is not one of this user")
    verify(self_signing, user, master.public_key, master.public_key, "the self-signing key")
    if keys.list.user_id != user:
        raise SignatureError("the device list is of another user")
    verify(keys.list, user, self_signing.public_key, self_signing.public_key, "the device list")
    if keys.list.devices.keys() != keys.device_keys.keys():
        raise SignatureError("the list and the keys name different devices")
    if keys.list.dehydrated and keys.list.dehydrated not in keys.list.devices:
        raise SignatureError("the dehydrated device is not in the list")
    if overlap := keys.list.devices.keys() & set(keys.list.removed):
        raise SignatureError(f"the device {min(overlap)} was removed")
    for device_id, device in keys.device_keys.items():
        verify_device(device, user, device_id)
        verify(device, user, self_signing.public_key, self_signing.public_key, f"the device {device_id}")
        if device_hash(device) != keys.list.devices[device_id]:
            raise SignatureError(f"the device {device_id} has other keys than those in the list")


def verify_member_entry(entry: MemberEntry) -> None:
    """Raise `SignatureError` unless the user whom an entry names as its author signed it.

    Whether the master key in it is the one of that user, and whether the user may do that, are other questions.
    """
    user, key = matrix_user(entry.by.user_id), entry.self_signing
    what = f"entry {entry.seq} of the member log"
    if not _is_key_of(key, user, "self_signing"):
        raise SignatureError(f"the self-signing key of {what} is not one of its author")
    verify(key, user, entry.by.master, entry.by.master, f"the self-signing key of {what}")
    verify(entry, user, key.public_key, key.public_key, what)


def _is_key_of(key: CrossSigningKey, user: str, usage: str) -> bool:
    is_named = key.user_id == user and key.usage == (usage,)
    return is_named and key.keys == {f"ed25519:{key.public_key}": key.public_key}


def device_hash(keys: DeviceKeys) -> str:
    """What a device list says of a device: the SHA-256 of its keys without signatures, in base64url."""
    return to_base64url(hashlib.sha256(signed_part(keys)).digest())


def binding_proof(device_id: str, session: str) -> bytes:
    """What a device signs to prove, in a new login session, that it is the same device."""
    return signed_part({"device": device_id, "session": session})


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as problem:
        raise ValueError("not base64") from problem
