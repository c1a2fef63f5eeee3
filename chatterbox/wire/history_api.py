"""History's internal API for gateways, under `/internal`: JSON, with the service key as bearer token.

Messages are appended by RPC over a long-lived connection; everything else is HTTP. A refusal is `{code, detail}` with
the HTTP status of its code, as in the public API.
"""

from typing import NamedTuple, TypeAlias

import msgspec

from chatterbox.wire.frames.message import AttachedFile
from chatterbox.wire.people import Privacy, Profile
from chatterbox.wire.read_state import ReadState
from chatterbox.wire.user_settings import NotificationLevel


class Append(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message to store. Without a `key`, a retry can't be recognized."""

    room_id: int
    user_id: int
    username: str
    content: str
    key: str
    reply_to: int = 0
    """The offset of the message that it answers; 0: none."""
    files: tuple[str, ...] = ()
    """Ids of files that the user uploaded for the room."""


class MessageChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What a user makes of the message at `offset` of a room."""

    room_id: int
    user_id: int
    username: str
    offset: int
    epoch: str = ""
    """The room's epoch at the gateway: in another one, another message may have the offset. Empty: any."""


class MessageEdit(MessageChange, frozen=True, kw_only=True, tag="edit"):
    """Replace its text. With `rev`: only if it did not change since."""

    content: str
    rev: int | None = None


class MessageDeletion(MessageChange, frozen=True, kw_only=True, tag="delete"):
    """Erase it."""


class MessageReaction(MessageChange, frozen=True, kw_only=True, omit_defaults=True, tag="react"):
    """React to it, or (`remove`) take that back."""

    emoji: str
    remove: bool = False


class MessagePin(MessageChange, frozen=True, kw_only=True, omit_defaults=True, tag="pin"):
    """Pin it, or (`remove`) unpin it."""

    remove: bool = False


AnyMessageChange: TypeAlias = MessageEdit | MessageDeletion | MessageReaction | MessagePin


class AppendBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RPC request to `/internal/appends`: changes to make, then messages to store, in one transaction.

    Without any, it asks for the membership revision.
    """

    messages: list[Append]
    request_id: str = ""
    """The request id for log lines."""
    changes: list[AnyMessageChange] = []


class Appended(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="outcome", tag="appended"):
    """The message is stored, now or (same key and content) earlier; `timestamp` is RFC 3339."""

    epoch: str
    offset: int
    message_id: int
    timestamp: str
    thread: int = 0
    mentions: tuple[str, ...] = ()
    files: tuple[AttachedFile, ...] = ()


class ChangeStored(msgspec.Struct, frozen=True, tag_field="outcome", tag="changed"):
    """The message is stored so; `rev` is the room's rev at its last change. Also if there was nothing to change."""

    rev: int


class AppendRefused(msgspec.Struct, frozen=True, tag_field="outcome", tag="refused"):
    """The message is not stored; `code` is a `chatterbox.wire.errors.Code`. With `retry_after_s`, retry after that."""

    code: str
    detail: str
    retry_after_s: float | None = None


class AppendAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The response to `AppendBatch`: one outcome per message or change, in the same order, each durable."""

    outcomes: list[Appended | AppendRefused] = []
    change_outcomes: list[ChangeStored | AppendRefused] = []
    revision: int = 0
    """The membership revision, in the response to an empty batch."""
    refused: AppendRefused | None = None
    """Why the batch failed as a whole; whether its messages are stored is unknown."""


class RoomInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A room and its head: the offset of its last committed message."""

    room_id: int
    room: str
    private: bool
    everyone: bool
    epoch: str
    head: int
    topic: str = ""
    rev: int = 0
    """The room's rev: how many changes were made to its messages."""


class UserIds(msgspec.Struct, frozen=True):
    """`POST /internal/memberships`: user ids and names. New users are added to the rooms that everyone is in."""

    users: dict[int, str]


class StoredInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """A pending invitation of a user; `created` is RFC 3339."""

    room: str
    by: str
    created: str


class HeadsCursor(NamedTuple):
    """Up to where a gateway knows the heads: a number that grows with each change of a room, in one run of history."""

    run: str
    """A random name of the run: numbers of different runs can't be compared."""
    number: int


class MembershipSnapshot(msgspec.Struct, frozen=True):
    """Room ids by user id (`of`) as of membership `revision`, and the details of those rooms (`rooms`)."""

    revision: int
    rooms: list[RoomInfo]
    of: dict[int, list[int]]
    invitations: dict[int, list[StoredInvitation]] = {}
    """Pending invitations by user id, of users who have any; as of `revision` or later."""
    reads: dict[int, dict[int, ReadState]] = {}
    """By user id, their state of each room by room id; as of `revision` or later."""
    privacy: dict[int, Privacy] = {}
    """By user id, of users who changed it; as of `revision` or later."""
    cursor: HeadsCursor | None = None
    """The heads in `rooms` are as of this or later, so a gateway that opens them need not ask for each head again."""


class ReadStates(msgspec.Struct, frozen=True):
    """`POST /internal/read-states` with `UserIds`: by user id, their state of each room by room id."""

    of: dict[int, dict[int, ReadState]]


class ReadPosition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user has read a room up to `offset`, in `turn`; None: in the current one."""

    room_id: int
    user_id: int
    offset: int
    turn: int | None = None


class ReadPositions(msgspec.Struct, frozen=True):
    """`POST /internal/reads`: positions to store in one transaction; returns `ReadOutcomes`."""

    positions: list[ReadPosition]
    origin: str = ""
    """The gateway that tells the users' connections there itself; all others are told by a signal."""


class ReadOutcomes(msgspec.Struct, frozen=True):
    """In the order of the positions, each room's state as it is stored now; None: the user is no member."""

    states: list[ReadState | None]
    readers: list[str] = []
    """In the same order, the usernames that those who look at the room may be told; empty: do not tell."""


class ReceiptsQuery(msgspec.Struct, frozen=True):
    """`POST /internal/receipts`: how far the members of a room have read; returns `Receipts`."""

    room_id: int


class Receipts(msgspec.Struct, frozen=True):
    """By username, of the members who show it; empty for a room of more than `receipts_members`."""

    read: dict[str, int]


class PeopleQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/people`: users by name or by id, for these viewers; returns `People`. At most 200 of each."""

    viewers: list[int]
    usernames: list[str] = []
    user_ids: list[int] = []
    reader: int | None = None
    """As in `PageQuery`."""


class StoredPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A user, and which profile each viewer may see; one's own is whole in `own`."""

    user_id: int
    username: str
    version: int
    privacy: Privacy
    seen: str
    """As in `people.Person`; empty if presence is not shown."""
    own: Profile
    everyone: Profile
    """What everyone may see."""
    rooms: Profile
    """What those may see who share a room with the user."""
    sharing: list[int]
    """The viewers who do."""


class People(msgspec.Struct, frozen=True):
    """Those of the asked users who exist, in any order."""

    people: list[StoredPerson]


class UsersSeen(msgspec.Struct, frozen=True):
    """`POST /internal/seen`: these users are connected now; returns nothing. At most 10,000."""

    user_ids: list[int]


class UploadCheck(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/uploads/check`: whether the user may upload a file for a room; returns `UploadRoom`."""

    room: str
    user_id: int
    username: str


class UploadRoom(msgspec.Struct, frozen=True):
    """The room that a file is for."""

    room_id: int
    room: str


class FileUploaded(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/uploads`: a file is complete, checked and readable; saying it again changes nothing."""

    room_id: int
    user_id: int
    file: AttachedFile


class FileAccess(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/files/access`: returns `AttachedFile` if the user may read the file, else `file_unknown`.

    Who is in the room of a message with the file may, and who uploaded it.
    """

    file_id: str
    user_id: int


class FileErasures(msgspec.Struct, frozen=True):
    """`POST /internal/files/erased`: the files service has erased `done`; returns `FilesToErase`."""

    done: list[str] = []


class FilesToErase(msgspec.Struct, frozen=True):
    """Files whose message was deleted, or that no message took within a day; at most 1,000."""

    file_ids: list[str]


class FilesNamed(msgspec.Struct, frozen=True):
    """`POST /internal/files/named`: returns those of these ids that history knows, as `FilesNamed`; at most 1,000."""

    file_ids: list[str]


class AvatarChanged(msgspec.Struct, frozen=True):
    """`POST /internal/avatar`: a user's picture is this one now (empty: none); returns `AvatarReplaced`."""

    user_id: int
    username: str
    avatar: str


class AvatarReplaced(msgspec.Struct, frozen=True):
    """The picture until now, which is not needed any more; empty: there was none."""

    avatar: str


class NotifyCall(msgspec.Struct, frozen=True):
    """`POST /internal/notify`: returns the room's `ReadState` for the user."""

    room: str
    user_id: int
    username: str
    level: NotificationLevel
    until: str = ""
    origin: str = ""
    """As in `ReadPositions`."""


class HeadsQuery(msgspec.Struct, frozen=True, omit_defaults=True):
    """`POST /internal/heads`: the heads of these rooms, or with `since` of all rooms that changed after it."""

    room_ids: list[int] = []
    since: HeadsCursor | None = None
    topics: bool = False
    """Whether to return topics as well: for rooms that are being opened."""


class RoomHead(NamedTuple):
    """Where a room is: its epoch, the offset of its last message, and its rev (absent: 0)."""

    epoch: str
    head: int
    rev: int = 0


class Heads(msgspec.Struct, frozen=True):
    """Heads as `room_id: [epoch, head, rev]`, and the membership revision, for a gateway to compare with its own."""

    revision: int
    heads: dict[int, RoomHead]
    cursor: HeadsCursor | None = None
    """For the next query; None: history is of an earlier version."""
    comparable: bool = True
    """False: `since` is not of this run, so any room may have changed: ask for each."""
    topics: dict[int, str] | None = None
    """If they were asked for, the topics of the rooms that have one; None also: history is of an earlier version."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/page`: messages after an offset, before one, or (with neither) the last ones."""

    room_id: int
    after: int | None = None
    before: int | None = None
    around: int | None = None
    """Messages around this offset."""
    thread: int | None = None
    """Only the replies of the thread that the message at this offset began."""
    pinned: bool = False
    """Only pinned messages."""
    limit: int
    reader: int | None = None
    """The user whose command needs the page, for the rate limit; None: the gateway itself needs it."""


class StoredPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Messages, oldest first, as encoded `message` frames; the first has offset `first`.

    They are consecutive, except those of a thread and pinned ones.
    """

    epoch: str
    head: int
    first: int
    frames: list[msgspec.Raw]
    topic: str = ""
    """The room's topic when the page was read."""
    rev: int = 0
    """The room's rev when the page was read: the messages are as of it."""
    revs: dict[int, int] = {}
    """By offset, the rev of each message of the page that ever changed."""
    more: bool = False
    """Whether a thread, or pinned messages, have more in the direction of reading."""


class ChangesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/changes`: messages from offset `first` on that changed after rev `after`, by rev."""

    room_id: int
    after: int
    first: int = 1
    limit: int
    reader: int | None = None
    """As in `PageQuery`."""


class StoredChange(msgspec.Struct, frozen=True):
    """A changed message as an encoded `message` frame, and its offset and rev."""

    offset: int
    rev: int
    frame: msgspec.Raw


class StoredChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Changed messages by rev: everything up to rev `through`. `rev`: the room's when they were read."""

    epoch: str
    head: int
    rev: int
    through: int
    changes: list[StoredChange]


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


class LeftRoom(RoomInfo, frozen=True, kw_only=True):
    """A room that a user left; `deleted`: it ended with its last member."""

    deleted: bool = False


class CreateRoomCall(msgspec.Struct, frozen=True):
    """`POST /internal/create`: returns `RoomInfo`."""

    room: str
    private: bool
    user_id: int
    username: str


class OpenDirectCall(msgspec.Struct, frozen=True):
    """`POST /internal/direct`: returns `RoomInfo`. `other`: the user to write to; opening again changes nothing."""

    user_id: int
    username: str
    other: str


class RemoveMemberCall(msgspec.Struct, frozen=True):
    """`POST /internal/remove`: returns `RemovedMember`. `member`: the name of the member to remove."""

    room: str
    user_id: int
    username: str
    member: str


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


class Invitee(msgspec.Struct, frozen=True):
    """The name that was invited, as it was given: the answer does not tell whether there is such a user."""

    username: str


class ChangeTopicCall(msgspec.Struct, frozen=True):
    """`POST /internal/topic`: returns `StoredTopic`; setting the same topic again changes nothing."""

    room: str
    user_id: int
    username: str
    topic: str


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


class RoomListing(msgspec.Struct, frozen=True):
    """A page of the room list: the rooms that a user is in, on the first page, and public rooms."""

    rooms: list[VisibleRoom]
    next: str | None = None
    """Where the next page starts; None: this is the last one."""
