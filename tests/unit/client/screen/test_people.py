"""Other users on the full screen: presence, typing, receipts, profiles; and what the screen says of its own user."""

from dataclasses import replace

import pytest

from chatterbox.wire.people import PresenceState, Profile
from client.config.config_schema import PeopleSettings
from client.core.events import DeviceUsed, PeopleShown, RoomLooked, TypingShared, UserTyped
from client.core.people.people_state import DeviceUse, KnownPerson, PeopleState, ScreenFacts, TellQueue, TypingUsers
from client.screen.widgets.sheets import ProfileSheet
from tests.unit.client.screen.harness import HOSTILE, Harness, message_note, running_screen
from tests.unit.client.screen.test_directs import opened_by_bob
from tests.unit.client.world import ME, ROOM

ONLINE, AWAY, OFFLINE, _ = map(KnownPerson, PresenceState)


async def tell(ui: Harness, state: PeopleState) -> None:
    """The core knows this of other users now."""
    ui.connection.set_state(replace(ui.connection.state, people=state))
    ui.runtime.settle()
    await ui.settle()


def typing(*who: str, more: int = 0, room: str = ROOM) -> PeopleState:
    return PeopleState(room=room, typing=TypingUsers(who, more))


def watched(ui: Harness) -> tuple[str, ...]:
    """The names that the screen said last to be on it."""
    said = [request.usernames for request in ui.connection.reported if isinstance(request, PeopleShown)]
    return said[-1] if said else ()


def typed_in(ui: Harness) -> list[str]:
    return [request.room for request in ui.connection.reported if isinstance(request, UserTyped)]


def sheet(ui: Harness) -> list[str]:
    """The open profile."""
    assert isinstance(ui.app.screen, ProfileSheet)
    return ui.pane_of(ui.app.screen)


class TestPresence:
    async def test_shapes_before_names_tell_presence_in_both_panes(self) -> None:
        async with running_screen(size=(120, 24)) as ui:
            await ui.show(opened_by_bob(), message_note(4, username="eve"), message_note(5, username="grace"))
            assert ui.pane("rooms")[1] == "   @bob"
            people = PeopleState(people={"bob": ONLINE, "eve": AWAY, "grace": OFFLINE})
            await tell(ui, people)
            assert ui.pane("rooms")[1] == " ● @bob"
            assert ui.pane("people") == ["active here", "○ grace", "◐ eve", "● bob"]

    async def test_unknown_presence_is_blank_and_moves_no_name(self) -> None:
        async with running_screen(size=(120, 24)) as ui:
            await ui.show(opened_by_bob())
            assert ui.pane("people") == ["active here", "  bob"]

    async def test_presence_is_not_shown_and_not_watched_if_switched_off(self) -> None:
        async with running_screen(size=(120, 24)) as ui:
            await ui.show(opened_by_bob())
            ui.model.people.configure(PeopleSettings(presence=False))
            await tell(ui, PeopleState(people={"bob": ONLINE}))
            assert (ui.pane("rooms")[1], ui.pane("people")) == ("   @bob", ["active here", "bob"])
            assert watched(ui) == ()

    async def test_names_in_both_panes_are_watched(self) -> None:
        async with running_screen(size=(120, 24)) as ui:
            await ui.show(opened_by_bob(), message_note(4, username="eve"))
            assert set(watched(ui)) == {"bob", "eve"}

    async def test_user_whose_name_has_capitals_is_watched_once(self) -> None:
        async with running_screen(size=(120, 24)) as ui:
            await ui.show(opened_by_bob(), message_note(4, username="Bob"))
            assert watched(ui) == ("bob",)

    async def test_names_in_a_hidden_pane_are_not_watched(self) -> None:
        async with running_screen(size=(60, 15)) as ui:
            await ui.show(opened_by_bob(), message_note(4, username="eve"))
            assert watched(ui) == ()
            await ui.press("f3")
            assert watched(ui) == ("eve", "bob")


