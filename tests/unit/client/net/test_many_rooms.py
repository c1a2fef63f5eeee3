"""A client with 1,000 rooms of long names: its `connect` frame, and how it reads what it missed."""

from pathlib import Path

import pytest

from chatterbox.wire import codec, frames
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position, ResumePoint
from client.core import notes
from client.core.client_state import ClientState
from client.core.connect_frame import connect_frame
from client.core.message_changes import ChangeProgress
from client.core.message_stream import MessageStream
from tests.unit.client.twin import Line, Person, twin
from tests.unit.client.world import message, room_state, welcome

ROOMS = [f"{number:040}" for number in range(1000)]
EPOCH = "0123456789abcdef"
LIMIT = Limits().frame_bytes
QUICK = Limits(commands_burst=5000, commands_per_s=5000)
"""A server that lets the client ask for all of its rooms at once, so that the test need not wait."""


def points(rooms: list[str]) -> dict[str, ResumePoint]:
    return {room: ResumePoint(EPOCH, 123_456, 78_901, 23_456) for room in rooms}


def held(number: int) -> MessageStream:
    """Room number 0 was heard from last."""
    heard = f"2026-11-23T10:{59 - number // 20:02}:{59 - number % 20:02}.000Z"
    return MessageStream(Position(EPOCH, 4), changes=ChangeProgress(5, 3), heard=heard)


class TestConnectFrame:
    def test_rooms_that_fit_are_all_named(self) -> None:
        frame = connect_frame("t", points(ROOMS[:100]), None, LIMIT)
        assert frame == frames_of("t", points(ROOMS[:100]))

    @pytest.mark.parametrize("token", ["t", "t" * 2000])
    @pytest.mark.parametrize("limit", [LIMIT, 4096])
    def test_frame_with_1000_rooms_is_within_the_limit_and_nearly_fills_it(self, token: str, limit: int) -> None:
        frame = connect_frame(token, points(ROOMS), None, limit)
        assert limit - 200 < len(frame) <= limit

    def test_rooms_that_come_first_are_named(self) -> None:
        frame = connect_frame("t", points(ROOMS), None, LIMIT)
        named = [room for room in ROOMS if room.encode() in frame]
        assert named == ROOMS[: len(named)]
        assert len(named) > 400

    def test_names_of_many_bytes_count_as_what_they_are(self) -> None:
        wide = [f"{room[:20]}{'語' * 20}" for room in ROOMS]
        assert len(connect_frame("t", points(wide), None, LIMIT)) <= LIMIT

    def test_limit_that_not_even_the_token_fits_leaves_the_rooms_out(self) -> None:
        assert connect_frame("t" * 200, points(ROOMS), None, 100) == frames_of("t" * 200, {})


def frames_of(token: str, resume: dict[str, ResumePoint]) -> bytes:
    return codec.encode(frames.Connect(token=token, resume=resume))


class TestResume:
    async def test_client_that_returns_with_1000_rooms_gets_what_it_missed_in_all_of_them(self, tmp_path: Path) -> None:
        named: list[str] = []

        async def script(line: Line) -> None:
            connect = await line.expect(frames.Connect)
            named.extend(connect.resume)
            rooms = [room_state(4 if room in connect.resume else 5, head=5, room=room, epoch=EPOCH) for room in ROOMS]
            await line.say(welcome(*rooms, limits=QUICK))
            for room in connect.resume:
                await line.say(message(5, room=room, epoch=EPOCH))
            async for command in line.commands():
                assert isinstance(command, frames.ReadHistory)
                missed = [message(5, room=command.room, epoch=EPOCH)]
                assert command.id is not None
                await line.say(frames.Page(id=command.id, room=command.room, messages=missed, more=False))

        streams = {room: held(number) for number, room in reversed(list(enumerate(ROOMS)))}
        state = ClientState(username="alice", streams=streams)
        async with twin(script) as server, Person(server, tmp_path, state=state) as person:
            shown = await person.see(notes.MessageShown, 1000)
        assert sorted(note.message.room for note in shown) == ROOMS
        assert named == ROOMS[: len(named)]
        assert 300 < len(named) < 1000
