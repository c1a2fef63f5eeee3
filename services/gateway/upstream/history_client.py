"""Client of the history service: appends, pages, heads, memberships."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

import httpx

from chatterbox.chassis.http.internal_http import call
from chatterbox.wire import history_api
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.read_state import NotificationLevel, ReadState

T = TypeVar("T")
Outcome: TypeAlias = history_api.Appended | history_api.AppendRefused
ChangeOutcome: TypeAlias = history_api.ChangeStored | history_api.AppendRefused
AppendFunction: TypeAlias = Callable[
    [list[history_api.Append], list[history_api.AnyMessageChange]], Awaitable[history_api.AppendAnswer]
]
"""Sends messages and changes to history: `AppendClient.append`, or history itself if it runs in this process."""


class Requester(Protocol):
    """The user on whose behalf history is called; `Member` implements it."""

    @property
    def user_id(self) -> int: ...
    @property
    def username(self) -> str: ...


class HistoryClient:
    """Calls history's internal API. Every call raises `ChatError`: history's refusal, or `unavailable`."""

    def __init__(self, http: httpx.AsyncClient, append: AppendFunction, clock: Callable[[], float]) -> None:
        """`clock` is monotonic seconds."""
        self._http = http
        self._append = append
        self._clock = clock
        self.last_success_s = float("-inf")
        """When history last answered a call, by `clock`."""

    async def append(
        self, messages: list[history_api.Append], changes: list[history_api.AnyMessageChange]
    ) -> history_api.AppendAnswer:
        """Make the changes, then store the messages, each in this order; on return they are durable.

        The answer has one outcome for each of both.
        """
        answer = await self._append(messages, changes)
        self.last_success_s = self._clock()
        return answer

    async def revision(self) -> int:
        """The membership revision. It is asked for as an append is: that costs a fraction of an HTTP request."""
        return (await self.append([], [])).revision

    async def memberships(self, users: dict[int, str]) -> history_api.MembershipSnapshot:
        return await self.call("/internal/memberships", history_api.UserIds(users), history_api.MembershipSnapshot)

    async def heads(self, room_ids: list[int], *, topics: bool = False) -> history_api.Heads:
        """The heads of those of these rooms that exist, with their topics if wanted."""
        query = history_api.HeadsQuery(room_ids, topics=topics)
        return await self.call("/internal/heads", query, history_api.Heads)

    async def heads_since(self, cursor: history_api.HeadsCursor) -> history_api.Heads:
        """The heads of the rooms that changed after `cursor`, unless the answer is not `comparable`."""
        return await self.call("/internal/heads", history_api.HeadsQuery(since=cursor), history_api.Heads)

    async def page(
        self,
        room_id: int,
        limit: int,
        *,
        after: int | None = None,
        before: int | None = None,
        around: int | None = None,
        thread: int | None = None,
        pinned: bool = False,
        reader: Requester | None = None,
    ) -> history_api.StoredPage:
        """A page of a room; it counts as a read of `reader`, if given."""
        query = history_api.PageQuery(
            room_id=room_id, after=after, before=before, around=around, thread=thread, pinned=pinned, limit=limit,
            reader=None if reader is None else reader.user_id,
        )  # fmt: skip
        return await self.call("/internal/page", query, history_api.StoredPage)

    async def changes(
        self, room_id: int, limit: int, *, after: int, first: int = 1, reader: Requester | None = None
    ) -> history_api.StoredChanges:
        """The messages from offset `first` on that changed after rev `after`; it counts as a read of `reader`."""
        query = history_api.ChangesQuery(
            room_id=room_id, after=after, first=first, limit=limit, reader=None if reader is None else reader.user_id
        )
        return await self.call("/internal/changes", query, history_api.StoredChanges)

    async def store_reads(self, positions: list[history_api.ReadPosition], origin: str) -> history_api.ReadOutcomes:
        """Store read positions of at most one per user and room; on return they are durable.

        `origin` tells its own connections.
        """
        body = history_api.ReadPositions(positions, origin)
        return await self.call("/internal/reads", body, history_api.ReadOutcomes)

    async def read_states(self, users: dict[int, str]) -> history_api.ReadStates:
        return await self.call("/internal/read-states", history_api.UserIds(users), history_api.ReadStates)

    async def set_notify(self, room: str, member: Requester, level: NotificationLevel, until: str) -> ReadState:
        """Set of what a room notifies a user; returns the room's state.

        All of the user's connections are told by signals, also those of this gateway: only history knows which of two
        levels was set last.
        """
        body = history_api.NotifyCall(room, member.user_id, member.username, level, until)
        return await self.call("/internal/notify", body, ReadState)

    async def receipts(self, room_id: int) -> dict[str, int]:
        """How far the members of a room have read it, by username, without those who do not show it."""
        return (await self.call("/internal/receipts", history_api.ReceiptsQuery(room_id), history_api.Receipts)).read

    async def people(
        self,
        viewers: Sequence[int],
        *,
        usernames: Sequence[str] = (),
        user_ids: Sequence[int] = (),
        reader: Requester | None = None,
    ) -> list[history_api.StoredPerson]:
        """Users by name or id, for these viewers, at most 200 of each; without those who do not exist.

        It counts as a read of `reader`, if given.
        """
        query = history_api.PeopleQuery(
            viewers=list(viewers), usernames=list(usernames), user_ids=list(user_ids),
            reader=None if reader is None else reader.user_id,
        )  # fmt: skip
        return (await self.call("/internal/people", query, history_api.People)).people

    async def report_seen(self, user_ids: Sequence[int]) -> None:
        """Report that these users, at most 10,000, are connected now."""
        await self.call("/internal/seen", history_api.UsersSeen(list(user_ids)), type(None))

    async def find(self, room: str, member: Requester) -> history_api.RoomInfo:
        """The room of this name if `member` may see it; raises `room_unknown`."""
        body = history_api.FindRoomCall(room, member.user_id, member.username)
        return await self.call("/internal/find", body, history_api.RoomInfo)

    async def join(self, room: str, member: Requester) -> history_api.RoomInfo:
        body = history_api.JoinRoomCall(room, member.user_id, member.username)
        return await self.call("/internal/join", body, history_api.RoomInfo)

    async def leave(
        self, room: str, member: Requester, *, delete: bool, entry: MemberEntry | None = None
    ) -> history_api.LeftRoom:
        """`entry`, here and below: the next entry of the member log of an encrypted room."""
        body = history_api.LeaveRoomCall(room, member.user_id, member.username, delete, entry)
        return await self.call("/internal/leave", body, history_api.LeftRoom)

    async def create(
        self, room: str, member: Requester, *, private: bool, entry: MemberEntry | None = None
    ) -> history_api.RoomInfo:
        body = history_api.CreateRoomCall(room, private, member.user_id, member.username, entry)
        return await self.call("/internal/create", body, history_api.RoomInfo)

    async def open_direct(
        self, member: Requester, username: str, *, encrypted: bool | None = None
    ) -> history_api.RoomInfo:
        """The direct conversation of `member` with a user, made the first time. `encrypted` None: by policy."""
        body = history_api.OpenDirectCall(member.user_id, member.username, username, encrypted)
        return await self.call("/internal/direct", body, history_api.RoomInfo)

    async def remove(self, room: str, member: Requester, username: str, entry: MemberEntry | None = None) -> str:
        """Remove a member of a room that the requester created; returns the username in the spelling of its owner."""
        body = history_api.RemoveMemberCall(room, member.user_id, member.username, username, entry)
        return (await self.call("/internal/remove", body, history_api.RemovedMember)).username

    async def delete_room(self, room: str, member: Requester) -> history_api.RoomInfo:
        body = history_api.DeleteRoomCall(room, member.user_id, member.username)
        return await self.call("/internal/delete", body, history_api.RoomInfo)

    async def invite(self, room: str, member: Requester, invitee: str, entry: MemberEntry | None = None) -> str:
        """Invite `invitee`; returns the username in the spelling of its owner."""
        body = history_api.InviteUserCall(room, member.user_id, member.username, invitee, entry)
        return (await self.call("/internal/invite", body, history_api.Invitee)).username

    async def change_topic(self, room: str, member: Requester, topic: str, recipients: int = 0) -> str:
        """Set the topic, in an encrypted room for this version of its recipients; returns it as stored."""
        body = history_api.ChangeTopicCall(room, member.user_id, member.username, topic, recipients)
        return (await self.call("/internal/topic", body, history_api.StoredTopic)).topic

    async def rooms(self, member: Requester, after: str | None = None) -> history_api.RoomListing:
        """A page of the room list; `after` is the `next` of the page before."""
        query = history_api.ListRoomsCall(member.user_id, after)
        return await self.call("/internal/rooms", query, history_api.RoomListing)

    async def call(self, path: str, body: object, answer: type[T]) -> T:
        """Call `path` with `body`; returns the answer, decoded."""
        result = await call(self._http, "POST", path, body, answer)
        self.last_success_s = self._clock()
        return result
