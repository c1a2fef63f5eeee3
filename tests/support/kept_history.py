"""A history in memory that a room feed asks as it asks the real one; a test can hold its answers back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError, Code
from services.gateway.upstream.history_client import HistoryClient
from tests.simulation.history import Items, StoredHistory

ADA = 1


class KeptHistory:
    """The rules of the real service; `calls` counts by kind, `is_down` refuses every call."""

    def __init__(self, rooms: int = 1) -> None:
        self.stored = StoredHistory()
        self.calls: list[str] = []
        self.is_down = False
        self._may_answer = asyncio.Event()
        self._may_answer.set()
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

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """What is asked during the block is read at once, and answered at its end."""
        self._may_answer.clear()
        yield
        self._may_answer.set()

    async def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.is_down:
            raise ChatError(Code.UNAVAILABLE)

    async def heads(self, room_ids: list[int], *, topics: bool = False) -> history_api.Heads:
        await self._answer("heads")
        answer = self.stored.heads(history_api.HeadsQuery(room_ids, topics=topics))
        await self._may_answer.wait()
        return answer

    async def page(
        self, room_id: int, limit: int, *, after: int | None = None, before: int | None = None, reader: object = None
    ) -> history_api.StoredPage:
        await self._answer("page")
        answer = self.stored.page(history_api.PageQuery(room_id=room_id, limit=limit, after=after, before=before))
        await self._may_answer.wait()
        return answer

    async def changes(
        self, room_id: int, limit: int, *, after: int, first: int = 1, reader: object = None
    ) -> history_api.StoredChanges:
        await self._answer("changes")
        query = history_api.ChangesQuery(room_id=room_id, limit=limit, after=after, first=first)
        answer = self.stored.changes(query)
        await self._may_answer.wait()
        return answer
