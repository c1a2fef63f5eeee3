"""Devices as history stores them, inserted without keys: for tests of what is done with devices, not of keys."""

from typing import NamedTuple

from chatterbox.wire.encryption.key_api import DeviceState
from services.history.messages.writer import Writer

_INSERT = """
    INSERT INTO devices (user_id, username, device_id, sid, keys, state, dehydrated, generation, inbox_epoch,
        created_ms, seen_ms)
    VALUES (?, ?, ?, ?, '{}', ?, ?, 1, ?, ?, ?) RETURNING id
"""


class InsertedDevice(NamedTuple):
    """A device, and the login session that it is bound to."""

    number: int
    """Its id in the database."""
    user_id: int
    username: str
    device: str
    sid: str


async def insert(
    writer: Writer,
    user_id: int,
    username: str,
    device: str,
    *,
    state: DeviceState = DeviceState.LISTED,
    dehydrated: bool = False,
    now_ms: int,
) -> InsertedDevice:
    """Insert a device through history's writer."""
    sid = "" if dehydrated else f"sid-{device}"
    row = (user_id, username, device, sid, state, dehydrated, f"epoch-{device}", now_ms, now_ms)
    [(number,)] = await writer.change(lambda transaction: transaction.rows(_INSERT, row))
    return InsertedDevice(number, user_id, username, device, sid)


def session_id(number: int) -> str:
    """A session id of the right form.

    >>> len(session_id(7))
    43
    """
    return f"session{number}-".ljust(43, "s")


def envelope(device: str, session: str, body: str = "Zm9v") -> str:
    """An envelope of a device's session."""
    return f"e1.{device}.{session}.{body}"