class TestTyping:
    async def test_typing_user_is_named_in_the_status_line(self) -> None:
        async with running_screen() as ui:
            before = ui.status()
            await tell(ui, typing("bob"))
            assert "bob is typing" in ui.status()
            await tell(ui, typing("bob", "eve"))
            assert "bob and eve are typing" in ui.status()
            await tell(ui, typing("bob", "eve", more=1))
            assert "3 people are typing" in ui.status()
            await tell(ui, typing())
            assert ui.status() == before

    async def test_nothing_in_the_status_line_moves_while_typing_changes(self) -> None:
        async with running_screen() as ui:
            places = set()
            for state in (typing("bob"), typing("bob", "eve"), typing("bob", more=30)):
                await tell(ui, state)
                words = state.typing.who[0] if not state.typing.more else "31"
                places.add((ui.status().index("connected"), ui.status().index(words), ui.status().index("F1 help")))
            assert len(places) == 1

    async def test_narrow_terminal_keeps_its_state_and_help(self) -> None:
        async with running_screen(size=(40, 10)) as ui:
            await tell(ui, typing("a" * 40))
            assert ui.status().split()[0] == "connected"

    async def test_typing_in_another_room_is_not_shown(self) -> None:
        async with running_screen() as ui:
            await tell(ui, typing("bob", room="ops"))
            assert "typing" not in ui.status()

    async def test_writing_a_message_is_reported_for_its_room(self) -> None:
        async with running_screen() as ui:
            await ui.type("hi")
            assert typed_in(ui) == [ROOM, ROOM]

    async def test_slash_command_is_not_reported_and_a_doubled_slash_is(self) -> None:
        async with running_screen() as ui:
            await ui.type("/msg bob secret")
            assert typed_in(ui) == []
            await ui.press("ctrl+u")
            await ui.type("//")
            assert typed_in(ui) == [ROOM]

    async def test_keys_in_a_picker_are_not_reported(self) -> None:
        async with running_screen() as ui:
            await ui.press("ctrl+k")
            await ui.type("ops")
            assert typed_in(ui) == []


class TestReceipts:
    async def test_last_own_message_says_who_has_seen_it(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, username=ME), message_note(5, username=ME), message_note(6, username="eve"))
            await tell(ui, PeopleState(room=ROOM, read_by={"bob": 5, "eve": 6, ME: 6}))
            shown = [line for line in ui.timeline() if "seen by" in line]
            assert [line.split("└ ")[1] for line in shown] == ["seen by bob and eve"]
            assert ui.timeline()[-2] == shown[0]

    async def test_own_message_that_no_one_has_seen_says_nothing(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, username=ME), message_note(5, username=ME))
            await tell(ui, PeopleState(room=ROOM, read_by={"bob": 4}))
            assert not any("seen by" in line for line in ui.timeline())

    async def test_receipts_are_not_shown_if_switched_off(self) -> None:
        async with running_screen() as ui:
            ui.model.people.configure(PeopleSettings(receipts=False))
            await ui.show(message_note(4, username=ME))
            await tell(ui, PeopleState(room=ROOM, read_by={"bob": 4}))
            assert not any("seen by" in line for line in ui.timeline())


