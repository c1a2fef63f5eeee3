"""Mention backfill: messages from before the start are read, the newest of each room first, and counted once."""

import msgspec
import pytest

from chatterbox.wire import frames
from client.core import notes
from client.core.events import CommandRequested
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.viewport import TimelineView
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.rooms import mention_backfill
from tests.unit.client.world import ME, ROOM, message, room_state


def opened(*rooms: frames.RoomState, read: int = 3) -> ChatModel:
    """Connect with saved rooms in which messages up to `read` are read."""
    model = ChatModel("http://x", ROOM)
    for state in rooms:
        room = model.ensure_room(state.room)
        room.log.set_epoch(state.at.epoch)
        room.progress.marker.set_read(read)
    update.apply(model, notes.WelcomeReceived(ME, (room_state(3), *rooms), 0, again=False))
    return model


def requested_pages(model: ChatModel) -> list[frames.ReadHistory]:
    """The pages requested since the last call."""
    commands = [request.command for request in model.requests if isinstance(request, CommandRequested)]
    model.requests.clear()
    return [command for command in commands if isinstance(command, frames.ReadHistory)]


def answer(model: ChatModel, request: frames.ReadHistory, *contents: str, last: int) -> None:
    first = last - len(contents) + 1
    page = [
        msgspec.structs.replace(message(offset, room=request.room), content=content)
        for offset, content in enumerate(contents, first)
    ]
    reply = frames.Page(id=1, room=request.room, messages=page, more=first > 1)
    update.apply(model, notes.CommandAnswered(request, reply))


def test_mentions_in_unread_messages_only_are_counted() -> None:
    model = opened(room_state(6, room="ops"))
    [request] = requested_pages(model)
    assert request == frames.ReadHistory(id=0, room="ops", limit=3)
    answer(model, request, f"read: {ME}", f"{ME}: one", "two", f"@{ME} three", last=6)
    assert (model.rooms["ops"].unread, model.rooms["ops"].mentions) == (3, 2)


def test_one_page_of_each_room_is_requested_one_room_after_the_other() -> None:
    model = opened(room_state(900, room="ops"), room_state(5, room="dev"), room_state(3, room="read"))
    [first] = requested_pages(model)
    assert (first.room, first.limit) == ("ops", 200)
    answer(model, first, *["x"] * 200, last=900)
    [second] = requested_pages(model)
    assert second.room == "dev"
    update.apply(model, notes.CommandRefused(second, "unavailable", "Away."))
    [older] = requested_pages(model)
    assert (older.room, older.before) == ("ops", 701)


def test_page_is_requested_again_after_a_lost_connection() -> None:
    model = opened(room_state(6, room="ops"))
    [request] = requested_pages(model)
    update.apply(model, notes.Disconnected("cut", 1.0, 0, was_live=True, repeated=False))
    update.apply(model, notes.WelcomeReceived(ME, (room_state(3), room_state(6, room="ops")), 0, again=True))
    assert requested_pages(model) == [request]


def test_mention_received_live_before_its_page_is_counted_once() -> None:
    model = opened(room_state(4, room="ops"))
    [request] = requested_pages(model)
    live = msgspec.structs.replace(message(5, room="ops"), content=f"{ME}!")
    update.apply(model, notes.MessageShown(live, mine=False))
    answer(model, request, f"{ME}?", f"{ME}!", last=5)
    assert (model.rooms["ops"].unread, model.rooms["ops"].mentions) == (2, 2)


def test_mentions_in_the_open_room_are_read_and_not_counted() -> None:
    model = opened(room_state(6, room="ops"))
    [request] = requested_pages(model)
    model.open_room("ops")
    answer(model, request, f"{ME}: one", last=6)
    TimelineView(model).draw(RowStyle(60, ME), 10)
    assert model.rooms["ops"].mentions == 0


def test_own_messages_are_not_unread_however_many_there_are() -> None:
    model = opened(room_state(603, room="ops"))
    assert model.rooms["ops"].unread == 600
    while requests := requested_pages(model):
        [request] = requests
        last = 603 if request.before is None else request.before - 1
        offsets = range(last - request.limit + 1, last + 1)
        page = [message(offset, room="ops", username="bob" if offset > 595 else ME) for offset in offsets]
        reply = frames.Page(id=1, room="ops", messages=page, more=True)
        update.apply(model, notes.CommandAnswered(msgspec.structs.replace(request, id=9), reply))
    assert model.rooms["ops"].unread == 8


def test_refused_older_page_ends_the_backfill_of_its_room() -> None:
    model = opened(room_state(603, room="ops"), room_state(5, room="dev"))
    [request] = requested_pages(model)
    page = [message(offset, room="ops") for offset in range(404, 604)]
    update.apply(model, notes.CommandAnswered(request, frames.Page(id=1, room="ops", messages=page, more=True)))
    [second] = requested_pages(model)
    answer(model, second, "new", "newer", last=5)
    [older] = requested_pages(model)
    assert (older.room, older.before, older.limit) == ("ops", 404, 200)
    update.apply(model, notes.CommandRefused(older, "rate_limited", "Too many."))
    assert requested_pages(model) == []


def test_older_pages_are_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mention_backfill, "FURTHER_PAGES", 1)
    model = opened(room_state(2003, room="ops"))
    count = 0
    while requests := requested_pages(model):
        count += 1
        [request] = requests
        last = 2003 if request.before is None else request.before - 1
        page = [message(offset, room="ops") for offset in range(last - request.limit + 1, last + 1)]
        update.apply(model, notes.CommandAnswered(request, frames.Page(id=1, room="ops", messages=page, more=True)))
    assert count == 2
