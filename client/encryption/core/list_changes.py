"""The next device list of a user: devices added and removed, the dehydrated device replaced, keys renewed. Pure.

Signatures of Ed25519 are deterministic: the same change gives the same bytes, so that it can be uploaded again.
"""

from collections.abc import Iterable

import msgspec

from chatterbox.wire.encryption.device_keys import CrossSigningKey, DeviceKeys, DeviceList, UserKeys, matrix_user
from chatterbox.wire.encryption.key_api import DeviceListUpload
from chatterbox.wire.encryption.signatures import device_hash
from client.encryption.core.cross_signatures import cross_signing_key, public_key, signed_by


def first_list(
    user_id: int, username: str, master: bytes, self_signing: bytes, devices: Iterable[DeviceKeys]
) -> DeviceListUpload:
    """Version 1 of a user who has no keys yet. `master`, `self_signing`: the seeds."""
    master_key, self_signing_key = _cross_signing(user_id, master, self_signing)
    return _signed(
        master_key,
        self_signing_key,
        self_signing,
        ListPlan(user_id, username, 1, 1, {device.device_id: device for device in devices}),
    )


def changed_list(
    keys: UserKeys,
    self_signing: bytes,
    *,
    add: Iterable[DeviceKeys] = (),
    remove: Iterable[str] = (),
    dehydrated: DeviceKeys | None = None,
) -> DeviceListUpload:
    """The list after `keys`, under the same self-signing key. `dehydrated` replaces the dehydrated device."""
    removed, devices = set(remove), dict(keys.device_keys)
    devices |= {device.device_id: device for device in add}
    name = keys.list.dehydrated
    if dehydrated is not None:
        devices.pop(name, None)
        devices[dehydrated.device_id] = dehydrated
        name = dehydrated.device_id
    devices = {device_id: device for device_id, device in devices.items() if device_id not in removed}
    plan = ListPlan(
        keys.user_id,
        keys.username,
        keys.list.generation,
        keys.list.version + 1,
        devices,
        tuple(sorted({*keys.list.removed, *removed})),
        name if name in devices else "",
    )
    return _signed(keys.master, keys.self_signing, self_signing, plan)


def renewed_list(keys: UserKeys, master: bytes, self_signing: bytes, *, remove: Iterable[str]) -> DeviceListUpload:
    """The list after `keys` under a new self-signing key; a removed device may have the former one."""
    removed = set(remove)
    master_key, self_signing_key = _cross_signing(keys.user_id, master, self_signing)
    devices = {device_id: device for device_id, device in keys.device_keys.items() if device_id not in removed}
    plan = ListPlan(
        keys.user_id,
        keys.username,
        keys.list.generation + 1,
        keys.list.version + 1,
        devices,
        tuple(sorted({*keys.list.removed, *removed})),
        keys.list.dehydrated if keys.list.dehydrated in devices else "",
    )
    return _signed(master_key, self_signing_key, self_signing, plan)


def reset_list(keys: UserKeys, master: bytes, self_signing: bytes, device: DeviceKeys) -> DeviceListUpload:
    """A new beginning with one device and a new master key; all other devices wait to be let in again."""
    master_key, self_signing_key = _cross_signing(keys.user_id, master, self_signing)
    plan = ListPlan(
        keys.user_id,
        keys.username,
        keys.list.generation + 1,
        keys.list.version + 1,
        {device.device_id: device},
        tuple(device_id for device_id in keys.list.removed if device_id != device.device_id),
    )
    return msgspec.structs.replace(_signed(master_key, self_signing_key, self_signing, plan), reset=True)


def same_list(keys: UserKeys) -> DeviceListUpload:
    """The upload of a list that the server lost."""
    return DeviceListUpload(
        master=keys.master, self_signing=keys.self_signing, list=keys.list, device_keys=keys.device_keys
    )


def as_user_keys(upload: DeviceListUpload, user_id: int) -> UserKeys:
    """What others get when the list is stored."""
    return UserKeys(
        username=upload.list.username,
        user_id=user_id,
        master=upload.master,
        self_signing=upload.self_signing,
        list=upload.list,
        device_keys=upload.device_keys,
    )


class ListPlan(msgspec.Struct, frozen=True):
    """A device list before it is signed."""

    user_id: int
    username: str
    generation: int
    version: int
    devices: dict[str, DeviceKeys]
    removed: tuple[str, ...] = ()
    dehydrated: str = ""


def _cross_signing(user_id: int, master: bytes, self_signing: bytes) -> tuple[CrossSigningKey, CrossSigningKey]:
    user = matrix_user(user_id)
    master_key = cross_signing_key(user_id, "master", master)
    return master_key, signed_by(cross_signing_key(user_id, "self_signing", self_signing), user, master)


def _signed(master: CrossSigningKey, self_signing: CrossSigningKey, seed: bytes, plan: ListPlan) -> DeviceListUpload:
    user = matrix_user(plan.user_id)
    devices = {name: signed_by(_own_signature_only(keys), user, seed) for name, keys in sorted(plan.devices.items())}
    listed = DeviceList(
        user_id=user,
        username=plan.username,
        generation=plan.generation,
        version=plan.version,
        devices={name: device_hash(keys) for name, keys in devices.items()},
        removed=plan.removed,
        dehydrated=plan.dehydrated,
        signatures={},
    )
    if self_signing.public_key != public_key(seed):
        raise ValueError("the seed is not that of the self-signing key")
    return DeviceListUpload(
        master=master, self_signing=self_signing, list=signed_by(listed, user, seed), device_keys=devices
    )


def _own_signature_only(keys: DeviceKeys) -> DeviceKeys:
    """Without signatures of former self-signing keys."""
    own = f"ed25519:{keys.device_id}"
    of_user = keys.signatures.get(keys.user_id, {})
    kept = {keys.user_id: {own: of_user[own]}} if own in of_user else {}
    return msgspec.structs.replace(keys, signatures=kept)
