"""A thread as a room within its room."""

import msgspec

from chatterbox.wire import frames
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.side_lists import plain
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state, restore_state
from client.screen.widgets.row_widget import RowWidget
from tests.unit.client.screen.harness import Harness, message_note, running_screen, welcome_note
from tests.unit.client.world import ME, ROOM, message


def reply(offset: int, root: int = 2, **fields: object) -> frames.Message:
    return msgspec.structs.replace(message(offset), reply_to=root, thread=root, **fields)


def began(offset: int = 2, replies: int = 1, **fields: object) -> notes.MessageChanged:
    now = msgspec.structs.replace(message(offset), rev=9, replies=replies, **fields)
    return notes.MessageChanged(now, mine=False)


def shown(*messages: frames.Message) -> list[notes.MessageShown]:
    return [notes.MessageShown(each, each.username == ME) for each in messages]


def mode(ui: Harness) -> str:
    row = ui.chat.query_one("#mode", RowWidget)
    return "".join(plain(row.rows)).strip() if row.display else ""


def texts(ui: Harness) -> list[str]:
    """The texts of the messages on the screen."""
    return [line.partition("│ ")[2] for line in ui.timeline() if "│ " in line]


def asked(ui: Harness) -> list[frames.ReadHistory]:
    """The requests for replies, and for messages around a place."""
    pages = [each for each in ui.connection.requested if isinstance(each, frames.ReadHistory)]
    return [page for page in pages if isinstance(page.thread, int) or isinstance(page.around, int)]


async def answer(ui: Harness, request: frames.ReadHistory, *found: frames.Message, more: bool = False) -> None:
    page = frames.Page(id=1, room=request.room, messages=list(found), more=more)
    await ui.show(notes.CommandAnswered(request, page))


NEWEST = frames.ReadHistory(id=0, room=ROOM, thread=2, limit=100)


async def open_thread(ui: Harness) -> None:
    """Open the thread of message 2, which has the reply 4; message 3 and 5 belong to the room."""
    await ui.show(began(), *shown(reply(4), message(5)))
    await ui.press("alt+m", "up", "t")


