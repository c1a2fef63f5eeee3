"""Appends entries to a member log again that a restored backup lacks, from a member who has them, and repeats their
effects.
"""

from collections.abc import Sequence

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, SignedMember
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import RoomInfo
from chatterbox.wire.limits import Limits
from services.history.encryption import member_log_store, recipient_versions
from services.history.encryption.core import member_entry_rules
from services.history.messages.write_transaction import WriteTransaction
from services.history.people import user_lookup
from services.history.rooms import membership_changes, moderation, room_invitations, room_queries

_IS_RESTORED = "SELECT 1 FROM meta WHERE name = 'restored'"
_NOTE_EMPTY = "UPDATE rooms SET empty_since_ms = ? WHERE id = ? AND members = 0"
_NEVER_RESTORED = "Only entries that a restored backup lacks can be sent again, and this server was never restored."


async def append_again(
    transaction: WriteTransaction, room: str, user: UserInfo, entries: Sequence[MemberEntry], limits: Limits
) -> int:
    """Append those of these entries that are missing; returns how many the log has then. Signatures were checked.

    Who sends them need not be their author. Raises `room_not_encrypted`, `not_allowed`, `member_log_stale` or
    `member_entry_invalid`.
    """
    view = await room_queries.find(transaction, room, user.user_id, limits)
    info = view.require_member()
    if not member_entry_rules.has_log(info.room):
        raise ChatError(Code.ROOM_NOT_ENCRYPTED, "This room has no member log.")
    missing = await member_log_store.missing(transaction, info.room_id, entries)
    if missing and not await transaction.rows(_IS_RESTORED):
        raise ChatError(Code.NOT_ALLOWED, _NEVER_RESTORED)
    for entry in missing:
        await member_log_store.append_any(transaction, info, entry)
        await _repeat(transaction, info, entry)
    await transaction.rows(_NOTE_EMPTY, (transaction.now_ms, info.room_id))
    return (await member_log_store.page(transaction, info.room_id, 0, 0)).length


async def _repeat(transaction: WriteTransaction, info: RoomInfo, entry: MemberEntry) -> None:
    """Change the membership of the user whom an entry is about, as when it was appended first."""
    if entry.member is None:
        return
    author, member = _user(entry.by), _user(entry.member)
    if entry.kind is MemberEntryKind.REMOVE:
        await moderation.end_logged(transaction, info, member, by=author)
    elif await membership_changes.is_member(transaction, info, member):
        await recipient_versions.note_change_of_room(transaction, info.room_id, lost=False)
    elif member in await user_lookup.by_id(transaction, [member.user_id]):
        await room_invitations.add(transaction, info, author, member)


def _user(member: SignedMember) -> UserInfo:
    return UserInfo(member.user_id, member.username)
