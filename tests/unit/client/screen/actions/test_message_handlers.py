"""What is done with a message by key: edit, delete, react, reply, pin."""

from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from client.core import notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.events import RoomRead
from client.core.outbox_entry import OutboxEntry
from client.faces.messages import chat_files
from client.net.file_api import FileApi
from client.screen.layout.side_lists import plain
from client.screen.widgets.picker import Picker
from client.screen.widgets.row_widget import RowWidget
from client.screen.widgets.sheets import QuestionSheet
from client.store.session_file import SavedSession
from tests.support.waiting import MOST_S, until
from tests.unit.client.net.test_file_transfers import FilesServer
from tests.unit.client.screen.harness import Harness, message_note, messages, running_screen
from tests.unit.client.world import ME, ROOM, message


def state(offset: int, **fields: object) -> frames.Message:
    return msgspec.structs.replace(message(offset), rev=offset, **fields)


def changed(offset: int, *, did: str = "", by: str = "", **fields: object) -> notes.MessageChanged:
    now = state(offset, **fields)
    return notes.MessageChanged(now, now.username == ME, by, did)


def mine(offset: int, content: str = "mine") -> notes.MessageShown:
    return message_note(offset, content=content, username=ME)


def mode(ui: Harness) -> str:
    row = ui.chat.query_one("#mode", RowWidget)
    return "".join(plain(row.rows)).strip() if row.display else ""


def choices(ui: Harness) -> list[str]:
    return plain(ui.app.screen.query_one("#choices", RowWidget).rows)


def edit_of(offset: int, content: str, rev: int) -> frames.Edit:
    return frames.Edit(id=0, room=ROOM, offset=offset, content=content, rev=rev)


# Edit.


async def test_selected_message_of_the_user_is_edited_in_the_input_and_the_draft_comes_back() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4, "tpyo"))
        await ui.type("draft")
        await ui.press("alt+m", "e")
        assert (ui.text, mode(ui)) == ("tpyo", "editing your message of 10:00, Esc leaves it")
        await ui.press("ctrl+u")
        await ui.type("typo")
        await ui.press("enter")
        assert ui.requested == [edit_of(4, "typo", 0)]
        assert (ui.text, mode(ui)) == ("draft", "")


async def test_ctrl_up_edits_the_last_message_of_the_user_with_the_rev_that_was_seen() -> None:
    async with running_screen() as ui:
        await ui.show(notes.MessageShown(state(4, username=ME, content="first"), mine=True), message_note(5))
        await ui.press("ctrl+up")
        await ui.type("!")
        await ui.press("enter")
        assert ui.requested == [edit_of(4, "first!", 4)]


async def test_escape_leaves_the_edit_and_up_restores_its_text() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4))
        await ui.press("ctrl+up")
        await ui.type("!")
        await ui.press("escape")
        assert (ui.text, mode(ui), ui.requested) == ("", "", [])
        await ui.press("up")
        assert ui.text == "mine!"


async def test_edit_with_the_same_text_sends_nothing_and_an_empty_one_is_refused() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4))
        await ui.press("ctrl+up", "enter")
        assert (mode(ui), ui.requested) == ("", [])
        await ui.press("ctrl+up", "ctrl+u", "enter")
        assert mode(ui).startswith("editing")
        assert any("can't be empty" in line for line in ui.timeline())


async def test_messages_of_others_and_deleted_ones_are_not_edited() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "e")
        assert ui.status().startswith(" Only bob can edit this message.")
        await ui.show(notes.MessageShown(state(4, username=ME, content="", deleted=True), mine=True))
        await ui.press("alt+m", "e")
        assert ui.status().startswith(" This message was deleted.")
        await ui.press("ctrl+up")
        assert ui.status().startswith(" None of your messages is loaded here.")


async def test_text_of_a_refused_edit_is_back_in_the_input() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4))
        await ui.press("ctrl+up")
        await ui.type("!")
        await ui.press("enter")
        await ui.type("next")
        await ui.show(notes.CommandRefused(edit_of(4, "mine!", 0), Code.RATE_LIMITED, "Slowly."))
        assert (ui.text, mode(ui)) == ("mine!", "editing your message of 10:00, Esc leaves it")
        assert any("NOT CHANGED: Slowly. Your text is in the input." in line for line in ui.timeline())
        await ui.press("escape")
        assert ui.text == "next"


