"""Checks the form and the signatures of uploaded keys. Pure; a check of 50 keys takes about 4 ms."""

from collections.abc import Mapping

import msgspec

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.device_keys import DeviceKeys, SignedKey, UserKeys, matrix_user
from chatterbox.wire.encryption.envelope import is_device_id
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceUpload
from chatterbox.wire.encryption.signatures import (
    SignatureError,
    binding_proof,
    verify,
    verify_bytes,
    verify_device,
    verify_user,
)
from chatterbox.wire.errors import ChatError, Code

MAX_DEVICE_KEYS_BYTES = 4096
"""The keys of a device as JSON, with their signatures: other users download them."""
MAX_KEY_BYTES = 1024
"""A one-time key or fallback key as JSON."""


def check_device(upload: DeviceUpload, user: UserInfo) -> None:
    """Raise `bad_request` unless `upload` has keys of a device of `user`, all of them signed by that device."""
    if not is_device_id(upload.device):
        raise ChatError(Code.BAD_REQUEST, "A device id is 10 characters of A-Z and 2-7.")
    _check_identity_keys(upload.keys, upload.device)
    try:
        verify_device(upload.keys, matrix_user(user.user_id), upload.device)
    except SignatureError as problem:
        raise ChatError(Code.BAD_REQUEST, f"The keys of this device are not valid: {problem}.") from None
    check_one_time_keys(upload.keys, upload.one_time, upload.fallback)


def check_one_time_keys(
    device: DeviceKeys, one_time: Mapping[str, SignedKey], fallback: Mapping[str, SignedKey]
) -> None:
    """Raise `bad_request` unless `device` signed these keys, and fallback keys say that they are."""
    for keys, is_fallback in ((one_time, False), (fallback, True)):
        for key_id, key in keys.items():
            _check_signed_key(device, key_id, key, is_fallback=is_fallback)


def _check_signed_key(device: DeviceKeys, key_id: str, key: SignedKey, *, is_fallback: bool) -> None:
    if not (key_id and key_id.isascii() and key_id.isprintable()):
        raise ChatError(Code.BAD_REQUEST, "The id of a key is one line of printable ASCII characters.")
    if key.fallback is not is_fallback:
        raise ChatError(
            Code.BAD_REQUEST, f"The key {key_id} must {'' if is_fallback else 'not '}be marked as fallback."
        )
    if len(msgspec.json.encode(key)) > MAX_KEY_BYTES:
        raise ChatError(Code.BAD_REQUEST, f"The key {key_id} has more than {MAX_KEY_BYTES} bytes.")
    public_key = device.keys.get(f"ed25519:{device.device_id}", "")
    try:
        verify(key, device.user_id, device.device_id, public_key, f"the key {key_id}")
    except SignatureError as problem:
        raise ChatError(Code.BAD_REQUEST, f"A key of this device is not valid: {problem}.") from None


def is_proven(upload: DeviceUpload, sid: str) -> bool:
    """Whether the device itself signed that it is used in login session `sid`."""
    public_key = upload.keys.keys.get(f"ed25519:{upload.device}", "")
    try:
        verify_bytes(binding_proof(upload.device, sid), upload.proof, public_key, "the proof")
    except SignatureError:
        return False
    return True


def check_list(upload: DeviceListUpload, user: UserInfo) -> None:
    """Raise `list_invalid` unless the whole chain is signed, from the master key to each listed device of `user`."""
    if upload.list.username != user.username:
        raise ChatError(Code.LIST_INVALID, "The device list names another user.")
    keys = UserKeys(
        username=user.username,
        user_id=user.user_id,
        master=upload.master,
        self_signing=upload.self_signing,
        list=upload.list,
        device_keys=upload.device_keys,
    )
    try:
        verify_user(keys, matrix_user(user.user_id))
    except SignatureError as problem:
        raise ChatError(Code.LIST_INVALID, f"The device list is not valid: {problem}.") from None
    for device_id in (*upload.device_keys, *upload.list.removed):
        if not is_device_id(device_id):
            raise ChatError(Code.LIST_INVALID, "A device id is 10 characters of A-Z and 2-7.")
    for device_id, device in upload.device_keys.items():
        _check_identity_keys(device, device_id)


def _check_identity_keys(keys: DeviceKeys, device_id: str) -> None:
    if keys.keys.keys() != {f"curve25519:{device_id}", f"ed25519:{device_id}"}:
        raise ChatError(Code.BAD_REQUEST, "A device has one curve25519 key and one ed25519 key, under its id.")
    if len(msgspec.json.encode(keys)) > MAX_DEVICE_KEYS_BYTES:
        raise ChatError(Code.BAD_REQUEST, f"The keys of a device have at most {MAX_DEVICE_KEYS_BYTES} bytes.")
