"""Rows of devices: finding them, what their owner sees, changing their state, erasing what belongs to them."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.encryption.device_keys import DeviceKeys
from chatterbox.wire.encryption.key_api import DeviceState, OwnDevice
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from chatterbox.wire.text_rules import timestamp
from services.history.encryption.device_store import LoginOfUser
from services.history.messages.write_transaction import WriteTransaction

_COLUMNS = (
    "id, user_id, username, device_id, sid, keys, state, dehydrated, generation, inbox_epoch, inbox_floor, inbox_head,"
    " created_ms, seen_ms"
)
_FIND = f"SELECT {_COLUMNS} FROM devices WHERE user_id = ? AND device_id = ?"  # noqa: S608 - constants
_OF_USER = f"SELECT {_COLUMNS} FROM devices WHERE user_id = ? ORDER BY id"  # noqa: S608 - constants
_ONE_TIME = """
    SELECT device, key_id FROM json_each(?) JOIN one_time_keys ON device = json_each.value ORDER BY device, seq
"""
_USED = "SELECT device FROM json_each(?) JOIN fallback_keys ON device = json_each.value AND used"
_SET_STATE = "UPDATE devices SET state = ? WHERE id = ?"
_REMOVE = "UPDATE devices SET state = ?, sid = '', seen_ms = ? WHERE id = ?"
_LEAVE_SESSION = "UPDATE devices SET sid = '' WHERE id = ?"
_ERASE_KEYS = (
    "DELETE FROM one_time_keys WHERE device = ?",
    "DELETE FROM fallback_keys WHERE device = ?",
    "DELETE FROM claims WHERE by_device = ?",
    "DELETE FROM claims WHERE of_device = ?",
)
_ERASE_REST = (
    "DELETE FROM to_device WHERE device = ?",
    "DELETE FROM to_device_counts WHERE from_device = ?",
    "DELETE FROM to_device_counts WHERE to_device = ?",
    """
    DELETE FROM session_shares
    WHERE (room_id, session) IN (SELECT room_id, session FROM room_sessions WHERE device = ?)
    """,
    "DELETE FROM room_sessions WHERE device = ?",
    "DELETE FROM devices WHERE id = ?",
)
_HAS_WAITING = "SELECT 1 FROM to_device_counts WHERE from_device = ? AND waiting > 0 LIMIT 1"


class StoredDevice(NamedTuple):
    """A device as it is stored."""

    id: int
    user_id: int
    username: str
    device_id: str
    sid: str
    """The login session that may use it; empty: none. Of an ended device: the one that ended."""
    keys: DeviceKeys
    state: DeviceState
    dehydrated: bool
    generation: int
    inbox_epoch: str
    inbox_floor: int
    inbox_head: int
    created_ms: int
    seen_ms: int


async def find(source: RowSource, user_id: int, device_id: str) -> StoredDevice | None:
    """A device of a user, removed ones too."""
    rows = await source.rows(_FIND, (user_id, device_id))
    return _device(rows[0]) if rows else None


async def of_user(source: RowSource, user_id: int) -> list[StoredDevice]:
    """All devices of a user, removed ones too, by age."""
    return [_device(row) for row in await source.rows(_OF_USER, (user_id,))]


async def usable(source: RowSource, login: LoginOfUser, device_id: str) -> StoredDevice:
    """A device that this session may use; also the dehydrated device, which all sessions of its owner may.

    Raises `device_unknown`, `device_removed` or `device_unbound`.
    """
    device = await find(source, login.user.user_id, device_id)
    if device is None:
        raise ChatError(Code.DEVICE_UNKNOWN)
    if device.state is DeviceState.REMOVED:
        raise ChatError(Code.DEVICE_REMOVED)
    if not device.dehydrated and (device.sid != login.sid or device.state is DeviceState.ENDED):
        raise ChatError(Code.DEVICE_UNBOUND)
    return device


async def own(source: RowSource, devices: Sequence[StoredDevice], sid: str) -> list[OwnDevice]:
    """What their owner sees of these devices in session `sid`."""
    wanted = _json([device.id for device in devices])
    one_time: dict[int, list[str]] = {}
    for row_id, key_id in await source.rows(_ONE_TIME, (wanted,)):
        one_time.setdefault(row_id, []).append(key_id)
    used = {row_id for (row_id,) in await source.rows(_USED, (wanted,))}
    return [
        OwnDevice(
            device=device.device_id,
            state=device.state,
            generation=device.generation,
            dehydrated=device.dehydrated,
            current=device.sid == sid and device.state is not DeviceState.ENDED,
            since=timestamp(device.created_ms),
            seen=timestamp(device.seen_ms),
            inbox=Position(device.inbox_epoch, device.inbox_floor),
            head=device.inbox_head,
            one_time=one_time.get(device.id, []),
            fallback_used=device.id in used,
            keys=device.keys,
            session=device.sid,
        )
        for device in devices
    ]


async def set_state(transaction: WriteTransaction, row_id: int, state: DeviceState) -> None:
    """Change the state of a device; one that is removed loses its session and its keys.

    Its inbox stays until it is forgotten: the owner may still read that of a dehydrated device.
    """
    if state is not DeviceState.REMOVED:
        await transaction.rows(_SET_STATE, (state, row_id))
        return
    await transaction.rows(_REMOVE, (state, transaction.now_ms, row_id))
    for statement in _ERASE_KEYS:
        await transaction.rows(statement, (row_id,))


async def leave_session(transaction: WriteTransaction, row_id: int) -> None:
    """No session may use the device now."""
    await transaction.rows(_LEAVE_SESSION, (row_id,))


async def forget(transaction: WriteTransaction, row_id: int) -> bool:
    """Delete a device and what belongs to it. False: it stays as removed, while others have messages of it to read."""
    if await transaction.rows(_HAS_WAITING, (row_id,)):
        await set_state(transaction, row_id, DeviceState.REMOVED)
        return False
    for statement in (*_ERASE_KEYS, *_ERASE_REST):
        await transaction.rows(statement, (row_id,))
    return True


def _device(row: tuple[object, ...]) -> StoredDevice:
    device = StoredDevice._make(row)
    return device._replace(
        keys=msgspec.json.decode(str(device.keys), type=DeviceKeys),
        state=DeviceState(device.state),
        dehydrated=bool(device.dehydrated),
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
