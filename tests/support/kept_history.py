"""A history in memory that a room feed asks as it asks the real one; a test can hold its answers back."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError, Code
from services.gateway.upstream.history_client import HistoryClient
from tests.simulation.history import Items, StoredHistory

T = TypeVar("T")

ADA = 1


class KeptHistory:
    """The rules of the real service; `calls` counts by kind, `is_down` refuses every call."""

    def __init__(self, rooms: int = 1) -> None:
        self.stored = StoredHistory()
        self.calls: list[str] = []
        self.is_down = False
        self._gate = asyncio.Event()
        self._gate.set()
        for number in range(1, rooms + 1):
            self.stored.add(f"room-{number}").members[ADA] = "ada"

    @property
    def client(self) -> HistoryClient:
        return cast("HistoryClient", self)

    @property
    def infos(self) -> list[history_api.RoomInfo]:
        return [room.info for room in self.stored.rooms.values()]

    def say(self, *contents: str, room_id: int = 1) -> Items:
        """Store messages of ada; returns what is published."""
        messages = [history_api.Append(room_id, ADA, "ada", content, "") for content in contents]
        return self.stored.append(history_api.AppendBatch(messages), 0)[1]

    def edit(self, offset: int, content: str, *, room_id: int = 1) -> Items:
        """Edit a message of ada; returns what is published."""
        on = {"room_id": room_id, "user_id": ADA, "username": "ada", "offset": offset}
        edit = history_api.MessageEdit(**on, content=content)  # type: ignore[arg-type]
        return self.stored.append(history_api.AppendBatch([], changes=[edit]), 0)[1]

    def hold_back(self) -> asyncio.Event:
        """What is asked from now on is read at once, and answered when the event is set."""
        self._gate = asyncio.Event()
        return self._gate

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """What is asked during the block is answered at its end."""
        may_answer = self.hold_back()
        yield
        may_answer.set()

    async def _answer(self, call: str, read: Callable[[], T]) -> T:
        self.calls.append(call)
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)
        answer, gate = read(), self._gate
        await gate.wait()
        return answer

    async def heads(self, room_ids: list[int], *, topics: bool = False) -> history_api.Heads:
        query = history_api.HeadsQuery(room_ids, topics=topics)
        return await self._answer("heads", lambda: self.stored.heads(query))

    async def heads_since(self, cursor: history_api.HeadsCursor) -> history_api.Heads:
        return await self._answer("heads since", lambda: self.stored.heads(history_api.HeadsQuery(since=cursor)))

    async def page(
        self, room_id: int, limit: int, *, after: int | None = None, before: int | None = None, reader: object = None
    ) -> history_api.StoredPage:
        query = history_api.PageQuery(room_id=room_id, limit=limit, after=after, before=before)
        return await self._answer("page", lambda: self.stored.page(query))

    async def changes(
        self, room_id: int, limit: int, *, after: int, first: int = 1, reader: object = None
    ) -> history_api.StoredChanges:
        query = history_api.ChangesQuery(room_id=room_id, limit=limit, after=after, first=first)
        return await self._answer("changes", lambda: self.stored.changes(query))
