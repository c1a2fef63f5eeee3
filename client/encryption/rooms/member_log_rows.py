"""The member logs that this user verified: rows of `Table.MEMBER_LOGS`. They are added to, never replaced."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from chatterbox.wire.encryption.member_log import MemberEntry, MemberLogError, entry_hash
from client.encryption.core.member_log_rules import HeldLog, extended, with_entry
from client.encryption.store.key_store import StoreTransaction, Table

_MAX_READ = 64
"""Logs that are kept in memory."""


class MemberLogRows:
    """Reads and adds entries, inside transactions of the key store."""

    def __init__(self) -> None:
        self._read: OrderedDict[str, HeldLog] = OrderedDict()

    def held(self, transaction: StoreTransaction, uid: str) -> HeldLog:
        """The log of a room, as far as it is held."""
        found = self._read.get(uid, HeldLog())
        after = _row(uid, found.seq - 1) if found.seq > 1 else ""
        rows = transaction.rows(Table.MEMBER_LOGS, f"{uid}/", after=after)
        if found.seq:
            # What was read may have been taken back since: its transaction failed.
            if not rows or entry_hash(_entry(rows[0][1])) != found.log.head:
                found, rows = HeldLog(), transaction.rows(Table.MEMBER_LOGS, f"{uid}/")
            else:
                rows = rows[1:]
        for _, value in rows:
            found = with_entry(found, _entry(value))
        self._read[uid] = found
        self._read.move_to_end(uid)
        while len(self._read) > _MAX_READ:
            self._read.popitem(last=False)
        return found

    def entries(self, transaction: StoreTransaction, uid: str, after: int = 0) -> list[MemberEntry]:
        """The entries after entry `after`."""
        rows = transaction.rows(Table.MEMBER_LOGS, f"{uid}/", after=_row(uid, after) if after else "")
        return [_entry(value) for _, value in rows]

    def add(self, transaction: StoreTransaction, room: str, uid: str, entries: Sequence[MemberEntry]) -> HeldLog:
        """Verify entries that follow, or repeat, those that are held, and store the new ones.

        Raises `MemberLogError` for any that does not fit, and stores none then.
        """
        held = self.held(transaction, uid)
        longer = extended(held, entries, room=room, uid=uid)
        for entry in entries:
            if entry.seq > held.seq:
                transaction.put(Table.MEMBER_LOGS, _row(uid, entry.seq), msgspec.json.encode(entry))
        return longer


def _row(uid: str, seq: int) -> str:
    if "/" in uid:
        raise MemberLogError("It is of another room.")
    return f"{uid}/{seq:012d}"


def _entry(row: bytes) -> MemberEntry:
    return msgspec.json.decode(row, type=MemberEntry)