async def test_edit_of_a_text_that_changed_meanwhile_is_explained_and_enter_replaces_it() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4))
        await ui.press("ctrl+up")
        await ui.type(" here")
        await ui.press("enter")
        await ui.show(changed(4, username=ME, content="mine elsewhere", did="edit", by=ME))
        await ui.show(notes.CommandRefused(edit_of(4, "mine here", 0), Code.CHANGED_MEANWHILE, "Changed."))
        (notice,) = ui.model.room.notices.texts
        assert notice.startswith("NOT CHANGED: Your message of 10:00 was changed meanwhile")
        assert "elsewhere" not in notice
        assert ui.text == "mine here"
        await ui.press("enter")
        assert ui.requested[-1] == edit_of(4, "mine here", 4)


async def test_edit_is_sent_again_when_only_a_reaction_came_between() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4))
        await ui.press("ctrl+up")
        await ui.type("!")
        await ui.press("enter")
        await ui.show(changed(4, username=ME, content="mine", did="react", by="bob"))
        await ui.show(notes.CommandRefused(edit_of(4, "mine!", 0), Code.CHANGED_MEANWHILE, "Changed."))
        assert (ui.requested[-1], ui.text, mode(ui)) == (edit_of(4, "mine!", 4), "", "")


async def test_reaction_during_an_edit_does_not_make_it_late() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4))
        await ui.press("ctrl+up")
        await ui.show(changed(4, username=ME, content="mine", did="react", by="bob"))
        await ui.type("!")
        await ui.press("enter")
        assert ui.requested == [edit_of(4, "mine!", 4)]


async def test_edit_ends_when_the_message_is_deleted_and_only_what_was_written_anew_is_kept() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4), mine(5, "other"))
        await ui.press("ctrl+up")
        await ui.show(changed(5, username=ME, content="", deleted=True, by="eve"))
        assert (ui.text, mode(ui)) == ("", "")
        assert any("was deleted" in line for line in ui.timeline())
        await ui.press("ctrl+up")
        await ui.type("!")
        await ui.show(changed(4, username=ME, content="", deleted=True, by="eve"))
        assert (ui.text, mode(ui)) == ("mine!", "")


def unsent(ui: Harness, *texts: str, in_flight: bool = False) -> None:
    entries = tuple(OutboxEntry(f"k{number}", ROOM, text) for number, text in enumerate(texts))
    flying = {ROOM: 1} if in_flight else {}
    ui.connection.set_state(
        ClientState(phase=ConnectionPhase.LIVE, username=ME, unsent={ROOM: entries}, in_flight=flying)
    )
    ui.runtime.settle()


async def test_message_in_the_outbox_is_edited_while_offline() -> None:
    async with running_screen() as ui:
        await ui.show(notes.Disconnected("gone", 25.0, 1, was_live=True, repeated=False))
        unsent(ui, "one", "two")
        await ui.press("ctrl+up")
        assert (ui.text, mode(ui)) == ("two", "editing a message that is not sent yet, Esc leaves it")
        await ui.type("!")
        await ui.press("enter")
        assert [entry.content for entry in ui.model.room.outbox] == ["one", "two!"]


async def test_edit_of_an_unsent_message_can_be_left_and_it_stays_in_the_outbox() -> None:
    async with running_screen() as ui:
        unsent(ui, "one")
        await ui.press("ctrl+up", "escape")
        assert ([entry.content for entry in ui.model.room.outbox], ui.text) == (["one"], "")


async def test_edit_of_an_unsent_message_goes_on_when_that_is_stored_meanwhile() -> None:
    async with running_screen() as ui:
        unsent(ui, "one")
        await ui.press("ctrl+up")
        await ui.type("!")
        entry = ui.model.room.outbox[0]
        ui.connection.set_state(ClientState(phase=ConnectionPhase.LIVE, username=ME))
        await ui.show(notes.SendStored(entry, message(4).at), mine(4, "one"))
        await ui.press("enter")
        assert ui.requested == [edit_of(4, "one!", 0)]


