"""Appending messages: order, idempotency, refusals, publishing, invalid calls."""

import asyncio
import random
from itertools import chain

import httpx
import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import room_channel
from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import Message
from chatterbox.wire.history_api import Append, Appended, AppendRefused
from tests.support.history import START_MS, Clock, Service, Start, until
from tests.support.message_batch import message_batch


def codes(outcomes: list[Appended | AppendRefused]) -> list[str | None]:
    return [outcome.code if isinstance(outcome, AppendRefused) else None for outcome in outcomes]


def offsets(outcomes: list[Appended | AppendRefused]) -> list[int]:
    return [outcome.offset for outcome in outcomes if isinstance(outcome, Appended)]


async def test_appended_messages_get_the_next_offsets_in_order(history: Service) -> None:
    assert offsets(await history.append(history.message("a", "k1"), history.message("b", "k2"))) == [1, 2]
    assert offsets(await history.append(history.message("c", "k3", user="bob"))) == [3]
    listed = (await history.get("/messages")).json()
    assert [(message["offset"], message["content"]) for message in listed] == [(3, "c"), (2, "b"), (1, "a")]


async def test_concurrent_appends_leave_no_gap_in_the_offsets(history: Service) -> None:
    batches = [[history.message("x", f"{task}-{n}") for n in range(random.randint(1, 5))] for task in range(300)]
    outcomes = await asyncio.gather(*(history.append(*batch) for batch in batches))
    given = [offsets(answer) for answer in outcomes]
    assert sorted(chain(*given)) == list(range(1, sum(map(len, batches)) + 1))
    assert all(answer == list(range(answer[0], answer[0] + len(answer))) for answer in given)


async def test_a_retry_gets_the_same_ack_before_and_after_a_restart(start: Start, clock: Clock) -> None:
    async with start() as history:
        await history.greet("alice")
        message = history.message("hello", "k")
        first, twin = await history.append(message, message)
        [later] = await history.append(message)
    clock.now += 1_000_000
    async with start() as history:
        [much_later] = await history.append(message)
        [after] = await history.append(history.message("next", "k2"))
    assert isinstance(after, Appended)
    assert first == twin == later == much_later
    assert after.offset == 2


async def test_concurrent_retries_are_stored_once(history: Service) -> None:
    messages = [history.message(f"text {n}", f"k{n}") for n in range(50)]
    tries = [history.append(*random.sample(messages, 10)) for _ in range(100)]
    await asyncio.gather(*tries, history.append(*messages))
    heads = await history.ask("heads", history_api.HeadsQuery([1]), history_api.Heads)
    assert heads.heads[1][1] == 50


async def test_two_users_can_use_the_same_key(history: Service) -> None:
    outcomes = await history.append(history.message("a", "k"), history.message("b", "k", user="bob"))
    assert offsets(outcomes) == [1, 2]


async def test_a_refused_message_does_not_affect_the_rest_of_its_batch(history: Service) -> None:
    await history.append(history.message("old", "used"))
    stranger = Append(1, 999, "nobody", "hello", "k")
    outcomes = await history.append(
        history.message("new", "used"),
        stranger,
        history.message("fine", "k1"),
        history.message("hello", "k2", room_id=77),
        history.message("\x1b[2J", "k3"),
        history.message("x" * 4001, "k4"),
        history.message("hello", "no spaces"),
        history.message("also fine", "k5"),
    )
    assert codes(outcomes) == [
        Code.KEY_REUSED,
        Code.NOT_A_MEMBER,
        None,
        Code.ROOM_UNKNOWN,
        Code.CONTENT_FORBIDDEN,
        Code.CONTENT_TOO_LONG,
        Code.KEY_INVALID,
        None,
    ]
    assert offsets(outcomes) == [2, 3]


async def test_a_former_member_is_refused_but_gets_acks_for_retries(history: Service) -> None:
    room = await history.ask("create", history_api.CreateRoomCall("ops", False, 1, "alice"), history_api.RoomInfo)
    before = history.message("before", "k", room_id=room.room_id)
    acked = await history.append(before)
    await history.ask("leave", history_api.LeaveRoomCall("ops", 1, "alice"), history_api.RoomInfo)
    assert await history.append(before) == acked
    assert codes(await history.append(history.message("after", "k2", room_id=room.room_id))) == [Code.NOT_A_MEMBER]


async def test_timestamps_of_a_room_do_not_decrease_when_the_clock_is_set_back(history: Service, clock: Clock) -> None:
    [first] = await history.append(history.message("a", "k1"))
    clock.now = START_MS - 3_600_000
    [second] = await history.append(history.message("b", "k2"))
    clock.now = START_MS + 5
    [third] = await history.append(history.message("c", "k3"))
    times = [outcome.timestamp for outcome in (first, second, third) if isinstance(outcome, Appended)]
    assert times == ["2026-09-21T14:13:20.000Z", "2026-09-21T14:13:20.000Z", "2026-09-21T14:13:20.005Z"]


async def test_stored_messages_are_published_as_encoded_frames(history: Service) -> None:
    heard = await history.listening(room_channel(1))
    outcomes = await history.append(history.message("a", "k1"), history.message("ü 🙂 \n b", "k2"))
    await until(lambda: bool(heard))
    [(_, payload)] = heard
    batch = message_batch(payload)
    frames = [decode_server_frame(frame) for frame in batch.frames]
    assert batch.first == 1
    assert [frame.content for frame in frames if isinstance(frame, Message)] == ["a", "ü 🙂 \n b"]
    stored = await history.ask("page", history_api.PageQuery(room_id=1, limit=10), history_api.StoredPage)
    assert [bytes(raw) for raw in stored.frames] == list(batch.frames)
    assert [frame.message_id for frame in frames if isinstance(frame, Message)] == [
        outcome.message_id for outcome in outcomes if isinstance(outcome, Appended)
    ]


async def test_a_retry_is_not_published_again(history: Service) -> None:
    heard = await history.listening(room_channel(1))
    await history.append(history.message("a", "k1"))
    await history.append(history.message("a", "k1"))
    await history.append(history.message("b", "k2"))
    await until(lambda: len(heard) >= 2)
    assert [message_batch(payload).first for _, payload in heard] == [1, 2]


class TestBadCalls:
    async def test_an_append_with_too_many_messages_is_refused(self, history: Service) -> None:
        with pytest.raises(ChatError, match="at most 2000"):
            await history.append(*[history.message("x", "k")] * 2001)

    async def test_an_empty_append_succeeds(self, history: Service) -> None:
        assert await history.append() == []


async def test_the_public_api_reference_lists_no_internal_path(history: Service) -> None:
    assert not [path for path in history.app.openapi()["paths"] if path.startswith(("/internal", "/health"))]


async def test_health_checks_of_history_answer_200(history: Service) -> None:
    answers: list[httpx.Response] = [await history.public.get(f"/health/{kind}") for kind in ("live", "ready")]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "live"), (200, "ready")]
