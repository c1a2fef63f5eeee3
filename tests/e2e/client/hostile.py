"""A server that puts terminal escapes into everything a client shows: messages, names of users and rooms, errors.

The payloads are those that terminals are known to obey.
"""

from pathlib import Path

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.store.session_file import SavedSession, SessionFile
from tests.e2e.client.people import Person
from tests.unit.client.twin import Line
from tests.unit.client.world import room_state

PAYLOADS = {
    "title": "\x1b]0;STOLEN\x07",
    "title by ST": "\x1b]2;STOLEN\x1b\\",
    "title by tmux": "\x1bkSTOLEN\x1b\\",
    "clipboard": "\x1b]52;c;U1RPTEVO\x07",
    "clipboard in C1": "\x9d52;c;U1RPTEVO\x9c",
    "passthrough": "\x1bPtmux;\x1b\x1b]52;c;U1RPTEVO\x07\x1b\\",
    "link": "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "cursor report": "\x1b[6n",
    "clear": "\x1b[2J\x1b[H",
    "clear in C1": "\x9b2J\x9bH",
    "reset": "\x1bc",
    "DCS": "\x90q\x9c",
    "alternate screen": "\x1b[?1049h",
    "primary screen": "\x1b[?1049l",
    "cursor shown": "\x1b[?25h",
    "carriage return": "good\rSTOLEN",
    "backspaces": "\x08" * 30 + "STOLEN",
    "line up": "\x1b[3A\x1b[2KSTOLEN",
    "vertical tab": "\x0b\x0c\x85STOLEN",
    "fake line": "hi\n12:00 root: STOLEN",
    "fake notice": "hi\n-- You are logged out: STOLEN",
    "bidi": "\u202eNELOTS\u2066",
    "separators": "a\u2028-- STOLEN\u2029-- STOLEN",
    "tags": "\U000e0041\U000e0042",
    "marks": "e" + "\u0301" * 40,
    "shift out": "\x0e\x1b(0lqqk",
}


class Hostile:
    """A server whose every text is a payload; all its frames follow the protocol."""

    def __init__(self) -> None:
        self.offset = 0

    def message(self, content: str, username: str = "mallory") -> frames.Message:
        self.offset += 1
        at = Position("e1", self.offset)
        time = "2026-11-23T10:00:00.000Z"
        return frames.Message(
            room="general", at=at, message_id=self.offset, username=username, content=content, timestamp=time
        )

    def room(self, name: str) -> frames.RoomSummary:
        return frames.RoomSummary(room=name, private=False, member=False, members=1, at=Position("e1", 0))

    async def talk(self, line: Line) -> None:
        await line.greet(room_state(0))
        command = await line.expect(frames.Join)
        await line.say(frames.Joined(id=command.id, room="general", at=Position("e1", 0), messages=[], complete=True))
        await self.speak(line)
        await line.stay()

    async def answer(self, line: Line) -> None:
        """Answer the full screen, which requests more than the room that it shows."""
        await line.greet(room_state(0), *(room_state(0, room=f"r{payload}") for payload in PAYLOADS.values()))
        async for command in line.commands():
            match command:
                case frames.Join(id=number, room=room):
                    at = Position("e1", 0)
                    await line.say(frames.Joined(id=number, room=room, at=at, messages=[], complete=True))
                    if room == "general":
                        await self.speak(line)
                case frames.ListRooms(id=number):
                    listed = [self.room(f"s{payload}") for payload in PAYLOADS.values()]
                    await line.say(frames.RoomList(id=number, rooms=listed))
                case frames.Ping(id=number):
                    await line.say(frames.Pong(id=number))

    async def tail(self, line: Line) -> None:
        await line.greet(room_state(0))
        await self.speak(line)
        await line.stay()

    async def speak(self, line: Line) -> None:
        await line.say(self.message("first", "alice"))
        for payload in PAYLOADS.values():
            await line.say(
                self.message(payload),
                self.message("named", f"m{payload}"),
                frames.Membership(room=f"r{payload}", username=f"u{payload}", member=True, by=f"b{payload}"),
                frames.ErrorFrame(code=Code.INTERNAL, detail=f"sentence {payload}"),
            )
        await line.say(self.message("last", "alice"))


def logged_in(tmp_path: Path, server: str) -> Person:
    person = Person(tmp_path / "alice", server, "alice")
    session = SavedSession(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100)
    SessionFile(person.home / "chatterbox", server).save(session)
    return person
