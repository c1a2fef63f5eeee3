"""Gives keys of devices to other devices, to begin Olm sessions. One-time keys are given out once.

A claim is remembered for a week: for an hour it is repeated to the device that asks again, unless a session began with
its key, and as long as it is remembered, its key is not added again by a repeated upload.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chatterbox.chassis.sqlite.database import run_on_connection
from chatterbox.wire.encryption.device_keys import SignedKey
from chatterbox.wire.frames.encryption import ClaimedKey, DeviceAddress
from chatterbox.wire.history_api import ClaimedKeys
from chatterbox.wire.text_rules import folded
from services.history.messages.write_transaction import WriteTransaction
from services.history.people import user_lookup

REPEATED_MS = 3600 * 1000
"""How long the same device gets the same key again."""
KEPT_MS = 7 * 24 * 3600 * 1000
"""How long claims are remembered."""

_LISTED = """
    SELECT id FROM devices WHERE user_id = ? AND device_id = ? AND state = 'listed' AND id <> ?
"""
_REPEATED = """
    SELECT key_id, key FROM claims WHERE by_device = ? AND of_device = ? AND at_ms > ? AND NOT used
    ORDER BY at_ms DESC LIMIT 1
"""
_NEXT = "SELECT seq, key_id, key FROM one_time_keys WHERE device = ? ORDER BY seq LIMIT 1"
_TAKE = "DELETE FROM one_time_keys WHERE device = ? AND seq = ?"
_FALLBACK = "UPDATE fallback_keys SET used = 1 WHERE device = ? RETURNING key_id, key"
_REMEMBER = "INSERT OR REPLACE INTO claims (by_device, of_device, at_ms, key_id, key) VALUES (?, ?, ?, ?, ?)"
"""A fallback key may be given to the same device again."""
_FORGET = "DELETE FROM claims WHERE at_ms < ?"


class _GivenKey(NamedTuple):
    key_id: str
    text: str


async def claim(transaction: WriteTransaction, by_device: int, of: Sequence[DeviceAddress]) -> ClaimedKeys:
    """A key of each of these devices that is listed and has one, for the device with row id `by_device`."""
    users = await user_lookup.by_name(transaction, list({address.username for address in of}))
    ids = {folded(user.username): user.user_id for user in users}
    wanted = [(address, ids.get(folded(address.username), 0)) for address in of]
    now_ms = transaction.now_ms
    given = await run_on_connection(
        transaction.db, lambda db: [_given(db, by_device, *each, now_ms) for each in wanted]
    )
    keys = [
        ClaimedKey(
            username=address.username,
            device=address.device,
            key_id=key.key_id,
            key=msgspec.json.decode(key.text, type=SignedKey),
        )
        for address, key in zip(of, given, strict=True)
        if key is not None
    ]
    return ClaimedKeys(keys, [address for address, key in zip(of, given, strict=True) if key is None])


def _given(
    db: sqlite3.Connection, by_device: int, address: DeviceAddress, user_id: int, now_ms: int
) -> _GivenKey | None:
    row = db.execute(_LISTED, (user_id, address.device, by_device)).fetchone()
    if row is None:
        return None
    [of_device] = row
    repeated = db.execute(_REPEATED, (by_device, of_device, now_ms - REPEATED_MS)).fetchone()
    if repeated is not None:
        return _GivenKey(*repeated)
    key = _next(db, of_device)
    if key is not None:
        db.execute(_REMEMBER, (by_device, of_device, now_ms, *key))
    return key


def _next(db: sqlite3.Connection, of_device: int) -> _GivenKey | None:
    found = db.execute(_NEXT, (of_device,)).fetchone()
    if found is not None:
        seq, *key = found
        db.execute(_TAKE, (of_device, seq))
        return _GivenKey(*key)
    fallback = db.execute(_FALLBACK, (of_device,)).fetchone()
    return None if fallback is None else _GivenKey(*fallback)


async def forget(transaction: WriteTransaction) -> None:
    """Forget claims that are not repeated any more."""
    await transaction.rows(_FORGET, (transaction.now_ms - KEPT_MS,))
