"""Earlier keys of rooms, for members who came later: what is owed, what was given, what came. `Table.SHARED_HISTORY`.

Where the policy of a room is `all`, the device that invites a user owes them the sessions that it holds. Who is
invited takes them only from a user who, by the member log, invited them; what comes before the log is read, waits.
"""

import hashlib
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Any, assert_never

import msgspec
import vodozemac

from chatterbox.wire.encryption.device_keys import matrix_room
from chatterbox.wire.encryption.envelope import is_device_id
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, MemberLog, NewcomerHistory, entry_hash
from client.encryption.core.backup_items import BackupSession
from client.encryption.core.messages import room_history
from client.encryption.core.messages.room_history import KeysOfAuthor, RoomHistory, RoomHistoryError
from client.encryption.core.messages.sequence_checks import SeenBlock
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.trusted_users import TrustedDevice
from client.encryption.message_encryption import EncryptedRoom
from client.encryption.rooms.member_log_rows import MemberLogRows
from client.encryption.sessions import room_sessions
from client.encryption.store.key_store import StoreTransaction, Table

MAX_WAITING = 2000
"""Messages with earlier keys that wait for a member log, and …"""
MAX_WAITING_FROM = 500
"""… those of one user: as many as one of their devices may have in an inbox."""
MAX_KEYS_FROM = 10_000
"""Sessions of a room that are taken from one member."""
_DIGEST_BYTES = 8
_OWED, _WAITING, _TAKEN = "to/", "from/", "taken/"


class OwedHistory(msgspec.Struct, kw_only=True):
    """What this device owes to a user whom it invited: a row named by the room's uid and the user's id."""

    room: str
    """The name of the room."""
    seq: int
    entry: str
    """The place and the hash of the invitation."""
    user_id: int
    username: str
    master: str
    """The user's master key in the invitation."""
    is_joined: bool = False
    messages: int = 0
    """To-device messages that each of their devices was given since the invitation, or since they joined."""
    given: set[bytes] = set()
    """Digests of the sessions that were given."""


class _WaitingHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A content that came before the member log said who may give it."""

    user_id: int
    username: str
    master: str
    """Of the device that sent it."""
    content: RoomHistory


class _Standing(Enum):
    """What a member log says of a user who gives earlier keys."""

    INVITER = auto()
    STRANGER = auto()
    """They did not invite this user, as far as the log is known."""
    NOT_SHARED = auto()
    """New members of the room don't get earlier keys."""


# Giving


def owe(transaction: StoreTransaction, room: EncryptedRoom, entry: MemberEntry) -> None:
    """An entry was signed here: if it is an invitation, what it holds of the room is owed to who is invited."""
    if entry.kind is not MemberEntryKind.INVITE or entry.member is None:
        return
    owed = OwedHistory(
        room=room.name,
        seq=entry.seq,
        entry=entry_hash(entry),
        user_id=entry.member.user_id,
        username=entry.member.username,
        master=entry.member.master,
    )
    put_owed(transaction, room.uid, owed)


def put_owed(transaction: StoreTransaction, uid: str, owed: OwedHistory) -> None:
    transaction.put(Table.SHARED_HISTORY, _owed_row(uid, owed.user_id), msgspec.msgpack.encode(owed))


def settle(transaction: StoreTransaction, uid: str, user_id: int) -> None:
    """Nothing is owed to a user any more."""
    transaction.delete(Table.SHARED_HISTORY, _owed_row(uid, user_id))


def owed_in(transaction: StoreTransaction, uid: str) -> list[OwedHistory]:
    """What this device owes in a room."""
    return [
        msgspec.msgpack.decode(value, type=OwedHistory)
        for _, value in transaction.rows(Table.SHARED_HISTORY, f"{_OWED}{uid}/")
    ]


def rooms_with_debts(transaction: StoreTransaction) -> list[EncryptedRoom]:
    """The rooms in which this device owes anything."""
    rows = transaction.rows(Table.SHARED_HISTORY, _OWED)
    owed = [(name.split("/")[1], msgspec.msgpack.decode(value, type=OwedHistory)) for name, value in rows]
    return sorted({EncryptedRoom(each.room, uid) for uid, each in owed}, key=lambda room: room.uid)


def is_invalid(owed: OwedHistory, log: MemberLog, hashes: Sequence[str]) -> bool:
    """Whether nothing is owed after all: the entry was refused, the user removed, or the policy is another."""
    if log.seq < owed.seq:
        return False  # it is not stored yet, as far as is known
    member = log.members.get(owed.user_id)
    is_other = hashes[owed.seq - 1] != owed.entry
    return is_other or member is None or member.master != owed.master or log.history is not NewcomerHistory.ALL


def sessions_by_age(transaction: StoreTransaction, uid: str) -> list[str]:
    """The rows of the sessions of a room: those of the newest messages first, last those of which none was shown."""
    newest: dict[str, int] = {}
    for name, value in transaction.rows(Table.SEEN, f"{uid}/"):
        row = name.rpartition("/")[0]
        block = msgspec.msgpack.decode(value, type=SeenBlock)
        offsets = [offset for at in list(block.offsets.values())[-1:] for offset in at.values()]
        newest[row] = max([newest.get(row, 0), *offsets])
    rows = transaction.names(Table.INBOUND, f"{uid}/")
    return sorted(rows, key=lambda row: -newest.get(row, 0))


