"""History as the gateway asks it: appends, pages, heads, memberships."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import httpx

from chatterbox.chassis.http.internal_http import call
from chatterbox.wire import history_api

if TYPE_CHECKING:
    from services.gateway.connections.member import Member

T = TypeVar("T")
Outcome: TypeAlias = history_api.Appended | history_api.AppendRefused
AppendFunction: TypeAlias = Callable[[list[history_api.Append]], Awaitable[list[Outcome]]]
"""Brings messages to history: `AppendLine.append`, or in one process history itself."""


class HistoryClient:
    """Calls history's internal address. Every call raises `ChatError`: history's refusal, or `unavailable`."""

    def __init__(self, http: httpx.AsyncClient, appending: AppendFunction, clock: Callable[[], float]) -> None:
        """`clock` is monotonic seconds."""
        self._http = http
        self._appending = appending
        self._clock = clock
        self.answered_s = float("-inf")
        """When it last did what it was asked, by `clock`."""

    async def append(self, messages: list[history_api.Append]) -> list[Outcome]:
        """Store messages in this order; when it returns they are durable. One outcome for each."""
        outcomes = await self._appending(messages)
        self.answered_s = self._clock()
        return outcomes

    async def memberships(self, users: dict[int, str]) -> history_api.MembershipSnapshot:
        return await self._call("/internal/memberships", history_api.UserIds(users), history_api.MembershipSnapshot)

    async def heads(self, room_ids: list[int]) -> history_api.Heads:
        return await self._call("/internal/heads", history_api.RoomIds(room_ids), history_api.Heads)

    async def page(
        self, room_id: int, limit: int, *, after: int | None = None, before: int | None = None
    ) -> history_api.StoredPage:
        query = history_api.PageQuery(room_id=room_id, after=after, before=before, limit=limit)
        return await self._call("/internal/page", query, history_api.StoredPage)

    async def join(self, room: str, member: "Member") -> history_api.RoomInfo:
        body = history_api.JoinRoomCall(room, member.user_id, member.username)
        return await self._call("/internal/join", body, history_api.RoomInfo)

    async def leave(self, room: str, member: "Member") -> history_api.RoomInfo:
        body = history_api.LeaveRoomCall(room, member.user_id, member.username)
        return await self._call("/internal/leave", body, history_api.RoomInfo)

    async def create(self, room: str, member: "Member", *, private: bool) -> history_api.RoomInfo:
        body = history_api.CreateRoomCall(room, private, member.user_id, member.username)
        return await self._call("/internal/create", body, history_api.RoomInfo)

    async def invite(self, room: str, member: "Member", invitee: str) -> str:
        """Returns the username as its owner writes it."""
        body = history_api.InviteUserCall(room, member.user_id, member.username, invitee)
        return (await self._call("/internal/invite", body, history_api.Invitee)).username

    async def change_topic(self, room: str, member: "Member", topic: str) -> str:
        """Returns the topic as it is kept."""
        body = history_api.ChangeTopicCall(room, member.user_id, member.username, topic)
        return (await self._call("/internal/topic", body, history_api.StoredTopic)).topic

    async def rooms(self, member: "Member") -> list[history_api.VisibleRoom]:
        return (
            await self._call("/internal/rooms", history_api.ListRoomsCall(member.user_id), history_api.RoomListing)
        ).rooms

    async def _call(self, path: str, body: object, answer: type[T]) -> T:
        answered = await call(self._http, "POST", path, body, answer)
        self.answered_s = self._clock()
        return answered
