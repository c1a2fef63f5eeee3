"""The client of version 0.1 works with the server of today: it keeps its place, and is told nothing but messages."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import codec, frames
from chatterbox.wire.people import PresenceState, Profile
from chatterbox.wire.position import Position
from chatterbox.wire.untrusted_json import UnreadableError
from tests.contract.of_0_1 import codec as old_codec
from tests.contract.of_0_1 import events, notes, reducer
from tests.contract.of_0_1.client_state import ClientState
from tests.support.transcript import FOLDER, Line, Words, frame, read
from tests.support.transcript_player import play
from tests.unit.client.world import message, room_state, welcome

FROZEN = sorted((Path(__file__).parent / "of_0_1" / "transcripts").glob("*.txt"))
OFTEN = st.sampled_from([message(offset) for offset in range(1, 9)])
REACTIONS = (frames.Reaction(emoji="👍", n=2, by=("ada", "eve")),)
FILES = (frames.AttachedFile(id="f1", name="plan.pdf", type="application/pdf", size=7, width=1, height=1),)
BECAME: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"content": "otherwise", "edited": "2026-11-23T10:01:00.000Z", "mentions": ("alice", "@room")},
        {"content": "", "deleted": True, "by": "ada"},
        {"reactions": REACTIONS},
        {"pinned": True},
        {"reply_to": 1, "thread": 1},
        {"replies": 7},
        {"content": "", "files": FILES},
        {"content": "", "files": FILES, "edited": "2026-11-23T10:01:00.000Z", "pinned": True},
    ]
)


class OldClient:
    """A client of version 0.1, and what its face was told."""

    def __init__(self) -> None:
        self.state = ClientState()
        self.effects: list[object] = []

    def feed(self, *fed: object) -> list[object]:
        before = len(self.effects)
        for event in fed:
            self.state, effects = reducer.reduce(self.state, event)
            self.effects += effects
        return self.effects[before:]

    def take(self, data: bytes | str) -> list[object]:
        """Take a frame as that client did: what it could not decode, it skipped."""
        with suppress(UnreadableError, ValueError):
            return self.feed(events.FrameReceived(old_codec.decode_server_frame(data)))
        return []

    def came(self, *came: frames.ServerFrame) -> list[object]:
        return [effect for frame in came for effect in self.take(codec.encode(frame))]

    def welcomed(self, *rooms: frames.RoomState) -> None:
        self.feed(events.Started(), events.HandshakeDone())
        self.came(welcome(*rooms))

    @property
    def notes(self) -> list[object]:
        return [effect.note for effect in self.effects if isinstance(effect, events.ShowNote)]

    @property
    def offsets(self) -> list[int]:
        return [note.message.at.offset for note in self.notes if isinstance(note, notes.MessageShown)]


def change(after: int, rev: int, changed: frames.Message | None) -> frames.Change:
    return frames.Change(room="general", rev=rev, after=after, message=changed, by="ada", did="edit", what="👍")


@st.composite
def conversations(draw: st.DrawFn) -> list[frames.ServerFrame]:
    """Pushes in a server's order: eight messages as they are now, and changes of them, also of older ones."""
    pushed: list[frames.ServerFrame] = []
    rev = 3
    for offset in range(1, 9):
        for _ in range(draw(st.integers(0, 3))):
            changed = msgspec.structs.replace(message(draw(st.integers(1, 8))), rev=rev + 1, **draw(BECAME))
            pushed.append(change(rev - draw(st.integers(0, 2)), rev + 1, draw(st.sampled_from([changed, None]))))
            rev += 1
        pushed.append(msgspec.structs.replace(message(offset), rev=draw(st.sampled_from([0, rev])), **draw(BECAME)))
    return pushed


class TestPushes:
    @given(conversations())
    def test_changes_leave_its_messages_and_its_position_alone(self, pushed: list[frames.ServerFrame]) -> None:
        client = OldClient()
        client.welcomed(msgspec.structs.replace(room_state(0), rev=3))
        before = len(client.notes)
        client.came(*pushed)
        assert client.offsets == list(range(1, 9))
        assert all(isinstance(note, notes.MessageShown) for note in client.notes[before:])
        assert client.state.streams["general"].at.offset == 8
        assert client.state.pending == {}

    @pytest.mark.parametrize("changed", [message(1), None])
    def test_a_change_has_no_effect(self, changed: frames.Message | None) -> None:
        client = OldClient()
        client.welcomed(room_state(4))
        assert client.came(change(0, 1, changed)) == []

    def test_read_state_has_no_effect(self) -> None:
        read = {"read": 2, "turn": 1, "unread": 2, "mentions": 1, "counted": 4, "notify": "all", "until": "2030"}
        client, before = OldClient(), OldClient()
        client.welcomed(msgspec.convert({**msgspec.to_builtins(room_state(4)), **read}, frames.RoomState))
        before.welcomed(room_state(4))
        assert client.notes == before.notes
        assert client.came(msgspec.convert({"type": "own", "room": "general", **read}, frames.Own)) == []

    @pytest.mark.parametrize(
        "push",
        [
            frames.PresenceUpdate(people=[frames.Presence(username="bob", state=PresenceState.AWAY)]),
            frames.ProfileUpdate(username="bob", profile=Profile(display_name="Bob"), version=1),
            frames.TypingUpdate(room="general", who=("bob",), more=1),
            frames.Seen(room="general", readers=[frames.Receipt("bob", 4)]),
        ],
        ids=lambda push: type(push).__name__,
    )
    def test_what_is_told_of_people_has_no_effect(self, push: frames.Push) -> None:
        client = OldClient()
        client.welcomed(room_state(4))
        assert client.came(push) == []

    def test_room_joined_elsewhere_begins_at_its_position(self) -> None:
        client = OldClient()
        client.welcomed()
        at = Position("e1", 4)
        client.came(frames.Membership(room="ops", username="alice", member=True, at=at, rev=7))
        client.came(message(5, room="ops"))
        assert client.offsets == [5]


