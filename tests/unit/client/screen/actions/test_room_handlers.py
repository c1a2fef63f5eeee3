"""Switching, moving and pinning rooms on the full screen."""

from chatterbox.wire import frames
from chatterbox.wire.read_state import NotificationLevel, ReadState
from client.core import notes
from client.core.read_state.room_read_state import RoomReadState
from client.screen.layout.side_lists import plain
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from client.screen.widgets.row_widget import RowWidget
from tests.unit.client.screen.harness import Harness, running_screen, welcome_note
from tests.unit.client.world import ROOM, message


def created(room: str) -> notes.CommandAnswered:
    reply = frames.Created(id=1, room=room, private=False, at=message(1).at)
    return notes.CommandAnswered(frames.CreateRoom(id=1, room=room), reply)


def listed(ui: Harness) -> list[str]:
    return [room.name for room in ui.model.in_order()]


async def test_alt_number_opens_the_same_room_after_another_room_was_made() -> None:
    async with running_screen() as ui:
        await ui.press("alt+2")
        assert ui.model.room.name == "ops"
        await ui.show(created("alpha"), notes.RoomEntered("alpha", ()))
        await ui.press("alt+1")
        assert ui.model.room.name == ROOM
        await ui.press("alt+2", *"deployed", "enter")
        assert ui.requested[-1] == ("ops", "deployed")
        await ui.press("alt+3")
        assert ui.model.room.name == "alpha"


async def test_order_of_joining_is_kept_when_the_server_lists_rooms_in_another_order() -> None:
    async with running_screen() as ui:
        await ui.show(welcome_note("beta", "ops", again=True), welcome_note("alpha", "beta", "ops", again=True))
        assert listed(ui) == [ROOM, "ops", "beta", "alpha"]
        after = ChatModel("http://x", "beta")
        restore_state(after, encode_state(ui.model))
        assert [room.name for room in after.in_order()] == [ROOM, "ops", "beta", "alpha"]


async def test_room_is_moved_by_hand_and_the_order_is_kept_for_the_next_run() -> None:
    async with running_screen() as ui:
        await ui.press("alt+2", "alt+shift+up")
        assert listed(ui) == ["ops", ROOM]
        assert ui.pane("rooms") == ["▸1 #ops", " 2 #general"]
        await ui.press("alt+shift+up")
        assert ui.status().startswith(" This is the first of the unpinned rooms.")
        await ui.press("alt+shift+down", "alt+shift+up")
        after = ChatModel("http://x", "ops")
        restore_state(after, encode_state(ui.model))
        assert [room.name for room in after.in_order()] == ["ops", ROOM]


async def test_pinned_room_is_marked_stays_on_top_and_is_pinned_in_the_next_run() -> None:
    async with running_screen() as ui:
        await ui.press("alt+2", "alt+0")
        assert ui.pane("rooms") == ["▸1*#ops", " 2 #general"]
        await ui.show(created("alpha"))
        assert listed(ui) == ["ops", ROOM, "alpha"]
        after = ChatModel("http://x", "ops")
        restore_state(after, encode_state(ui.model))
        assert after.directory.order.pinned == {"ops"}
        await ui.press("alt+0")
        assert ui.pane("rooms") == ["▸1 #ops", " 2 #general", " 3 #alpha"]


async def test_room_that_the_user_is_not_in_is_neither_moved_nor_pinned() -> None:
    async with running_screen() as ui:
        await ui.show(notes.RoomGone(ROOM))
        await ui.press("alt+0", "alt+shift+up")
        assert ui.model.directory.order.names == ["ops"]
        assert ui.status().startswith(" You are not in this room.")


def test_state_of_an_older_client_without_an_order_lists_rooms_by_name() -> None:
    model = ChatModel("http://x", "zoo")
    restore_state(model, b'{"room": "zoo", "rooms": {"zoo": {}, "dev": {}, "left": {"member": false, "draft": "x"}}}')
    assert [room.name for room in model.in_order()] == ["dev", "zoo"]


async def test_level_of_notification_is_picked_and_kept_by_the_server() -> None:
    async with running_screen() as ui:
        state = RoomReadState(ReadState(3, counted=3, notify=NotificationLevel.MENTIONS))
        await ui.show(notes.ReadStateTold(ROOM, state))
        await ui.press("alt+n")
        rows = plain(ui.app.screen.query_one("#choices", RowWidget).rows)
        assert [row.split()[-1] for row in rows if "now" in row] == ["now"]
        await ui.type("nothing")
        await ui.press("enter")
        assert ui.requested == [frames.Notify(id=0, room=ROOM, level=NotificationLevel.NONE)]
        answer = frames.NotifySet(id=1, room=ROOM, level=NotificationLevel.NONE)
        await ui.show(notes.CommandAnswered(frames.Notify(id=1, room=ROOM, level=NotificationLevel.NONE), answer))
        assert any("#general notifies you of nothing." in line for line in ui.timeline())


async def test_room_is_silent_for_a_time_that_is_picked() -> None:
    async with running_screen() as ui:
        await ui.press("alt+n")
        await ui.type("8 hours")
        await ui.press("enter")
        (command,) = ui.requested
        assert isinstance(command, frames.Notify)
        assert (command.level, bool(command.until)) == (NotificationLevel.CLIENT, True)
