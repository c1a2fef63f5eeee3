"""Stores new devices, and binds known ones to login sessions. The writer runs each change inside a transaction."""

import secrets

import msgspec

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import DeviceAppeared
from chatterbox.wire.encryption.device_keys import signed_part
from chatterbox.wire.encryption.key_api import DeviceState, DeviceUpload, OwnDevice
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.text_rules import timestamp
from services.history.encryption import recipient_versions
from services.history.encryption.device_store import LoginOfUser
from services.history.encryption.devices import device_table, list_store, one_time_key_table
from services.history.encryption.devices.device_table import StoredDevice
from services.history.messages.write_transaction import WriteTransaction

REPLACED_LATEST_MS = 3600 * 1000
"""How long a dehydrated device that no list has yet is safe from making room for others."""

_ADD = """
    INSERT INTO devices
        (user_id, username, device_id, sid, keys, state, dehydrated, generation, inbox_epoch, created_ms, seen_ms)
    VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)
"""
_BIND = "UPDATE devices SET sid = ?, username = ?, generation = ?, seen_ms = ? WHERE id = ?"
_NEW_EPOCH = "UPDATE devices SET inbox_epoch = ? WHERE id = ?"
"""While a device was ended it was given no keys: from another epoch it learns that it needs the key backup."""
_COUNT = "SELECT count(*) FROM devices WHERE user_id = ? AND state <> 'removed'"
_LEFT = """
    SELECT id FROM devices WHERE user_id = ? AND state = 'pending' AND sid = '' AND (NOT dehydrated OR created_ms < ?)
    ORDER BY id LIMIT max(?, 0)
"""


async def bind(
    transaction: WriteTransaction, login: LoginOfUser, upload: DeviceUpload, limits: Limits, *, is_proven: bool
) -> OwnDevice:
    """Store a new device, which is pending, or bind a known one to this session; refusals as in the port."""
    known = await device_table.find(transaction, login.user.user_id, upload.device)
    if known is None:
        await _add(transaction, login, upload, limits)
    else:
        _check(known, login.sid, upload, is_proven=is_proven)
        await _bind(transaction, known, login, upload)
    device = await device_table.usable(transaction, login, upload.device)
    if upload.replace_one_time:
        await one_time_key_table.forget(transaction, device.id)
    await one_time_key_table.add(transaction, device.id, upload.one_time, upload.fallback, limits)
    [own] = await device_table.own(transaction, [device], login.sid)
    return own


async def _add(transaction: WriteTransaction, login: LoginOfUser, upload: DeviceUpload, limits: Limits) -> None:
    user, now_ms = login.user, transaction.now_ms
    listed = await list_store.find(transaction, user.user_id)
    if listed is not None and upload.device in listed.list.removed:
        raise ChatError(Code.DEVICE_REMOVED)
    await _make_room(transaction, user, limits)
    sid = "" if upload.dehydrated else login.sid
    keys = msgspec.json.encode(upload.keys).decode()
    epoch = secrets.token_hex(4)
    identity = (user.user_id, user.username, upload.device, sid, keys, upload.dehydrated)
    await transaction.rows(_ADD, (*identity, upload.generation, epoch, now_ms, now_ms))
    if listed is not None and not upload.dehydrated:
        transaction.signals.append(DeviceAppeared(user_id=user.user_id, device=upload.device, since=timestamp(now_ms)))


async def _make_room(transaction: WriteTransaction, user: UserInfo, limits: Limits) -> None:
    """Forget pending devices whose session ended, the oldest first, if the user has the maximum number of devices."""
    [(count,)] = await transaction.rows(_COUNT, (user.user_id,))
    excess = count + 1 - limits.devices_per_user
    safe_ms = transaction.now_ms - REPLACED_LATEST_MS
    left = await transaction.rows(_LEFT, (user.user_id, safe_ms, excess))
    if excess > len(left):
        detail = f"You have the maximum number of devices: {limits.devices_per_user}. Remove one first."
        raise ChatError(Code.TOO_MANY_DEVICES, detail)
    for (row_id,) in left:
        await device_table.forget(transaction, row_id)


def _check(known: StoredDevice, sid: str, upload: DeviceUpload, *, is_proven: bool) -> None:
    if known.state is DeviceState.REMOVED:
        raise ChatError(Code.DEVICE_REMOVED)
    if signed_part(known.keys) != signed_part(upload.keys):
        raise ChatError(Code.STORE_SUPERSEDED, "The server has other keys under this device id. Make a new device.")
    if known.dehydrated is not upload.dehydrated:
        raise ChatError(Code.BAD_REQUEST, "A device is dehydrated from its first upload on, or never.")
    if not known.dehydrated and sid != known.sid and not is_proven:
        raise ChatError(Code.DEVICE_UNBOUND, "This device belongs to another login session; `proof` must be its own.")
    if known.state is DeviceState.ENDED and sid == known.sid:
        raise ChatError(Code.DEVICE_UNBOUND, "This device was ended in this login session. Log in again.")
    if upload.generation <= known.generation:
        raise ChatError(Code.STORE_SUPERSEDED)


async def _bind(transaction: WriteTransaction, known: StoredDevice, login: LoginOfUser, upload: DeviceUpload) -> None:
    sid = "" if known.dehydrated else login.sid
    bound = (sid, login.user.username, upload.generation, transaction.now_ms, known.id)
    await transaction.rows(_BIND, bound)
    if known.state is DeviceState.ENDED:
        await transaction.rows(_NEW_EPOCH, (secrets.token_hex(4), known.id))
        await device_table.set_state(transaction, known.id, DeviceState.LISTED)
        await recipient_versions.note_change(transaction, known.user_id, lost=False)
