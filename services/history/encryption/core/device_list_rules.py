"""Whether a device list may follow the stored one, and what becomes of the devices. Pure; signatures were checked.

A user's lists are in one order: each has the next version, so that two devices that change the list at the same time
can't both succeed. A new self-signing key begins a generation, and so does a new master key.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from chatterbox.wire.encryption.device_keys import CrossSigningKey, DeviceList
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceState
from chatterbox.wire.errors import ChatError, Code


class StoredList(msgspec.Struct, frozen=True, kw_only=True):
    """A user's device list as it is stored, and the keys that vouch for it."""

    master: CrossSigningKey
    self_signing: CrossSigningKey
    list: DeviceList
    is_restored: bool = False
    """Whether it comes from a backup: the user's devices may have a later one."""


class UploadedDevice(NamedTuple):
    """A device that was uploaded, as far as a list concerns it."""

    row_id: int
    device_id: str
    state: DeviceState
    is_dehydrated: bool
    has_session: bool
    """Whether a login session that has not ended may use it."""
    digest: str
    """As `signatures.device_hash`."""


class DeviceMove(NamedTuple):
    """What a new list changes about a device."""

    row_id: int
    state: DeviceState
    loses_access: bool
    """Whether it could read, and can't any more, other than a dehydrated device that its owner replaced."""


DeviceMoves: TypeAlias = list[DeviceMove]


def is_same(stored: StoredList | None, upload: DeviceListUpload) -> bool:
    """Whether exactly this list is stored already: the response to it was lost."""
    return (
        stored is not None
        and stored.list == upload.list
        and stored.self_signing == upload.self_signing
        and stored.master == upload.master
    )


def check_succession(stored: StoredList | None, upload: DeviceListUpload, *, is_restored: bool = False) -> None:
    """Raise `list_stale` or `list_invalid` unless the uploaded list may follow the stored one.

    `is_restored`: what is stored comes from a backup, so the user's devices may have a later list, or one where none is
    stored.
    """
    new = upload.list
    if stored is None:
        if new.generation < 1:
            raise ChatError(Code.LIST_INVALID, "The generation of a device list is at least 1.")
        if new.version != 1 and not (is_restored and new.version > 1):
            raise ChatError(Code.LIST_STALE, "There is no device list yet: begin with version 1.")
        return
    has_new_master = upload.master.public_key != stored.master.public_key
    if has_new_master and not upload.reset:
        raise ChatError(Code.LIST_INVALID, "Another master key is stored. To replace it, `reset` must be true.")
    if is_restored:
        _check_after_restore(stored.list, new)
    else:
        _check_next(stored, upload, has_new_master=has_new_master)
    if not has_new_master and not set(stored.list.removed) <= set(new.removed):
        raise ChatError(Code.LIST_INVALID, "A removed device never comes back: `removed` must name all from before.")


def _check_after_restore(old: DeviceList, new: DeviceList) -> None:
    if new.version <= old.version or new.generation < old.generation:
        raise ChatError(Code.LIST_STALE, _stale(old))


def _check_next(stored: StoredList, upload: DeviceListUpload, *, has_new_master: bool) -> None:
    old, new = stored.list, upload.list
    has_new_signer = has_new_master or upload.self_signing.public_key != stored.self_signing.public_key
    if (new.generation, new.version) == (old.generation + has_new_signer, old.version + 1):
        return
    if has_new_signer and (new.generation, new.version) == (old.generation, old.version + 1):
        raise ChatError(Code.LIST_INVALID, "A new self-signing key begins a new generation.")
    raise ChatError(Code.LIST_STALE, _stale(old))


def _stale(old: DeviceList) -> str:
    return f"Generation {old.generation}, version {old.version} is stored. Read the list, and try again."


def moves(devices: Sequence[UploadedDevice], new: DeviceList) -> DeviceMoves:
    """What `new` changes about the user's devices, removed ones left out; raises `list_invalid`."""
    known = {device.device_id: device for device in devices if device.state is not DeviceState.REMOVED}
    for device_id, digest in new.devices.items():
        _check_listed(device_id, known.get(device_id), digest, new)
    return [move for device in known.values() if (move := _move(device, new)) is not None]


def _check_listed(device_id: str, device: UploadedDevice | None, digest: str, new: DeviceList) -> None:
    if device is None:
        raise ChatError(Code.LIST_INVALID, f"The device {device_id} was not uploaded, or it was removed.")
    if device.digest != digest:
        raise ChatError(Code.LIST_INVALID, f"The device {device_id} was uploaded with other keys.")
    if device.is_dehydrated is not (device_id == new.dehydrated):
        raise ChatError(Code.LIST_INVALID, "`dehydrated` must name the one dehydrated device of the list.")


def _move(device: UploadedDevice, new: DeviceList) -> DeviceMove | None:
    state = _state_under(device, new)
    if state is device.state:
        return None
    could_read = device.state is DeviceState.LISTED and not device.is_dehydrated
    return DeviceMove(device.row_id, state, could_read and state is not DeviceState.LISTED)


def _state_under(device: UploadedDevice, new: DeviceList) -> DeviceState:
    if device.device_id in new.devices:
        if device.state is not DeviceState.PENDING:
            return device.state
        return DeviceState.LISTED if device.is_dehydrated or device.has_session else DeviceState.ENDED
    if device.is_dehydrated and device.state is DeviceState.PENDING and device.device_id not in new.removed:
        return device.state  # uploaded for a later list
    if device.is_dehydrated or device.device_id in new.removed:
        return DeviceState.REMOVED
    return DeviceState.PENDING
