"""Says why a device was not given the keys of sessions, as the device said that began them."""

from collections.abc import Sequence

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.encryption.key_api import WithheldKeys
from chatterbox.wire.text_rules import timestamp
from services.history.encryption.device_store import LoginOfUser

_JOINED = "SELECT joined_ms FROM memberships WHERE room_id = ? AND user_id = ?"
_HOW = """
    SELECT session, how FROM json_each(:sessions) AS wanted
    JOIN session_shares ON room_id = :room AND session = wanted.value
    WHERE device IN (SELECT id FROM devices WHERE user_id = :user AND sid = :sid AND NOT dehydrated)
"""


async def of_sessions(source: RowSource, login: LoginOfUser, room_id: int, sessions: Sequence[str]) -> WithheldKeys:
    """What is recorded of these sessions for the device that the login session uses. The user is a member."""
    user_id = login.user.user_id
    joined = await source.rows(_JOINED, (room_id, user_id))
    wanted = msgspec.json.encode(list(sessions)).decode()
    found = await source.rows(_HOW, {"sessions": wanted, "room": room_id, "user": user_id, "sid": login.sid})
    return WithheldKeys(joined=timestamp(joined[0][0] if joined else 0), sessions=dict(found))
