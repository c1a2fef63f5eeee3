"""Hostile text from users and the server: no face executes it, and no line or sender can be faked."""

import asyncio
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.commands import chat_commands
from client.context import ClientContext
from client.core import notes
from client.core.outbox_entry import OutboxEntry
from client.faces.line_face import LineFace
from client.faces.line_timeline import LineTimeline
from client.faces.pipe_faces import SendFace, TailFace
from client.faces.plain_face import PlainFace
from client.text import note_text
from client.text.sanitize import inert_name, is_dangerous
from tests.unit.client.faces.face import Face, Recorder
from tests.unit.client.text.test_sanitize import ANYTHING, PAYLOADS

TIME = "2026-11-23T10:00:00.000Z"
FAKES = ["x\n10:00 root: hi", "x\n-- You are logged out.", "bob: hi\r10:00 root", "bob left #ops. root", "a\u3164b", ""]
TEXT = st.one_of(ANYTHING, st.sampled_from([*PAYLOADS, *FAKES]), st.lists(st.sampled_from(PAYLOADS)).map("".join))
AT = st.integers(1, 9).map(lambda offset: Position("e1", offset))
MESSAGE = st.builds(
    frames.Message,
    room=st.sampled_from(["general", "ops"]) | TEXT,
    at=AT,
    message_id=st.just(1),
    username=TEXT,
    content=TEXT,
    timestamp=st.just(TIME) | TEXT,
)
ENTRY = st.builds(OutboxEntry, TEXT, TEXT, TEXT)
SUMMARY = st.builds(
    frames.RoomSummary, room=TEXT, private=st.booleans(), member=st.booleans(), members=st.just(1), at=AT
)
REPLY = st.one_of(
    st.builds(frames.RoomList, id=st.just(1), rooms=st.lists(SUMMARY, max_size=3)),
    st.builds(frames.Created, id=st.just(1), room=TEXT, private=st.booleans(), at=AT),
    st.builds(frames.Invited, id=st.just(1), room=TEXT, username=TEXT),
    st.builds(frames.Left, id=st.just(1), room=TEXT),
)
COMMAND = st.one_of(
    st.builds(frames.Join, id=st.just(1), room=TEXT),
    st.builds(frames.Invite, id=st.just(1), room=TEXT, username=TEXT),
)
CODE = st.sampled_from([Code.ROOM_UNKNOWN, Code.USER_UNKNOWN, Code.NOT_A_MEMBER]).map(str) | TEXT
CHANGE = st.builds(frames.Membership, room=TEXT, username=TEXT, member=st.booleans(), by=st.none() | TEXT)
NOTE = st.one_of(
    st.builds(notes.MessageShown, MESSAGE, mine=st.booleans()),
    st.builds(notes.RoomEntered, TEXT, st.lists(MESSAGE, max_size=3).map(tuple)),
    st.builds(notes.WelcomeReceived, TEXT, st.just(()), st.just(1), again=st.booleans()),
    st.builds(notes.Disconnected, TEXT, st.just(1.0), st.just(1), was_live=st.booleans(), repeated=st.just(False)),
    st.builds(notes.CatchingUp, TEXT, st.just(3)),
    st.builds(notes.CaughtUp, TEXT),
    st.builds(notes.RoomReset, TEXT, AT),
    st.builds(notes.MessagesMissing, TEXT, st.just(2)),
    st.builds(notes.RoomGone, TEXT),
    st.builds(notes.MembershipChange, CHANGE, mine=st.booleans()),
    st.builds(notes.QueuedOffline, ENTRY),
    st.builds(notes.SendDelayed, ENTRY, TEXT, st.just(1.0)),
    st.builds(notes.SendStored, ENTRY, AT),
    st.builds(notes.SendFailed, ENTRY, TEXT, TEXT),
    st.builds(notes.CommandAnswered, COMMAND, REPLY),
    st.builds(notes.CommandRefused, COMMAND, CODE, TEXT),
    st.builds(notes.ServerError, TEXT),
    st.builds(notes.SessionOver, st.just(4501), TEXT),
)
OF_A_MESSAGE = re.compile(r"(\d\d:\d\d|--:--) (#\S+ )?\S+: ")
"""How only a message begins: the time, and one word for whoever said it."""


def holds(lines: list[str], *, colour: bool = False) -> None:
    """Each line is only printed; it is a notice of ours, begins a message, or goes on below one."""
    for line in lines:
        if colour:
            line = re.sub(r"\x1b\[[012]m", "", line)  # noqa: PLW2901 - ours
        assert not any(map(is_dangerous, line)), ascii(line)
        assert line.startswith(("-- ", "  ")) or OF_A_MESSAGE.match(line), ascii(line)


