"""What happened to a message, in words."""

from datetime import UTC, datetime

import msgspec
import pytest

from chatterbox.wire import frames
from client.text.change_text import answers, changes_of, done_line, marks_of, reactions_line, when
from tests.unit.client.world import ME, message

BOBS, MINE = message(1), message(1, username=ME)
AT = when(BOBS.timestamp)
THUMBS = (frames.Reaction(emoji="👍", n=2, by=("ada", "eve")),)


def now(said: frames.Message, **became: object) -> frames.Message:
    return msgspec.structs.replace(said, rev=said.rev + 1, **became)


@pytest.mark.parametrize(
    ("old", "new", "by", "expected"),
    [
        (BOBS, now(BOBS, content="otherwise"), "bob", [f"bob changed {AT}: otherwise"]),
        (MINE, now(MINE, content="otherwise"), ME, [f"You changed {AT}: otherwise"]),
        (BOBS, now(BOBS, content="", deleted=True, by="bob"), "bob", [f"bob deleted {AT}"]),
        (BOBS, now(BOBS, content="", deleted=True, by="ada"), "ada", [f"ada deleted {AT} by bob"]),
        (MINE, now(MINE, content="", deleted=True, by="ada"), "ada", [f"ada deleted your message of {AT}"]),
        (BOBS, now(BOBS, content="", deleted=True), "", [f"bob deleted {AT}"]),
        (BOBS, now(BOBS, pinned=True), "ada", [f"ada pinned {AT} by bob: message 1"]),
        (now(BOBS, pinned=True), now(BOBS), "", [f"Someone unpinned {AT}: message 1"]),
        (BOBS, now(BOBS, reactions=THUMBS, replies=3), "ada", []),
        (BOBS, now(BOBS, content="x\x1b[2J"), "bob", [f"bob changed {AT}: x␛[2J"]),
    ],
)
def test_changes_are_told_in_sentences(old: frames.Message, new: frames.Message, by: str, expected: list[str]) -> None:
    assert list(changes_of(old, new, by, ME)) == expected


def test_time_of_another_day_has_its_date() -> None:
    noon = "2026-11-23T12:00:00.000Z"
    assert when(noon, datetime(2026, 11, 23, 20, tzinfo=UTC), UTC) == "12:00"
    assert when(noon, datetime(2026, 11, 24, 20, tzinfo=UTC), UTC) == "12:00 on 23 November"
    assert when("never") == "--:--"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (BOBS, ""),
        (now(BOBS, edited="x"), " (edited)"),
        (now(BOBS, content="", deleted=True, by="bob"), " (deleted)"),
        (now(BOBS, content="", deleted=True, by="ada"), " (deleted by ada)"),
        (now(BOBS, edited="x", pinned=True, replies=1, reactions=THUMBS), " (edited, pinned, 1 reply, 👍 2)"),
    ],
)
def test_marks_of_a_message(said: frames.Message, expected: str) -> None:
    assert marks_of(said) == expected


def test_answer_names_the_author_of_the_message_that_it_answers() -> None:
    answer = now(message(4), reply_to=1)
    assert answers(answer, BOBS) == ", in reply to bob"
    assert answers(answer, None) == ", in reply to #1"
    assert answers(BOBS, None) == ""


def test_reactions_name_the_room_unless_it_is_open() -> None:
    line = reactions_line([now(MINE, reactions=THUMBS), now(message(2, room="ops"), reactions=())], "general")
    assert line == f"Reactions to your messages: {AT} 👍 2, {AT} in #ops (none left)"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (frames.Edit(id=0, room="ops", offset=4, content="x"), "Changed message #4 in #ops."),
        (frames.DeleteMessage(id=0, room="ops", offset=4), "Deleted message #4 in #ops."),
        (frames.React(id=0, room="ops", offset=4, emoji="👍"), "Reacted 👍 to message #4 in #ops."),
        (frames.Pin(id=0, room="ops", offset=4, remove=True), "Unpinned message #4 in #ops."),
        (frames.Ping(id=0), None),
    ],
)
def test_stored_change_is_confirmed(command: frames.Command, expected: str | None) -> None:
    assert done_line(command) == expected
