"""Reading messages: `GET /messages` and pages for gateways."""

from itertools import product
from typing import Any

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import Message
from tests.support.history import Service, code

HEAD = 23
BAD_NUMBERS = (
    "limit=-1",
    "limit=0",
    "limit=201",
    "limit=ten",
    "limit=1.5",
    "limit=",
    "limit=99999999999999999999",
    "offset=-1",
    "offset=x",
    "offset=9007199254740992",
    "before=-1",
    "after=NaN",
    "before=1e3",
)


@pytest.fixture
async def filled(history: Service) -> Service:
    await history.fill(HEAD)
    return history


def listed(service_answer: Any) -> list[int]:
    assert service_answer.status_code == 200, service_answer.text
    return [message["offset"] for message in service_answer.json()]


async def test_a_message_is_returned_with_all_its_fields(history: Service) -> None:
    await history.append(history.message("hello", "k"))
    room = await history.greet("alice")
    assert (await history.get("/messages")).json() == [
        {
            "id": 1,
            "room": "general",
            "epoch": room.epoch,
            "offset": 1,
            "username": "alice",
            "content": "hello",
            "timestamp": "2026-09-21T14:13:20.000Z",
        }
    ]


async def test_a_user_can_read_before_the_first_connection_to_a_gateway(history: Service) -> None:
    await history.fill(2)
    assert listed(await history.get("/messages", "carol")) == [2, 1]
    assert "carol" in (await history.get("/rooms/general/members", "carol")).json()


class TestLimitAndOffset:
    async def test_the_default_page_has_the_newest_fifty_messages_newest_first(self, history: Service) -> None:
        await history.fill(70)
        assert listed(await history.get("/messages")) == list(range(70, 20, -1))

    async def test_limit_and_offset_slice_the_list_of_messages(self, filled: Service) -> None:
        everything = list(range(HEAD, 0, -1))
        for limit, offset in product((1, 7, 23, 200), (0, 1, 22, 23, 24, 2**53 - 1)):
            assert listed(await filled.get("/messages", limit=limit, offset=offset)) == everything[offset:][:limit]

    async def test_an_empty_room_returns_an_empty_list(self, history: Service) -> None:
        assert listed(await history.get("/messages")) == []


class TestBeforeAndAfter:
    async def test_before_returns_older_messages_newest_first(self, filled: Service) -> None:
        for before in (0, 1, 5, 23, 24, 999, 2**53 - 1):
            expected = [offset for offset in range(HEAD, 0, -1) if offset < before][:10]
            assert listed(await filled.get("/messages", before=before, limit=10)) == expected

    async def test_after_returns_newer_messages_oldest_first(self, filled: Service) -> None:
        for after in (0, 5, 22, 23, 999, 2**53 - 1):
            expected = [offset for offset in range(1, HEAD + 1) if offset > after][:10]
            assert listed(await filled.get("/messages", after=after, limit=10)) == expected

    async def test_before_and_after_together_return_the_messages_between(self, filled: Service) -> None:
        assert listed(await filled.get("/messages", after=3, before=8)) == [4, 5, 6, 7]
        assert listed(await filled.get("/messages", after=8, before=3)) == []

    async def test_offset_skips_messages_in_reading_direction(self, filled: Service) -> None:
        assert listed(await filled.get("/messages", after=3, offset=2, limit=2)) == [6, 7]
        assert listed(await filled.get("/messages", before=10, offset=2, limit=2)) == [7, 6]

    async def test_pages_by_position_are_stable_during_writes(self, filled: Service) -> None:
        first = listed(await filled.get("/messages", limit=10))
        await filled.append(filled.message("new", "late"))
        second = listed(await filled.get("/messages", limit=10, before=first[-1]))
        assert first + second == list(range(HEAD, HEAD - 20, -1))


class TestBadInput:
    async def test_numbers_out_of_range_are_refused(self, history: Service) -> None:
        for query in BAD_NUMBERS:
            answer = await history.get(f"/messages?{query}")
            assert code(answer) == (422, Code.BAD_REQUEST), query
            assert query.partition("=")[0] in answer.json()["detail"]

    async def test_invalid_room_names_are_refused(self, history: Service) -> None:
        for room in ("", " ", "no such!", "x" * 41, "../etc", "a\nb", "\u202eabc", "_x"):
            assert code(await history.get("/messages", room=room)) == (422, Code.ROOM_NAME_INVALID), room

    async def test_reading_an_unknown_room_is_refused(self, history: Service) -> None:
        assert code(await history.get("/messages", room="nowhere")) == (404, Code.ROOM_UNKNOWN)

    async def test_unknown_paths_and_methods_are_refused(self, history: Service) -> None:
        assert code(await history.do("PUT", "/messages")) == (405, Code.METHOD_NOT_ALLOWED)
        assert code(await history.get("/messages/1")) == (404, Code.NOT_FOUND)


class TestPagesForGateways:
    async def page(self, history: Service, **query: Any) -> tuple[int, int, list[int]]:
        stored = await history.ask("page", history_api.PageQuery(room_id=1, **query), history_api.StoredPage)
        frames = [decode_server_frame(bytes(raw)) for raw in stored.frames]
        return stored.head, stored.first, [frame.at.offset for frame in frames if isinstance(frame, Message)]

    async def test_pages_for_gateways_are_consecutive_and_oldest_first(self, filled: Service) -> None:
        assert await self.page(filled, limit=3) == (HEAD, 21, [21, 22, 23])
        assert await self.page(filled, limit=3, before=10) == (HEAD, 7, [7, 8, 9])
        assert await self.page(filled, limit=3, before=2) == (HEAD, 1, [1])
        assert await self.page(filled, limit=3, after=10) == (HEAD, 11, [11, 12, 13])
        assert await self.page(filled, limit=3, after=22) == (HEAD, 23, [23])

    async def test_pages_for_gateways_past_the_end_are_empty_and_have_the_head(self, filled: Service) -> None:
        assert await self.page(filled, limit=3, after=23) == (HEAD, 24, [])
        assert await self.page(filled, limit=3, after=99) == (HEAD, 100, [])
        assert await self.page(filled, limit=3, before=1) == (HEAD, 1, [])

    async def test_pages_for_gateways_with_numbers_out_of_range_are_refused(self, history: Service) -> None:
        for query in ({"limit": 0}, {"limit": 1001}, {"limit": 1, "after": -1}, {"limit": 1, "before": 2**63}):
            with pytest.raises(ChatError) as refused:
                await self.page(history, **query)
            assert refused.value.code == Code.BAD_REQUEST

    async def test_pages_for_gateways_of_an_unknown_room_are_refused(self, history: Service) -> None:
        with pytest.raises(ChatError) as refused:
            await history.ask("page", history_api.PageQuery(room_id=99, limit=1), history_api.StoredPage)
        assert refused.value.code == Code.ROOM_UNKNOWN

    async def test_heads_are_returned_for_existing_rooms_only(self, filled: Service) -> None:
        heads = await filled.ask("heads", history_api.HeadsQuery([1, 99, 2**70]), history_api.Heads)
        assert {room_id: head for room_id, (_, head, _) in heads.heads.items()} == {1: HEAD}
        assert heads.revision == 2
