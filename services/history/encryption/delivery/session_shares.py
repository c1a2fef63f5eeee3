"""Records to which devices the keys of a session were given, in the transaction that stores these keys for them.

When each device that can read the room has them, or a reason why not, messages of the session may follow.
"""

import sqlite3
from functools import partial

from chatterbox.chassis.sqlite.database import run_on_connection
from chatterbox.wire.encryption import envelope
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import DeviceAddress, WithheldReason
from chatterbox.wire.history_api import SharedKeys, ShareKeysCall
from chatterbox.wire.limits import Limits
from services.history.encryption.delivery import device_access, to_device_delivery
from services.history.encryption.delivery.device_access import UsedDevice
from services.history.encryption.delivery.to_device_delivery import Delivery
from services.history.messages.write_transaction import WriteTransaction

KEPT_DAYS = 7
"""How long it is known who was given the keys of a session that is not used (days)."""
GIVEN = ""
"""Recorded of a device that has the keys; of others, the reason."""
FORGOTTEN_AT_ONCE = 1000
"""Records forgotten in one transaction."""

_ROOM = """
    SELECT memberships.user_id, encrypted, recipients, closed_at FROM rooms
    LEFT JOIN memberships ON memberships.room_id = rooms.id AND memberships.user_id = ?
    WHERE rooms.id = ? AND deleted_ms IS NULL
"""
_SESSION = "SELECT device, began_at FROM room_sessions WHERE room_id = ? AND session = ?"
_BEGIN = """
    INSERT INTO room_sessions (room_id, session, device, recipients, began_at, used_ms) VALUES (?, ?, ?, 0, ?, ?)
"""
_RECIPIENTS = """
    SELECT devices.id FROM memberships JOIN devices ON devices.user_id = memberships.user_id
    WHERE memberships.room_id = ? AND devices.state = 'listed'
"""
_GIVE = """
    INSERT INTO session_shares (room_id, session, device, how) VALUES (?, ?, ?, '')
    ON CONFLICT DO UPDATE SET how = ''
"""
_RECORD = "INSERT OR IGNORE INTO session_shares (room_id, session, device, how) VALUES (?, ?, ?, ?)"
_MISSING = f"""
    SELECT count(*) FROM ({_RECIPIENTS} AND devices.id <> ?) AS recipients
    WHERE NOT EXISTS (SELECT 1 FROM session_shares WHERE room_id = ? AND session = ? AND device = recipients.id)
"""  # noqa: S608 - constants
_COMPLETE = "UPDATE room_sessions SET recipients = ?, used_ms = ? WHERE room_id = ? AND session = ?"
_FORGET = """
    DELETE FROM session_shares WHERE (room_id, session, device) IN (
        SELECT room_id, session, session_shares.device FROM room_sessions JOIN session_shares USING (room_id, session)
        WHERE used_ms > 0 AND used_ms <= :before LIMIT :chunk)
    RETURNING 1
"""
_NOTE_FORGOTTEN = "UPDATE room_sessions SET used_ms = 0 WHERE used_ms > 0 AND used_ms <= :before"


async def share(transaction: WriteTransaction, call: ShareKeysCall, limits: Limits) -> SharedKeys:
    """Store messages with a session's keys, and who got them; returns how many devices have neither keys nor a reason.

    Raises `recipients_stale` if who can read the room has changed, or the session is closed; then nothing is stored.
    """
    to_device_delivery.check(call.messages, limits)
    if not envelope.is_session_id(call.session):
        raise ChatError(Code.BAD_REQUEST, "A session must be 43 characters of base64url.")
    run = partial(_share, call=call, now_ms=transaction.now_ms, limits=limits)
    missing, delivered = await run_on_connection(transaction.db, run)
    await delivered.tell(transaction)
    return SharedKeys(missing)


def _share(db: sqlite3.Connection, *, call: ShareKeysCall, now_ms: int, limits: Limits) -> tuple[int, Delivery]:
    rows = db.execute(device_access.FIND, (call.user_id, call.device)).fetchall()
    device = device_access.require_listed(device_access.require_bound(rows, call.sid))
    _require_current(db, call, device, now_ms)
    withheld = {DeviceAddress(each.username, each.device): each.reason for each in call.withheld}
    addresses = [*(message.to for message in call.messages), *withheld]
    delivered = to_device_delivery.begun(db, device.number, addresses, limits)
    recipients = {number for (number,) in db.execute(_RECIPIENTS, (call.room_id,))}
    given = {delivered.put(message).number for message in call.messages}
    if not given <= recipients:  # a key would reach a device that can't read the room
        raise ChatError(Code.RECIPIENTS_STALE)
    delivered.write(db)
    reasons = {
        delivered.targets[address].number: reason
        for address, reason in withheld.items()
        if address in delivered.targets and delivered.targets[address].number in recipients
    }
    reasons |= dict.fromkeys(delivered.full, WithheldReason.FULL)
    session = (call.room_id, call.session)
    db.executemany(_GIVE, [(*session, number) for number in delivered.stored])
    # what was stored before keeps its record; without one, its key came another way
    before = dict.fromkeys(given - delivered.stored - delivered.full, GIVEN)
    db.executemany(_RECORD, [(*session, *record) for record in (before | reasons).items()])
    return _completed(db, call, device, now_ms), delivered


def _require_current(db: sqlite3.Connection, call: ShareKeysCall, device: UsedDevice, now_ms: int) -> None:
    """Raise `ChatError` unless the session may be shared now; one that is new begins."""
    room = db.execute(_ROOM, (call.user_id, call.room_id)).fetchone()
    if room is None:
        raise ChatError(Code.ROOM_UNKNOWN)
    member, is_encrypted, recipients, closed_at = room
    if member is None:
        raise ChatError(Code.NOT_A_MEMBER)
    if not is_encrypted:
        raise ChatError(Code.ROOM_NOT_ENCRYPTED)
    if recipients != call.recipients:
        raise ChatError(Code.RECIPIENTS_STALE)
    session = db.execute(_SESSION, (call.room_id, call.session)).fetchone()
    if session is None:
        db.execute(_BEGIN, (call.room_id, call.session, device.number, recipients, now_ms))
        return
    owner, began_at = session
    if owner != device.number:
        raise ChatError(Code.DEVICE_UNBOUND, "Another device began this session.")
    if began_at < closed_at:
        raise ChatError(Code.RECIPIENTS_STALE, "Someone lost access since this session began. Begin a new one.")


def _completed(db: sqlite3.Connection, call: ShareKeysCall, device: UsedDevice, now_ms: int) -> int:
    """How many devices are missing; if none is, the session may be used from now on."""
    session = (call.room_id, call.session)
    [(missing,)] = db.execute(_MISSING, (call.room_id, device.number, *session))
    if not missing:
        db.execute(_COMPLETE, (call.recipients, now_ms, *session))
    return int(missing)


async def forget_unused(transaction: WriteTransaction, before_ms: int) -> bool:
    """Forget to whom the keys of sessions were given that were not used since `before_ms`; False if there are none.

    The sessions stay: when each began must be known as long as its keys may be.
    """
    if await transaction.rows(_FORGET, {"before": before_ms, "chunk": FORGOTTEN_AT_ONCE}):
        return True
    await transaction.rows(_NOTE_FORGOTTEN, {"before": before_ms})
    return False
