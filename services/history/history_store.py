"""The port of history to its database: what a store of rooms, memberships and messages can do.

`sqlite_store.py` implements it. Every implementation passes the suite in `tests/contract/test_history_store.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.key_api import MemberLogPage
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames import AttachedFile, Reaction
from chatterbox.wire.read_state import NotificationLevel, ReadState
from services.history.core.message_page import ChangedMessages, MessagePage, PageSpan
from services.history.core.person_record import ChangedPerson, PersonChange, PersonRecord
from services.history.core.room_view import RoomView


class MessageStore(Protocol):
    """Messages and their changes."""

    async def append(
        self, messages: Sequence[history_api.Append], changes: Sequence[history_api.AnyMessageChange] = ()
    ) -> history_api.AppendAnswer:
        """Change messages, then store new ones, in one transaction; on return all of it is durable.

        Offsets of a room are 1, 2, 3 ... without gaps, and so are its revs; the same key of the same user and room is
        stored once. Raises `unavailable`; then it may have been stored.
        """

    async def page(self, room_id: int, span: PageSpan) -> MessagePage:
        """Messages of a room, from one snapshot; raises `room_unknown`, or `bad_request` for impossible numbers."""

    async def changed_messages(self, room_id: int, after: int, *, first: int, limit: int) -> ChangedMessages:
        """The first `limit` messages, by rev, from offset `first` on that changed after rev `after`."""

    async def reactions(self, room_id: int, offset: int) -> list[Reaction]:
        """The reactions to a message, with the users of each."""

    async def own_reactions(self, room_id: int, user_id: int, first: int, last: int) -> list[tuple[int, str]]:
        """A user's reactions to the messages of a range of offsets: offset and emoji."""


class RoomStore(Protocol):
    """Rooms, memberships and invitations. Each change counts in the membership revision and is published."""

    @property
    def revision(self) -> int | None:
        """The membership revision; None: only `heads` tells it."""

    async def heads(self, query: history_api.HeadsQuery) -> history_api.Heads:
        """The heads of some rooms, or of those that changed after a cursor, and the revision, from one snapshot.

        No later commit of a room is missing from the answer to a query since the cursor of this one.
        """

    async def memberships(self, user_ids: Sequence[int]) -> history_api.MembershipSnapshot:
        """The rooms of users, what they have read, their pending invitations and privacy; and the revision as of which
        that is at least.
        """

    async def enroll(self, users: Mapping[int, str]) -> None:
        """Make users (names by id) members of every room that everybody is in."""

    async def room(self, room: str, user_id: int) -> RoomView:
        """The room of this name as a user sees it; raises `room_unknown`, also for private rooms of others."""

    async def creator(self, view: RoomView) -> str | None:
        """The name of a room's creator; None for the room that everyone is in."""

    async def listing(self, user_id: int, after: str | None = None) -> history_api.RoomListing:
        """A page of the room list; `after` is the `next` of the page before."""

    async def members(self, room_id: int) -> list[str]:
        """The usernames of a room's members, in order of joining."""

    async def join(self, room: str, user: UserInfo) -> history_api.RoomInfo:
        """Join a public room, or one that the user is invited to."""

    async def leave(
        self, room: str, user: UserInfo, *, delete: bool, entry: MemberEntry | None = None
    ) -> history_api.LeftRoom:
        """End a membership; the last member of a private room must confirm with `delete` that the room is deleted.

        `entry`, here and below: the next entry of the member log of an encrypted room, whose signatures were checked.
        Raises `member_log_stale`, `member_entry_missing` or `member_entry_invalid`.
        """

    async def create(
        self, room: str, user: UserInfo, *, private: bool, entry: MemberEntry | None = None
    ) -> history_api.RoomInfo:
        """Create a room with its first member; raises `room_exists`. The same `entry` again is no error."""

    async def open_direct(self, user: UserInfo, other: UserInfo, *, encrypted: bool = False) -> history_api.RoomInfo:
        """The direct conversation of two users, the encrypted one or the one that is not, made the first time."""

    async def remove_member(
        self, room: str, creator: UserInfo, username: str, entry: MemberEntry | None = None
    ) -> UserInfo:
        """Remove a member from a room that `creator` created; returns the removed user."""

    async def delete_room(self, room: str, creator: UserInfo) -> history_api.RoomInfo:
        """Delete a room that `creator` created."""

    async def delete_any_room(self, room: str) -> history_api.RoomInfo:
        """Delete a room for the operator."""

    async def change_topic(self, room: str, user: UserInfo, topic: str, recipients: int = 0) -> str:
        """Set the topic of a room; returns it as stored.

        `recipients`: in an encrypted room, the version of its recipients that `topic` was encrypted for.
        """

    async def invite(
        self, room: str, inviter: UserInfo, invitee: UserInfo | None, entry: MemberEntry | None = None
    ) -> history_api.RoomInfo:
        """Invite a user; None: there is no such user, which inviters must not learn."""

    async def member_log(self, room_id: int, after: int, limit: int) -> MemberLogPage:
        """The first `limit` entries of a room's member log after number `after`."""

    async def restore_entries(self, room: str, user: UserInfo, entries: Sequence[MemberEntry]) -> int:
        """Append those of these entries that a restored member log lacks, and repeat their effects.

        Returns how many entries it has then. Raises `not_allowed` if the store was never restored.
        """

    async def invitations(self, user_id: int) -> list[history_api.StoredInvitation]:
        """The pending invitations of a user, oldest first."""

    async def decline(self, room: str, user: UserInfo) -> str:
        """End an invitation; returns the name of the room."""


