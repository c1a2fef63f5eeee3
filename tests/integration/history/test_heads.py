"""Heads since a cursor: a gateway that asks repeatedly learns of each room that changed."""

from collections.abc import Iterable

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.history_api import HeadsCursor
from services.history.rooms import room_queries
from tests.support.history import Service, Start


async def heads(history: Service, *room_ids: int, **query: object) -> history_api.Heads:
    asked = history_api.HeadsQuery(list(room_ids), **query)  # type: ignore[arg-type]
    return await history.ask("heads", asked, history_api.Heads)


async def cursor(history: Service) -> HeadsCursor:
    found = (await heads(history)).cursor
    assert found is not None
    return found


async def changed(history: Service, since: HeadsCursor) -> dict[int, tuple[int, int]]:
    """Head and rev of the rooms that changed."""
    answer = await heads(history, since=since)
    assert answer.comparable
    return {room_id: (head.head, head.rev) for room_id, head in answer.heads.items()}


async def created(history: Service, *names: str) -> Iterable[int]:
    for name in names:
        (await history.do("POST", "/rooms", body={"room": name})).raise_for_status()
    users = history_api.UserIds({history.auth.names["alice"]: "alice"})
    answer = await history.ask("memberships", users, history_api.MembershipSnapshot)
    return [next(info.room_id for info in answer.rooms if info.room == name) for name in names]


async def test_rooms_with_new_messages_and_changes_are_told(history: Service) -> None:
    ops, dev, _ = await created(history, "ops", "dev", "quiet")
    before = await cursor(history)
    await history.fill(2, room_id=ops)
    between = await cursor(history)
    await history.fill(1, room_id=dev)
    on = {"room_id": ops, "user_id": history.auth.names["alice"], "username": "alice", "offset": 1}
    await history.append_batch((), [history_api.MessageEdit(**on, content="other")])  # type: ignore[arg-type]
    assert await changed(history, before) == {ops: (2, 1), dev: (1, 0)}
    assert await changed(history, between) == {ops: (2, 1), dev: (1, 0)}
    assert await changed(history, await cursor(history)) == {}


async def test_deleted_room_is_not_told(history: Service) -> None:
    [ops] = await created(history, "ops")
    before = await cursor(history)
    await history.fill(2, room_id=ops)
    (await history.do("DELETE", "/rooms/ops")).raise_for_status()
    assert await changed(history, before) == {}


async def test_cursor_of_an_earlier_run_is_not_comparable(start: Start) -> None:
    async with start() as history:
        await history.greet("alice")
        before = await cursor(history)
    async with start() as history:
        await history.fill(1)
        answer = await heads(history, since=before)
        assert (answer.comparable, answer.heads) == (False, {})
        assert answer.revision


@pytest.mark.parametrize("moment", ["before the heads are read", "after the heads are read"])
async def test_message_stored_while_heads_are_told_is_not_lost(
    history: Service, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The cursor is older than the heads, so that it may be told twice, but never not at all."""
    before, original = await cursor(history), room_queries.heads

    async def reading(*about: object, **options: object) -> history_api.Heads:
        if moment.startswith("before"):
            await history.fill(1)
        answer = await original(*about, **options)  # type: ignore[arg-type]
        if moment.startswith("after"):
            await history.fill(1)
        return answer

    monkeypatch.setattr(room_queries, "heads", reading)
    answer = await heads(history, since=before)
    monkeypatch.undo()
    assert answer.cursor is not None
    assert await changed(history, answer.cursor) == {1: (1, 0)}


async def test_topics_are_told_if_they_are_asked_for(history: Service) -> None:
    ops, dev = await created(history, "ops", "dev")
    (await history.do("PUT", "/rooms/ops/topic", body={"topic": "engines"})).raise_for_status()
    assert (await heads(history, ops, dev, topics=True)).topics == {ops: "engines"}
    assert (await heads(history, ops, dev)).topics is None
