"""Devices whose login session ended, that sleep, or that their owner ended. The writer runs each in a transaction."""

from collections.abc import Iterable, Sequence

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code
from services.history.encryption import recipient_versions
from services.history.encryption.devices import device_table
from services.history.messages.write_transaction import WriteTransaction

CHUNK_DEVICES = 100
"""Devices that fall asleep, or are forgotten, in one transaction."""

_OF_SESSIONS = """
    SELECT devices.id, user_id, state FROM json_each(?) AS ended
    CROSS JOIN devices ON sid = ended.value AND sid <> '' AND state IN ('pending', 'listed', 'asleep')
"""
_UNSEEN = f"""
    SELECT id, user_id FROM devices WHERE state = 'listed' AND NOT dehydrated AND seen_ms < ? LIMIT {CHUNK_DEVICES}
"""  # noqa: S608 - constant
_REMOVED = f"""
    SELECT id FROM devices WHERE state = 'removed' AND seen_ms < ?
        AND NOT EXISTS (SELECT 1 FROM to_device_counts WHERE from_device = devices.id AND waiting > 0)
    LIMIT {CHUNK_DEVICES}
"""  # noqa: S608 - constant


async def are_used(source: RowSource, sids: Sequence[str]) -> bool:
    """Whether any of these sessions has a device."""
    return bool(await source.rows(_OF_SESSIONS, (_json(sids),)))


async def end_sessions(transaction: WriteTransaction, sids: Sequence[str]) -> int:
    """End the devices of these sessions: a listed one can't read any more, a pending one makes room when needed."""
    devices = await transaction.rows(_OF_SESSIONS, (_json(sids),))
    for row_id, _, state in devices:
        if state == DeviceState.PENDING:
            await device_table.leave_session(transaction, row_id)
        else:
            await device_table.set_state(transaction, row_id, DeviceState.ENDED)
    await _note_lost(transaction, (user_id for _, user_id, state in devices if state == DeviceState.LISTED))
    return len(devices)


async def end_device(transaction: WriteTransaction, user: UserInfo, device_id: str) -> None:
    """Take a device's access away, for its owner; raises `device_unknown`."""
    device = await device_table.find(transaction, user.user_id, device_id)
    if device is None or device.state is DeviceState.REMOVED:
        raise ChatError(Code.DEVICE_UNKNOWN)
    is_unlisted = device.state is DeviceState.PENDING or device.dehydrated
    state = DeviceState.REMOVED if is_unlisted else DeviceState.ENDED
    await device_table.set_state(transaction, device.id, state)
    if device.state is DeviceState.LISTED:
        await recipient_versions.note_change(transaction, user.user_id, lost=True)


async def let_sleep(transaction: WriteTransaction, before_ms: int) -> int:
    """Put some devices to sleep that were not seen since `before_ms`; returns how many."""
    devices = await transaction.rows(_UNSEEN, (before_ms,))
    for row_id, _ in devices:
        await device_table.set_state(transaction, row_id, DeviceState.ASLEEP)
    await _note_lost(transaction, (user_id for _, user_id in devices))
    return len(devices)


async def forget_removed(transaction: WriteTransaction, before_ms: int) -> int:
    """Forget some devices that were removed before `before_ms`, and whose messages were read; returns how many."""
    devices = await transaction.rows(_REMOVED, (before_ms,))
    for (row_id,) in devices:
        await device_table.forget(transaction, row_id)
    return len(devices)


async def _note_lost(transaction: WriteTransaction, user_ids: Iterable[int]) -> None:
    for user_id in dict.fromkeys(user_ids):
        await recipient_versions.note_change(transaction, user_id, lost=True)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