class TestProfile:
    BOB = KnownPerson(
        PresenceState.ONLINE, "", Profile(display_name="Bob Babbage", bio="Builds engines.", status="back at three")
    )

    async def test_f5_in_a_direct_conversation_shows_the_profile_of_the_other_user(self) -> None:
        async with running_screen() as ui:
            await ui.show(opened_by_bob())
            await ui.pilot.click("#rooms", offset=(4, 1))
            await ui.press("f5")
            await tell(ui, PeopleState(people={"bob": self.BOB}))
            assert sheet(ui) == [
                " BB  bob",
                "",
                "Presence    ● online",
                "Name        Bob Babbage",
                "Status      back at three",
                "About       Builds engines.",
                "Rooms       #general",
            ]

    async def test_f5_with_a_message_selected_shows_its_author_who_is_watched_meanwhile(self) -> None:
        async with running_screen(size=(60, 15)) as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.press("alt+m", "f5")
            assert watched(ui) == ("eve",)
            assert sheet(ui)[0] == " E  eve"
            await ui.press("escape")
            assert watched(ui) == ()

    async def test_click_on_an_active_person_shows_their_profile_and_one_on_the_title_nothing(self) -> None:
        async with running_screen(size=(120, 24)) as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.pilot.click("#people", offset=(4, 0))
            assert not isinstance(ui.app.screen, ProfileSheet)
            await ui.pilot.click("#people", offset=(4, 2))
            assert sheet(ui)[0] == " B  bob"

    async def test_enter_in_a_profile_writes_to_the_user(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.press("alt+m", "f5", "enter")
            assert ui.requested == ["enter @eve"]

    async def test_whois_command_opens_the_profile(self) -> None:
        async with running_screen() as ui:
            await ui.type("/whois bob")
            await ui.press("enter")
            assert sheet(ui)[0] == " B  bob"

    async def test_texts_of_a_profile_reach_the_terminal_inert(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.press("alt+m", "f5")
            for text in HOSTILE:
                profile = Profile(display_name=text, bio=text, status=text)
                await tell(ui, PeopleState(people={"eve": KnownPerson(PresenceState.OFFLINE, text, profile)}))
                assert not {"\x1b", "\x9b", "\u202e", "\r"} & set("".join(sheet(ui)))

    @pytest.mark.parametrize(("until", "shown"), [("2026-11-01T15:00:00Z", False), ("2999-01-01T00:00:00Z", True)])
    async def test_status_is_shown_until_it_ends(self, until: str, shown: bool) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.press("alt+m", "f5")
            profile = Profile(status="back at three", status_until=until)
            await tell(ui, PeopleState(people={"eve": KnownPerson(PresenceState.ONLINE, "", profile)}))
            assert ("back at three" in " ".join(sheet(ui))) is shown

    async def test_name_that_no_user_has_is_said_to_be_unknown_once_the_server_has_answered(self) -> None:
        async with running_screen() as ui:
            await ui.type("/whois zoe")
            await ui.press("enter")
            assert "no user" not in " ".join(sheet(ui))
            answered = PeopleState(queue=TellQueue(supported=True, told=ScreenFacts(names=frozenset({"zoe"}))))
            ui.connection.set_state(replace(ui.connection.state, people=answered))  # no note comes with it
            ui.chat._tick()
            await ui.settle()
            assert "There is no user zoe." in sheet(ui)

    async def test_server_without_presence_is_named_in_the_profile(self) -> None:
        async with running_screen() as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.press("alt+m", "f5")
            await tell(ui, PeopleState(queue=TellQueue(supported=False)))
            assert "older than this client" in " ".join(sheet(ui))

    async def test_tiny_terminal_shows_a_profile(self) -> None:
        async with running_screen(size=(12, 6)) as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.press("alt+m", "f5")
            await tell(ui, PeopleState(people={"eve": self.BOB}))
            await ui.press("down", "down", "up")
            assert sheet(ui)

    async def test_long_profile_scrolls_to_its_end_and_not_beyond(self) -> None:
        async with running_screen(size=(40, 10)) as ui:
            await ui.show(message_note(4, username="eve"))
            await ui.press("alt+m", "f5")
            bio = " ".join(f"word{number}" for number in range(60))
            await tell(ui, PeopleState(people={"eve": KnownPerson(profile=Profile(bio=bio))}))
            await ui.press(*["down"] * 60)
            assert sheet(ui)[-1].endswith("#general")
            assert len(sheet(ui)) > 1


class TestOwnState:
    async def test_keys_and_focus_count_as_use_of_the_device(self) -> None:
        async with running_screen() as ui:
            ui.connection.reported.clear()
            await ui.press("a")
            assert DeviceUsed() in ui.connection.reported
            ui.connection.reported.clear()
            ui.app.on_app_blur(None)  # type: ignore[arg-type]  # it is not looked at
            assert DeviceUsed() not in ui.connection.reported
            ui.app.on_app_focus(None)  # type: ignore[arg-type]
            assert DeviceUsed() in ui.connection.reported

    async def test_being_away_is_said_in_the_status_line(self) -> None:
        async with running_screen() as ui:
            await tell(ui, PeopleState(device=DeviceUse(is_set_away=True)))
            assert "you are away" in ui.status()

    async def test_open_room_is_reported_as_looked_at(self) -> None:
        async with running_screen() as ui:
            await ui.press("alt+2")
            looked = [request for request in ui.connection.reported if isinstance(request, RoomLooked)]
            assert looked == [RoomLooked(ROOM), RoomLooked("ops")]

    async def test_room_is_not_looked_at_if_neither_typing_nor_receipts_are_shown(self) -> None:
        async with running_screen() as ui:
            ui.model.people.configure(PeopleSettings(typing=False, receipts=False))
            await ui.press("alt+2")
            assert ui.connection.reported[-1] != RoomLooked("ops")
            assert RoomLooked("") in ui.connection.reported

    async def test_switch_for_sharing_typing_is_passed_on_at_the_start(self) -> None:
        async with running_screen() as ui:
            assert TypingShared(is_on=True) in ui.connection.reported
