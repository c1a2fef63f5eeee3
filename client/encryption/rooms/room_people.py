"""Who the members of an encrypted room are, by its member log, and how their keys are known."""

from chatterbox.wire.text_rules import folded
from client.encryption.core.member_log_rules import HeldLog, member_trust
from client.encryption.core.trust import Trust
from client.encryption.message_encryption import RoomMembers
from client.encryption.sessions.user_directory import UserDirectory
from client.encryption.store.key_store import StoreTransaction


def trust_in_room(
    transaction: StoreTransaction, users: UserDirectory, held: HeldLog, user_id: int, own_id: int
) -> Trust | None:
    """How a user's devices count in a room; None: no member invited the user. One's own need no comparison."""
    member = held.log.members.get(user_id)
    known = users.known(transaction, user_id)
    if member is None or known is None:
        return None
    return known.trust if user_id == own_id else member_trust(member.master, known)


def members_of(transaction: StoreTransaction, users: UserDirectory, held: HeldLog, own_id: int) -> RoomMembers | None:
    """The members of a room, as far as its log is held; None: it is not."""
    if not held.seq:
        return None
    members = {
        folded(member.username): trust_in_room(transaction, users, held, user_id, own_id) or Trust.SEEN
        for user_id, member in held.log.members.items()
    }
    return RoomMembers(history=held.log.history, members=members)
