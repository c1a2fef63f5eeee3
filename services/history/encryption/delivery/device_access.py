"""Which device a login session may use. A device is bound to one session; a dehydrated one serves all of its owner."""

from collections.abc import Sequence
from typing import NamedTuple

from chatterbox.chassis.sqlite.reader_pool import Row
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code

FIND = """
    SELECT id, sid, state, dehydrated, inbox_epoch, inbox_floor, inbox_head, seen_ms
    FROM devices WHERE user_id = ? AND device_id = ?
"""


class UsedDevice(NamedTuple):
    """A device that a session uses, and its inbox: messages from `floor` + 1 to `head`."""

    number: int
    """Its id in the database."""
    sid: str
    state: str
    dehydrated: int
    epoch: str
    floor: int
    head: int
    seen_ms: int


def require_bound(rows: Sequence[Row], sid: str) -> UsedDevice:
    """The device in the row of `FIND`, if this session may send with it.

    Raises `device_unknown`, `device_removed` or `device_unbound`.
    """
    if not rows:
        raise ChatError(Code.DEVICE_UNKNOWN)
    device = UsedDevice._make(rows[0])
    if device.state == DeviceState.REMOVED:
        raise ChatError(Code.DEVICE_REMOVED)
    if device.sid != sid or not sid:
        raise ChatError(Code.DEVICE_UNBOUND)
    return device


def require_inbox(rows: Sequence[Row], sid: str) -> UsedDevice:
    """As `require_bound`, if this session may read the device's inbox.

    That of a dehydrated device is read by each of its owner's, also after another one took its place.
    """
    if rows and UsedDevice._make(rows[0]).dehydrated:
        return UsedDevice._make(rows[0])
    return require_bound(rows, sid)


def require_listed(device: UsedDevice) -> UsedDevice:
    """The device, if it may send to other users; raises `not_allowed`."""
    if device.state == DeviceState.ASLEEP:
        raise ChatError(Code.NOT_ALLOWED, "This device was away for long. Open its inbox first.")
    if device.state != DeviceState.LISTED:
        raise ChatError(Code.NOT_ALLOWED, "This device is not in your device list yet. Approve it on another device.")
    return device