class TestPages:
    @given(became=st.lists(BECAME, min_size=4, max_size=4), more=st.booleans())
    def test_page_of_changed_messages_fills_a_gap(self, became: list[dict[str, Any]], *, more: bool) -> None:
        client = OldClient()
        client.welcomed(room_state(0))
        client.came(message(5))
        (asked,) = client.state.pending
        messages = [msgspec.structs.replace(message(n + 1), rev=n + 1, **fields) for n, fields in enumerate(became)]
        client.came(frames.Page(id=asked, room="general", messages=messages, more=more, rev=9))
        assert client.offsets == [1, 2, 3, 4, 5]
        assert client.state.streams["general"].at.offset == 5
        assert client.state.pending == {}

    @given(st.lists(BECAME, min_size=3, max_size=3))
    def test_room_is_joined_with_changed_messages(self, became: list[dict[str, Any]]) -> None:
        client = OldClient()
        client.welcomed()
        client.feed(events.RoomRequested("general"))
        (asked,) = client.state.pending
        messages = [msgspec.structs.replace(message(n + 1), rev=n + 1, **fields) for n, fields in enumerate(became)]
        at = Position("e1", 3)
        client.came(frames.Joined(id=asked, room="general", at=at, messages=messages, complete=True, rev=3))
        client.came(message(4))
        assert client.offsets == [4]
        entered = [note for note in client.notes if isinstance(note, notes.RoomEntered)]
        assert [each.at.offset for each in entered[0].messages] == [1, 2, 3]


class TestReplies:
    def test_its_message_is_acknowledged_by_a_newer_ack(self) -> None:
        client = OldClient()
        client.welcomed(room_state(0))
        client.feed(events.MessageQueued(events.OutboxEntry("key", "general", "hello @bob")))
        (asked,) = client.state.pending
        ack = frames.Sent(
            id=asked, room="general", at=Position("e1", 1), message_id=1, timestamp="x", thread=4, mentions=("bob",)
        )
        client.came(ack, message(1, username="alice"))
        assert client.offsets == [1]
        assert not client.state.unsent_count


def feeds(client: OldClient, lines: Iterable[Line]) -> dict[str, int]:
    """Feed one person's lines of a transcript; return the offset of the last message pushed in each room."""
    last: dict[str, int] = {}
    for line in lines:
        fields = frame(line) if line.direction in "<>" else {}
        if line.direction == "~":
            client.feed(events.ConnectionLost("cut", 0.5))
        elif line.direction == ">" and fields["type"] == "connect" and "id" not in fields:
            client.feed(events.HandshakeDone())
        elif line.direction == "<":
            effects = client.take(line.text)
            if fields["type"] == "message":
                last[fields["room"]] = fields["at"]["offset"]
            if fields["type"] == "change":
                assert effects == []
    return last


@pytest.mark.parametrize(
    "path", sorted({*FOLDER.glob("*.txt"), *FROZEN}), ids=lambda path: f"{path.parent.parent.name}-{path.stem}"
)
def test_a_transcript_of_today_leaves_it_at_the_right_position(path: Path) -> None:
    lines = list(read(path))
    for who in dict.fromkeys(line.who for line in lines):
        client = OldClient()
        client.feed(events.Started())
        last = feeds(client, [line for line in lines if line.who == who])
        streams = {room: stream.at.offset for room, stream in client.state.streams.items() if room in last}
        assert streams == {room: offset for room, offset in last.items() if room in client.state.streams}


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
async def test_the_server_still_replies_as_in_the_frozen_transcript(path: Path, tmp_path: Path) -> None:
    """Limits were other ones then: they are settings, not part of the protocol."""
    await play(path, tmp_path, Words(at_least=True), rooms_per_user=200, directs_per_user=200)


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_commands_of_the_frozen_transcript_are_still_commands(path: Path) -> None:
    for line in read(path):
        if line.direction == ">":
            assert codec.decode_command(line.text.encode())
