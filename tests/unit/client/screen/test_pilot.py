"""The screen as somebody uses it: keys in, what is on it out."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual import events

from chatterbox.wire import frames
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position
from client import notes
from client.entry import Entry
from client.failures import Failure
from client.home.bindings import bind
from client.home.config import NoticeSettings
from client.home.live import Live
from client.home.palettes import BUILT_IN
from client.inert import is_dangerous
from client.screen import hearing
from client.screen.actions import usual, with_keys
from client.screen.keeping import Keeper
from client.screen.memory import recall, remember
from client.screen.model import Model
from client.screen.sheet import Help
from tests.unit.client.screen.stage import Stage, connected, messages, said, stage
from tests.unit.client.world import ME, ROOM

HOSTILE = ["\x1b]0;t\x07\x1b]52;c;aGk=\x07\x1b[2J", "\x9b6n\r\n10:00 root", "\u202e\u2066[red]x[/]"]


def everything_on(there: Stage) -> str:
    """All that goes to the terminal, without the sequences that Textual writes itself."""
    strips = there.app.screen._compositor.render_strips()
    return "".join(segment.text for strip in strips for segment in strip)


class TestOpening:
    async def test_a_room_shows_its_messages_and_where_it_begins(self) -> None:
        async with stage() as there:
            assert "this is where #general begins" in there.timeline()[0]
            assert there.timeline()[-1] == "10:00          bob  │ message 3"

    async def test_the_rooms_are_listed_and_the_status_tells_the_gateway(self) -> None:
        async with stage() as there:
            assert there.pane("rooms") == ["▸1 #general", " 2 #ops"]
            assert there.status().startswith(" connected · gateway-1 · alice")

    @pytest.mark.parametrize(
        ("size", "rooms", "people"), [((60, 15), False, False), ((80, 24), True, False), ((130, 40), True, True)]
    )
    async def test_panes_hide_where_there_is_no_room(self, size: tuple[int, int], rooms: bool, people: bool) -> None:
        async with stage(size=size) as there:
            assert there.chat.query_one("#rooms").display is rooms
            assert there.chat.query_one("#people").display is people
            assert there.timeline()[-1].endswith("│ message 3")

    @pytest.mark.parametrize("size", [(20, 5), (10, 3), (300, 100)])
    async def test_no_terminal_is_too_small_or_too_large(self, size: tuple[int, int]) -> None:
        async with stage(size=size) as there:
            await there.type("still here")
            await there.press("enter")
            assert there.told == [(ROOM, "still here")]

    async def test_without_a_connection_it_opens_and_says_so(self) -> None:
        async with stage(connect=False) as there:
            await there.show(notes.Cut("connection refused", 3.0, 0, was_live=False, known=False))
            assert "offline: connection refused, next try in" in there.status()

    async def test_panes_open_and_close_by_key(self) -> None:
        async with stage(size=(60, 15)) as there:
            await there.press("f2")
            assert there.pane("rooms") == ["▸1 #general", " 2 #ops"]
            await there.press("f2")
            assert not there.chat.query_one("#rooms").display

    @pytest.mark.parametrize(("columns", "both"), [(79, False), (80, True)])
    async def test_panes_leave_room_for_messages(self, columns: int, both: bool) -> None:
        async with stage(size=(columns, 15)) as there:
            await there.press("f3")
            assert there.pane("people")[:2] == ["heard here", "bob"]
            assert there.chat.query_one("#rooms").display is both
            assert there.timeline()[-1].endswith("│ message 3")


class TestSending:
    async def test_what_is_written_is_sent_and_the_line_is_free(self) -> None:
        async with stage() as there:
            await there.type("hello there\n2")
            await there.press("enter")
            assert there.told == [(ROOM, "hello there\n2")]
            assert there.text == ""

    async def test_a_message_is_queued_then_stored(self) -> None:
        async with stage() as there:
            await there.type("hi")
            await there.press("enter")
            assert there.timeline()[-1] == "             alice …│ hi  (queued)"
            entry = there.connection.state.unsent[ROOM][0]
            there.connection.state = type(there.connection.state)(phase=there.connection.state.phase, username=ME)
            await there.show(notes.Stored(entry, Position("e1", 5)))
            assert there.timeline()[-1] == "             alice ✓│ hi  (stored)"
            await there.show(said(4), said(5, content="hi", username=ME))
            assert there.timeline()[-1] == "10:00        alice ✓│ hi"

    @pytest.mark.parametrize("refusal", [ChatError(Code.CONTENT_EMPTY, "Too long."), Failure("The disk is full.")])
    async def test_what_is_not_taken_goes_back_to_where_it_was_written(self, refusal: Exception) -> None:
        async with stage() as there:
            there.connection.refusal = refusal
            await there.type("precious")
            await there.press("enter")
            assert there.text == "precious"
            assert "NOT SENT" in " ".join(there.timeline())

    async def test_a_mistaken_command_stays_to_be_mended(self) -> None:
        async with stage() as there:
            await there.type("/jion ops")
            await there.press("enter")
            assert there.text == "/jion ops"
            assert there.timeline()[-1] == "-- There is no /jion. Did you mean /join?"

    async def test_keys_in_one_burst_are_done_in_order(self) -> None:
        async with stage() as there:
            await there.press(*"one", "enter", *"/create x", "enter", *"two", "alt+2", *"three")
            assert there.told == [
                (ROOM, "one"),
                frames.Create(id=0, room="x"),
            ]
            assert there.model.rooms[ROOM].draft == "two"
            assert there.text == "three"

    async def test_commands_become_commands(self) -> None:
        async with stage() as there:
            for command in ("/create #dev private", "/invite @bob", "/leave ops", "/join #Dev"):
                await there.type(command)
                await there.press("enter")
            assert there.told == [
                frames.Create(id=0, room="dev", private=True),
                frames.Invite(id=0, room=ROOM, username="bob"),
                frames.Leave(id=0, room="ops"),
                "enter dev",
            ]


class TestRooms:
    async def test_alt_and_a_number_goes_to_a_room_and_drafts_stay_where_they_are(self) -> None:
        async with stage() as there:
            await there.type("half")
            await there.press("alt+2")
            assert there.pane("heading")[0].startswith(" #ops")
            assert there.text == ""
            await there.press("alt+1")
            assert there.text == "half"

    async def test_ctrl_k_finds_a_room_by_some_letters(self) -> None:
        async with stage() as there:
            await there.press("ctrl+k")
            await there.type("op")
            await there.press("enter")
            assert there.model.room.name == "ops"

    async def test_a_burst_of_keys_through_a_list_is_done_in_order(self) -> None:
        async with stage() as there:
            await there.show(connected("ops", "dev"))
            await there.burst(
                "ctrl+k", *"opx", "backspace", "enter", *"half", "ctrl+k", *"dev", "enter", *"there", "enter"
            )
            assert there.model.rooms["ops"].draft == "half"
            assert there.told == [("dev", "there")]

    async def test_what_is_pasted_into_a_list_and_enter_behind_it_are_done_in_order(self) -> None:
        async with stage() as there:
            there.app.post_message(events.Key("ctrl+k", None))
            there.app.post_message(events.Paste("op\r\n"))
            await there.burst("enter", "x")
            assert (there.model.room.name, there.text) == ("ops", "x")

    async def test_a_click_on_a_room_goes_there(self) -> None:
        async with stage() as there:
            await there.pilot.click("#rooms", offset=(4, 1))
            assert there.model.room.name == "ops"
            await there.type("typed after a click")
            assert there.text == "typed after a click"

    async def test_ctrl_k_and_a_new_name_joins(self) -> None:
        async with stage() as there:
            await there.press("ctrl+k")
            await there.type("zzz")
            await there.press("enter")
            assert there.told == ["enter zzz"]

    async def test_the_list_counts_what_is_unread_and_mentions(self) -> None:
        async with stage() as there:
            await there.show(said(4, room="ops"), said(5, room="ops", content="Alice: look"))
            assert there.pane("rooms")[1].split() == ["2", "#ops", "@1", "2"]
            assert "2 unread elsewhere" in there.status()
            await there.press("alt+a")
            assert there.model.room.name == "ops"
            assert there.pane("rooms")[1].split() == ["▸2", "#ops"]

    async def test_the_most_urgent_room_comes_first(self) -> None:
        async with stage() as there:
            await there.show(connected("ops", "dev"))
            await there.show(
                *(said(offset, room="dev") for offset in range(4, 9)), said(4, room="ops", content="@alice")
            )
            await there.press("alt+a")
            assert there.model.room.name == "ops"
            await there.press("alt+a")
            assert there.model.room.name == "dev"


class TestReading:
    async def test_who_reads_above_stays_there_and_is_told_what_is_new(self) -> None:
        async with stage() as there:
            await there.show(*(said(offset) for offset in range(4, 60)))
            await there.press("pageup")
            above = there.timeline()
            await there.show(said(60), said(61))
            assert there.timeline() == above
            assert "↓ 2 new below" in there.status()
            await there.press("escape")
            assert there.timeline()[-1].endswith("message 61")
            assert "below" not in there.status()

    async def test_older_pages_are_asked_for_at_the_top_and_nothing_moves_when_they_come(self) -> None:
        async with stage(connect=False) as there:
            await there.show(connected(), notes.Entered(ROOM, tuple(messages(201, 203))))
            asked = [done for done in there.connection.done if isinstance(done, frames.History)]
            assert asked == [frames.History(id=0, room=ROOM, before=201, limit=100)]
            page = frames.Page(id=1, room=ROOM, messages=messages(101, 200), more=True)
            await there.show(notes.Answered(asked[0], page))
            assert there.timeline()[-1].endswith("message 203")
            await there.press("ctrl+home")
            asked = [done for done in there.connection.done if isinstance(done, frames.History)]
            assert asked[1:] == [frames.History(id=0, room=ROOM, before=101, limit=100)]
            await there.show(
                notes.Answered(asked[1], frames.Page(id=2, room=ROOM, messages=messages(1, 100), more=False))
            )
            assert there.timeline()[0].endswith("message 101")
            await there.press("ctrl+home")
            assert "this is where #general begins" in there.timeline()[0]

    async def test_a_hole_is_shown_and_filled(self) -> None:
        async with stage() as there:
            await there.show(said(7))
            assert any("3 messages to load" in line for line in there.timeline())
            asked = frames.History(id=0, room=ROOM, before=7, limit=100)
            assert asked in there.connection.done
            await there.show(notes.Answered(asked, frames.Page(id=1, room=ROOM, messages=messages(1, 6), more=False)))
            assert not any("to load" in line for line in there.timeline())

    async def test_unread_is_marked_where_it_begins(self) -> None:
        async with stage() as there:
            there.model.attend(attentive=False)
            await there.show(said(4), said(5))
            lines = there.timeline()
            assert "unread" in lines[-3]
            assert lines[-2].endswith("message 4")

    async def test_the_first_unread_is_a_key_away(self) -> None:
        async with stage() as there:
            there.model.attend(attentive=False)
            await there.show(*(said(offset) for offset in range(4, 90)))
            there.model.attend(attentive=True)
            await there.press("alt+u")
            assert any("unread" in line for line in there.timeline()[:6])

    async def test_found_text_is_selected_and_f4_goes_on(self) -> None:
        async with stage() as there:
            await there.show(
                *(said(offset, content=f"needle {offset}" if offset % 20 == 0 else "hay") for offset in range(4, 90))
            )
            await there.press("ctrl+s")
            await there.type("needle")
            await there.press("enter")
            assert there.model.selected_text() == "needle 80"
            await there.press("f4")
            assert there.model.selected_text() == "needle 60"
            assert any(line.endswith("needle 60") for line in there.timeline())


class TestAMessageSelected:
    async def test_copies(self) -> None:
        async with stage() as there:
            await there.press("alt+m", "up", "c")
            assert there.app.clipboard == "message 2"
            await there.type("on")
            assert there.text == "on"

    async def test_quotes(self) -> None:
        async with stage() as there:
            await there.press("alt+m", "q")
            assert there.text == "> bob: message 3\n"

    async def test_opens_a_link_by_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[str] = []
        async with stage() as there:
            monkeypatch.setattr(there.app, "open_url", opened.append)
            await there.show(said(4, content="http://a.example and https://b.example/x."))
            assert there.timeline()[-1].endswith("https://b.example/x[2].")
            await there.press("alt+m", "2")
            assert opened == ["https://b.example/x"]

    async def test_its_place_can_be_copied(self) -> None:
        async with stage() as there:
            await there.press("alt+m", "p")
            assert there.app.clipboard == "#general e1:3"


class TestWriting:
    async def test_up_brings_back_what_was_written_in_this_room(self) -> None:
        async with stage() as there:
            for text in ("one", "two"):
                await there.type(text)
                await there.press("enter")
            await there.type("three")
            await there.press("up", "up")
            assert there.text == "one"
            await there.press("down", "down")
            assert there.text == "three"
            await there.press("alt+2", "up")
            assert there.text == ""

    async def test_ctrl_r_finds_what_was_written(self) -> None:
        async with stage() as there:
            for text in ("deploy 1", "hello"):
                await there.type(text)
                await there.press("enter")
            await there.burst("ctrl+r", *"depl", "enter", "!")
            assert there.text == "deploy 1!"

    async def test_a_list_is_left_without_a_choice(self) -> None:
        async with stage() as there:
            await there.burst("ctrl+k", *"ops", "escape", *"here")
            assert (there.model.room.name, there.text) == (ROOM, "here")

    async def test_a_list_is_walked_through(self) -> None:
        async with stage() as there:
            await there.show(connected("ops", "dev", "zoo"))
            await there.burst("ctrl+k", "down", "down", "up", "enter")
            assert there.model.room.name == "ops"

    async def test_tab_completes_and_goes_on_to_the_next(self) -> None:
        async with stage() as there:
            await there.show(said(4, username="barbara"))
            await there.type("b")
            await there.press("tab")
            assert there.text == "barbara: "
            await there.press("tab")
            assert there.text == "bob: "
            await there.type("in #o")
            await there.press("tab")
            assert there.text == "bob: in #ops "

    async def test_a_burst_of_keys_loses_no_draft(self) -> None:
        async with stage() as there:
            await there.burst(
                *"one", "alt+2", *"two", "alt+1", "ctrl+c", *"/join ops", "enter", *"three", "alt+1", *"four"
            )
            assert there.model.rooms["ops"].draft == "twothree"
            assert there.text == there.model.rooms[ROOM].draft == "four"

    async def test_readline_keys(self) -> None:
        async with stage() as there:
            await there.type("one two three")
            await there.press("ctrl+w", "ctrl+a", "ctrl+y")
            assert there.text == "threeone two "
            await there.press("ctrl+e", "ctrl+u")
            assert there.text == ""
            await there.press("ctrl+z")
            assert there.text == "threeone two "
            await there.press("ctrl+e", "backspace", "ctrl+t", "alt+b", "alt+d")
            assert there.text == "threeone "

    async def test_ctrl_c_puts_the_line_aside(self) -> None:
        async with stage() as there:
            await there.type("never mind")
            await there.press("ctrl+c")
            assert there.text == ""
            await there.press("up")
            assert there.text == "never mind"

    async def test_many_lines_pasted_are_asked_about(self) -> None:
        async with stage() as there:
            there.app.post_message(events.Paste("\n".join("abcdefghij")))
            await there.settle()
            assert there.text == ""
            await there.press("enter")
            assert there.text.count("\n") == 9
            assert there.told == []

    async def test_pasted_escapes_do_not_get_in(self) -> None:
        async with stage() as there:
            there.app.post_message(events.Paste("a\x1b[2Jb\r\nc\u202ed"))
            await there.settle()
            assert there.text == "a[2Jb\ncd"


class TestTheProgram:
    async def test_help_lists_every_key_and_goes(self) -> None:
        async with stage() as there:
            await there.press("f1")
            assert isinstance(there.app.screen, Help)
            await there.press("escape")
            assert not isinstance(there.app.screen, Help)

    async def test_the_palette_does_an_action(self) -> None:
        async with stage() as there:
            await there.press("ctrl+p")
            await there.pilot.press(*"next theme")
            await there.pilot.pause(0.3)
            await there.press("enter")
            assert there.app.theme == "light"

    @pytest.mark.parametrize("theme", BUILT_IN)
    async def test_every_theme_shows_the_same_words(self, theme: str) -> None:
        async with stage() as there:
            before = there.timeline()
            there.app.theme = theme
            await there.settle()
            assert there.timeline() == before

    async def test_a_theme_of_ones_own_is_put_on_and_changed(self) -> None:
        async with stage() as there:
            for text in ("#ffeedd", "#ddeeff"):
                there.app.wear(replace(BUILT_IN["dark"], name="mine", text=text, panel="#102030"))
                await there.settle()
                assert there.colours_of("message 3") == (text, "#14171c")
                assert there.colours_of("connected")[1] == "#102030"
            await there.press("f8")
            assert there.app.theme == "dark"

    async def test_the_terminals_own_colours_are_left_to_it(self) -> None:
        async with stage() as there:
            there.app.wear(BUILT_IN["16-colours"])
            await there.settle()
            assert there.colours_of("message 3") == ("default", "default")

    async def test_keys_are_those_of_the_configuration(self) -> None:
        async with stage() as there:
            own = {"help": ("?",), "toggle-rooms": ("ctrl+_",), "quit": ("/",)}
            there.chat.bind_keys(with_keys(bind(own, usual())[0]))
            await there.press("ctrl+underscore")
            assert not there.chat.query_one("#rooms").display
            assert there.status().endswith("? help")
            await there.press("question_mark")
            assert isinstance(there.app.screen, Help)

    async def test_what_is_written_into_the_configuration_takes_effect(self, tmp_path: Path) -> None:
        live = Live({"CHATTERBOX_HOME": str(tmp_path)}, None, usual())
        async with stage(live=live) as there:
            told: list[NoticeSettings] = []
            there.app.configure_notices = told.append
            (tmp_path / "config.toml").write_text('theme = "light"\n[keys]\nhelp = ["f9"]\n[notices]\ndefault = "all"')
            there.look_again()
            await there.settle()
            assert (there.app.theme, told[-1].default) == ("light", "all")
            assert there.status().endswith("F9 help")
            assert there.timeline()[-1] == "-- The configuration was read anew."
            (tmp_path / "config.toml").write_text('theme = "dark"\n[keys]\nhepl = ["f10"]')
            there.look_again()
            await there.settle()
            assert there.app.theme == "light"
            assert there.status().endswith("F9 help")
            said = " ".join(" ".join(there.timeline()[-4:]).split())
            assert "keys.hepl is no action. Did you mean help?" in said
            assert said.endswith("What was in effect before stays.")

    async def test_a_theme_chosen_by_key_stays_until_the_configuration_names_another(self, tmp_path: Path) -> None:
        live = Live({"CHATTERBOX_HOME": str(tmp_path)}, None, usual())
        async with stage(live=live) as there:
            await there.press("f8")
            for text, theme in (('room = "ops"', "light"), ('theme = "high-contrast"', "high-contrast")):
                (tmp_path / "config.toml").write_text(text)
                there.look_again()
                assert there.app.theme == theme

    async def test_what_is_half_written_is_on_the_disk_soon(self, tmp_path: Path) -> None:
        keeper = Keeper(tmp_path, "http://x", ME)
        async with stage() as there:
            there.app._keeper = keeper
            await there.type("half")
            await there.app.keep()
        again = Model("http://x", ROOM)
        recall(again, Keeper(tmp_path, "http://x", ME).load())
        assert again.room.draft == "half"

    async def test_the_end_of_the_session_ends_it(self) -> None:
        async with stage() as there:
            there.connection.over.set()
            await there.pilot.pause()
            assert not there.app.is_running


class TestTheTruth:
    async def test_each_step_of_an_outage_is_told(self) -> None:
        async with stage() as there:
            await there.show(notes.Cut("the line was cut", 0.0, 0, was_live=True, known=False))
            assert there.status().startswith(" offline: the line was cut, next try now")
            entry = Entry("k", ROOM, "written while cut off")
            there.connection.state = type(there.connection.state)(unsent={ROOM: (entry,)})
            await there.show(notes.Kept(entry))
            assert "1 unsent" in there.status()
            assert there.timeline()[-1].endswith("written while cut off  (queued)")
            await there.show(connected("ops", again=True), notes.CatchingUp(ROOM, 3), said(4))
            assert there.status().startswith(" catching up, 2 to go · 1 unsent")
            await there.show(said(5), said(6), notes.CaughtUp(ROOM))
            assert there.status().startswith(" connected")

    @pytest.mark.parametrize("hostile", HOSTILE)
    async def test_nothing_hostile_reaches_the_terminal(self, hostile: str) -> None:
        async with stage(size=(130, 24)) as there:
            await there.show(
                notes.Entered(hostile, tuple(messages(1, 2, room=hostile))),
                said(4, content=f"http://a.example/{hostile}", username=hostile),
                notes.Gone(hostile),
                notes.Complaint(hostile),
                notes.Undelivered(Entry("k", ROOM, hostile), "x", hostile),
                notes.Changed(frames.Membership(room=hostile, username=ME, member=True, by=hostile), mine=True),
                replace(connected(), server=hostile, username=hostile),
            )
            assert not any(map(is_dangerous, everything_on(there)))
            there.model.go_to(hostile)
            await there.show(notes.Cut(hostile, 1.0, 0, was_live=True, known=False))
            assert not any(map(is_dangerous, everything_on(there)))
            await there.press("ctrl+k")
            assert not any(map(is_dangerous, everything_on(there)))

    async def test_markup_in_a_message_is_shown_as_it_stands(self) -> None:
        async with stage() as there:
            hostile = "[red]x[/] [link=http://evil]y[/link] [@click=app.quit]z[/]"
            await there.show(said(4, content=hostile), notes.Complaint("[b]no[/b]"))
            shown = " ".join(there.timeline())
            assert "[red]x[/]" in shown
            assert "[b]no[/b]" in shown


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestTopics:
    async def test_stand_above_the_timeline_beside_what_is_known_of_the_room(self) -> None:
        async with stage() as there:
            await there.show(notes.Topic(ROOM, "Engines, and what drives them", "bob"))
            assert there.pane("heading") == [" #general  Engines, and what drives them".ljust(72) + "1 heard"]
            assert there.timeline()[-2] == "-- bob says what #general is about: Engines, and what"

    @pytest.mark.parametrize("size", [(60, 15), (80, 24), (20, 5)])
    async def test_take_no_more_room_than_there_is(self, size: tuple[int, int]) -> None:
        async with stage(size=size) as there:
            await there.show(notes.Topic(ROOM, "x" * 200))
            [heading] = there.pane("heading")
            assert len(heading) <= size[0]
            assert heading.startswith(" #general")
            assert ("x…" in heading) is (size[0] >= 60)

    async def test_of_others_can_not_disturb_the_screen(self) -> None:
        async with stage() as there:
            for hostile in HOSTILE:
                await there.show(notes.Topic(ROOM, hostile, hostile))
                await there.press("alt+t")
                assert not any(map(is_dangerous, everything_on(there)))

    async def test_are_written_with_a_key_from_what_there_is(self) -> None:
        async with stage() as there:
            await there.show(notes.Topic(ROOM, "Engines"))
            await there.press("alt+t")
            await there.type(" and steam")
            await there.press("enter")
            assert there.told == [frames.SetTopic(id=0, room=ROOM, topic="Engines and steam")]

    async def test_are_completed_to_what_there_is(self) -> None:
        async with stage() as there:
            await there.show(notes.Topic(ROOM, "Engines"))
            await there.type("/topic ")
            await there.press("tab")
            assert there.text == "/topic Engines"

    async def test_are_there_before_there_is_a_connection(self) -> None:
        made = Model("http://x", ROOM)
        hearing.take(made, notes.Topic(ROOM, "Engines"))
        again = Model("http://x", ROOM)
        recall(again, remember(made))
        async with stage(connect=False, model=again) as there:
            await there.settle()
            assert "Engines" in there.pane("heading")[0]


class TestRoomsByCommand:
    @pytest.mark.parametrize(
        ("typed", "asked"),
        [
            ("/create #Dev private", frames.Create(id=0, room="dev", private=True)),
            ("/join #Dev", "enter dev"),
            ("/invite @bob", frames.Invite(id=0, room=ROOM, username="bob")),
            ("/invite bob #Ops", frames.Invite(id=0, room="ops", username="bob")),
            ("/leave", frames.Leave(id=0, room=ROOM)),
            ("/leave ops", frames.Leave(id=0, room="ops")),
            ("/topic -", frames.SetTopic(id=0, room=ROOM, topic="")),
        ],
    )
    async def test_each_asks_the_server(self, typed: str, asked: object) -> None:
        async with stage() as there:
            await there.type(typed)
            await there.press("enter")
            assert there.told == [asked]
            assert there.text == ""

    async def test_a_person_that_there_is_not_is_guessed(self) -> None:
        async with stage() as there:
            invite = frames.Invite(id=0, room=ROOM, username="bobb")
            await there.show(notes.Refused(invite, Code.USER_UNKNOWN, "There is no user of this name."))
            assert there.timeline()[-1] == "-- There is no user of this name. Did you mean bob?"

    async def test_who_was_never_heard_is_guessed_and_completed_too(self) -> None:
        async with stage() as there:
            there.model.acquaintances = ["charlotte"]
            invite = frames.Invite(id=0, room=ROOM, username="charlot")
            await there.show(notes.Refused(invite, Code.USER_UNKNOWN, "There is no user of this name."))
            assert " ".join(" ".join(there.timeline()[-2:]).split()).endswith("Did you mean charlotte?")
            await there.type("/invite ch")
            await there.press("tab")
            assert there.text == "/invite charlotte"

    async def test_a_room_that_there_is_not_is_guessed(self) -> None:
        async with stage() as there:
            await there.show(notes.Refused(frames.Leave(id=0, room="opps"), Code.ROOM_UNKNOWN, "No such room."))
            listed = [frames.RoomSummary(room="ops", private=False, member=True, members=1, at=Position("e1", 0))]
            await there.show(notes.Answered(frames.Rooms(id=0), frames.RoomList(id=0, rooms=listed)))
            assert " ".join(" ".join(there.timeline()[-2:]).split()).endswith("Did you mean #ops? /join ops")

    async def test_status_who_and_help_answer_at_once(self) -> None:
        async with stage() as there:
            for typed in ("/who", "/status", "/help invite"):
                await there.type(typed)
                await there.press("enter")
            who, status, usage, _ = there.timeline()[-4:]
            assert who.startswith("-- Heard here: bob (")
            assert status == "-- You are alice, at http://x, live. Not sent yet: 0."
            assert usage.startswith("-- /invite USERNAME [ROOM]")
