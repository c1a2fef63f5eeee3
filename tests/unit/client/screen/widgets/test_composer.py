"""The composer: history, completion, drafts, readline keys, paste."""

import pytest
from textual import events

from client.faces.messages import chat_files
from client.net.file_api import FileApi
from client.store.session_file import SavedSession
from tests.support.waiting import MOST_S, until
from tests.unit.client.net.test_file_transfers import FilesServer
from tests.unit.client.screen.harness import message_note, running_screen
from tests.unit.client.world import ME, ROOM

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


async def test_up_shows_older_texts_of_the_open_room_only() -> None:
    async with running_screen() as ui:
        for text in ("one", "two"):
            await ui.type(text)
            await ui.press("enter")
        await ui.type("three")
        await ui.press("up", "up")
        assert ui.text == "one"
        await ui.press("down", "down")
        assert ui.text == "three"
        await ui.press("alt+2", "up")
        assert ui.text == ""


async def test_ctrl_r_searches_the_input_history() -> None:
    async with running_screen() as ui:
        for text in ("deploy 1", "hello"):
            await ui.type(text)
            await ui.press("enter")
        await ui.burst("ctrl+r", *"depl", "enter", "!")
        assert ui.text == "deploy 1!"


async def test_repeated_tab_inserts_the_next_completion() -> None:
    async with running_screen() as ui:
        await ui.show(message_note(4, username="barbara"))
        await ui.type("b")
        await ui.press("tab")
        assert ui.text == "barbara: "
        await ui.press("tab")
        assert ui.text == "bob: "
        await ui.type("in #o")
        await ui.press("tab")
        assert ui.text == "bob: in #ops "


async def test_burst_of_keys_across_rooms_loses_no_draft() -> None:
    async with running_screen() as ui:
        await ui.burst(*"one", "alt+2", *"two", "alt+1", "ctrl+c", *"/join ops", "enter", *"three", "alt+1", *"four")
        assert ui.model.rooms["ops"].input.draft == "twothree"
        assert ui.text == ui.model.rooms[ROOM].input.draft == "four"


async def test_readline_keys_cut_and_insert_text() -> None:
    async with running_screen() as ui:
        await ui.type("one two three")
        await ui.press("ctrl+w", "ctrl+a", "ctrl+y")
        assert ui.text == "threeone two "
        await ui.press("ctrl+e", "ctrl+u")
        assert ui.text == ""
        await ui.press("ctrl+underscore")
        assert ui.text == "threeone two "
        await ui.press("ctrl+e", "backspace", "ctrl+t", "alt+b", "alt+d")
        assert ui.text == "threeone "


async def test_ctrl_c_clears_the_input_and_up_restores_it() -> None:
    async with running_screen() as ui:
        await ui.type("never mind")
        await ui.press("ctrl+c")
        assert ui.text == ""
        await ui.press("up")
        assert ui.text == "never mind"


async def test_paste_of_many_lines_asks_first() -> None:
    async with running_screen() as ui:
        ui.app.post_message(events.Paste("\n".join("abcdefghij")))
        await ui.settle()
        assert ui.text == ""
        await ui.press("enter")
        assert ui.text.count("\n") == 9
        assert ui.requested == []


async def test_paste_above_the_limit_names_it_and_is_sent_as_several_messages() -> None:
    async with running_screen() as ui:
        await ui.type("see:")
        ui.app.post_message(events.Paste("word " * 1000 + "/quit"))
        await ui.settle()
        assert "That is 5009 characters; a message has at most 4000." in ui.everything()
        assert ui.requested == []
        await ui.press("enter")
        whole = "see:" + "word " * 1000 + "/quit"
        assert ui.requested == [(ROOM, whole[:3998]), (ROOM, whole[3999:])]
        assert ui.text == ""


async def test_cancelled_paste_above_the_limit_leaves_the_input_as_it_was() -> None:
    async with running_screen() as ui:
        await ui.type("see:")
        ui.app.post_message(events.Paste("x" * 4000))
        await ui.settle()
        await ui.press("escape")
        assert (ui.text, ui.requested) == ("see:", [])


@pytest.mark.parametrize(("length", "keys"), [(100_000, ["enter"]), (5000, ["down", "enter"])])
async def test_paste_above_the_limit_is_sent_as_a_file(
    length: int, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FilesServer()
    monkeypatch.setattr(chat_files, "FileApi", lambda url, token: FileApi(url, token, server))
    async with running_screen() as ui:
        context = ui.runtime.slash_commands.context
        context.session_file.save(SavedSession(context.server, ME, "t", "s", 2e9, 1e9))
        ui.app.post_message(events.Paste("é" * length))
        await ui.settle()
        assert f"That is {length} characters; a message has at most 4000." in " ".join(ui.everything().split())
        await ui.press(*keys)
        await until(lambda: bool(ui.requested), MOST_S)
        assert ui.text == ""
        assert bytes(server.uploads["upload0"][1]) == ("é" * length).encode()
        assert list((context.home / "pasted").iterdir()) == []


async def test_trailing_line_feed_of_a_paste_is_not_counted_as_a_line() -> None:
    async with running_screen() as ui:
        ui.app.post_message(events.Paste("line\n" * 30))
        await ui.settle()
        assert "Paste 30 lines (150 characters)" in ui.everything()


async def test_control_characters_are_removed_from_a_paste() -> None:
    async with running_screen() as ui:
        ui.app.post_message(events.Paste("a\x1b[2Jb\r\nc\u202ed"))
        await ui.settle()
        assert ui.text == "a[2Jb\ncd"


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f469\u200d\U0001f4bb",
        "1\u00a0000\u202fkm",
        "so\u00adft",
    ],
)
async def test_joiners_and_special_spaces_are_sent_as_typed(text: str) -> None:
    async with running_screen() as ui:
        await ui.burst(*text)
        await ui.press("enter")
        assert ui.requested == [(ROOM, text)]


async def test_joiners_are_found_as_typed_in_a_picker() -> None:
    async with running_screen() as ui:
        await ui.show(message_note(4, content="\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"))
        await ui.press("ctrl+s")
        await ui.burst(*"\u06cc\u200c\u062e")
        await ui.press("enter")
        assert ui.chat.handlers.reading.search.text == "\u06cc\u200c\u062e"


async def test_flag_that_is_typed_or_pasted_is_sent_whole() -> None:
    async with running_screen() as ui:
        await ui.burst(*SCOTLAND, "enter")
        ui.app.post_message(events.Paste(SCOTLAND))
        await ui.press("enter")
        assert ui.requested == [(ROOM, SCOTLAND), (ROOM, SCOTLAND)]


async def test_pasted_tabs_stay_tabs() -> None:
    async with running_screen() as ui:
        ui.app.post_message(events.Paste("a\tb\n\tc"))
        await ui.press("left", "right", "enter")
        assert ui.requested == [(ROOM, "a\tb\n\tc")]


async def test_removed_characters_are_reported() -> None:
    async with running_screen() as ui:
        ui.app.post_message(events.Paste("a\u202eb"))
        await ui.settle()
        assert "Removed 1 character" in ui.status()
        await ui.burst("\u2066")
        assert "U+2066" in ui.status()
        assert ui.text == "ab"