def not_given(transaction: StoreTransaction, rows: Iterable[str], owed: OwedHistory) -> dict[str, bytes]:
    """Those of the sessions that a user was not given, in their order, with their digests."""
    found = {}
    for row in rows:
        record = room_sessions.inbound(transaction, row)
        if record is not None and (digest := _digest(row, record.first_index)) not in owed.given:
            found[row] = digest
    return found


def _digest(row: str, first_index: int) -> bytes:
    """Names a session as far as it reads."""
    return hashlib.blake2b(f"{row}/{first_index}".encode(), digest_size=_DIGEST_BYTES).digest()


# Taking


def receive(transaction: StoreTransaction, content: dict[str, Any], device: TrustedDevice) -> set[tuple[str, str]]:
    """Take earlier keys that a listed device sent, or have them wait for the member log.

    Returns the sessions with which more can be read: the room's uid and the session's id.
    """
    try:
        history = room_history.parse(content)
    except RoomHistoryError:
        return set()
    uid = room_sessions.room_uid(history.room_id)
    waiting = _WaitingHistory(user_id=device.user_id, username=device.username, master=device.master, content=history)
    if not uid:
        return set()
    entries = MemberLogRows().entries(transaction, uid)
    match _standing(transaction, entries, waiting):
        case _Standing.INVITER:
            return _take(transaction, uid, entries, waiting)
        case _Standing.STRANGER:
            _wait(transaction, uid, waiting)
        case _Standing.NOT_SHARED:
            pass
        case other:
            assert_never(other)
    return set()


def take_waiting(transaction: StoreTransaction, uid: str) -> set[tuple[str, str]]:
    """The member log of a room was read to its end: take what its inviters gave, and forget all other.

    Returns the sessions with which more can be read.
    """
    arrived: set[tuple[str, str]] = set()
    rows = transaction.rows(Table.SHARED_HISTORY, f"{_WAITING}{uid}/")
    entries = MemberLogRows().entries(transaction, uid) if rows else []
    for name, value in rows:
        waiting = msgspec.msgpack.decode(value, type=_WaitingHistory)
        if _standing(transaction, entries, waiting) is _Standing.INVITER:
            arrived |= _take(transaction, uid, entries, waiting)
        transaction.delete(Table.SHARED_HISTORY, name)
    return arrived


def has_waiting(transaction: StoreTransaction, uid: str) -> bool:
    """Whether earlier keys of a room wait for its member log."""
    return bool(transaction.names(Table.SHARED_HISTORY, f"{_WAITING}{uid}/"))


def _standing(transaction: StoreTransaction, entries: Sequence[MemberEntry], waiting: _WaitingHistory) -> _Standing:
    identity = DeviceIdentity.load(transaction)
    if entries and entries[0].history is not NewcomerHistory.ALL:
        return _Standing.NOT_SHARED
    is_inviter = False
    for entry in entries:
        if identity is None or entry.member is None or entry.member.user_id != identity.user_id:
            continue
        if entry.kind is MemberEntryKind.REMOVE:
            is_inviter = False
        elif (entry.by.user_id, entry.by.master) == (waiting.user_id, waiting.master):
            is_inviter = True
    return _Standing.INVITER if is_inviter else _Standing.STRANGER


def _wait(transaction: StoreTransaction, uid: str, waiting: _WaitingHistory) -> None:
    """Keep a content until the member log is read. Beyond the limits it is dropped: its sender is no friend."""
    names = transaction.names(Table.SHARED_HISTORY, _WAITING)
    of_sender = [name for name in names if name.split("/")[2] == str(waiting.user_id)]
    if len(names) >= MAX_WAITING or len(of_sender) >= MAX_WAITING_FROM:
        return
    value = msgspec.msgpack.encode(waiting)
    name = hashlib.blake2b(value, digest_size=_DIGEST_BYTES).hexdigest()
    transaction.put(Table.SHARED_HISTORY, f"{_WAITING}{uid}/{waiting.user_id}/{name}", value)


def _take(
    transaction: StoreTransaction, uid: str, entries: Iterable[MemberEntry], waiting: _WaitingHistory
) -> set[tuple[str, str]]:
    """Store the sessions of those who are or were members; the sender vouches for whose they are."""
    members = {(who.user_id, who.username) for entry in entries for who in (entry.by, entry.member) if who}
    row = f"{_TAKEN}{uid}/{waiting.user_id}"
    taken = int(transaction.get(Table.SHARED_HISTORY, row) or b"0")
    arrived = set()
    for author in waiting.content.authors:
        if (author.user_id, author.username) not in members or not is_device_id(author.device):
            continue
        for key in author.keys[: max(0, MAX_KEYS_FROM - taken)]:
            taken += 1
            session = _session(uid, author, key, waiting)
            if session is not None and (found := room_sessions.import_session(transaction, session, backed_up=False)):
                arrived.add(found)
    transaction.put(Table.SHARED_HISTORY, row, str(taken).encode())
    return arrived


def _session(uid: str, author: KeysOfAuthor, key: str, waiting: _WaitingHistory) -> BackupSession | None:
    """A session as a backup would have it; None if the key is none."""
    try:
        opened = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(key))
    except ValueError:
        return None
    return BackupSession(
        room_id=matrix_room(uid),
        session_id=opened.session_id,
        session_key=key,
        sender_key=author.curve25519,
        sender_claimed_keys={"ed25519": author.ed25519},
        user_id=author.user_id,
        username=author.username,
        device=author.device,
        master=author.master,
        first_index=opened.first_known_index,
        key_from=waiting.username,
    )


def _owed_row(uid: str, user_id: int) -> str:
    return f"{_OWED}{uid}/{user_id}"
