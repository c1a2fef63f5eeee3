"""Adds one-time keys and fallback keys of devices. One-time keys are given out in the order of adding."""

import sqlite3
from collections.abc import Mapping

import msgspec

from chatterbox.chassis.sqlite.database import run_on_connection
from chatterbox.wire.encryption.device_keys import SignedKey
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.history.messages.write_transaction import WriteTransaction

_HELD = "SELECT key_id, key FROM one_time_keys WHERE device = ?"
_CLAIMED = "SELECT key FROM claims WHERE of_device = ?"
_COUNT = "SELECT count(*), coalesce(max(seq), 0) FROM one_time_keys WHERE device = ?"
_ADD = "INSERT INTO one_time_keys (device, seq, key_id, key) VALUES (?, ?, ?, ?)"
_FALLBACK = "SELECT key_id, key FROM fallback_keys WHERE device = ?"
_SET_FALLBACK = "INSERT OR REPLACE INTO fallback_keys (device, key_id, key, used) VALUES (?, ?, ?, 0)"
_FORGET = (
    "DELETE FROM one_time_keys WHERE device = ?",
    "DELETE FROM fallback_keys WHERE device = ?",
    "DELETE FROM claims WHERE of_device = ?",
)
_IDS = "SELECT key_id FROM one_time_keys WHERE device = ? ORDER BY seq"


async def add(
    transaction: WriteTransaction,
    row_id: int,
    one_time: Mapping[str, SignedKey],
    fallback: Mapping[str, SignedKey],
    limits: Limits,
) -> list[str]:
    """Add keys of a device; returns the ids of its one-time keys. Raises `one_time_key_taken` or `bad_request`.

    A key that was claimed lately is not added again: its upload is repeated because the response was lost.
    """
    return await run_on_connection(transaction.db, lambda db: _add(db, row_id, one_time, fallback, limits))


async def forget(transaction: WriteTransaction, row_id: int) -> None:
    """Forget the keys of a device, also that they were given out: their ids may come again with other keys."""
    for statement in _FORGET:
        await transaction.rows(statement, (row_id,))


def _add(
    db: sqlite3.Connection,
    row_id: int,
    one_time: Mapping[str, SignedKey],
    fallback: Mapping[str, SignedKey],
    limits: Limits,
) -> list[str]:
    held = dict(db.execute(_HELD, (row_id,)).fetchall())
    # by key, not by id: ids of fallback keys, which may be claimed as well, are counted apart
    claimed = {_key(text) for (text,) in db.execute(_CLAIMED, (row_id,))}
    new = [
        (key_id, _text(key))
        for key_id, key in one_time.items()
        if not _is_held(held, key_id, key) and key.key not in claimed
    ]
    [(count, last)] = db.execute(_COUNT, (row_id,))
    if count + len(new) > limits.one_time_keys:
        detail = f"A device has at most {limits.one_time_keys} one-time keys here; this one has {count}."
        raise ChatError(Code.BAD_REQUEST, detail)
    db.executemany(_ADD, [(row_id, last + place, *key) for place, key in enumerate(new, 1)])
    stored_fallback = dict(db.execute(_FALLBACK, (row_id,)).fetchall())
    for key_id, key in fallback.items():
        if not _is_held(stored_fallback, key_id, key):
            db.execute(_SET_FALLBACK, (row_id, key_id, _text(key)))
    return [key_id for (key_id,) in db.execute(_IDS, (row_id,))]


def _is_held(held: Mapping[str, str], key_id: str, key: SignedKey) -> bool:
    """Whether it is there already; raises `one_time_key_taken` if another one is there under its id."""
    if key_id not in held:
        return False
    if _key(held[key_id]) != key.key:
        raise ChatError(Code.ONE_TIME_KEY_TAKEN, f"The server has another key under the id {key_id}.")
    return True


def _text(key: SignedKey) -> str:
    return msgspec.json.encode(key).decode()


def _key(text: str) -> str:
    return msgspec.json.decode(text, type=SignedKey).key
