"""Notifications: inert and short text, and JSON for programs."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from client.notifications.notification import (
    BODY_CHARS,
    TITLE_CHARS,
    NotableMessage,
    Notification,
    NotifyReason,
    notification_of,
)
from client.notifications.terminal_escape import osc9, osc777, through_tmux
from tests.unit.client.world import message


def notice(content: str = "hello", username: str = "bob", room: str = "ops", count: int = 1) -> Notification:
    said = msgspec.structs.replace(message(1, room=room, username=username), content=content)
    return notification_of([NotableMessage(said, NotifyReason.MENTION)], {room: count})


class TestText:
    def test_notification_body_is_one_line(self) -> None:
        assert notice("one\n  two\tthree").body == "one two three"

    @given(st.text(), st.text(), st.text(), st.integers(1, 3))
    def test_notification_text_is_inert_and_short(self, content: str, username: str, room: str, count: int) -> None:
        told = notice(content, username, room, count)
        for line, most in ((told.title, TITLE_CHARS), (told.body, BODY_CHARS)):
            assert len(line) <= most
            assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in line)

    @given(st.text(max_size=2000), st.text(max_size=20))
    def test_notification_for_a_program_is_one_line_of_json(self, content: str, room: str) -> None:
        line = notice(content, room=room).as_json()
        assert line.count(b"\n") == 1
        said = json.loads(line)
        assert (said["why"], said["count"], len(said["messages"])) == ("mention", 1, 1)
        assert said["messages"][0]["content"] == content


class TestSequences:
    def test_notification_sequences_are_osc_9_and_osc_777(self) -> None:
        assert osc9(notice()) == "\x1b]9;bob in #ops: hello\x1b\\"
        assert osc777(notice()) == "\x1b]777;notify;bob in #ops;hello\x1b\\"

    def test_notification_sequence_is_wrapped_for_tmux(self) -> None:
        assert through_tmux(osc9(notice())) == "\x1bPtmux;\x1b\x1b]9;bob in #ops: hello\x1b\x1b\\\x1b\\"

    @given(st.text(alphabet=st.sampled_from("a;4\x1b\\\x07\x9c\x9d\n\u202e")), st.text(alphabet="4;\x1b\\\x07"))
    def test_hostile_text_can_not_end_or_change_a_notification_sequence(self, content: str, username: str) -> None:
        told = notice(content, username)
        for sequence, fields in ((osc9(told), 1), (osc777(told), 3)):
            inside = sequence.removeprefix("\x1b]").removesuffix("\x1b\\")
            assert inside.count(";") == fields
            assert all(ord(character) >= 0x20 and not 0x7F <= ord(character) < 0xA0 for character in inside)
