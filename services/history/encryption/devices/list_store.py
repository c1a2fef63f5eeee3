"""Stores the device list that each user signed, and reads users' keys. The writer runs each change in a transaction."""

import secrets
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import DeviceListChanged
from chatterbox.wire.encryption.device_keys import CrossSigningKey, DeviceKeys, DeviceList, UserKeys
from chatterbox.wire.encryption.key_api import DeviceListUpload, DeviceState
from chatterbox.wire.encryption.signatures import device_hash
from services.history.encryption import recipient_versions
from services.history.encryption.core import device_list_rules
from services.history.encryption.core.device_list_rules import StoredList, UploadedDevice
from services.history.encryption.devices import device_table
from services.history.encryption.devices.device_table import StoredDevice
from services.history.messages.write_transaction import WriteTransaction

T = TypeVar("T")

_FIND = "SELECT master, self_signing, list, restored FROM device_lists WHERE user_id = ?"
_SET = """
    INSERT OR REPLACE INTO device_lists (user_id, username, generation, version, master, self_signing, list)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_SET_KEYS = """
    UPDATE devices SET keys = keys_of.value FROM json_each(?) AS keys_of
    WHERE user_id = ? AND device_id = keys_of.key
"""
_USERS_KEYS = """
    SELECT user_id, username, master, self_signing, list, (
        SELECT json_group_object(device_id, keys) FROM devices
        WHERE devices.user_id = device_lists.user_id AND state <> 'removed')
    FROM json_each(?) AS wanted JOIN device_lists ON user_id = wanted.value
"""
"""In one query, so that list and devices are of the same state of the database."""
_ADD_LOST = """
    INSERT OR IGNORE INTO devices
        (user_id, username, device_id, sid, keys, state, dehydrated, generation, inbox_epoch, created_ms, seen_ms)
    VALUES (?, ?, ?, '', ?, ?, ?, 0, ?, ?, ?)
"""
_IS_RESTORED = "SELECT 1 FROM meta WHERE name = 'restored'"
_ROOMS = "SELECT room_id FROM memberships WHERE user_id = ? AND direct >= 2"


async def find(source: RowSource, user_id: int) -> StoredList | None:
    """A user's list; None if there is none."""
    for master, self_signing, device_list, restored in await source.rows(_FIND, (user_id,)):
        return StoredList(
            master=_decode(master, CrossSigningKey),
            self_signing=_decode(self_signing, CrossSigningKey),
            list=_decode(device_list, DeviceList),
            is_restored=bool(restored),
        )
    return None


async def store(transaction: WriteTransaction, user: UserInfo, upload: DeviceListUpload) -> None:
    """Store the next list of a user, and change the states of the devices; raises `list_stale` or `list_invalid`."""
    stored = await find(transaction, user.user_id)
    if device_list_rules.is_same(stored, upload):
        return
    is_restored = stored.is_restored if stored is not None else bool(await transaction.rows(_IS_RESTORED))
    device_list_rules.check_succession(stored, upload, is_restored=is_restored)
    if is_restored:
        await _add_lost(transaction, user, upload)
    devices = await device_table.of_user(transaction, user.user_id)
    moves = device_list_rules.moves([_uploaded(device) for device in devices], upload.list)
    parts = [_text(part) for part in (upload.master, upload.self_signing, upload.list)]
    numbers = (upload.list.generation, upload.list.version)
    await transaction.rows(_SET, (user.user_id, user.username, *numbers, *parts))
    keys = {device_id: _text(device) for device_id, device in upload.device_keys.items()}
    await transaction.rows(_SET_KEYS, (_text(keys), user.user_id))
    ended = {device.id for device in devices if device.state is DeviceState.ENDED}
    for move in moves:
        await device_table.set_state(transaction, move.row_id, move.state)
        if move.row_id in ended and move.state is DeviceState.PENDING:
            await device_table.leave_session(transaction, move.row_id)
    lost = any(move.loses_access for move in moves)
    await recipient_versions.note_change(transaction, user.user_id, lost=lost)
    await _tell(transaction, user, upload.list.version)


async def _add_lost(transaction: WriteTransaction, user: UserInfo, upload: DeviceListUpload) -> None:
    """Add the devices of the list that a restored backup does not have: they come back when their owner uses them."""
    for device_id, keys in upload.device_keys.items():
        is_dehydrated = device_id == upload.list.dehydrated
        state = DeviceState.LISTED if is_dehydrated else DeviceState.ENDED
        identity = (user.user_id, user.username, device_id, _text(keys), state, is_dehydrated)
        await transaction.rows(_ADD_LOST, (*identity, secrets.token_hex(4), transaction.now_ms, transaction.now_ms))


async def _tell(transaction: WriteTransaction, user: UserInfo, version: int) -> None:
    room_ids = [room_id for (room_id,) in await transaction.rows(_ROOMS, (user.user_id,))]
    transaction.signals.append(
        DeviceListChanged(user_id=user.user_id, username=user.username, version=version, room_ids=room_ids)
    )


def _uploaded(device: StoredDevice) -> UploadedDevice:
    return UploadedDevice(
        row_id=device.id,
        device_id=device.device_id,
        state=device.state,
        is_dehydrated=device.dehydrated,
        has_session=bool(device.sid),
        digest=device_hash(device.keys),
    )


async def users_keys(source: RowSource, user_ids: Sequence[int]) -> list[UserKeys]:
    """The keys of those of these users who have a list, with the keys of the devices in it."""
    wanted = _text(list(dict.fromkeys(user_ids)))
    return [_user_keys(*row) for row in await source.rows(_USERS_KEYS, (wanted,))]


def _user_keys(user_id: int, username: str, master: str, self_signing: str, listed: str, devices: str) -> UserKeys:
    device_list = _decode(listed, DeviceList)
    keys = _decode(devices, dict[str, str])
    return UserKeys(
        username=username,
        user_id=user_id,
        master=_decode(master, CrossSigningKey),
        self_signing=_decode(self_signing, CrossSigningKey),
        list=device_list,
        device_keys={name: _decode(keys[name], DeviceKeys) for name in device_list.devices if name in keys},
    )


def _decode(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
