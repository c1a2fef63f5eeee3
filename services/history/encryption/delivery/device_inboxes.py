"""Inboxes of devices: opened, read in pages, emptied by what a device has taken. Nothing else deletes a message.

Offsets count from 1 without gaps; what is stored follows `inbox_floor` and ends at `inbox_head`.
"""

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import ToDeviceKind
from chatterbox.wire.history_api import (
    DeviceInbox,
    InboxCall,
    InboxHeads,
    InboxPage,
    InboxPageCall,
    StoredToDevice,
    TakeCall,
)
from chatterbox.wire.position import Position
from services.history.encryption import recipient_versions
from services.history.encryption.delivery import device_access
from services.history.encryption.delivery.device_access import UsedDevice
from services.history.messages.write_transaction import WriteTransaction

SEEN_EVERY_MS = 3600 * 1000
"""How exactly it is known when a device was there last (milliseconds)."""
TAKEN_AT_ONCE = 500
"""Messages that one transaction deletes."""

_ONE_TIME = "SELECT key_id FROM one_time_keys WHERE device = ? ORDER BY seq"
_FALLBACK = "SELECT used FROM fallback_keys WHERE device = ?"
_PAGE = """
    SELECT devices.inbox_epoch, devices.inbox_head, offset, senders.username, senders.device_id, n, kind, body
    FROM devices
    LEFT JOIN to_device ON to_device.device = devices.id AND offset > :after AND offset <= :after + :limit
    LEFT JOIN devices AS senders ON senders.id = from_device
    WHERE devices.id = :device ORDER BY offset
"""
_HEADS = "SELECT id, inbox_head FROM devices WHERE id IN (SELECT value FROM json_each(?))"
_SEE = "UPDATE devices SET seen_ms = ? WHERE id = ?"
_WAKE = "UPDATE devices SET state = ? WHERE id = ? AND state = ? RETURNING user_id"
_COUNT_TAKEN = """
    UPDATE to_device_counts SET waiting = waiting - taken.messages
    FROM (SELECT from_device AS sender, count(*) AS messages FROM to_device
        WHERE device = :device AND offset <= :upto GROUP BY from_device) AS taken
    WHERE to_device = :device AND from_device = taken.sender
"""
_BYTES = "SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) FROM to_device WHERE device = ? AND offset <= ?"
_DELETE = "DELETE FROM to_device WHERE device = ? AND offset <= ?"
_SET_FLOOR = "UPDATE devices SET inbox_floor = ?, inbox_bytes = inbox_bytes - ?, seen_ms = ? WHERE id = ?"


async def find(source: RowSource, user_id: int, sid: str, device_id: str) -> UsedDevice:
    """The device whose inbox this session reads; raises `device_unknown`, `device_removed` or `device_unbound`."""
    return device_access.require_inbox(await source.rows(device_access.FIND, (user_id, device_id)), sid)


def is_seen_lately(device: UsedDevice, now_ms: int) -> bool:
    """Whether opening its inbox changes nothing that is stored."""
    return device.state != DeviceState.ASLEEP and now_ms - device.seen_ms < SEEN_EVERY_MS


async def note_seen(transaction: WriteTransaction, device: UsedDevice) -> None:
    """Note that a device is there; one that was asleep can read again from now on."""
    await transaction.rows(_SEE, (transaction.now_ms, device.number))
    awake = (DeviceState.LISTED, device.number, DeviceState.ASLEEP)
    for (user_id,) in await transaction.rows(_WAKE, awake):
        await recipient_versions.note_change(transaction, user_id, lost=False)


async def opened(source: RowSource, device: UsedDevice, call: InboxCall) -> DeviceInbox:
    """The inbox of `device`, as it was found before it was noted as seen."""
    after = call.after
    is_known = after is not None and after.epoch == device.epoch and device.floor <= after.offset <= device.head
    at = after.offset if after is not None and is_known else device.floor
    one_time = [key_id for (key_id,) in await source.rows(_ONE_TIME, (device.number,))]
    fallback = await source.rows(_FALLBACK, (device.number,))
    return DeviceInbox(
        inbox=device.number,
        at=Position(device.epoch, at),
        head=device.head,
        one_time=one_time,
        fallback_used=bool(fallback and fallback[0][0]),
        reset=(after is not None and not is_known) or device.state == DeviceState.ASLEEP,
    )


async def page(source: RowSource, call: InboxPageCall) -> InboxPage:
    """What follows `after` in an inbox; raises `device_unknown`."""
    parameters = {"device": call.inbox, "after": call.after, "limit": call.limit}
    rows = await source.rows(_PAGE, parameters)
    if not rows:
        raise ChatError(Code.DEVICE_UNKNOWN)
    messages = [
        StoredToDevice(offset=offset, username=username, sender=sender, n=n, kind=ToDeviceKind(kind), body=body)
        for _, _, offset, username, sender, n, kind, body in rows
        if offset is not None
    ]
    return InboxPage(rows[0][0], messages, rows[0][1])


async def heads(source: RowSource, inboxes: list[int]) -> InboxHeads:
    """The heads of those of these inboxes that exist."""
    return InboxHeads(dict(await source.rows(_HEADS, (msgspec.json.encode(inboxes).decode(),))))


async def take(transaction: WriteTransaction, call: TakeCall) -> bool:
    """Delete messages that a device has stored, `TAKEN_AT_ONCE` at most; whether there are more to delete."""
    device = await find(transaction, call.user_id, call.sid, call.device)
    wanted = min(call.upto, device.head)
    upto = min(wanted, device.floor + TAKEN_AT_ONCE)
    if upto > device.floor:
        [(size,)] = await transaction.rows(_BYTES, (device.number, upto))
        await transaction.rows(_COUNT_TAKEN, {"device": device.number, "upto": upto})
        await transaction.rows(_DELETE, (device.number, upto))
        await transaction.rows(_SET_FLOOR, (upto, size, transaction.now_ms, device.number))
    return upto < wanted
