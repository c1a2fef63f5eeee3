"""Which message a command such as `/edit 07:11 TEXT` is about."""

import msgspec
import pytest

from chatterbox.wire import frames
from client.core.events import CommandRequested, SendRequested
from client.faces.messages.message_reference import request_for
from client.faces.slash.slash_parser import LocalCommand, UsageMistake, parse
from client.text.note_text import clock
from tests.unit.client.world import ME, message


def at(offset: int, minute: int, username: str = "bob", **became: object) -> frames.Message:
    timestamp = f"2026-11-23T10:{minute:02}:00.000Z"
    return msgspec.structs.replace(message(offset, username=username), timestamp=timestamp, **became)


MESSAGES = [at(1, 1, ME), at(2, 1), at(3, 2, ME), at(4, 3, thread=1, reply_to=1), at(5, 4, ME, deleted=True)]
FIRST, SECOND, THIRD = (clock(message.timestamp) for message in (MESSAGES[0], MESSAGES[2], MESSAGES[3]))


def asked(line: str) -> object:
    command = parse(line, "general")
    assert isinstance(command, LocalCommand)
    match request_for(command, MESSAGES, ME):
        case CommandRequested(requested):
            return requested
        case other:
            return other


class TestWithoutReference:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("/edit otherwise", frames.Edit(id=0, room="general", offset=3, content="otherwise")),
            ("/delete", frames.DeleteMessage(id=0, room="general", offset=3)),
            ("/react 👍", frames.React(id=0, room="general", offset=4, emoji="👍")),
            ("/unreact 👍", frames.React(id=0, room="general", offset=4, emoji="👍", remove=True)),
            ("/reply yes, 07:11 is fine", SendRequested("general", "yes, 07:11 is fine", 4)),
            ("/pin", frames.Pin(id=0, room="general", offset=4)),
            ("/thread", frames.ReadHistory(id=0, room="general", thread=1)),
        ],
    )
    def test_command_takes_the_last_message_that_fits(self, line: str, expected: object) -> None:
        assert asked(line) == expected

    def test_room_without_a_fitting_message_explains_how_to_name_one(self) -> None:
        assert isinstance(asked("/unpin"), UsageMistake)
        assert "07:11" in str(asked("/unpin"))


class TestByTime:
    def test_message_is_found_by_its_time(self) -> None:
        assert asked(f"/reply {SECOND} yes") == SendRequested("general", "yes", 3)
        assert asked(f"/delete {THIRD}") == frames.DeleteMessage(id=0, room="general", offset=4)

    def test_only_own_messages_are_edited(self) -> None:
        assert asked(f"/edit {FIRST} otherwise") == frames.Edit(id=0, room="general", offset=1, content="otherwise")
        assert isinstance(asked(f"/edit {THIRD} otherwise"), UsageMistake)

    def test_several_messages_of_one_minute_are_listed_with_their_numbers(self) -> None:
        mistake = asked(f"/delete {FIRST}")
        assert isinstance(mistake, UsageMistake)
        assert mistake.sentence.endswith("#1 (message 1), #2 (message 2)")

    def test_time_without_a_message_is_a_mistake(self) -> None:
        assert isinstance(asked("/pin 23:59"), UsageMistake)


class TestByNumber:
    @pytest.mark.parametrize("reference", ["#41", "41"])
    def test_message_is_named_by_its_number_whether_it_is_held_or_not(self, reference: str) -> None:
        assert asked(f"/react 👍 {reference}") == frames.React(id=0, room="general", offset=41, emoji="👍")

    def test_text_that_begins_with_a_number_is_text(self) -> None:
        assert asked("/edit 41 is the number") == frames.Edit(
            id=0, room="general", offset=3, content="41 is the number"
        )
        assert asked("/edit #41 is it") == frames.Edit(id=0, room="general", offset=41, content="is it")

    def test_thread_of_a_message_begins_at_its_root(self) -> None:
        assert asked("/thread #4") == frames.ReadHistory(id=0, room="general", thread=1)


class TestUsage:
    @pytest.mark.parametrize("line", ["/edit", "/react", "/reply", "/pin a b", "/pins a b"])
    def test_missing_or_surplus_words_show_the_usage(self, line: str) -> None:
        mistake = parse(line, "general")
        assert isinstance(mistake, UsageMistake)
        assert mistake.sentence.startswith("Usage: /")

    def test_pinned_messages_are_requested(self) -> None:
        assert parse("/pins", "ops") == CommandRequested(frames.ReadHistory(id=0, room="ops", pinned=True))

    def test_command_without_a_room_is_a_mistake(self) -> None:
        assert isinstance(parse("/edit otherwise", None), UsageMistake)