class TestOpening:
    async def test_thread_shows_only_its_messages_and_the_room_is_shown_again_after_escape(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            assert texts(ui) == ["message 2", "message 4"]
            assert ui.pane("heading") == [" #general › thread  bob: message 2"]  # noqa: RUF001
            await ui.press("escape")
            assert texts(ui) == [f"message {offset}" for offset in range(1, 6)]

    async def test_replies_that_are_not_loaded_are_requested_once_and_belong_to_no_page_of_the_room(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            assert asked(ui) == [NEWEST]
            await answer(ui, NEWEST, reply(4), reply(9))
            assert texts(ui) == ["message 2", "message 4", "message 9"]
            assert asked(ui) == [NEWEST]
            assert 9 not in ui.model.room.log

    async def test_message_without_replies_begins_a_thread(self) -> None:
        async with running_screen() as ui:
            await ui.press("alt+m", "t")
            assert texts(ui) == ["message 3"]
            await ui.type("first")
            await ui.press("enter")
            assert ui.requested == [(ROOM, "first", 3)]

    async def test_deleted_message_without_replies_begins_none(self) -> None:
        async with running_screen() as ui:
            await ui.show(began(3, 0, content="", deleted=True))
            await ui.press("alt+m", "t")
            assert ui.model.thread is None
            assert ui.status().startswith(" This message was deleted.")

    async def test_beginning_that_the_room_has_not_loaded_is_requested(self) -> None:
        async with running_screen() as ui:
            await ui.show(*shown(reply(200, 100)))
            await ui.press("alt+m", "t")
            around = frames.ReadHistory(id=0, room=ROOM, around=100, limit=1)
            assert around in asked(ui)
            await answer(ui, around, message(100), more=True)
            assert texts(ui) == ["message 100", "message 200"]

    async def test_slash_command_opens_the_thread_of_a_message(self) -> None:
        async with running_screen() as ui:
            await ui.show(began(), *shown(reply(4)))
            await ui.type("/thread #4")
            await ui.press("enter")
            assert texts(ui) == ["message 2", "message 4"]

    async def test_thread_opened_offline_shows_what_is_loaded_and_the_rest_after_reconnecting(self) -> None:
        async with running_screen() as ui:
            await ui.show(notes.Disconnected("gone", 25.0, 0, was_live=True, repeated=False))
            await open_thread(ui)
            assert (texts(ui), asked(ui)) == (["message 2", "message 4"], [])
            await ui.show(welcome_note("ops", again=True))
            assert asked(ui) == [NEWEST]

    async def test_request_whose_reply_was_lost_with_the_connection_is_sent_again(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.show(notes.Disconnected("gone", 25.0, 0, was_live=True, repeated=False))
            await ui.show(welcome_note("ops", again=True))
            assert asked(ui) == [NEWEST, NEWEST]


class TestOlderReplies:
    async def test_scrolling_up_loads_them_page_by_page_without_moving_what_is_read(self) -> None:
        async with running_screen() as ui:
            await ui.show(began(replies=300), *shown(reply(400)))
            await ui.press("alt+m", "t")
            await answer(ui, NEWEST, *(reply(offset) for offset in range(301, 401)), more=True)
            assert any("200 earlier replies to load" in line for line in await scrolled_to_top(ui))
            older = frames.ReadHistory(id=0, room=ROOM, thread=2, before=301, limit=100)
            assert asked(ui)[-1] == older
            await answer(ui, older, *(reply(offset) for offset in range(201, 301)), more=False)
            assert texts(ui)[0] == "message 301"
            lines = await scrolled_to_top(ui)
            assert texts(ui)[:2] == ["message 2", "message 201"]
            assert not any("to load" in line for line in lines)
            assert asked(ui)[-1] == older

    async def test_replies_with_a_hole_before_the_newest_page_are_dropped_and_loaded_again(self) -> None:
        async with running_screen() as ui:
            await ui.show(began(replies=300), *shown(reply(4)))
            await ui.press("alt+m", "t")
            await answer(ui, NEWEST, *(reply(offset) for offset in range(301, 401)), more=True)
            await scrolled_to_top(ui)
            assert texts(ui)[:2] == ["message 2", "message 301"]


async def scrolled_to_top(ui: Harness) -> list[str]:
    await ui.press("ctrl+home")
    return ui.timeline()


class TestWhileOpen:
    async def test_new_reply_appears_and_a_message_of_the_room_does_not(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.show(*shown(message(6), reply(7)))
            assert texts(ui) == ["message 2", "message 4", "message 7"]
            await ui.press("escape")
            assert texts(ui)[-2:] == ["message 6", "message 7"]

    async def test_changed_and_deleted_replies_are_shown_as_they_are_now(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await answer(ui, NEWEST, reply(3 + 1), reply(9))
            await ui.show(
                notes.MessageChanged(reply(4, rev=11, content="edited text", edited="x"), mine=False),
                notes.MessageChanged(reply(9, rev=12, content="", deleted=True), mine=False),
            )
            assert texts(ui)[-1].startswith("edited text")
            assert "message 9" not in ui.everything()

    async def test_what_is_written_goes_to_the_thread_and_waits_there(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            assert mode(ui) == "replying in this thread, Esc goes back to #general"
            await ui.type("yes")
            await ui.press("enter")
            assert ui.requested == [(ROOM, "yes", 2)]
            assert texts(ui)[-1] == "yes  (queued)"

    async def test_reply_to_a_message_of_the_thread_answers_that_one(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.press("alt+m", "r")
            assert mode(ui).startswith("replying to bob: message 4")
            await ui.type("why")
            await ui.press("enter")
            assert ui.requested == [(ROOM, "why", 4)]

    async def test_outgoing_messages_of_the_room_are_not_shown_in_the_thread(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            unsent = {ROOM: (OutboxEntry("k1", ROOM, "to the room"), OutboxEntry("k2", ROOM, "to the thread", 2))}
            state = ClientState(phase=ConnectionPhase.LIVE, username=ME, unsent=unsent)
            ui.connection.set_state(state)
            ui.runtime.settle()
            await ui.settle()
            assert texts(ui) == ["message 2", "message 4", "to the thread  (queued)"]

    async def test_last_message_of_the_user_in_the_thread_is_edited(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.show(*shown(reply(6, username=ME, content="mine"), message(7, username=ME)))
            await ui.press("ctrl+up")
            await ui.type("!")
            await ui.press("enter")
            assert ui.requested == [frames.Edit(id=0, room=ROOM, offset=6, content="mine!", rev=0)]

    async def test_notice_is_shown_in_the_thread_and_in_the_room(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.type("/nonsense")
            await ui.press("enter")
            assert any("Unknown command" in line for line in ui.timeline())
            await ui.press("escape")
            assert any("Unknown command" in line for line in ui.timeline())

    async def test_refused_page_is_said_and_requested_again_after_scrolling(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.show(notes.CommandRefused(NEWEST, "unavailable", "Not now."))
            assert any("Not now." in line for line in ui.timeline())
            assert asked(ui) == [NEWEST]
            await ui.press("shift+up")
            assert asked(ui) == [NEWEST, NEWEST]

    async def test_reset_of_the_room_closes_the_thread_and_keeps_its_draft(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.type("half")
            await ui.show(notes.RoomReset(ROOM, message(1).at))
            assert (ui.model.thread, ui.text) == (None, "")
            assert ui.model.room.input.thread_drafts == {2: "half"}


class TestGoingBack:
    async def test_room_is_scrolled_to_where_it_was(self) -> None:
        async with running_screen() as ui:
            await ui.show(*(message_note(offset) for offset in range(4, 60)))
            await ui.press("pageup", "pageup")
            await ui.press("alt+m")
            before = [line.replace("┃", "│") for line in ui.timeline()]
            await ui.press("t")
            assert len(texts(ui)) == 1
            await ui.press("escape")
            assert ui.timeline() == before

    async def test_drafts_of_room_and_thread_are_kept_apart(self) -> None:
        async with running_screen() as ui:
            await ui.type("to all")
            await open_thread(ui)
            assert ui.text == ""
            await ui.type("to some")
            await ui.press("escape")
            assert ui.text == "to all"
            await ui.press("alt+m", "up", "t")
            assert ui.text == "to some"
            await ui.press("alt+2", "alt+1")
            assert (ui.text, ui.model.thread) == ("to all", None)

    async def test_drafts_of_threads_survive_a_restart(self) -> None:
        async with running_screen() as ui:
            await ui.type("to all")
            await open_thread(ui)
            await ui.type("to some")
            saved = encode_state(ui.model)
        model = ChatModel("http://x", ROOM)
        restore_state(model, saved)
        assert model.room.input.draft == "to all"
        model.open_thread(2)
        assert model.room.input.draft == "to some"

    async def test_place_of_a_search_or_a_pin_is_shown_in_the_room(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.press("ctrl+s")
            await ui.type("message 1")
            await ui.press("enter")
            assert ui.model.thread is None
            assert any("┃ message 1" in line for line in ui.timeline())

    async def test_answered_message_is_gone_to_in_the_thread(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.press("alt+m", "g")
            assert ui.model.thread is not None
            assert any("┃ message 2" in line for line in ui.timeline())


class TestReading:
    async def test_reply_that_comes_next_in_the_room_is_read_when_it_is_drawn(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.show(*shown(reply(6)))
            assert ui.model.room.unread == 0

    async def test_messages_of_the_room_stay_unread_and_so_does_what_comes_after_them(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            await ui.show(*shown(message(6), reply(7)))
            assert ui.model.room.unread == 2
            assert "2 unread elsewhere" in ui.status()
            await ui.press("escape")
            assert ui.model.room.unread == 0

    async def test_message_that_the_thread_hides_is_not_looked_at(self) -> None:
        async with running_screen() as ui:
            await open_thread(ui)
            hidden, in_thread = shown(message(6), reply(7))
            assert ui.model.looking_at(hidden) is None
            assert ui.model.looking_at(in_thread) == ROOM

    async def test_changes_of_replies_that_only_the_thread_holds_are_asked_for_after_reconnecting(self) -> None:
        async with running_screen() as ui:
            await ui.show(*shown(reply(500, 400)))
            await ui.press("alt+m", "t")
            newest = asked(ui)[-1]
            await answer(ui, newest, reply(450, 400), reply(500, 400))
            ui.model.room.log.trim(1)
            assert ui.model.directory.held_messages()[ROOM].first == 450
