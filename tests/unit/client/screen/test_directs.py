"""Direct conversations on the full screen: their own list above the rooms, opened by name, each message counted."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import notes
from client.screen.layout import picker_items
from client.screen.model import update
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from tests.unit.client.screen.harness import message_note, messages, running_screen
from tests.unit.client.world import ME, ROOM, room_state

AT = Position("e1", 0)


def opened_by_bob(room: str = "@bob") -> notes.MembershipChange:
    return notes.MembershipChange(
        frames.Membership(room=room, username=ME, member=True, by="bob", at=AT, private=True), mine=True
    )


def welcome(*rooms: frames.RoomState) -> notes.WelcomeReceived:
    return notes.WelcomeReceived(ME, rooms, 0, again=False)


async def test_conversation_that_another_user_opens_is_listed_above_the_rooms_without_a_notice() -> None:
    async with running_screen() as ui:
        assert ui.pane("rooms")[:2] == ["▸1 #general", " 2 #ops"]
        before = ui.timeline()
        await ui.show(opened_by_bob())
        assert ui.pane("rooms")[:5] == ["direct", "   @bob", "rooms", "▸1 #general", " 2 #ops"]
        assert ui.timeline() == before


async def test_each_message_is_counted_like_a_mention_and_the_numbers_of_rooms_stay() -> None:
    async with running_screen() as ui:
        await ui.show(opened_by_bob(), message_note(1, room="@bob"), message_note(1, room="ops"))
        assert ui.pane("rooms")[1].split() == ["@bob", "1"]
        await ui.press("alt+2")
        assert ui.model.room.name == "ops"
        assert ui.model.next_unread() == "@bob"
        await ui.press("alt+1")
        await ui.pilot.click("#rooms", offset=(4, 1))
        assert ui.model.room.name == "@bob"
        assert ui.pane("heading")[0].split()[0] == "@bob"
        assert "private" not in ui.pane("heading")[0]


async def test_click_on_the_title_of_a_list_opens_nothing() -> None:
    async with running_screen() as ui:
        await ui.show(opened_by_bob())
        for line in (0, 2):
            await ui.pilot.click("#rooms", offset=(4, line))
            assert ui.model.room.name == ROOM


async def test_room_picker_finds_people_after_an_at_sign() -> None:
    async with running_screen() as ui:
        ui.model.set_known_people(["bob", "Zoe", ME])
        await ui.press("ctrl+k")
        await ui.type("@z")
        await ui.press("enter")
        assert ui.requested == ["enter @zoe"]
        await ui.press("ctrl+k")
        await ui.type("@nobodyknown")
        await ui.press("enter")
        assert ui.requested == ["enter @zoe", "enter @nobodyknown"]


def test_people_to_write_to_are_listed_with_unread_messages_first_and_notes_last() -> None:
    model = ChatModel("http://x", ROOM)
    update.apply(model, welcome(room_state(0), room_state(0, room="@eve"), room_state(0, room="@bob")))
    model.set_known_people(["Zoe", "bob", ME])
    update.apply(model, message_note(1, room="@bob"))
    items = picker_items.people(model)
    assert [(item.text, item.note) for item in items] == [
        ("@bob", "1 unread"), ("@eve", ""), ("@zoe", ""), ("@alice", "notes to yourself"),
    ]  # fmt: skip


async def test_msg_with_a_text_writes_without_leaving_the_open_room() -> None:
    async with running_screen() as ui:
        await ui.type("/msg bob are you there?")
        await ui.press("enter")
        assert ui.requested == [("@bob", "are you there?")]
        assert ui.model.room.name == ROOM
        assert ui.timeline()[-1] == "-- To @bob: are you there?"


async def test_opened_conversation_is_shown_and_takes_messages() -> None:
    async with running_screen() as ui:
        await ui.type("/msg bob")
        await ui.press("enter")
        await ui.show(opened_by_bob(), notes.RoomEntered("@bob", tuple(messages(1, 1, room="@bob"))))
        assert ui.model.room.name == "@bob"
        await ui.type("hi")
        await ui.press("enter")
        assert ui.requested == ["enter @bob", ("@bob", "hi")]
        assert "joined" not in " ".join(ui.timeline())


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (Code.DIRECT_REFUSED, "-- That user does not take direct messages from you."),
        (Code.USER_UNKNOWN, "-- No user with that name. Did you mean bob?"),
        (Code.BAD_FRAME, "-- This server does not support direct messages: it is older than this client."),
    ],
)
async def test_refusal_says_why(code: Code, shown: str) -> None:
    async with running_screen(size=(120, 24)) as ui:
        details = {
            Code.DIRECT_REFUSED: "That user does not take direct messages from you.",
            Code.USER_UNKNOWN: "No user with that name.",
        }
        join = frames.Join(id=0, room="@bobb")
        await ui.show(notes.CommandRefused(join, code, details.get(code, "Unknown frame type.")))
        assert ui.timeline()[-1] == shown
        assert "@bobb" not in ui.model.rooms or not ui.model.rooms["@bobb"].member


def test_conversation_that_began_since_the_last_run_is_unread() -> None:
    before = ChatModel("http://x", ROOM)
    update.apply(before, welcome(room_state(3)))
    model = ChatModel("http://x", ROOM)
    restore_state(model, encode_state(before))
    update.apply(model, welcome(room_state(3), room_state(2, room="@bob"), room_state(5, room="new")))
    assert {name: room.unread for name, room in model.rooms.items()} == {ROOM: 0, "@bob": 2, "new": 0}


def test_everything_is_read_on_a_first_run() -> None:
    model = ChatModel("http://x", ROOM)
    update.apply(model, welcome(room_state(3), room_state(2, room="@bob")))
    assert {name: room.unread for name, room in model.rooms.items()} == {ROOM: 0, "@bob": 0}


def test_drafts_and_order_of_conversations_are_saved() -> None:
    before = ChatModel("http://x", ROOM)
    update.apply(before, welcome(room_state(0), room_state(0, room="@bob"), room_state(0, room="@eve")))
    before.directory.order.move("@eve", -1)
    before.rooms["@bob"].input.set_draft("half a thought")
    model = ChatModel("http://x", ROOM)
    restore_state(model, encode_state(before))
    assert [room.name for room in model.in_order()] == ["@eve", "@bob", ROOM]
    assert model.rooms["@bob"].input.draft == "half a thought"
