"""A single command against a scripted server."""

from pathlib import Path

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.faces.single_command_face import ask_once
from client.failures import ServerRefused
from client.net.token_source import TokenSource
from client.store.session_file import SavedSession, SessionFile
from tests.unit.client.twin import Line, twin

OPS = frames.RoomSummary(room="ops", private=False, member=True, members=1, at=Position("e1", 0))


async def refused(command: frames.Command, home: Path, *known: str) -> str:
    """What is said where the server knows no room but #ops; `known` are rooms that it showed before."""

    async def script(line: Line) -> None:
        await line.greet()
        asked = await line.expect(type(command))
        await line.say(frames.ErrorFrame(id=asked.id, code=Code.ROOM_UNKNOWN, detail="No such room."))
        listed = await line.expect(frames.ListRooms)
        await line.say(frames.RoomList(id=listed.id, rooms=[OPS]))
        await line.stay()

    async with twin(script) as server:
        file = SessionFile(home, server)
        file.save(SavedSession(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100))
        with pytest.raises(ServerRefused) as refusal:
            await ask_once(server, TokenSource(file), command, known=known)
    return str(refusal.value)


NONE = "No room #{} (or it is private and you are not in it)."
MAYBE = " Ask a member to invite you again, or create it again: chatterbox create {}"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (frames.Join(id=0, room="zzz"), NONE.format("zzz") + " To create it: chatterbox create zzz"),
        (frames.Join(id=0, room="opps"), NONE.format("opps") + " Did you mean #ops? chatterbox join ops"),
        (frames.Leave(id=0, room="zzz"), NONE.format("zzz")),
        (frames.Leave(id=0, room="opps"), NONE.format("opps") + " Did you mean #ops? chatterbox leave ops"),
    ],
)
async def test_command_about_an_unknown_room_suggests_what_was_meant(
    command: frames.Command, said: str, tmp_path: Path
) -> None:
    assert await refused(command, tmp_path) == said


@pytest.mark.parametrize(
    "command",
    [frames.Invite(id=0, room="opps", username="bob"), frames.Join(id=0, room="opps")],
)
async def test_command_about_a_known_but_unlisted_room_suggests_an_invitation(
    command: frames.Command, tmp_path: Path
) -> None:
    assert await refused(command, tmp_path, "opps") == NONE.format("opps") + MAYBE.format("opps")


@pytest.mark.parametrize(("room", "ending"), [("den", MAYBE.format("den")), ("opps", " Did you mean #ops?")])
async def test_invitation_into_an_unknown_room_suggests_an_invitation(room: str, ending: str, tmp_path: Path) -> None:
    said = await refused(frames.Invite(id=0, room=room, username="bob"), tmp_path)
    assert said.startswith(NONE.format(room) + ending)
