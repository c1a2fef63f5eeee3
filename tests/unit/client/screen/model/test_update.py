"""The note reducer: outages, hostile text, restored backups, created and removed rooms."""

from dataclasses import replace

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import notes
from client.core.events import RoomRequested
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.message_rows import RowStyle
from client.screen.layout.side_lists import plain
from client.screen.layout.viewport import TimelineView
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from client.text.sanitize import is_dangerous
from tests.unit.client.screen.harness import HOSTILE, Harness, message_note, messages, running_screen, welcome_note
from tests.unit.client.world import ME, ROOM, Core, message, room_state, shown

RESTORED = (
    "-- The history of #general was restored from a backup: messages that you have seen may be gone. Continuing after "
    "message 2."
)


async def test_each_step_of_an_outage_is_shown() -> None:
    async with running_screen() as ui:
        await ui.show(notes.Disconnected("the line was cut", 0.0, 0, was_live=True, repeated=False))
        assert ui.status().startswith(" offline: the line was cut, next try now")
        entry = OutboxEntry("k", ROOM, "written while cut off")
        ui.connection.set_state(type(ui.connection.state)(unsent={ROOM: (entry,)}))
        await ui.show(notes.QueuedOffline(entry))
        assert "1 unsent" in ui.status()
        assert ui.timeline()[-1].endswith("written while cut off  (queued)")
        await ui.show(welcome_note("ops", again=True), notes.CatchingUp(ROOM, 3), message_note(4))
        assert ui.status().startswith(" catching up, 2 to go · 1 unsent")
        await ui.show(message_note(5), message_note(6), notes.CaughtUp(ROOM))
        assert ui.status().startswith(" connected")


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_control_characters_from_the_server_do_not_reach_the_terminal(hostile: str) -> None:
    async with running_screen(size=(130, 24)) as ui:
        await ui.show(
            notes.RoomEntered(hostile, tuple(messages(1, 2, room=hostile))),
            message_note(4, content=f"http://a.example/{hostile}", username=hostile),
            notes.RoomGone(hostile),
            notes.ServerError(hostile),
            notes.SendFailed(OutboxEntry("k", ROOM, hostile), "x", hostile),
            notes.MembershipChange(frames.Membership(room=hostile, username=ME, member=True, by=hostile), mine=True),
            replace(welcome_note(), server=hostile, username=hostile),
        )
        assert not any(map(is_dangerous, ui.everything()))
        ui.model.open_room(hostile)
        await ui.show(notes.Disconnected(hostile, 1.0, 0, was_live=True, repeated=False))
        assert not any(map(is_dangerous, ui.everything()))
        await ui.press("ctrl+k")
        assert not any(map(is_dangerous, ui.everything()))


async def test_markup_in_messages_and_errors_is_shown_as_text() -> None:
    async with running_screen() as ui:
        hostile = "[red]x[/] [link=http://evil]y[/link] [@click=app.quit]z[/]"
        await ui.show(message_note(4, content=hostile), notes.ServerError("[b]no[/b]"))
        shown = " ".join(ui.timeline())
        assert "[red]x[/]" in shown
        assert "[b]no[/b]" in shown


def opened(epoch: str) -> ChatModel:
    """Messages 1 to 3 are read; then a backup that ends with message 2 is restored."""
    before = ChatModel("http://x", ROOM)
    before.room.add_page(messages(1, 3), begins=True)
    before.room.progress.mark_all_read()
    model = ChatModel("http://x", ROOM)
    restore_state(model, encode_state(before))
    update.apply(model, notes.WelcomeReceived(ME, (room_state(2, epoch=epoch),), 0, again=False))
    return model


def drawn(model: ChatModel) -> list[str]:
    return plain(row.row for row in TimelineView(model).draw(RowStyle(200, ME), 10))


@pytest.mark.parametrize("epoch", ["e2", "e1"])
def test_restored_history_is_reported_below_its_last_message(epoch: str) -> None:
    model = opened(epoch)
    update.apply(model, notes.RoomEntered(ROOM, tuple(message(offset, epoch=epoch) for offset in (1, 2))))
    *_, last, notice = drawn(model)
    assert last.endswith("message 2")
    assert notice == RESTORED


def test_restored_history_is_reported_above_newer_messages() -> None:
    model = opened("e2")
    update.apply(model, notes.MessageShown(message(3, epoch="e2"), mine=False))
    assert RESTORED in drawn(model)
    page = frames.Page(id=1, room=ROOM, messages=[message(offset, epoch="e2") for offset in (1, 2)], more=False)
    update.apply(model, notes.CommandAnswered(frames.ReadHistory(id=1, room=ROOM, before=3, limit=100), page))
    *_, last, notice, newer = drawn(model)
    assert last.endswith("message 2")
    assert notice == RESTORED
    assert newer.endswith("message 3")


def test_unchanged_history_is_not_reported_as_restored() -> None:
    before = opened("e2")
    update.apply(before, notes.RoomEntered(ROOM, tuple(message(offset, epoch="e2") for offset in (1, 2))))
    model = ChatModel("http://x", ROOM)
    restore_state(model, encode_state(before))
    update.apply(model, notes.WelcomeReceived(ME, (room_state(2, epoch="e2"),), 0, again=False))
    assert RESTORED not in drawn(model)


