"""History as the gateway asks it: appends, pages, heads, memberships."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import httpx

from chatterbox.chassis.calls import call
from chatterbox.wire import store

if TYPE_CHECKING:
    from services.gateway.member import Member

T = TypeVar("T")
Outcome: TypeAlias = store.Appended | store.Refused
Appending: TypeAlias = Callable[[list[store.Append]], Awaitable[list[Outcome]]]
"""Brings messages to history: `AppendLine.append`, or in one process history itself."""


class HistoryClient:
    """Calls history's internal address. Every call raises `ChatError`: history's refusal, or `unavailable`."""

    def __init__(self, http: httpx.AsyncClient, appending: Appending, clock: Callable[[], float]) -> None:
        """`clock` is monotonic seconds."""
        self._http = http
        self._appending = appending
        self._clock = clock
        self.answered_s = float("-inf")
        """When it last did what it was asked, by `clock`."""

    async def append(self, messages: list[store.Append]) -> list[Outcome]:
        """Store messages in this order; when it returns they are durable. One outcome for each."""
        outcomes = await self._appending(messages)
        self.answered_s = self._clock()
        return outcomes

    async def memberships(self, users: dict[int, str]) -> store.Memberships:
        return await self._call("/internal/memberships", store.UserIds(users), store.Memberships)

    async def heads(self, room_ids: list[int]) -> store.Heads:
        return await self._call("/internal/heads", store.RoomIds(room_ids), store.Heads)

    async def page(
        self, room_id: int, limit: int, *, after: int | None = None, before: int | None = None
    ) -> store.StoredPage:
        query = store.PageQuery(room_id=room_id, after=after, before=before, limit=limit)
        return await self._call("/internal/page", query, store.StoredPage)

    async def join(self, room: str, member: "Member") -> store.RoomInfo:
        body = store.JoinRoom(room, member.user_id, member.username)
        return await self._call("/internal/join", body, store.RoomInfo)

    async def leave(self, room: str, member: "Member") -> store.RoomInfo:
        body = store.LeaveRoom(room, member.user_id, member.username)
        return await self._call("/internal/leave", body, store.RoomInfo)

    async def create(self, room: str, member: "Member", *, private: bool) -> store.RoomInfo:
        body = store.CreateRoom(room, private, member.user_id, member.username)
        return await self._call("/internal/create", body, store.RoomInfo)

    async def invite(self, room: str, member: "Member", invitee: str) -> str:
        """Returns the username as its owner writes it."""
        body = store.InviteUser(room, member.user_id, member.username, invitee)
        return (await self._call("/internal/invite", body, store.Invitee)).username

    async def change_topic(self, room: str, member: "Member", topic: str) -> str:
        """Returns the topic as it is kept."""
        body = store.ChangeTopic(room, member.user_id, member.username, topic)
        return (await self._call("/internal/topic", body, store.KeptTopic)).topic

    async def rooms(self, member: "Member") -> list[store.RoomLine]:
        return (await self._call("/internal/rooms", store.ListRooms(member.user_id), store.RoomListing)).rooms

    async def _call(self, path: str, body: object, answer: type[T]) -> T:
        answered = await call(self._http, "POST", path, body, answer)
        self.answered_s = self._clock()
        return answered
