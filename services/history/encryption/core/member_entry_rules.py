"""Whether an entry may be appended to the member log of a room: its form, its signatures, its author, its place. Pure.

Clients check all of it again. What the server refuses protects them from a log that none of them would accept.
"""

from collections.abc import Sequence

import msgspec

from chatterbox.wire import direct_names, room_names
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, MemberLog, MemberLogError, SignedMember
from chatterbox.wire.encryption.signatures import SignatureError, verify_member_entry
from chatterbox.wire.errors import ChatError, Code

MAX_ENTRY_BYTES = 2048
"""An entry as JSON; one has about 1,000 bytes."""


def has_log(room: str) -> bool:
    """Whether a room of this name has a member log: it is encrypted, and no direct conversation.

    >>> has_log("plans~"), has_log("@ada~bob"), has_log("plans")
    (True, False, False)
    """
    return room_names.is_encrypted(room) and not direct_names.people(room)


def check_signatures(entries: Sequence[MemberEntry]) -> None:
    """Raise `member_entry_invalid` unless the author of each entry signed it. It takes 0.3 ms for each."""
    for entry in entries:
        _check_signatures(entry)


def _check_signatures(entry: MemberEntry) -> None:
    if len(msgspec.json.encode(entry)) > MAX_ENTRY_BYTES:
        raise _invalid(f"It has more than {MAX_ENTRY_BYTES} bytes.")
    try:
        verify_member_entry(entry)
    except SignatureError as problem:
        raise _invalid(f"It is not signed rightly: {problem}.") from None


def require_first(room: str, entry: MemberEntry | None, *, private: bool) -> None:
    """Raise a `ChatError` unless a room of this name may be created with this entry, or without one."""
    if not has_log(room):
        require_none(entry)
        return
    if not private:
        detail = "A public room can't be encrypted. Create a private room, or leave out the ~ at the end of the name."
        raise ChatError(Code.ROOM_NAME_INVALID, detail)
    required(entry)


def require_none(entry: MemberEntry | None) -> None:
    """Raise `member_entry_invalid` for an entry of a room that has no member log."""
    if entry is not None:
        raise _invalid("Only encrypted rooms have a member log; their names end in ~.")


def required(entry: MemberEntry | None) -> MemberEntry:
    """The entry; raises `member_entry_missing`."""
    if entry is None:
        raise ChatError(Code.MEMBER_ENTRY_MISSING)
    return entry


def check_claims(
    entry: MemberEntry, kind: MemberEntryKind, room: str, author: SignedMember, member: SignedMember | None
) -> None:
    """Raise `member_entry_invalid` unless `author` says in this entry what the request asks for.

    `author` and `member` are those of the request, with the master keys that are stored.
    """
    if entry.kind is not kind:
        raise _invalid(f"It must be one of the kind {kind.value}.")
    if entry.room != room:
        raise _invalid(f"It must name the room {room}.")
    if entry.by != author:
        raise _invalid("Its author must be you, with the master key that the server has of you.")
    if entry.member != member:
        raise _invalid("It must name the user of the request, with the master key that the server has of them.")


def appended(log: MemberLog, entry: MemberEntry) -> MemberLog:
    """The log with this entry; raises `member_log_stale` or `member_entry_invalid`."""
    if entry.seq != log.seq + 1 or entry.previous != log.head:
        raise ChatError(Code.MEMBER_LOG_STALE, f"The member log has {log.seq} entries. Get them, and sign again.")
    try:
        return log.with_entry(entry)
    except MemberLogError as problem:
        raise _invalid(str(problem)) from None


def without_keys(username: str) -> ChatError:
    """The refusal of an entry about a user of whom the server has no keys, whether there is such a user or not."""
    return _invalid(f"The server has no keys of {username}, so they can't read an encrypted room yet.")


def _invalid(detail: str) -> ChatError:
    return ChatError(Code.MEMBER_ENTRY_INVALID, f"The entry of the room's member log is not valid. {detail}")