@pytest.mark.parametrize("kind", [LineFace, PlainFace])
@given(shown=st.lists(NOTE, max_size=6))
def test_line_faces_print_only_inert_text(kind: type[LineFace], shown: list[notes.Note]) -> None:
    with TemporaryDirectory() as home:
        face = Face(Path(home), kind, echoed=kind is PlainFace)
        lines = face.show(*shown)
        holds(lines)
        holds(face.wait(100))
        assert not any(map(is_dangerous, face.lines.prompt))
        assert re.fullmatch(r"(#\S+|@\S*|no room)( \([\w, ]+\))?> ", face.lines.prompt)


@given(shown=st.lists(NOTE, max_size=6))
def test_plain_face_prints_no_escape_sequences(shown: list[notes.Note]) -> None:
    with TemporaryDirectory() as home:
        face = Face(Path(home), PlainFace)
        assert "\x1b" not in "".join([*face.show(*shown), *face.wait(100)])


@given(said=st.lists(MESSAGE, max_size=4), columns=st.integers(20, 200))
def test_coloured_lines_contain_only_the_clients_colours(said: list[frames.Message], columns: int) -> None:
    timeline = LineTimeline(columns=lambda: columns, colour=True)
    holds([line for message in said for line in timeline.message(message)], colour=True)


@given(shown=st.lists(NOTE, max_size=6), rooms=st.booleans())
def test_tail_prints_only_inert_text(shown: list[notes.Note], rooms: bool) -> None:
    out, told = list[str](), list[str]()
    timeline = LineTimeline(rooms=rooms)
    face = TailFace(
        "http://x",
        ["general", "ops"],
        lambda _: Quiet(),
        out=out.append,
        report=told.append,
        timeline=timeline,
        count=None,
    )
    for note in shown:
        face.show(note)
    holds(out)
    assert not any(map(is_dangerous, "".join(told)))


@given(shown=st.lists(NOTE, max_size=6))
def test_send_reports_only_inert_text(shown: list[notes.Note]) -> None:
    told: list[str] = []
    face = SendFace("http://x", "general", told.append, 1.0, lambda _: Quiet())
    for note in shown:
        face.show(note)
    assert not any(map(is_dangerous, "".join(told)))


@given(
    answer=st.one_of(st.builds(notes.CommandAnswered, COMMAND, REPLY), st.builds(notes.RoomEntered, TEXT, st.just(())))
)
@settings(max_examples=50)
def test_single_command_prints_one_inert_line(answer: notes.CommandAnswered | notes.RoomEntered) -> None:
    async def asked(*_: object, **__: object) -> notes.CommandAnswered | notes.RoomEntered:
        return answer

    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as home, redirect_stdout(printed):
        patch.setattr(chat_commands, "reply_to", asked)
        asyncio.run(chat_commands.ask(ClientContext("http://x", Path(home)), frames.ListRooms(id=0)))
    assert not any(map(is_dangerous, printed.getvalue().replace("\n", "")))
    assert printed.getvalue().count("\n") == 1


@given(note=NOTE)
def test_every_note_sentence_is_one_inert_line(note: notes.Note) -> None:
    said = note_text.sentence(note, "http://x") or ""
    assert not any(map(is_dangerous, said))


@given(name=TEXT)
def test_inert_name_is_one_visible_word(name: str) -> None:
    shown = inert_name(name)
    assert shown
    assert len(shown) <= 41
    assert shown.split() == [shown]
    assert inert_name(shown) == shown


Sentence = Callable[[str], notes.Note]


@pytest.mark.parametrize(
    "told",
    [
        lambda name: notes.MembershipChange(frames.Membership(room="ops", username=name, member=False), mine=False),
        lambda name: notes.CommandAnswered(frames.ListRooms(id=1), frames.Invited(id=1, room="ops", username=name)),
    ],
)
@pytest.mark.parametrize("name", ["bob joined #ops. root", "bob\u2028root", "bob\u00a0root", "bob\u200broot"])
def test_name_can_not_continue_as_a_sentence_of_the_client(told: Sentence, name: str) -> None:
    said = note_text.sentence(told(name), "http://x") or ""
    assert inert_name(name) in said.split()


class Quiet(Recorder):
    """A connection that can quit without an event loop."""

    def quit(self) -> None:
        self.done.append("quit")