async def test_message_that_is_being_sent_is_edited_in_its_place_in_the_outbox() -> None:
    async with running_screen() as ui:
        unsent(ui, "one", in_flight=True)
        await ui.press("ctrl+up")
        await ui.type("!")
        await ui.press("enter")
        assert [entry.content for entry in ui.model.room.outbox] == ["one!"]


async def test_slash_command_for_pins_opens_the_same_list() -> None:
    async with running_screen() as ui:
        await ui.show(changed(2, pinned=True))
        await ui.type("/pins")
        await ui.press("enter")
        picker = ui.app.screen
        assert isinstance(picker, Picker)
        assert [item.text for item in picker._matches] == ["bob: message 2"]


# Delete.


async def test_message_is_deleted_after_one_question() -> None:
    async with running_screen() as ui:
        await ui.show(mine(4))
        await ui.press("alt+m", "d")
        assert isinstance(ui.app.screen, QuestionSheet)
        assert ui.requested == []
        await ui.press("enter")
        assert ui.requested == [frames.DeleteMessage(id=0, room=ROOM, offset=4)]


async def test_deletion_can_be_cancelled() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "d", "escape")
        assert ui.requested == []


# React.


async def test_reaction_is_picked_by_name_and_offered_first_the_next_time() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "+")
        assert choices(ui)[0].strip().startswith("▸ 👍")
        await ui.type("rocket")
        await ui.press("enter")
        assert ui.requested == [frames.React(id=0, room=ROOM, offset=3, emoji="🚀")]
        await ui.press("alt+m", "+")
        assert choices(ui)[0].strip().startswith("▸ 🚀 rocket")


async def test_own_reaction_is_taken_back_the_second_time() -> None:
    async with running_screen() as ui:
        await ui.show(changed(3, reactions=(frames.Reaction(emoji="🚀", n=2, by=("bob", ME)),)))
        await ui.press("alt+m", "+")
        await ui.type(":rocket:")
        assert "yours" in choices(ui)[0]
        await ui.press("enter")
        assert ui.requested == [frames.React(id=0, room=ROOM, offset=3, emoji="🚀", remove=True)]


async def test_own_reaction_is_known_when_more_than_eight_have_reacted() -> None:
    async with running_screen() as ui:
        await ui.show(notes.CommandAnswered(frames.React(id=1, room=ROOM, offset=3, emoji="🚀"), changed_reply(3)))
        by = tuple(f"user{number}" for number in range(8))
        await ui.show(changed(3, reactions=(frames.Reaction(emoji="🚀", n=9, by=by),)))
        await ui.press("alt+m", "+")
        await ui.type("rocket")
        await ui.press("enter")
        assert ui.requested == [frames.React(id=0, room=ROOM, offset=3, emoji="🚀", remove=True)]


def changed_reply(offset: int) -> frames.Changed:
    return frames.Changed(id=1, room=ROOM, offset=offset, rev=9)


async def test_name_that_no_emoji_has_can_be_used_as_a_reaction() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "+")
        await ui.type(":ship_it:")
        await ui.press("enter")
        assert ui.requested == [frames.React(id=0, room=ROOM, offset=3, emoji=":ship_it:")]


async def test_who_reacted_is_listed() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "i")
        assert ui.status().startswith(" No reactions to this message.")
        await ui.show(changed(3, reactions=(frames.Reaction(emoji="🚀", n=3, by=("bob", "e\x1bve")),)))
        await ui.press("alt+m", "i")
        assert choices(ui)[0].strip() == "▸ 🚀 bob, e␛ve and 1 more"


# Reply.


async def test_reply_shows_whom_it_answers_and_is_sent_with_the_position() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "up", "r")
        assert mode(ui) == "replying to bob: message 2, Esc leaves it"
        await ui.type("indeed")
        await ui.press("enter")
        assert (ui.requested, mode(ui)) == ([(ROOM, "indeed", 2)], "")
        await ui.type("and more")
        await ui.press("enter")
        assert ui.requested[-1] == (ROOM, "and more")


async def test_reply_that_is_left_keeps_its_text() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "r")
        await ui.type("hm")
        await ui.press("escape", "enter")
        assert ui.requested == [(ROOM, "hm")]


async def test_what_the_input_is_for_stays_with_its_room() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "r", "alt+2")
        assert mode(ui) == ""
        await ui.press("alt+1")
        assert mode(ui) == "replying to bob: message 3, Esc leaves it"


