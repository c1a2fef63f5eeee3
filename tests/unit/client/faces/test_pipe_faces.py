"""`send` and `tail` against a scripted server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position, ResumePoint
from client.core import notes
from client.core.client_state import ClientState
from client.core.message_changes import ChangeProgress
from client.core.message_stream import MessageStream
from client.faces.pipe_faces import SendFace, TailFace
from client.failures import ExitCode, NotLoggedIn, ServerRefused, Unreachable
from client.net.chat_connection import ChatConnection
from client.net.token_source import TokenSource
from client.store.outbox import Outbox
from client.store.session_file import SavedSession, SessionFile
from tests.unit.client.twin import Line, twin
from tests.unit.client.world import message, room_state


def tokens(server: str, home: Path) -> TokenSource:
    file = SessionFile(home, server)
    file.save(SavedSession(server, "alice", "secret-token", "s", expires_at=4e9, lifetime_s=100))
    return TokenSource(file)


def ack(send: frames.Send, offset: int) -> frames.Sent:
    at = Position("e1", offset)
    return frames.Sent(id=send.id, room=send.room, at=at, message_id=offset, timestamp="2026-11-23T10:00:00.000Z")


async def lines(*typed: str) -> AsyncIterator[str]:
    for line in typed:
        yield line


class TestSend:
    async def send(
        self, server: str, home: Path, *typed: str, timeout_s: float = 3, is_known: bool = False
    ) -> tuple[ExitCode, list[str]]:
        told: list[str] = []
        with Outbox(home / "outbox.sqlite3") as outbox:

            def connect(show: Callable[[notes.Note], None]) -> ChatConnection:
                state = ClientState(follow=frozenset())
                return ChatConnection(server, tokens(server, home), show, outbox=outbox, state=state)

            face = SendFace(server, "general", told.append, timeout_s, connect, is_known=is_known)
            running = asyncio.create_task(face.connection.run())
            try:
                return await face.send(lines(*typed)), told
            finally:
                face.connection.quit()
                await running

    async def test_send_ends_when_all_messages_are_stored(self, tmp_path: Path) -> None:
        contents = []

        async def script(line: Line) -> None:
            await line.greet()
            for offset in (1, 2):
                send = await line.expect(frames.Send)
                contents.append(send.content)
                await line.say(ack(send, offset))
            await line.stay()

        async with twin(script) as server:
            assert await self.send(server, tmp_path, "one", "", "  ", "two") == (ExitCode.OK, [])
        assert contents == ["one", "two"]

    async def test_send_reports_a_refused_line_and_sends_the_others(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            first = await line.expect(frames.Send)
            await line.say(frames.ErrorFrame(id=first.id, code=Code.NOT_A_MEMBER, detail="Join it first."))
            second = await line.expect(frames.Send)
            asked = await line.expect(frames.ListRooms)
            await line.say(ack(second, 1))
            summary = frames.RoomSummary(room="general", private=False, member=False, members=1, at=Position("e1", 0))
            await line.say(frames.RoomList(id=asked.id, rooms=[summary]))
            await line.stay()

        async with twin(script) as server:
            code, told = await self.send(server, tmp_path, "one", "x" * 4001, "two")
        assert code == ExitCode.REFUSED
        assert any(line.startswith("NOT SENT (line 2)") for line in told)
        assert "NOT SENT to #general: Join it first. Your text: one" in told
        assert told[-1] == "You are not in #general. To join it: chatterbox join general"

    @pytest.mark.parametrize(
        ("is_known", "way"), [(False, "To create it: chatterbox create"), (True, "Ask a member to invite you again")]
    )
    async def test_send_to_an_unknown_room_suggests_creating_it_or_an_invitation(
        self, tmp_path: Path, way: str, *, is_known: bool
    ) -> None:
        async def script(line: Line) -> None:
            await line.greet()
            send = await line.expect(frames.Send)
            await line.say(frames.ErrorFrame(id=send.id, code=Code.ROOM_UNKNOWN, detail="No such room."))
            asked = await line.expect(frames.ListRooms)
            await line.say(frames.RoomList(id=asked.id, rooms=[]))
            await line.stay()

        async with twin(script) as server:
            _, told = await self.send(server, tmp_path, "one", is_known=is_known)
        assert way in told[-1]

    async def test_send_to_an_unreachable_server_keeps_the_messages(self, tmp_path: Path) -> None:
        with pytest.raises(Unreachable, match="The outbox keeps 2 messages"):
            await self.send("http://127.0.0.1:9", tmp_path, "one", "two", timeout_s=0.3)

        async def script(line: Line) -> None:
            await line.greet()
            for offset, content in enumerate(["one", "two", "three"], 1):
                send = await line.expect(frames.Send)
                assert send.content == content
                await line.say(ack(send, offset))
            await line.stay()

        async with twin(script) as server:
            assert (await self.send(server, tmp_path, "three"))[0] == ExitCode.OK


REACTED = msgspec.structs.replace(message(3), rev=1, reactions=(frames.Reaction(emoji="👍", n=1, by=("eve",)),))


class Tailed:
    def __init__(
        self, server: str, home: Path, *, count: int | None, since: Position | None = None, changes: bool = False
    ) -> None:
        self.out: list[str] = []
        self.told: list[str] = []
        rev = since.rev if isinstance(since, ResumePoint) else None
        begin = since and MessageStream(Position(since.epoch, since.offset), changes=ChangeProgress(rev))
        streams = {"general": begin} if begin else {}
        state = ClientState(follow=frozenset({"general"}), recent=2, streams=streams)
        self.saved: list[tuple[int, dict[str, ResumePoint]]] = []
        """Each position that was saved, and how many lines had been written by then."""

        def save(positions: Mapping[str, ResumePoint]) -> None:
            self.saved.append((len(self.out), dict(positions)))

        self.face = TailFace(
            server,
            ["general"],
            lambda show: ChatConnection(server, tokens(server, home), show, state=state),
            out=self.out.append,
            report=self.told.append,
            timeline=None,
            count=count,
            save=save,
            changes=changes,
        )

    async def until_done(self) -> None:
        async with asyncio.timeout(5):
            await self.face.connection.run()
        if self.face.failure:
            raise self.face.failure

    async def run(self) -> list[int]:
        await self.until_done()
        return [json.loads(line)["at"]["offset"] for line in self.out]


class TestTail:
    async def test_tail_starts_with_recent_messages_and_ends_after_the_count(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(room_state(7))
            history = await line.expect(frames.ReadHistory)
            assert history.after == 5
            page = [message(6), message(7)]
            await line.say(frames.Page(id=history.id, room="general", messages=page, more=False))
            await line.say(message(8), message(9), message(10))
            await line.stay()

        async with twin(script) as server:
            assert await Tailed(server, tmp_path, count=4).run() == [6, 7, 8, 9]

    async def test_tail_survives_lost_connections_without_gaps_or_duplicates(self, tmp_path: Path) -> None:
        async def first(line: Line) -> None:
            assert (await line.greet(room_state(3, head=5))).resume == {"general": ResumePoint("e1", 3)}
            await line.say(message(4))
            await line.all_read()
            await line.cut()

        async def second(line: Line) -> None:
            assert (await line.greet(room_state(4, head=6))).resume == {"general": ResumePoint("e1", 4)}
            await line.say(message(4), message(5), message(6))
            await line.stay()

        async with twin(first, second) as server:
            tail = Tailed(server, tmp_path, count=3, since=Position("e1", 3))
            assert await tail.run() == [4, 5, 6]
        assert any("Connection lost" in line for line in tail.told)

    async def test_tail_saves_its_position_at_the_start_and_after_each_line(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(room_state(7))
            history = await line.expect(frames.ReadHistory)
            page = [message(6), message(7)]
            await line.say(frames.Page(id=history.id, room="general", messages=page, more=False))
            await line.stay()

        async with twin(script) as server:
            tail = Tailed(server, tmp_path, count=2)
            await tail.run()
        assert tail.saved == [(written, {"general": ResumePoint("e1", 5 + written)}) for written in (0, 1, 2)]

    async def test_tail_prints_changes_only_if_it_is_asked_to(self, tmp_path: Path) -> None:
        change = frames.Change(room="general", rev=1, after=0, message=REACTED, by="eve", did="react", what="👍")

        async def script(line: Line) -> None:
            await line.greet(room_state(7))
            await line.say(change, message(8))
            await line.stay()

        async with twin(script) as server:
            tail = Tailed(server, tmp_path, count=1, since=Position("e1", 7))
            assert await tail.run() == [8]

        async with twin(script) as server:
            tail = Tailed(server, tmp_path, count=1, since=Position("e1", 7), changes=True)
            await tail.until_done()
        printed, said = map(json.loads, tail.out)
        assert said["type"] == "message"
        assert printed.keys() == {"type", "room", "rev", "message", "by", "did", "what"}
        assert (printed["type"], printed["did"], printed["rev"]) == ("change", "react", 1)
        assert printed["message"]["reactions"] == [{"emoji": "👍", "n": 1, "by": ["eve"]}]

    async def test_tail_with_changes_resumes_from_the_rev_that_it_printed(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            held = {"general": ResumePoint("e1", 7, 3, 1)}
            assert (await line.greet(msgspec.structs.replace(room_state(7), rev=3))).resume == held
            later = msgspec.structs.replace(REACTED, rev=5)
            await line.say(frames.Change(room="general", rev=5, after=3, message=later), message(8))
            await line.stay()

        async with twin(script) as server:
            tail = Tailed(server, tmp_path, count=1, since=ResumePoint("e1", 7, 3), changes=True)
            await tail.until_done()
        assert tail.saved[0] == (0, {"general": ResumePoint("e1", 7, 3)})
        assert tail.saved[1:] == [(1, {"general": ResumePoint("e1", 7, 5)}), (2, {"general": ResumePoint("e1", 8, 5)})]

    async def test_change_is_printed_once_however_often_it_comes(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(room_state(7))
            change = frames.Change(room="general", rev=5, after=4, message=msgspec.structs.replace(REACTED, rev=5))
            await line.say(change)
            asked = await line.expect(frames.ReadChanges)
            assert asked.after == 0
            page = frames.ChangesPage(id=asked.id, room="general", changes=[change], through=5, more=False)
            await line.say(page, change, msgspec.structs.replace(message(8), rev=0))
            await line.stay()

        async with twin(script) as server:
            tail = Tailed(server, tmp_path, count=1, since=ResumePoint("e1", 7, 0), changes=True)
            await tail.until_done()
        assert [json.loads(line)["type"] for line in tail.out] == ["change", "message"]

    def test_change_does_not_save_the_place_of_a_message_that_is_not_printed_yet(self, tmp_path: Path) -> None:
        tail = Tailed("http://127.0.0.1:1", tmp_path, count=None, since=ResumePoint("e1", 7, 0), changes=True)
        tail.face.show(notes.WelcomeReceived("alice", (room_state(7),), 0, again=False))
        ahead = MessageStream(Position("e1", 9), changes=ChangeProgress(1, 1))
        tail.face.connection.state = replace(tail.face.connection.state, streams={"general": ahead})
        tail.face.show(notes.MessageChanged(REACTED, mine=False))
        assert tail.saved[-1] == (1, {"general": ResumePoint("e1", 7, 1)})

    async def test_tail_saves_the_start_of_a_restored_history(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(frames.RoomState(room="general", at=Position("e2", 0), head=0, reset=True))
            await line.say(message(1, epoch="e2"))
            await line.stay()

        async with twin(script) as server:
            tail = Tailed(server, tmp_path, count=1, since=Position("e1", 3))
            await tail.run()
        assert {"general": ResumePoint("e2", 0)} in [saved for written, saved in tail.saved if not written]
        assert tail.saved[-1] == (1, {"general": ResumePoint("e2", 1)})

    async def test_tail_ends_when_the_room_is_left_from_another_client(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(room_state(0))
            await line.say(frames.Membership(room="general", username="alice", member=False))
            await line.stay()

        async with twin(script) as server:
            with pytest.raises(ServerRefused, match="no longer in #general"):
                await Tailed(server, tmp_path, count=None).run()

    async def test_tail_prints_the_message_frame_as_json(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(room_state(0))
            await line.say(message(1))
            await line.stay()

        async with twin(script) as server:
            tail = Tailed(server, tmp_path, count=1)
            await tail.run()
        assert json.loads(tail.out[0]) == {
            "type": "message",
            "room": "general",
            "at": {"epoch": "e1", "offset": 1},
            "message_id": 1,
            "username": "bob",
            "content": "message 1",
            "timestamp": "2026-11-23T10:00:00.000Z",
        }

    async def test_tail_of_an_unreachable_server_fails(self, tmp_path: Path) -> None:
        with pytest.raises(Unreachable, match="connection refused"):
            await Tailed("http://127.0.0.1:9", tmp_path, count=None).run()

    async def test_tail_of_a_room_that_the_user_is_not_in_suggests_join(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(room_state(0, room="other"))
            asked = await line.expect(frames.ListRooms)
            room = frames.RoomSummary(room="general", private=False, member=False, members=1, at=Position("e1", 0))
            await line.say(frames.RoomList(id=asked.id, rooms=[room]))
            await line.stay()

        async with twin(script) as server:
            with pytest.raises(ServerRefused, match="chatterbox join general"):
                await Tailed(server, tmp_path, count=None).run()

    async def test_tail_of_a_room_that_is_gone_suggests_an_invitation(self, tmp_path: Path) -> None:
        async def script(line: Line) -> None:
            await line.greet(room_state(0, room="other"))
            asked = await line.expect(frames.ListRooms)
            await line.say(frames.RoomList(id=asked.id, rooms=[]))
            await line.stay()

        async with twin(script) as server:
            with pytest.raises(
                ServerRefused, match=r"Ask a member to invite you again, or create it again: chatterbox create"
            ):
                await Tailed(server, tmp_path, count=None, since=Position("e1", 3)).run()

    async def test_missing_session_is_reported(self, tmp_path: Path) -> None:
        SessionFile(tmp_path, "http://127.0.0.1:9").delete()
        with pytest.raises(NotLoggedIn):
            TokenSource(SessionFile(tmp_path, "http://127.0.0.1:9")).session()
