"""Reads who can read an encrypted room: the listed devices of its members, and the lists that vouch for them."""

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.history_api import RecipientsCall, RoomRecipients
from services.history.encryption.devices import list_store

_RECIPIENTS = """
    SELECT rooms.encrypted, rooms.recipients, rooms.closed_at, members.user_id, members.username, devices.device_id
    FROM rooms
    LEFT JOIN memberships AS mine ON mine.room_id = rooms.id AND mine.user_id = :user
    LEFT JOIN memberships AS members ON members.room_id = mine.room_id
    LEFT JOIN devices ON devices.user_id = members.user_id AND devices.state = 'listed'
    WHERE rooms.id = :room AND rooms.deleted_ms IS NULL
    ORDER BY members.username, devices.id
"""
"""One query, so that devices and version are of the same state of the database. Without a member: not one of them."""


async def read(source: RowSource, call: RecipientsCall) -> RoomRecipients:
    """Who can read a room, for a member; raises `room_unknown`, `not_a_member` or `room_not_encrypted`.

    Lists are read afterwards: if they are newer, the version is old, and nothing can be shared for it.
    """
    rows = await source.rows(_RECIPIENTS, {"room": call.room_id, "user": call.user_id})
    if not rows:
        raise ChatError(Code.ROOM_UNKNOWN)
    is_encrypted, recipients, closed_at, member, _, _ = rows[0]
    if member is None:
        raise ChatError(Code.NOT_A_MEMBER)
    if not is_encrypted:
        raise ChatError(Code.ROOM_NOT_ENCRYPTED)
    devices = [DeviceAddress(username, device) for *_, username, device in rows if device is not None]
    able = {device.username for device in devices}
    members = {user_id: username for *_, user_id, username, _ in rows}
    return RoomRecipients(
        recipients=recipients,
        devices=devices,
        lists=[keys for keys in await list_store.users_keys(source, list(members)) if not _is_known(keys, call)],
        closed_at=closed_at,
        without=[username for username in members.values() if username not in able],
    )


def _is_known(keys: UserKeys, call: RecipientsCall) -> bool:
    return call.known.get(keys.username) == keys.list.version