class ReadStateStore(Protocol):
    """What members have read, and of what rooms notify them."""

    async def read_states(self, user_ids: Sequence[int]) -> dict[int, dict[int, ReadState]]:
        """The states of all rooms of these users: by user id, then by room id."""

    async def states_of(self, members: Sequence[tuple[int, int]]) -> dict[tuple[int, int], ReadState]:
        """The states of these (room id, user id), without those who are no members.

        They are as of when this returns: who tells them at once tells the states of the last commit last.
        """

    async def mark_read(self, positions: Sequence[history_api.ReadPosition]) -> list[tuple[int, int]]:
        """Store read positions in one transaction; returns the (room id, user id) whose position is a greater one now.

        Positions are compared as (turn, offset), and the greatest one counts; one beyond the head counts as the head.
        """

    async def readers(self, members: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """The usernames of those of these (room id, user id) who show the others how far they have read the room."""

    async def receipts(self, room_id: int) -> dict[str, int]:
        """How far the members of a room have read it, by username, of those who show it.

        Empty for a room of more than `receipts_members`, as is `readers`.
        """

    async def set_notify(
        self, room: str, user: UserInfo, level: NotificationLevel, quiet_until_ms: int
    ) -> tuple[history_api.RoomInfo, bool]:
        """Set of what a room notifies a member, and until when of nothing (milliseconds since 1970; 0: not quiet).

        Returns the room, and whether that is new. Raises `not_a_member`.
        """


class PersonStore(Protocol):
    """Users as others see them, and what they set for themselves. What concerns others counts in the membership
    revision and is published.
    """

    async def people(self, user_ids: Sequence[int]) -> dict[int, PersonRecord]:
        """What is stored about users, by id; the defaults for those who never changed anything."""

    async def change_person(self, user: UserInfo, change: PersonChange) -> ChangedPerson:
        """Change what is stored about a user; a change without effect stores and publishes nothing."""

    async def mark_seen(self, user_ids: Sequence[int]) -> None:
        """Store that users are connected now, other than those who do not show their presence."""

    async def users_by_name(self, usernames: Sequence[str]) -> list[UserInfo]:
        """The users with these names, of those who have been enrolled. Only the case of ASCII letters may differ."""

    async def users_by_id(self, user_ids: Sequence[int]) -> list[UserInfo]:
        """The users with these ids, of those who are in any room."""

    async def sharing(self, user_ids: Sequence[int], viewers: Sequence[int]) -> set[tuple[int, int]]:
        """The pairs of a user and a viewer who are in a common room, other than the one that everyone is in."""


class UserStore(Protocol):
    """Blocked users."""

    async def blocked(self, user_id: int) -> list[str]:
        """The names of the users whom a user blocked."""

    async def block(self, user: UserInfo, username: str) -> str:
        """Block a user, whether there is such a user or not; returns the name."""

    async def unblock(self, user: UserInfo, username: str) -> str:
        """Allow a user's invitations and direct messages again; returns the name."""


class FileStore(Protocol):
    """Uploaded files: their descriptions and their messages. `append` binds them. Their bytes are elsewhere."""

    async def add_file(self, uploaded: history_api.FileUploaded) -> None:
        """Store a complete file; raises `room_unknown` if its room is deleted. Repeating it has no effect."""

    async def require_writer(self, room: history_api.RoomInfo, user: UserInfo) -> None:
        """Raise `direct_refused` if the other member of a direct conversation takes no messages from this member."""

    async def readable_file(self, file_id: str, user_id: int) -> AttachedFile:
        """A file that this user may read: its uploader, and members of its room once a message has it.

        Raises `file_unknown`.
        """

    async def files_to_erase(self, done: Sequence[str]) -> list[str]:
        """The ids of files that are to be erased, at most 1,000, without those in `done`, which are erased."""

    async def known_files(self, file_ids: Sequence[str]) -> list[str]:
        """Those of these ids whose files are kept, pictures of users among them."""


class HistoryStore(MessageStore, RoomStore, ReadStateStore, PersonStore, UserStore, FileStore, Protocol):
    """The whole store."""

    @property
    def is_checked(self) -> bool:
        """Whether all of it was checked since the start. Until then, each page is checked as it is read."""

    @property
    def is_damaged(self) -> bool:
        """Whether it was found damaged. Pages that are proven right are still served, nothing is stored."""
