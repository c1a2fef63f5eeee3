"""What users do with rooms: find, join, leave, create, invite, list."""

import msgspec

from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.history_api.membership_calls import RoomInfo


class FindRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/find`: returns `RoomInfo` if the user may see the room."""

    room: str
    user_id: int
    username: str


class JoinRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/join`: returns `RoomInfo`; joining again changes nothing."""

    room: str
    user_id: int
    username: str


class LeaveRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/leave`: returns `LeftRoom`. `delete`: delete a private room if this is its last member."""

    room: str
    user_id: int
    username: str
    delete: bool = False
    entry: MemberEntry | None = None
    """As in `frames.Leave`."""


class LeftRoom(RoomInfo, frozen=True, kw_only=True):
    """A room that a user left; `deleted`: it ended with its last member."""

    deleted: bool = False


class CreateRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/create`: returns `RoomInfo`."""

    room: str
    private: bool
    user_id: int
    username: str
    entry: MemberEntry | None = None
    """As in `frames.CreateRoom`."""


class OpenDirectCall(msgspec.Struct, frozen=True):
    """`POST /internal/direct`: returns `RoomInfo`. `other`: the user to write to; opening again changes nothing."""

    user_id: int
    username: str
    other: str
    encrypted: bool | None = None
    """None: as the server's policy has it."""


class RemoveMemberCall(msgspec.Struct, frozen=True):
    """`POST /internal/remove`: returns `RemovedMember`. `member`: the name of the member to remove."""

    room: str
    user_id: int
    username: str
    member: str
    entry: MemberEntry | None = None
    """As in `frames.Remove`."""


class RemovedMember(msgspec.Struct, frozen=True):
    """The removed member's name as typed at registration."""

    username: str


class DeleteRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/delete`: returns `RoomInfo`, as the room was."""

    room: str
    user_id: int
    username: str


class InviteUserCall(msgspec.Struct, frozen=True):
    """`POST /internal/invite`: returns `Invitee`."""

    room: str
    user_id: int
    username: str
    invitee: str
    entry: MemberEntry | None = None
    """As in `frames.Invite`."""


class Invitee(msgspec.Struct, frozen=True):
    """The name that was invited, as it was given: the answer does not tell whether there is such a user."""

    username: str


class ChangeTopicCall(msgspec.Struct, frozen=True):
    """`POST /internal/topic`: returns `StoredTopic`; setting the same topic again changes nothing."""

    room: str
    user_id: int
    username: str
    topic: str
    recipients: int = 0
    """As in `frames.SetTopic`."""


class StoredTopic(msgspec.Struct, frozen=True):
    """The topic as stored."""

    topic: str


class ListRoomsCall(msgspec.Struct, frozen=True):
    """`POST /internal/rooms`: returns `RoomListing`. `after`: the `next` of the page before."""

    user_id: int
    after: str | None = None


class VisibleRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A room that is visible to a user."""

    room: str
    private: bool
    member: bool
    members: int
    epoch: str
    head: int
    topic: str = ""
    kind: str | msgspec.UnsetType = msgspec.UNSET
    """As in `frames.RoomSummary`, like `with`."""
    with_: tuple[str, ...] | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="with")
    encrypted: bool | msgspec.UnsetType = msgspec.UNSET
    """As in `frames.RoomSummary`, like `uid`."""
    uid: str | msgspec.UnsetType = msgspec.UNSET


class RoomListing(msgspec.Struct, frozen=True):
    """A page of the room list: the rooms that a user is in, on the first page, and public rooms."""

    rooms: list[VisibleRoom]
    next: str | None = None
    """Where the next page starts; None: this is the last one."""
