"""Stores the member logs of encrypted rooms. The writer appends each entry in the transaction of the change it signs.

To check an entry, only the log's last one and those about two users are read: the same for each length of the log.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.member_log import (
    MAX_MEMBER_ENTRIES,
    MemberEntry,
    MemberEntryKind,
    MemberLog,
    SignedMember,
    entry_hash,
)
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from services.history.encryption import recipient_versions
from services.history.encryption.core import member_entry_rules
from services.history.encryption.devices import list_store
from services.history.messages.write_transaction import WriteTransaction

_END = "SELECT seq, hash FROM member_log WHERE room_id = ? ORDER BY seq DESC LIMIT 1"
_CREATOR = "SELECT user_id FROM member_log WHERE room_id = ? AND seq = 1"
_LAST_ABOUT = "SELECT seq, hash, entry FROM member_log WHERE room_id = ? AND user_id = ? ORDER BY seq DESC LIMIT 1"
_APPEND = "INSERT INTO member_log (room_id, seq, user_id, hash, entry) VALUES (?, ?, ?, ?, ?)"
_HASHES = "SELECT seq, hash FROM member_log WHERE room_id = ? AND seq IN (SELECT value FROM json_each(?))"
_PAGE = """
    SELECT (SELECT coalesce(max(seq), 0) FROM member_log WHERE room_id = :room), entry
    FROM (SELECT 1) LEFT JOIN (
        SELECT entry FROM member_log WHERE room_id = :room AND seq > :after ORDER BY seq LIMIT :limit)
"""
"""In one query, so that the length is of the same state of the database. One row, also if there is no entry."""
_IS_MEMBER = "SELECT 1 FROM memberships WHERE room_id = ? AND user_id = ?"


class LogPage(NamedTuple):
    """Some entries of a member log, in order, and how many it has."""

    entries: list[MemberEntry]
    length: int


async def begin(transaction: WriteTransaction, info: RoomInfo, creator: UserInfo, entry: MemberEntry) -> None:
    """Store the first entry of a new room; raises `member_entry_invalid`. The signatures were checked."""
    author = await _signed_member(transaction, creator)
    member_entry_rules.check_claims(entry, MemberEntryKind.CREATE, info.room, author, None)
    log = member_entry_rules.appended(MemberLog(), entry)
    await _store(transaction, info, entry, log)


async def append(
    transaction: WriteTransaction, info: RoomInfo, kind: MemberEntryKind, by: UserInfo, member: SignedMember,
    entry: MemberEntry,
) -> None:  # fmt: skip
    """Append an entry about `member`, signed by `by`; raises `member_log_stale` or `member_entry_invalid`.

    An entry that is stored already changes nothing, if it is still the last one about this member: the answer to the
    request was lost. The signatures were checked.
    """
    author = await _signed_member(transaction, by)
    if await _is_last_about(transaction, info, member.user_id, entry):
        return
    log = member_entry_rules.appended(await _log(transaction, info, author.user_id, member.user_id), entry)
    member_entry_rules.check_claims(entry, kind, info.room, author, member)
    await _store(transaction, info, entry, log)
    if kind is MemberEntryKind.INVITE and await transaction.rows(_IS_MEMBER, (info.room_id, member.user_id)):
        await recipient_versions.note_change_of_room(transaction, info.room_id, lost=False)


async def append_any(transaction: WriteTransaction, info: RoomInfo, entry: MemberEntry) -> None:
    """Append an entry of any author; raises `member_log_stale` or `member_entry_invalid`. The signatures were checked.

    The log says with which keys its author signs. Those of who is invited are not compared with the stored ones, which
    may be older or newer.
    """
    about = (entry.member or entry.by).user_id
    log = member_entry_rules.appended(await _log(transaction, info, entry.by.user_id, about), entry)
    await _store(transaction, info, entry, log)


async def missing(source: RowSource, room_id: int, entries: Sequence[MemberEntry]) -> list[MemberEntry]:
    """Those of these entries that are not stored; raises `member_log_stale` if another one is in the place of one."""
    stored = dict(await source.rows(_HASHES, (room_id, msgspec.json.encode([entry.seq for entry in entries]).decode())))
    for entry in entries:
        if stored.get(entry.seq, entry_hash(entry)) != entry_hash(entry):
            raise ChatError(Code.MEMBER_LOG_STALE, f"The member log has another entry {entry.seq}.")
    return [entry for entry in entries if entry.seq not in stored]


async def _signed_member(source: RowSource, user: UserInfo) -> SignedMember:
    found = await stored_member(source, user)
    if found is None:
        raise member_entry_rules.without_keys(user.username)
    return found


async def stored_member(source: RowSource, user: UserInfo) -> SignedMember | None:
    """A user with the master key that is stored of them; None: there is none."""
    stored = await list_store.find(source, user.user_id)
    if stored is None:
        return None
    return SignedMember(user_id=user.user_id, username=user.username, master=stored.master.public_key)


async def logged_member(source: RowSource, room_id: int, user_id: int) -> SignedMember | None:
    """A user as the member log names them; None: they are no member by the log."""
    for _, _, text in await source.rows(_LAST_ABOUT, (room_id, user_id)):
        entry = _decode(text)
        if entry.kind is not MemberEntryKind.REMOVE:
            return entry.member or entry.by
    return None


async def is_named(source: RowSource, room_id: int, user_id: int) -> bool:
    """Whether any entry is about this user."""
    return bool(await source.rows(_LAST_ABOUT, (room_id, user_id)))


async def _is_last_about(source: RowSource, info: RoomInfo, user_id: int, entry: MemberEntry) -> bool:
    rows = await source.rows(_LAST_ABOUT, (info.room_id, user_id))
    return bool(rows) and rows[0][:2] == (entry.seq, entry_hash(entry))


async def _log(source: RowSource, info: RoomInfo, *user_ids: int) -> MemberLog:
    """The log of a room, of whose members only these are looked up."""
    [(seq, head)] = await source.rows(_END, (info.room_id,))
    [(creator,)] = await source.rows(_CREATOR, (info.room_id,))
    found = {user_id: await logged_member(source, info.room_id, user_id) for user_id in dict.fromkeys(user_ids)}
    members = {user_id: member for user_id, member in found.items() if member is not None}
    return MemberLog(room=info.room, uid=info.uid, seq=seq, head=head, creator=creator, members=members)


async def _store(transaction: WriteTransaction, info: RoomInfo, entry: MemberEntry, log: MemberLog) -> None:
    """Store an entry after which the log is `log`."""
    about = (entry.member or entry.by).user_id
    text = msgspec.json.encode(entry).decode()
    await transaction.rows(_APPEND, (info.room_id, log.seq, about, log.head, text))


async def page(source: RowSource, room_id: int, after: int, limit: int = MAX_MEMBER_ENTRIES) -> LogPage:
    """The first `limit` entries after number `after`; none in a room without a member log."""
    rows = await source.rows(_PAGE, {"room": room_id, "after": after, "limit": limit})
    return LogPage(decoded(text for _, text in rows), rows[0][0])


def decoded(texts: Iterable[str | None]) -> list[MemberEntry]:
    """Entries as they are stored; None is left out."""
    return [_decode(text) for text in texts if text is not None]


def _decode(text: str) -> MemberEntry:
    return msgspec.json.decode(text, type=MemberEntry)
