"""Reads who can read an encrypted room: the listed devices of its members, and the lists that vouch for them."""

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.member_log import MAX_MEMBER_ENTRIES
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.history_api import RecipientsCall, RoomRecipients
from services.history.encryption import member_log_store
from services.history.encryption.devices import list_store

_RECIPIENTS = f"""
    SELECT 0 AS part, rooms.encrypted, rooms.recipients, rooms.closed_at,
        (SELECT coalesce(max(seq), 0) FROM member_log WHERE room_id = :room), members.user_id, members.username AS name,
        devices.device_id, devices.id AS place, NULL AS entry
    FROM rooms
    LEFT JOIN memberships AS mine ON mine.room_id = rooms.id AND mine.user_id = :user
    LEFT JOIN memberships AS members ON members.room_id = mine.room_id
    LEFT JOIN devices ON devices.user_id = members.user_id AND devices.state = 'listed'
    WHERE rooms.id = :room AND rooms.deleted_ms IS NULL
    UNION ALL SELECT 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, seq, entry FROM (
        SELECT seq, entry FROM member_log WHERE room_id = :room AND seq > :after
        ORDER BY seq LIMIT {MAX_MEMBER_ENTRIES})
    ORDER BY part, name, place
"""  # noqa: S608 - constants
"""One query, so that devices, version and member log are of the same state of the database: first the devices of each
member, then entries of the log. Without a member: the user is none.
"""


async def read(source: RowSource, call: RecipientsCall) -> RoomRecipients:
    """Who can read a room, for a member; raises `room_unknown`, `not_a_member` or `room_not_encrypted`.

    Lists are read afterwards: if they are newer, the version is old, and nothing can be shared for it.
    """
    found = await source.rows(_RECIPIENTS, {"room": call.room_id, "user": call.user_id, "after": call.after})
    rows = [row for part, *row in found if part == 0]
    if not rows:
        raise ChatError(Code.ROOM_UNKNOWN)
    is_encrypted, recipients, closed_at, log, member, *_ = rows[0]
    if member is None:
        raise ChatError(Code.NOT_A_MEMBER)
    if not is_encrypted:
        raise ChatError(Code.ROOM_NOT_ENCRYPTED)
    devices = [DeviceAddress(username, device) for *_, username, device, _, _ in rows if device is not None]
    able = {device.username for device in devices}
    members = {user_id: username for *_, user_id, username, _, _, _ in rows}
    return RoomRecipients(
        recipients=recipients,
        devices=devices,
        lists=[keys for keys in await list_store.users_keys(source, list(members)) if not _is_known(keys, call)],
        closed_at=closed_at,
        without=[username for username in members.values() if username not in able],
        entries=member_log_store.decoded(entry for *_, entry in found),
        log=log,
    )


def _is_known(keys: UserKeys, call: RecipientsCall) -> bool:
    return call.known.get(keys.username) == keys.list.version