async def test_question_mark_of_what_is_written_is_never_taken_by_an_action_on_messages() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "r")
        await ui.type("edit+rtiPdq")
        assert ui.text == "edit+rtiPdq"


# Pins.


async def test_message_is_pinned_and_unpinned() -> None:
    async with running_screen() as ui:
        await ui.press("alt+m", "P")
        await ui.show(changed(3, pinned=True))
        await ui.press("alt+m", "P")
        assert ui.requested == [
            frames.Pin(id=0, room=ROOM, offset=3),
            frames.Pin(id=0, room=ROOM, offset=3, remove=True),
        ]


async def test_pins_are_listed_and_the_place_of_one_that_is_not_loaded_is_loaded_and_shown() -> None:
    async with running_screen() as ui:
        await ui.show(*(message_note(offset) for offset in range(500, 560)))
        await ui.press("alt+p")
        asked = ui.connection.requested[-1]
        assert asked == frames.ReadHistory(id=0, room=ROOM, pinned=True, limit=200)
        page = frames.Page(id=1, room=ROOM, messages=[state(200, pinned=True)], more=False)
        await ui.show(notes.CommandAnswered(asked, page))
        picker = ui.app.screen
        assert isinstance(picker, Picker)
        picker.update("")
        await ui.press("enter")
        around = next(each for each in ui.connection.requested if isinstance(each, frames.ReadHistory) and each.around)
        assert (around.around, around.before, around.after) == (200, None, None)
        whole = frames.Page(id=2, room=ROOM, messages=messages(150, 249), more=True)
        await ui.show(notes.CommandAnswered(around, whole))
        shown = [line for line in ui.timeline() if "message 200" in line]
        assert len(shown) == 1
        assert "┃" in shown[0]


async def test_no_pins_are_said_to_be_none() -> None:
    async with running_screen() as ui:
        await ui.press("alt+p")
        request = ui.connection.requested[-1]
        assert isinstance(request, frames.ReadHistory)
        await ui.show(notes.CommandAnswered(request, frames.Page(id=1, room=ROOM, messages=[], more=False)))
        picker = ui.app.screen
        assert isinstance(picker, Picker)
        picker.update("")
        assert choices(ui)[0].strip() == "No message is pinned."


# Mark as unread.


async def test_message_is_marked_unread_and_stays_so_until_the_user_goes_on_here() -> None:
    async with running_screen() as ui:
        ui.connection.read.clear()
        await ui.press("alt+m", "up", "u")
        assert ui.connection.read == [RoomRead(ROOM, 1, 1)]
        assert ui.status().startswith(" Unread from here")
        assert any(" unread " in line for line in ui.timeline())
        assert ui.model.room.unread == 2
        await ui.type("later")
        await ui.press("enter")
        assert ui.model.room.unread == 0
        assert ui.connection.read[-1] == RoomRead(ROOM, 3, 1)


async def test_message_can_be_marked_unread_while_offline() -> None:
    async with running_screen() as ui:
        await ui.show(notes.Disconnected("gone", 25.0, 0, was_live=True, repeated=False))
        await ui.press("alt+m", "u")
        assert ui.connection.read[-1] == RoomRead(ROOM, 2, 1)


# Files.


async def test_files_of_the_selected_message_are_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = FilesServer()
    server.files["f1"] = b"plan"
    monkeypatch.setattr(chat_files, "FileApi", lambda url, token: FileApi(url, token, server))
    monkeypatch.chdir(tmp_path)
    plan = frames.AttachedFile(id="f1", name="plan.pdf", type="application/pdf", size=4)
    async with running_screen() as ui:
        context = ui.runtime.slash_commands.context
        context.session_file.save(SavedSession(context.server, ME, "t", "s", 2e9, 1e9))
        await ui.press("alt+m", "s")
        assert ui.status().strip().startswith("No file in this message.")
        await ui.show(notes.MessageShown(state(4, content="", files=(plan,)), mine=False))
        await ui.press("alt+m", "s")
        await until((tmp_path / "plan.pdf").exists, MOST_S)
        await ui.settle()
        assert (tmp_path / "plan.pdf").read_bytes() == b"plan"
        assert "Saved" in " ".join(ui.timeline())
