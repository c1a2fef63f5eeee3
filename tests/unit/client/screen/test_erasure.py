"""A text that was erased is nowhere in the client any more: not on the screen, in memory or in its files."""

import msgspec

from chatterbox.wire import frames
from client.core import notes
from client.screen.model.chat_model import ChatModel
from client.screen.model.saved_state import encode_state
from client.screen.widgets.picker import Picker
from tests.unit.client.screen.harness import Harness, message_note, running_screen
from tests.unit.client.world import ME, ROOM, message

SECRET = "correct-horse"


def erased(offset: int, username: str = "bob") -> notes.MessageChanged:
    gone = msgspec.structs.replace(message(offset, username=username), rev=9, content="", deleted=True, by=username)
    return notes.MessageChanged(gone, username == ME, username, "delete")


def is_anywhere(ui: Harness) -> bool:
    """Whether the secret is on the screen, in what is saved, or in what the widgets and the model remember."""
    undo = ui.chat.composer.history
    rows = [*ui.chat.timeline.rows, *ui.chat.timeline_view._blocks._cache.values(), *ui.chat.timeline_view._drawn]
    remembered = [undo.undo_stack, undo.redo_stack, ui.chat.composer._killed, rows, *map(vars, ui.model.rooms.values())]
    logs = [vars(room.log) for room in ui.model.rooms.values()]
    held = repr([remembered, logs, ui.model.listing, ui.model.room.input.history.texts])
    return SECRET in ui.everything() or SECRET.encode() in encode_state(ui.model) or SECRET in held


async def test_erased_message_of_another_user_is_gone_from_screen_memory_and_state() -> None:
    async with running_screen() as ui:
        await ui.show(message_note(4, content=f"{SECRET} https://x.example/{SECRET}"))
        await ui.show(notes.MessageShown(msgspec.structs.replace(message(5), reply_to=4, thread=4), mine=False))
        assert is_anywhere(ui)
        await ui.show(erased(4))
        assert not is_anywhere(ui)


async def test_erased_message_of_ones_own_is_gone_from_input_history_and_undo() -> None:
    async with running_screen() as ui:
        await ui.type(SECRET)
        await ui.press("enter")
        entry = ui.model.room.outbox[0]
        ui.connection.set_state(type(ui.connection.state)(phase=ui.connection.state.phase, username=ME))
        await ui.show(notes.SendStored(entry, message(4).at), message_note(4, content=SECRET, username=ME))
        assert is_anywhere(ui)
        ui.connection.requested.clear()
        await ui.show(erased(4, ME))
        assert not is_anywhere(ui)
        await ui.press("ctrl+_")
        assert SECRET not in ui.text


async def test_erased_message_leaves_an_open_picker() -> None:
    for keys in (("ctrl+s", *SECRET), ("ctrl+o",), ("ctrl+r",), ("alt+p",)):
        async with running_screen() as ui:
            pinned = msgspec.structs.replace(message(4, username=ME), content=f"https://{SECRET}", rev=1, pinned=True)
            await ui.show(notes.MessageShown(pinned, mine=True))
            ui.model.room.input.history.add(pinned.content)
            await ui.burst(*keys)
            picker = ui.app.screen
            assert isinstance(picker, Picker)
            assert any(SECRET in item.text for item in picker._matches), keys
            await ui.show(erased(4, ME))
            assert not any(SECRET in item.text for item in picker._matches), keys


async def test_text_that_was_erased_while_the_client_was_not_running_is_gone_with_the_first_changes() -> None:
    model = ChatModel("http://x", ROOM)
    model.room.add_page([msgspec.structs.replace(message(2), content=SECRET)])
    async with running_screen(model=model, connect=False) as ui:
        await ui.settle()
        assert is_anywhere(ui)
        await ui.show(erased(2))
        assert not is_anywhere(ui)


async def test_erased_text_is_gone_when_a_page_is_the_first_to_tell() -> None:
    async with running_screen() as ui:
        await ui.show(message_note(4, content=SECRET))
        asked = frames.ReadHistory(id=0, room=ROOM)
        ui.model.room.pages.request(("before", 0))
        page = frames.Page(id=1, room=ROOM, messages=[message(3), erased(4).message], more=True)
        await ui.show(notes.CommandAnswered(asked, page))
        assert not is_anywhere(ui)