async def test_created_room_is_opened_with_a_notice_and_marked_private() -> None:
    async with running_screen() as ui:
        created = frames.Created(id=1, room="den", private=True, at=Position("e1", 0))
        await ui.show(notes.CommandAnswered(frames.CreateRoom(id=1, room="den", private=True), created))
        assert ui.requested == ["enter den"]
        await ui.show(notes.RoomEntered("den", ()))
        assert ui.timeline()[-1] == "-- Created #den (private, by invitation only)."
        assert ui.pane("heading")[0].split() == ["#den", "private"]
        await ui.press("alt+2")
        assert "Created" not in " ".join(ui.timeline())


REMOVED = "-- You are no longer in #ops: you left it elsewhere, you were removed, or the room no longer exists."


def last_notice(ui: Harness) -> str:
    return " ".join(line.strip() for line in ui.timeline()[-2:])


async def test_removal_from_a_room_is_shown_in_the_open_room() -> None:
    async with running_screen(size=(130, 24)) as ui:
        await ui.show(welcome_note(again=True), notes.RoomGone("ops"))
        assert not any("#ops" in row for row in ui.pane("rooms"))
        assert last_notice(ui) == REMOVED


async def test_removal_from_the_open_room_is_shown_in_it() -> None:
    async with running_screen(size=(130, 24)) as ui:
        ui.model.open_room("ops")
        await ui.show(welcome_note(again=True), notes.RoomGone("ops"))
        assert last_notice(ui) == REMOVED
        assert "you are not in it" in ui.pane("heading")[0]


GONE = [
    notes.RoomGone(ROOM, notes.GoneReason.DELETED, "bob"),
    notes.CommandAnswered(frames.Leave(id=1, room=ROOM), frames.Left(id=1, room=ROOM, deleted=True)),
    notes.CommandAnswered(frames.DeleteRoom(id=1, room=ROOM), frames.DeletedRoom(id=1, room=ROOM)),
]


@pytest.mark.parametrize("gone", GONE)
def test_messages_of_a_deleted_room_are_dropped_and_do_not_appear_in_a_new_room_of_its_name(gone: notes.Note) -> None:
    model = opened("e1")
    update.apply(model, notes.RoomEntered(ROOM, (message(1, epoch="e1"),)))
    update.apply(model, gone)
    assert not model.room.member
    update.apply(model, notes.RoomEntered(ROOM, ()))
    assert not [line for line in drawn(model) if "message 1" in line]


def test_room_created_again_while_this_client_was_away_shows_its_own_messages_only() -> None:
    model = opened("e1")
    update.apply(model, notes.RoomEntered(ROOM, (message(1, epoch="e1"), message(2, epoch="e1"))))
    update.apply(model, notes.RoomGone(ROOM))
    update.apply(model, notes.RoomEntered(ROOM, (message(1, epoch="e2"),)))
    assert not [line for line in drawn(model) if line.endswith("message 2")]


def test_leaving_as_the_last_member_says_how_to_confirm() -> None:
    model = opened("e1")
    detail = "You are the last member of #ops: if you leave, the room and its 42 messages will be deleted."
    update.apply(model, notes.CommandRefused(frames.Leave(id=1, room="ops"), Code.LAST_MEMBER, detail))
    assert drawn(model)[-1].endswith("To confirm: /leave ops confirm")


async def test_removal_since_the_last_run_is_shown_at_the_start() -> None:
    before = ChatModel("http://x", ROOM)
    before.ensure_room("ops")
    before.ensure_room("dev", member=False).input.set_draft("half")
    model = ChatModel("http://x", ROOM)
    restore_state(model, encode_state(before))
    async with running_screen(size=(130, 24), connect=False, model=model) as ui:
        await ui.show(welcome_note(), notes.RoomEntered(ROOM, tuple(messages(1, 3))))
        assert last_notice(ui) == REMOVED
        assert "#dev" not in " ".join(ui.timeline())


async def test_text_that_failed_in_a_removed_room_is_shown_in_the_open_room() -> None:
    async with running_screen(size=(130, 24)) as ui:
        await ui.show(welcome_note(again=True), notes.RoomGone("ops"))
        await ui.show(notes.SendFailed(OutboxEntry("k", "ops", "hello"), "room_unknown", "No such room."))
        assert ui.timeline()[-1] == "-- NOT SENT to #ops: No such room. Your text: hello"


@pytest.mark.parametrize("topic", ["", "engines and gauges"])
def test_joined_room_is_announced_with_and_without_a_topic(topic: str) -> None:
    core = Core()
    core.live(room_state(3))
    model = ChatModel("http://x", ROOM)
    update.apply(model, welcome_note())
    core.feed(RoomRequested("ops"))
    joined = frames.Joined(id=1, room="ops", at=Position("e1", 0), messages=[], complete=True, topic=topic)
    for note in shown(core.came(joined)):
        update.apply(model, note)
    assert model.rooms["ops"].topic == topic
    assert model.rooms["ops"].notices.texts == ["You joined #ops."]
